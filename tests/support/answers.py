"""What the faulty server answers: a call in, an answer in the server's dialect out."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import dialects
import faults
import logprobs
import orjson
from counting import SERVED, Counts
from dialects import BadCall, Call, Vocabulary
from sending import Reply, stream_events

from scalediff.core.engine import Completion, ModelSpec, Request
from scalediff.core.errors import RecordError
from scalediff.engines.fake import FakeEngine, fingerprint_of


@dataclass(frozen=True)
class Settings:
    """How a server behaves; see ``fault_server.py --help``."""

    model: str = "fake:teacher"
    name: str = "teacher"
    reasoning: str = "field"
    score: str = "prompt_logprobs"
    tokenize: bool = True
    strict_window: bool = False
    refuse: Sequence[str] = ()
    api_key: str = ""
    capacity: int = 0
    tokens_per_s: float = 0.0
    lots: faults.Lots = field(default_factory=faults.Lots)
    retry_after_s: float = 1.0
    drip_s: float = 10.0
    fail_until: float = 0.0
    down_at: int = 0
    down_for: float = 0.0
    mode: str = ""
    mode_at: int = 1
    elsewhere: str = ""


@dataclass
class Try:
    """One try of a request: who, and what became of it so far."""

    key: str
    number: int
    counts: Counts
    outcome: str = ""
    seed: int | None = None
    tokens: int = 0
    _ended: bool = False

    def last(self, tokens: int) -> None:
        """Its last bytes go out now. It is counted before, not after: who reads them may act."""
        self.tokens = tokens
        if self.outcome in ("", "slow-drip"):
            self.outcome = SERVED
        self.end()

    def end(self) -> None:
        """Count it, once; where the last bytes never went out, the client went away."""
        if not self._ended:
            self._ended = True
            self.counts.end(self.key, self.seed, self.outcome or "abandoned", self.tokens)


class Answers:
    """Answers calls over the fake engine, which is asked as any stage would ask it."""

    def __init__(self, settings: Settings) -> None:
        script = settings.model.removeprefix("fake:")
        self.settings = settings
        self.engine = FakeEngine(ModelSpec(settings.model, "fake", script, fingerprint_of(script)))
        self.words = Vocabulary()

    async def reply(self, path: str, raw: bytes, one: Try, fault: str | None) -> Reply:
        """The answer to a call, with such faults as lie in what it says.

        Raises:
            BadCall: The call is refused.
        """
        try:
            body = orjson.loads(raw)
        except ValueError:
            raise BadCall("the body is not JSON") from None
        if not isinstance(body, dict):
            raise BadCall("the body is no object")
        if body.get("model") != self.settings.name:
            raise BadCall(f"The model `{body.get('model')}` does not exist.", 404)
        for name in self.settings.refuse:
            if name in body:
                raise BadCall(f"Unrecognized request argument supplied: {name}")
        info = self.engine.info
        call = dialects.read_call(body, path.endswith("/chat/completions"), info, self.words)
        one.seed = body.get("seed")
        logprobs.check(call, self.settings.score)
        completion = await self._sample(call)
        usage = dialects.usage_of(completion)
        pieces = self._pieces(call, completion)
        extra = await self._logprobs(call, completion)
        if call.stream:
            events = stream_events(
                call, self.settings.name, pieces, completion, usage, extra, fault
            )
            return Reply(200, events, "text/event-stream", tokens=completion.num_tokens)
        whole = self._whole(call, pieces, completion, usage, extra, fault, one.number)
        return Reply(200, [orjson.dumps(whole)], tokens=completion.num_tokens)

    def rendered(self, body: dict[str, Any]) -> str:
        """The messages of ``/tokenize`` as the model's template writes them."""
        call = dialects.read_call(body, True, self.engine.info, self.words)
        text = self.prompt(call.request)
        if body.get("add_generation_prompt", True) or call.request.prefix:
            return text
        return text.rpartition("<|assistant|>")[0]

    async def _sample(self, call: Call) -> Completion:
        window = self.engine.info.window
        cap = call.max_tokens or 0
        try:
            completion = await self.engine.sample(call.request)
        except RecordError as refused:
            raise BadCall(
                f"This model's maximum context length is {window} tokens: {refused.evidence}",
                code="context_length_exceeded",
            ) from None
        if self.settings.strict_window and completion.num_prompt_tokens + cap > window:
            raise BadCall(
                f"This model's maximum context length is {window} tokens. However, you requested "
                f"{completion.num_prompt_tokens + cap} tokens ({completion.num_prompt_tokens} in "
                f"the messages, {cap} in the completion).",
                code="context_length_exceeded",
            )
        return completion

    def _pieces(self, call: Call, completion: Completion) -> list[tuple[str, str]]:
        if call.chat:
            style = self.settings.reasoning
            return dialects.message_pieces(style, self.engine.info, call.request, completion)
        echoed = call.body.get("echo") and self.settings.score in ("echo", "null")
        new = "" if echoed and call.max_tokens == 0 else completion.text or ""
        return [("text", (call.request.raw or "") + new if echoed else new)]

    async def _logprobs(self, call: Call, completion: Completion) -> dict[str, Any]:
        """The fields with log-probabilities that this server's dialect adds to the answer."""
        style, k = self.settings.score, call.body.get("logprobs") or 0
        prompt = self.prompt(call.request)
        new = (completion.text or "")[len(call.request.prefix) :]
        if style == "prompt_logprobs" and logprobs.asks(call, "prompt_logprobs"):
            found = await logprobs.of_prompt(self.engine, prompt)
            most = int(call.body["prompt_logprobs"])
            return {"prompt_logprobs": logprobs.vllm(found, most, self.words)}
        if not logprobs.asks(call, "logprobs"):
            return {}
        if call.chat and style in ("prompt_logprobs", "top_k"):
            best = int(call.body.get("top_logprobs") or 0)
            tokens = dialects.tokens_of(new)
            return {"logprobs": await logprobs.of_chat(self.engine, prompt, tokens, best)}
        if call.chat or style in ("null", "top_k"):
            return {"logprobs": None}
        found = []
        if style == "echo" and call.body.get("echo"):
            found = await logprobs.of_prompt(self.engine, prompt)
        if not found or call.max_tokens != 0:
            found = [*found, *logprobs.of_new(dialects.tokens_of(new))]
        return {"logprobs": logprobs.legacy(found, int(k))}

    def prompt(self, request: Request) -> str:
        """A request's prompt as the model's template writes it, and its prefix."""
        # the fake's template is its own affair, and this its only reader
        return self.engine._prompt(request) + request.prefix

    def _whole(
        self,
        call: Call,
        pieces: list[tuple[str, str]],
        completion: Completion,
        usage: dict[str, int],
        extra: dict[str, Any],
        fault: str | None,
        num_try: int,
    ) -> dict[str, Any]:
        """The answer as one object."""
        if fault == "error-body":
            return dialects.error("the fault error-body", 502)
        choice: dict[str, Any] = {"index": 0, "finish_reason": completion.finish_reason}
        answer: dict[str, Any] = {
            "id": f"fake-{time.time_ns()}",
            "object": "chat.completion" if call.chat else "text_completion",
            "created": int(time.time()),
            "model": self.settings.name,
            "choices": [] if fault == "empty-choice" else [choice],
            "usage": usage,
        }
        if call.chat:
            message = {"role": "assistant", "content": None, **dict(pieces)}
            if fault == "no-content":
                message = {"role": "assistant"} if num_try % 2 else {**message, "content": None}
            choice["message"] = message
        elif fault != "no-content":
            choice.update(pieces)
        # vLLM puts a chat's beside the choices, a completion's into them
        (answer if call.chat and "prompt_logprobs" in extra else choice).update(extra)
        return answer
