"""The embedded engine: any decoder model of ``transformers`` with full attention, CPU or one GPU.

One thread owns the model. Prompts are read packed, with logits only where they are needed and the
template's head once; samples share a fixed number of slots that finished responses leave and new
ones enter. Each result is handed over as it finishes. Models built like Llama run in a forward pass
of our own (``lean.py``), all others in that of ``transformers`` (``plain.py``).

Exactness. A sample depends on its own request and seed alone: each token's random number is a hash
of the seed and the token's index, and only shapes that were found to change no bit of a row are
used (``exact.py``). ``bench/engine_exact.py`` measures it, ``docs/results/engine.md`` has the
figures, ``tests/unit/engines`` repeats it with fewer. Another number of slots or threads, another
precision or processor may round otherwise and, rarely, flip a token.

Going on. A response's first token has the index of the tokens of the request's ``prefix``, so a cut
response that goes on from its ``text`` with the same seed draws the numbers that it would have
drawn. The same response comes of it where its text is read back as the tokens it was made of
(hidden special tokens and half characters are not) and no rounding flips a token: the prefix is
read in one pass where it was sampled token by token.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from scalediff.core.engine import Completion, EngineInfo, ModelSpec, Request, Score, Usage
from scalediff.core.errors import RecipeError, RecordError
from scalediff.engines import EngineConfig, chat
from scalediff.engines.decoder import SlotDecoder
from scalediff.engines.loading import load_model
from scalediff.engines.responses import Endings, Response
from scalediff.engines.worker import Job, Scoring, Worker

Deliver = Callable[[Any], None]


class TransformersEngine:
    """``core.engine.Engine`` over a model in this process.

    Args:
        model: A causal language model of ``transformers``, in evaluation mode on its device.
        tokenizer: The model's.
        info: What the engine says of itself; a window of 0 is unlimited.
        config: Slots and threads.

    Attributes:
        head: Tokens that every chat prompt begins with; they are read once.
        is_lean: Whether the forward pass is our own; known when the model is open.

    Example:
        engine = TransformersEngine.load(resolve("nano:teacher"), EngineConfig())
        completion = await engine.sample(Request(messages=({"role": "user", "content": "1+1?"},)))
    """

    def __init__(self, model: Any, tokenizer: Any, info: EngineInfo, config: EngineConfig) -> None:
        self.info = info
        self.usage = Usage(limit=config.slots)
        self._asked = self._worked_on = 0
        self.is_lean = False
        self._tokenizer = tokenizer
        self._endings = Endings(model, tokenizer)
        # longer texts are refused unread: no tokenizer makes so few tokens of them
        longest = max(map(len, tokenizer.get_vocab()), default=1)
        self._most_characters = 4 * longest * info.window

        self.head = _common_head(tokenizer, self._endings)

        def open_decoder() -> SlotDecoder:
            import torch

            if config.threads:
                torch.set_num_threads(config.threads)
            decoder = SlotDecoder(model, config.slots, self.head)
            self.is_lean = decoder.is_lean
            return decoder

        self._worker = Worker(open_decoder, info.model, self._note)

    @classmethod
    def load(cls, spec: ModelSpec, config: EngineConfig) -> TransformersEngine:
        """Load a model folder, hub id or GGUF file, and try it out (seconds to minutes).

        Raises:
            PrerequisiteError: A library, the hub or the device is not at hand.
            RecipeError: The model cannot be loaded or is of no kind that this engine serves.
            EngineError: The model does not run.
        """
        model, tokenizer, precision = load_model(spec, config)
        example = ""
        if getattr(tokenizer, "chat_template", None) is not None:
            with contextlib.suppress(RecordError):  # it refuses: so will it each request, aloud
                example = chat.render(tokenizer, Request(messages=(_user("{problem}"),)))
        window = getattr(model.config.get_text_config(), "max_position_embeddings", None)
        info = EngineInfo(
            model=spec.name,
            fingerprint=spec.fingerprint or spec.name,
            precision=precision,
            window=int(window or 0),
            opens_think=chat.opens_think(example),
            example_prompt=example,
            width=config.slots,
        )
        engine = cls(model, tokenizer, info, config)
        engine._worker.wait()
        return engine

    async def sample(self, request: Request) -> Completion:
        """One response; see ``core.engine.Engine``."""
        prompt, ids = self._encode(request)
        num_prefix = len(ids) - len(self._endings.encode(prompt)) if request.prefix else 0
        cap = request.sampling.max_new_tokens
        if self.info.window:
            cap = min(cap, self.info.window - len(ids))
        if cap < 1:
            raise self._over_length(len(ids))

        def response(deliver: Deliver) -> Response:
            return Response(request, prompt, ids, cap, deliver, self._endings, num_prefix)

        completion: Completion = await self._ask(response)
        self.usage.tokens += completion.num_tokens
        self.usage.stopped += completion.finish_reason == "stopped"
        self._count(completion.num_prompt_tokens)
        return completion

    async def score(self, request: Request, continuation: str) -> Score:
        """Log-probability of a continuation; see ``core.engine.Engine``."""
        _, ids = self._encode(request)
        more = self._endings.encode(continuation)
        if self.info.window and len(ids) + len(more) > self.info.window:
            raise self._over_length(len(ids) + len(more))
        ids += more
        score: Score = await self._ask(lambda deliver: Scoring(ids, len(more), deliver))
        self._count(score.num_prompt_tokens)
        return score

    def _count(self, num_prompt_tokens: int) -> None:
        self.usage.requests += 1
        self.usage.prompt_tokens += num_prompt_tokens

    async def close(self) -> None:
        """End the thread and give the memory back; calls under way get an EngineError."""
        await asyncio.to_thread(self._worker.close)

    def _encode(self, request: Request) -> tuple[str, list[int]]:
        """The rendered prompt and its token ids.

        Raises:
            RecordError: It is empty, no valid text, or too long for the window by far.
        """
        prompt = chat.render(self._tokenizer, request)
        try:
            prompt.encode()
        except UnicodeEncodeError as error:
            evidence = f"the prompt is no valid text: {error.reason} at {error.start}"
            raise RecordError("attempt_failed", evidence) from None
        if self.info.window and len(prompt) > self._most_characters:
            evidence = f"{len(prompt)} characters of prompt, window {self.info.window} tokens"
            raise RecordError("over_length", evidence)
        ids = self._endings.encode(prompt + request.prefix)
        if not ids:
            raise RecordError("attempt_failed", "the prompt is empty")
        return prompt, ids

    def _over_length(self, num_tokens: int) -> RecordError:
        evidence = f"{num_tokens} tokens of prompt, window {self.info.window}"
        return RecordError("over_length", evidence)

    async def _ask(self, job_for: Callable[[Deliver], Job]) -> Any:
        """Give the thread a job and await what it delivers; cancelling gives the job up."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()

        def settle(outcome: Any) -> None:
            if future.done():
                return
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        def deliver(outcome: Any) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, outcome)

        job = job_for(deliver)
        self._worker.put(job)
        self.usage.tries += 1
        self._asked += 1
        self._note(self._worked_on)
        try:
            return await future
        except asyncio.CancelledError:
            self.usage.abandoned += 1
            self.usage.wasted_tokens += len(getattr(job, "tokens", ()))
            raise
        finally:
            job.abandoned = True
            self._asked -= 1
            self._note(self._worked_on)

    def _note(self, worked_on: int) -> None:
        """Keep the counts of what is under way; called from the thread and from the loop."""
        self._worked_on = worked_on
        self.usage.in_flight = min(worked_on, self._asked)
        self.usage.waiting = self._asked - self.usage.in_flight


def _common_head(tokenizer: Any, endings: Endings) -> list[int]:
    """Tokens that every chat prompt begins with, such as a system turn; read once."""
    if getattr(tokenizer, "chat_template", None) is None:
        return []
    found = []
    for text in ("{problem}", "What is 1 + 1?"):
        try:
            found.append(endings.encode(chat.render(tokenizer, Request(messages=(_user(text),)))))
        except (RecipeError, RecordError):  # it refuses: so will it each request, aloud
            return []
    pairs = enumerate(zip(*found, strict=False))
    return found[0][: next((place for place, (a, b) in pairs if a != b), 0)]


def _user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}
