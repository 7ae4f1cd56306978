"""The embedded engine: any decoder model of ``transformers``, on a CPU or one GPU.

One thread owns the model. Requests come from the event loop through a queue; scores are prefilled
in length buckets, samples share a fixed number of slots that finished responses leave and new ones
enter. Each result is handed over as it finishes.

Exactness: every prefill has a fixed number of rows and a bucketed length, decoding always runs all
slots, and each token's random number is a hash of the request's seed, so a sample does not depend
on what else is in the batch but for the last bits of a logit: ``tests/unit/engines`` measures how
often a token differs between orders of arrival and batch mates (docs/results has the figure).
"""

from __future__ import annotations

import asyncio
import inspect
import queue
import threading
from collections import OrderedDict
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch

from scalediff.core.engine import Completion, EngineInfo, FinishReason, ModelSpec, Request, Score
from scalediff.core.errors import EngineError, RecordError
from scalediff.engines import EngineConfig, chat
from scalediff.engines.loading import load_model
from scalediff.engines.sampling import draw, uniforms
from scalediff.engines.slots import SlotCache, rounded

PREFILL_ROWS = 8
"""Rows of every prefill; short of work, the last row is repeated."""

_STOP_EVERY = 16
"""Tokens between two looks at ``stop_when``."""

_TAIL = 48
"""Tokens at the end of a response that a stop string is searched in."""

_REMEMBERED = 4
"""Prefills that are kept: a generator's prompt is the same for every sample."""

KeysValues = list[tuple[torch.Tensor, torch.Tensor]]


@dataclass
class _Sample:
    """A response on its way."""

    request: Request
    prompt: str
    ids: list[int]
    cap: int
    future: Future[Completion]
    tokens: list[int] = field(default_factory=list)

    @property
    def position(self) -> int:
        """Where its newest token stands."""
        return len(self.ids) + len(self.tokens) - 1


@dataclass
class _Scoring:
    """A continuation to score."""

    ids: list[int]
    num_continuation: int
    future: Future[Score]


