r"""A scripted, seeded engine: the whole line without a model, for tests and rehearsals.

``fake:NAME?option=value&...`` poses sums ("What is $12 + 5$ …"), solves them by reading the prompt,
and errs by seed. Options: ``accuracy`` (share of right answers, 0.8), ``truncated``, ``looping``
(shares of such attempts, 0), ``failing`` (share of calls that fail by the engine's fault and
succeed when tried again, 0), ``latency_s`` (0).
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import random
import re
from collections import Counter
from urllib.parse import parse_qsl

from scalediff.core.engine import Completion, EngineInfo, ModelSpec, Request, Score
from scalediff.core.errors import EngineError, RecipeError
from scalediff.core.keys import digest

_OPTIONS = {"accuracy": 0.8, "truncated": 0.0, "looping": 0.0, "failing": 0.0, "latency_s": 0.0}
_SUM = re.compile(r"(-?\d+)\s*([+\-*]|\\cdot)\s*(-?\d+)")
_THINGS = ("apples", "pages", "stamps", "marbles", "tickets", "shells")


class FakeEngine:
    """``core.engine.Engine`` by script; the same request and seed give the same completion."""

    def __init__(self, spec: ModelSpec) -> None:
        script, _, query = spec.location.partition("?")
        self._options = dict(_OPTIONS)
        for name, value in parse_qsl(query):
            if name not in _OPTIONS:
                raise RecipeError(
                    f"{spec.name}: unknown option {name!r}; there are {', '.join(_OPTIONS)}"
                )
            self._options[name] = float(value)
        self._tries: Counter[str] = Counter()
        self.info = EngineInfo(
            model=spec.name,
            fingerprint=digest("fake", script, self._options),
            precision="float32",
            window=1 << 20,
            opens_think=True,
            example_prompt="<|im_start|>user\n{problem}<|im_end|>\n<|im_start|>assistant\n<think>\n",
        )

    async def sample(self, request: Request) -> Completion:
        """A new sum for a raw prompt, an attempt at the sum in the last message otherwise."""
        await self._answerable(digest(request.identity(), request.seed))
        rng = random.Random(f"{self.info.fingerprint} {request.seed} {request.identity()}")
        cap = request.sampling.max_new_tokens
        if request.raw is not None:
            return _capped(None, _pose(rng), cap)
        problem = (request.messages or ({"content": ""},))[-1]["content"]
        answer = _solve(problem)
        if rng.random() >= self._options["accuracy"]:
            answer += rng.choice((-2, -1, 1, 2))
        thought = f"I read {problem[:60]!r}.\nThat gives {answer}."
        if rng.random() < self._options["looping"]:
            thought = "Let me check that again. " * 200
        if rng.random() < self._options["truncated"]:
            return Completion(thought, "", "length", cap)
        return _capped(thought, rf"The answer is $\boxed{{{answer}}}$.", cap)

    async def score(self, request: Request, continuation: str) -> Score:
        """A probability hashed from the prompt: half of all prompts are simple."""
        await self._answerable(digest(request.identity(), continuation))
        text = str(request.messages or request.raw)
        number = int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big") / 2**48
        p = min(max(number, 1e-6), 1 - 1e-6)
        return Score(math.log(p), p >= 0.5, len(text) // 4)

    async def _answerable(self, call: str) -> None:
        """Wait the latency; fail the first try of a share of the calls."""
        await asyncio.sleep(self._options["latency_s"])
        self._tries[call] += 1
        unlucky = int(call[:8], 16) / 16**8 < self._options["failing"]
        if unlucky and self._tries[call] == 1:
            raise EngineError(f"{self.info.model} failed as its script says")

    async def close(self) -> None:
        """Nothing to give back."""


def _pose(rng: random.Random) -> str:
    a, b, c = rng.randint(2, 99), rng.randint(2, 99), rng.choice(_THINGS)
    sign = rng.choice("+-*")
    return f"A box is said to hold ${a} {sign} {b}$ {c} in all. How many {c} are in the box?"


def _solve(problem: str) -> int:
    found = _SUM.search(problem)
    if found is None:
        return len(problem) % 100
    a, sign, b = int(found[1]), found[2], int(found[3])
    return a + b if sign == "+" else a - b if sign == "-" else a * b


def _capped(reasoning: str | None, content: str, cap: int) -> Completion:
    """A completion of about a token for four characters, cut where the cap says so."""
    tokens = (len(reasoning or "") + len(content)) // 4 + 1
    if tokens <= cap:
        return Completion(reasoning, content, "stop", tokens)
    if reasoning is None:
        return Completion(None, content[: cap * 4], "length", cap)
    return Completion(reasoning[: cap * 4], "", "length", cap)
