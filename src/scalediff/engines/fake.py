r"""A scripted, seeded engine: the whole line without a model.

``fake:NAME?PARAMETER=VALUE&…`` names a behaviour and changes its parameters, as in
``fake:teacher?accuracy=0.8&looping=0.1``. What it says is a function of the request and its seed
alone, so two runs agree, whatever the order of arrival and the faults.

* A raw prompt is continued with a new problem, such as ``What is $4 \cdot 7 + 2$?``.
* A chat is answered with a thought and a boxed answer. Arithmetic is worked out; any other problem
  has an answer of its own, a hash of its text, so that attempts can agree on it.
* A score is a hash of the text.
"""

from __future__ import annotations

import ast
import asyncio
import difflib
import operator
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from scalediff.core.engine import (
    Completion,
    EngineInfo,
    FinishReason,
    ModelSpec,
    Request,
    Score,
    Usage,
)
from scalediff.core.errors import EngineError, RecipeError, RecordError
from scalediff.core.keys import digest
from scalediff.engines.chat import split


@dataclass(frozen=True)
class Behaviour:
    """What a fake model does.

    Attributes:
        accuracy: Share of answers that are right.
        thinks: 1 where responses hold a thought.
        opens_think: 1 where the template's prompt ends in an open ``<think>``.
        simple: Share of texts for which the continuation of ``score`` is greedy.
        truncated: Share of responses that never end by themselves.
        looping: Share of responses that say the same again and again until the cap.
        unanswered: Share of responses without a boxed answer.
        malformed: Share of new problems that break off.
        num_problems: New problems repeat where fewer than the samples.
        latency_s: Seconds each call takes. Changes no result.
        fail_share: Share of calls that fail as a server would. Each try of a request has its own
            lot, so trying again helps. Changes no result.
        window: Tokens (here: words) of prompt and response.
    """

    accuracy: float = 0.9
    thinks: int = 1
    opens_think: int = 0
    simple: float = 0.5
    truncated: float = 0.0
    looping: float = 0.0
    unanswered: float = 0.0
    malformed: float = 0.0
    num_problems: int = 1_000_000_000
    latency_s: float = 0.0
    fail_share: float = 0.0
    window: int = 32768


BEHAVIOURS: dict[str, Behaviour] = {
    "teacher": Behaviour(accuracy=0.95),
    "student": Behaviour(accuracy=0.5),
    "generator": Behaviour(thinks=0, malformed=0.02),
    "identifier": Behaviour(opens_think=1),
}
"""The scripts and what they do unless told otherwise."""

_OPERATION = ("latency_s", "fail_share")
_INTEGERS = ("thinks", "opens_think", "num_problems", "window")
_LOOK_EVERY = 16
_WORD = re.compile(r"\s*\S+\s*")
_ARITHMETIC = re.compile(r"\d+(?:\s*(?:[-+*×]|\\cdot|\\times)\s*\d+)+")
_OPERATORS: dict[type[ast.operator], Callable[[int, int], int]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
}
_LONGEST_ARITHMETIC = 200


def read_script(script: str) -> Behaviour:
    """The behaviour that a script (``teacher?accuracy=0.8``) asks for.

    Raises:
        RecipeError: There is no such script or parameter, or a value is out of range.
    """
    name, _, query = script.partition("?")
    if name not in BEHAVIOURS:
        raise RecipeError(f"fake:{script}: no script {name!r}; {_nearest(name, [*BEHAVIOURS])}")
    values: dict[str, Any] = {}
    known = list(asdict(BEHAVIOURS[name]))
    for parameter, text in parse_qsl(query, keep_blank_values=True):
        if parameter not in known:
            raise RecipeError(
                f"fake:{script}: no parameter {parameter!r}; {_nearest(parameter, known)}"
            )
        values[parameter] = _number(script, parameter, text)
    return replace(BEHAVIOURS[name], **values)


def fingerprint_of(script: str) -> str:
    """Hash of what a script makes the model say; latency and faults change nothing of it."""
    said = {k: v for k, v in asdict(read_script(script)).items() if k not in _OPERATION}
    return digest("fake", said)


def script_of(name: str, **parameters: float) -> str:
    """The model name of a script: ``script_of("teacher", accuracy=1)``."""
    return f"fake:{name}" + (f"?{urlencode(parameters)}" if parameters else "")