class TransformersEngine:
    """``core.engine.Engine`` over a model in this process."""

    def __init__(self, model: Any, tokenizer: Any, info: EngineInfo, config: EngineConfig) -> None:
        self.info = info
        self._model = model
        self._tokenizer = tokenizer
        self._slots = config.slots
        self._device = next(model.parameters()).device
        self._stop_ids = _stop_ids(model, tokenizer)
        backbone = model.get_decoder() if hasattr(model, "get_decoder") else model.model
        self._backbone = backbone
        names = inspect.signature(backbone.forward).parameters
        self._cache_name = "cache" if "cache" in names else "past_key_values"
        self._inbox: queue.SimpleQueue[_Sample | _Scoring | None] = queue.SimpleQueue()
        self._waiting: list[_Sample] = []
        self._active: list[_Sample | None] = [None] * config.slots
        self._cache = SlotCache(config.slots, self._device)
        self._prefills: OrderedDict[tuple[int, ...], tuple[KeysValues, torch.Tensor]] = (
            OrderedDict()
        )
        self._closed = False
        self._thread = threading.Thread(target=self._work, name="transformers", daemon=True)
        self._thread.start()

    @classmethod
    def load(cls, spec: ModelSpec, config: EngineConfig) -> TransformersEngine:
        """Load a model folder, hub id or GGUF file.

        Raises:
            PrerequisiteError: A library is missing.
            RecipeError: The folder holds no usable model.
        """
        model, tokenizer, precision = load_model(spec, config)
        example = ""
        if getattr(tokenizer, "chat_template", None) is not None:
            message = {"role": "user", "content": "{problem}"}
            example = chat.render(tokenizer, Request(messages=(message,)))
        window = int(getattr(model.config, "max_position_embeddings", 0) or 0)
        info = EngineInfo(
            model=spec.name,
            fingerprint=spec.fingerprint or spec.name,
            precision=precision,
            window=window,
            opens_think=chat.opens_think(example),
            example_prompt=example,
        )
        return cls(model, tokenizer, info, config)

    # -- from the event loop ------------------------------------------------------------------

    async def sample(self, request: Request) -> Completion:
        """One response; see ``core.engine.Engine``."""
        prompt, ids = chat.encode(self._tokenizer, request)
        room = self.info.window - len(ids) if self.info.window else request.sampling.max_new_tokens
        if room < 1 or not ids:
            evidence = f"{len(ids)} tokens of prompt, window {self.info.window}"
            raise RecordError("over_length", evidence)
        cap = min(request.sampling.max_new_tokens, room)
        done: Completion = await self._ask(_Sample(request, prompt, ids, cap, Future()))
        return done

    async def score(self, request: Request, continuation: str) -> Score:
        """Log-probability of a continuation; see ``core.engine.Engine``."""
        _, ids = chat.encode(self._tokenizer, request)
        more = self._tokenizer(continuation, add_special_tokens=False)["input_ids"]
        if self.info.window and len(ids) + len(more) > self.info.window:
            evidence = f"{len(ids)} tokens of prompt, window {self.info.window}"
            raise RecordError("over_length", evidence)
        score: Score = await self._ask(_Scoring([*ids, *more], len(more), Future()))
        return score

    async def _ask(self, job: Any) -> Any:
        if self._closed:
            raise EngineError(f"the engine of {self.info.model} has stopped")
        self._inbox.put(job)
        # cancelling the awaiting task cancels the future, which the thread sees and drops
        return await asyncio.wrap_future(job.future)

    async def close(self) -> None:
        """End the thread and give the memory back."""
        self._closed = True
        self._inbox.put(None)
        await asyncio.to_thread(self._thread.join)
        self._model = self._backbone = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    # -- in the thread ------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            with torch.inference_mode():
                while self._take():
                    self._enter()
                    if any(self._active):
                        self._decode()
        except Exception as error:
            self._closed = True
            self._fail(EngineError(f"{self.info.model} failed: {error}"))

    def _take(self) -> bool:
        """Read the inbox, waiting only when idle; False at the end."""
        scorings: list[_Scoring] = []
        idle = not any(self._active) and not self._waiting
        while True:
            try:
                job = self._inbox.get(block=idle)
            except queue.Empty:
                break
            idle = False
            if job is None:
                self._fail(EngineError(f"the engine of {self.info.model} was closed"))
                return False
            if isinstance(job, _Scoring):
                scorings.append(job)
            else:
                self._waiting.append(job)
        buckets: dict[int, list[_Scoring]] = {}
        for scoring in scorings:
            buckets.setdefault(rounded(len(scoring.ids)), []).append(scoring)
        for length, jobs in sorted(buckets.items()):
            for start in range(0, len(jobs), PREFILL_ROWS):
                self._score(jobs[start : start + PREFILL_ROWS], length)
        return True

    def _fail(self, error: EngineError) -> None:
        jobs: list[Any] = [*self._waiting, *(s for s in self._active if s is not None)]
        while not self._inbox.empty():
            jobs.append(self._inbox.get())
        for job in jobs:
            if job is not None and not job.future.done():
                job.future.set_exception(error)

    def _forward(self, rows: list[list[int]], length: int) -> tuple[torch.Tensor, KeysValues]:
        """Hidden states ``[PREFILL_ROWS, length, size]`` and the keys and values of every layer.

        Rows are padded on the right, which a causal model does not see.
        """
        from transformers import DynamicCache

        padded = [ids + [0] * (length - len(ids)) for ids in rows]
        padded += padded[-1:] * (PREFILL_ROWS - len(padded))
        cache = DynamicCache(config=self._model.config)
        out = self._backbone(
            input_ids=torch.tensor(padded, device=self._device),
            use_cache=True,
            **{self._cache_name: cache},
        )
        return out.last_hidden_state, [(layer.keys, layer.values) for layer in cache.layers]

    def _score(self, jobs: list[_Scoring], length: int) -> None:
        jobs = [job for job in jobs if job.future.set_running_or_notify_cancel()]
        if not jobs:
            return
        hidden, _ = self._forward([job.ids for job in jobs], length)
        for row, job in enumerate(jobs):
            n, m = len(job.ids), job.num_continuation
            logits = self._model.lm_head(hidden[row, n - m - 1 : n - 1]).float()
            wanted = torch.tensor(job.ids[n - m :], device=self._device)
            logprobs = logits.log_softmax(-1).gather(-1, wanted[:, None])
            greedy = bool((logits.argmax(-1) == wanted).all())
            job.future.set_result(Score(float(logprobs.double().sum()), greedy, n - m))

    def _enter(self) -> None:
        """Prefill waiting requests into the free slots."""
        free = [slot for slot, sample in enumerate(self._active) if sample is None]
        entering: list[_Sample] = []
        while self._waiting and len(entering) < len(free):
            sample = self._waiting.pop(0)
            if sample.future.set_running_or_notify_cancel():
                entering.append(sample)
        buckets: dict[int, list[_Sample]] = {}
        for sample in entering:
            buckets.setdefault(rounded(len(sample.ids)), []).append(sample)
        for length, samples in buckets.items():
            known = [s for s in samples if tuple(s.ids) in self._prefills]
            fresh: dict[tuple[int, ...], list[_Sample]] = {}
            for sample in samples:
                if sample not in known:
                    fresh.setdefault(tuple(sample.ids), []).append(sample)
            for sample in known:
                keys_values, logits = self._prefills[tuple(sample.ids)]
                self._place(free.pop(), sample, keys_values, 0, logits)
            prompts = list(fresh)
            for start in range(0, len(prompts), PREFILL_ROWS):
                self._prefill(prompts[start : start + PREFILL_ROWS], fresh, length, free)

    def _prefill(
        self,
        prompts: list[tuple[int, ...]],
        samples: dict[tuple[int, ...], list[_Sample]],
        length: int,
        free: list[int],
    ) -> None:
        hidden, keys_values = self._forward([list(ids) for ids in prompts], length)
        for row, ids in enumerate(prompts):
            logits = self._model.lm_head(hidden[row : row + 1, len(ids) - 1])
            for sample in samples[ids]:
                self._place(free.pop(), sample, keys_values, row, logits)
            if len(samples[ids]) > 1:
                own = [(k[row : row + 1].clone(), v[row : row + 1].clone()) for k, v in keys_values]
                self._prefills[ids] = (own, logits)
                while len(self._prefills) > _REMEMBERED:
                    self._prefills.popitem(last=False)

    def _place(
        self, slot: int, sample: _Sample, keys_values: KeysValues, row: int, logits: torch.Tensor
    ) -> None:
        """Put a prefilled request into a slot and draw its first token."""
        self._cache.reserve(len(sample.ids) + sample.cap, keys_values)
        self._cache.put(slot, keys_values, row, len(sample.ids))
        number = uniforms([sample.request.seed], [0])
        token = int(draw(logits, sample.request.sampling, number)[0])
        self._active[slot] = sample
        self._append(slot, sample, token)

    def _decode(self) -> None:
        """One token for every active slot."""
        tokens, positions = [0] * self._slots, [0] * self._slots
        for slot, sample in enumerate(self._active):
            if sample is not None:
                tokens[slot], positions[slot] = sample.tokens[-1], sample.position
        at = torch.tensor(positions, device=self._device)
        mask = self._cache.step(at, rounded(max(positions) + 1))
        out = self._backbone(
            input_ids=torch.tensor(tokens, device=self._device)[:, None],
            position_ids=at[:, None],
            attention_mask=mask,
            use_cache=True,
            **{self._cache_name: self._cache},
        )
        logits = self._model.lm_head(out.last_hidden_state[:, -1])
        groups: dict[Any, list[int]] = {}
        for slot, sample in enumerate(self._active):
            if sample is not None:
                identity = tuple(sample.request.sampling.identity().values())
                groups.setdefault(identity, []).append(slot)
        for slots in groups.values():
            members = [s for slot in slots if (s := self._active[slot]) is not None]
            numbers = uniforms([s.request.seed for s in members], [len(s.tokens) for s in members])
            rows = logits if len(slots) == self._slots else logits[slots]
            drawn = draw(rows, members[0].request.sampling, numbers).tolist()
            for slot, sample, token in zip(slots, members, drawn, strict=True):
                self._append(slot, sample, token)

    def _append(self, slot: int, sample: _Sample, token: int) -> None:
        """Give a sample its next token; free the slot when that ends it."""
        sample.tokens.append(token)
        reason = self._ending(sample, token)
        if reason is not None:
            self._active[slot] = None
            if not sample.future.cancelled():
                sample.future.set_result(self._completion(sample, reason))
        elif sample.future.cancelled():
            self._active[slot] = None

    def _ending(self, sample: _Sample, token: int) -> FinishReason | None:
        if token in self._stop_ids:
            return "stop"
        stops = sample.request.sampling.stop
        if stops:
            tail = self._tokenizer.decode(sample.tokens[-_TAIL:], skip_special_tokens=False)
            if any(text in tail for text in stops):
                return "stop"
        look = sample.request.stop_when
        if look is not None and len(sample.tokens) % _STOP_EVERY == 0:
            text = self._tokenizer.decode(sample.tokens, skip_special_tokens=True)
            if look(sample.request.prefix + text):
                return "stopped"
        return "length" if len(sample.tokens) >= sample.cap else None

    def _completion(self, sample: _Sample, reason: FinishReason) -> Completion:
        tokens = sample.tokens
        shown = tokens[:-1] if reason == "stop" and tokens[-1] in self._stop_ids else tokens
        stops = sample.request.sampling.stop
        text = self._tokenizer.decode(shown, skip_special_tokens=not stops)
        for stop in stops:
            text = text.partition(stop)[0]
        text = sample.request.prefix + text
        if sample.request.raw is not None:
            reasoning, content = None, text
        else:
            reasoning, content = chat.split(sample.prompt, text, reason)
        return Completion(reasoning, content, reason, len(tokens), len(sample.ids), tuple(tokens))


def _stop_ids(model: Any, tokenizer: Any) -> set[int]:
    """Every token that ends a response: the tokenizer's and the generation config's."""
    found = {tokenizer.eos_token_id}
    configured = getattr(getattr(model, "generation_config", None), "eos_token_id", None)
    found.update(configured if isinstance(configured, list) else [configured])
    return {int(token) for token in found if token is not None}