def _nearest(given: str, known: list[str]) -> str:
    near = difflib.get_close_matches(given, known, n=1)
    return f"did you mean {near[0]}?" if near else f"there are {', '.join(known)}"


def _number(script: str, parameter: str, text: str) -> float:
    integer = parameter in _INTEGERS
    try:
        value = int(text) if integer else float(text)
    except ValueError:
        kind = "a whole number" if integer else "a number"
        raise RecipeError(f"fake:{script}: {parameter} is {text!r}; give {kind}") from None
    top = None if parameter in ("latency_s", "num_problems", "window") else 1
    low = 1 if parameter in ("num_problems", "window") else 0
    if not low <= value < float("inf") or (top is not None and value > top):
        bounds = f"at least {low}" if top is None else f"from {low} to {top}"
        raise RecipeError(f"fake:{script}: {parameter} is {text}; it has to be {bounds}")
    return value


class FakeEngine:
    """``core.engine.Engine`` without a model; see the module."""

    def __init__(self, spec: ModelSpec) -> None:
        self._does = read_script(spec.location)
        self._tries: Counter[str] = Counter()
        self.usage = Usage()
        self.info = EngineInfo(
            model=spec.name,
            fingerprint=spec.fingerprint or fingerprint_of(spec.location),
            precision="unknown",
            window=self._does.window,
            opens_think=bool(self._does.opens_think),
            example_prompt=self._prompt(
                Request(messages=({"role": "user", "content": "{problem}"},))
            ),
        )

    async def sample(self, request: Request) -> Completion:
        """One response; see ``core.engine.Engine``."""
        await self._serve(digest(request.identity(), request.seed))
        # what it says hangs on the prompt alone, so that a cut response goes on as it was meant
        whole = replace(request, prefix="")
        key = digest(whole.identity(), request.seed)
        prompt = self._prompt(request)
        num_prompt_tokens = len(_WORD.findall(prompt))
        cap = min(request.sampling.max_new_tokens, self._does.window - num_prompt_tokens)
        if cap < 1:
            evidence = f"{num_prompt_tokens} tokens of prompt, window {self._does.window}"
            raise RecordError("over_length", evidence)
        text = self._text(whole, cap + len(request.prefix), random.Random(key))
        if request.prefix:
            goes_on = text.startswith(request.prefix)
            text = (
                text.removeprefix(request.prefix)
                if goes_on
                else self._text(
                    request, cap, random.Random(digest(request.identity(), request.seed))
                )
            )
        for stop in request.sampling.stop:
            text = text.partition(stop)[0]
        shown, reason, num_tokens = _cut(text, cap, request)
        response = request.prefix + shown
        if request.raw is not None:
            parts: tuple[str | None, str] = (None, response)
        else:
            parts = split(prompt, response, reason)
        completion = Completion(*parts, reason, num_tokens, num_prompt_tokens, text=response)
        self.usage.answered(completion, cap)
        return completion

    async def score(self, request: Request, continuation: str) -> Score:
        """A number that hangs on the text alone; see ``core.engine.Engine``."""
        prompt = self._prompt(request) + request.prefix
        key = digest("score", prompt, continuation)
        await self._serve(key)
        num_prompt_tokens = len(_WORD.findall(prompt))
        if num_prompt_tokens >= self._does.window:
            evidence = f"{num_prompt_tokens} tokens of prompt, window {self._does.window}"
            raise RecordError("over_length", evidence)
        import math

        rng = random.Random(key)
        is_greedy = rng.random() < self._does.simple
        # greedy is what has the greatest probability; of two ways that is over one half
        p = rng.uniform(0.5, 1.0) if is_greedy else rng.uniform(0.001, 0.5)
        self.usage.requests += 1
        self.usage.prompt_tokens += num_prompt_tokens
        return Score(math.log(p), is_greedy, num_prompt_tokens)

    async def close(self) -> None:
        """Nothing to give back."""

    async def _serve(self, key: str) -> None:
        """Take the time a server takes, and fail as often."""
        self.usage.in_flight += 1
        self.usage.tries += 1
        try:
            await asyncio.sleep(self._does.latency_s)
        except asyncio.CancelledError:
            self.usage.abandoned += 1
            raise
        finally:
            self.usage.in_flight -= 1
        if self._does.fail_share:
            self._tries[key] += 1
            lot = random.Random(digest("fault", key, self._tries[key])).random()
            if lot < self._does.fail_share:
                raise EngineError(f"{self.info.model} failed, as its fail_share asks")

    def _prompt(self, request: Request) -> str:
        if request.raw is not None:
            return request.raw
        turns = "".join(f"<|{m['role']}|>{m['content']}\n" for m in request.messages or ())
        return turns + "<|assistant|>" + ("<think>\n" if self._does.opens_think else "")

    def _text(self, request: Request, cap: int, rng: random.Random) -> str:
        if request.raw is not None:
            return self._new_problem(rng)
        return self._response(request, cap, rng)

    def _new_problem(self, rng: random.Random) -> str:
        rng = random.Random(rng.randrange(self._does.num_problems))
        numbers = [rng.randint(2, 99) for _ in range(rng.randint(2, 6))]
        signs = rng.choices((r"\cdot", "+", "-"), k=len(numbers) - 1)
        terms = [str(numbers[0])] + [f"{s} {n}" for s, n in zip(signs, numbers[1:], strict=True)]
        ask = rng.choice(("What is ${}$?", "Work out ${}$.", "Find the value of ${}$."))
        text = ask.format(" ".join(terms))
        return text[: len(text) // 2] if rng.random() < self._does.malformed else text

    def _response(self, request: Request, cap: int, rng: random.Random) -> str:
        problem = (request.messages or ({"content": ""},))[-1]["content"]
        does = self._does
        lots = [rng.random() for _ in range(4)]
        answer = _answer(problem)
        said = answer if lots[0] < does.accuracy else answer + rng.choice((-10, -2, -1, 1, 2, 7))
        steps = " ".join(f"Step {i + 1} gives {rng.randint(0, 99)}." for i in range(3))
        thought = f"The problem asks: {problem[:80]}\n{steps}\nSo it is {said}."
        # longer than any cap, and drawn last: a larger cap only adds to it
        if lots[2] < does.looping:
            thought = "I look at it once more. " * cap
        elif lots[1] < does.truncated:
            thought += " ".join(f" Or {number}?" for number in _numbers(said, cap))
        closing = f"The answer is $\\boxed{{{said}}}$."
        content = "I do not know." if lots[3] < does.unanswered else closing
        thinks = does.thinks and request.thinking is not False
        if not thinks or "</think>" in request.prefix:
            return content
        opened = does.opens_think or "<think>" in request.prefix
        return f"{'' if opened else '<think>'}\n{thought}\n</think>\n\n{content}"


def _numbers(start: int, num: int) -> Iterator[int]:
    """Numbers that do not repeat for long, without a generator's cost."""
    value = start % 1_000_003
    for _ in range(num):
        value = (value * 48_271 + 11) % 1_000_003
        yield value


def _cut(text: str, cap: int, request: Request) -> tuple[str, FinishReason, int]:
    """What of a text comes out, why it ends, and its tokens; a token is a word."""
    words = _WORD.findall(text)
    if request.stop_when is not None:
        for n in range(_LOOK_EVERY, min(len(words), cap), _LOOK_EVERY):
            shown = "".join(words[:n])
            if request.stop_when(request.prefix + shown):
                return shown, "stopped", n
    if len(words) >= cap:
        return "".join(words[:cap]), "length", cap
    return text, "stop", len(words) + 1


def _answer(problem: str) -> int:
    """The value of the last arithmetic in a text; else a number of the text's own."""
    found = _ARITHMETIC.findall(problem)
    if found and len(found[-1]) <= _LONGEST_ARITHMETIC:
        written = found[-1].replace("\\cdot", "*").replace("\\times", "*").replace("×", "*")
        try:
            return _value(ast.parse(written, mode="eval").body)
        except SyntaxError:  # such as 007
            pass
    return int(digest("answer", problem)[:6], 16) % 97


def _value(node: ast.expr) -> int:
    if isinstance(node, ast.BinOp):
        return _OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    assert isinstance(node, ast.Constant)
    return int(str(node.value))
