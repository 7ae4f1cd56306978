"""The contract between stages and whatever answers prompts.

A stage builds a ``Request`` and awaits a ``Completion`` or a ``Score``; it never learns which
engine answered. An engine alone limits, batches and retries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, Protocol

Message = dict[str, str]
"""A chat message: ``{"role": ..., "content": ...}``."""


@dataclass(frozen=True)
class Sampling:
    """How tokens are drawn.

    Attributes:
        temperature: 0 is greedy; otherwise logits are divided by it.
        top_p: Nucleus mass in (0, 1]; 1 keeps everything.
        top_k: The k most probable tokens only; 0 keeps everything.
        min_p: Tokens under ``min_p`` times the best probability are left out; 0 keeps everything.
        max_new_tokens: Token cap of the response. It is a value in the attempt store, never part
            of an attempt's key: an attempt that ended by itself serves any larger cap.
        stop: Strings that end the response (not part of it).
    """

    temperature: float = 0.6
    top_p: float = 0.95
    top_k: int = 20
    min_p: float = 0.0
    max_new_tokens: int = 32768
    stop: tuple[str, ...] = ()

    def identity(self) -> dict[str, Any]:
        """What of the sampling makes two attempts different (everything but the cap)."""
        values = asdict(self)
        del values["max_new_tokens"]
        return values


@dataclass(frozen=True)
class Request:
    """One prompt. Exactly one of ``messages`` and ``raw`` is given.

    Attributes:
        messages: A chat; the engine renders it with the model's own template. Nothing is added:
            no system turn.
        raw: Text sent as it is (special tokens in it are read as such, no BOS is added).
        thinking: True or False asks the template for that mode; None leaves its default.
        prefix: Text of the response that is given and not sampled (at-once attempts, continuation).
            The completion's text begins with it.
        sampling: How tokens are drawn.
        seed: 53-bit seed of this one sample.
        stop_when: Called with the text so far every few tokens; True ends the response with
            finish reason ``stopped``.
        logprobs: Ask for the log-probability of each sampled token; changes no token.
        tags: Tags of thoughts that the response may have besides those of ``text/marks.py``; they
            change how it is read and not what is asked, and so do ``reasons``.
        reasons: Finish reasons that a server may give besides those, and what they mean.
    """

    messages: tuple[Message, ...] | None = None
    raw: str | None = None
    thinking: bool | None = None
    prefix: str = ""
    sampling: Sampling = field(default_factory=Sampling)
    seed: int = 0
    stop_when: Callable[[str], bool] | None = field(default=None, compare=False)
    logprobs: bool = False
    tags: tuple[tuple[str, ...], ...] = field(default=(), compare=False)
    reasons: tuple[tuple[str, str], ...] = field(default=(), compare=False)

    def identity(self) -> dict[str, Any]:
        """The request as sent, without seed and cap: what the attempt store hashes."""
        return {
            "messages": list(self.messages) if self.messages is not None else None,
            "raw": self.raw,
            "thinking": self.thinking,
            "prefix": self.prefix,
            "sampling": self.sampling.identity(),
        }


FinishReason = Literal["stop", "length", "stopped"]
"""``stop`` ended by itself, ``length`` was cut by the cap, ``stopped`` by ``stop_when``."""


@dataclass(frozen=True)
class Completion:
    """What came back, reasoning and content apart.

    Attributes:
        reasoning: The thought, without its tags; None where the model did not think.
        content: The answer part; empty when the thought was cut off.
        finish_reason: Why it ended.
        num_tokens: Sampled tokens, thought included.
        num_prompt_tokens: Tokens of the prompt.
        token_ids: The sampled ids where the engine has them.
        text: The response as the model wrote it, tags and given prefix included, from which a
            response that was cut off can go on (as the next request's ``prefix``); None where the
            engine cannot tell.
        logprobs: Natural log-probability of each sampled token under the distribution that it was
            drawn from before temperature and cuts; None where it was not asked for.
    """

    reasoning: str | None
    content: str
    finish_reason: FinishReason
    num_tokens: int
    num_prompt_tokens: int = 0
    token_ids: tuple[int, ...] | None = None
    text: str | None = None
    logprobs: tuple[float, ...] | None = None


ScoreMethod = Literal["exact", "prompt_logprobs", "echo", "top_k"]
"""How a score was come by: ``exact`` the embedded engine's own forward pass; ``prompt_logprobs``
and ``echo`` a server's log-probabilities of the prompt; ``top_k`` only the first token's best k."""


@dataclass(frozen=True)
class Score:
    """Log-probability (natural) of a continuation and whether greedy decoding gives it.

    Attributes:
        logprob: The log-probability; with ``top_k``, the middle of what is possible.
        is_greedy: Whether greedy decoding gives the continuation.
        num_prompt_tokens: Tokens of the prompt.
        method: How it was come by.
        low: The least that the log-probability can be; None where it is known exactly.
        high: The most that it can be; None where it is known exactly.
    """

    logprob: float
    is_greedy: bool
    num_prompt_tokens: int = 0
    method: ScoreMethod = "exact"
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Condition:
    """What holds work up now.

    Attributes:
        kind: ``waiting`` (it asks for patience, or fails), ``down`` (it cannot be reached) or
            ``slow`` (others are much faster).
        who: The server, by its name for people.
        why: What it says.
        until: Seconds since the epoch when it is asked again, where that is known.
    """

    kind: Literal["waiting", "down", "slow"]
    who: str
    why: str
    until: float | None = None


@dataclass
class Usage:
    """What an engine has done since it opened and is doing now; changed by the engine as it works.

    Attributes:
        requests: Requests answered.
        prompt_tokens: Tokens of their prompts.
        tokens: Tokens sampled for them.
        wasted_tokens: Tokens that came back in answers which had to be thrown away.
        tries: Tries sent, the first of each request included.
        retries: Tries after the first.
        abandoned: Tries under way that were given up; whoever asked no longer wanted the answer.
        stopped: Responses ended by ``stop_when``.
        saved_tokens: Tokens up to their caps that these were not asked for.
        in_flight: Requests that the model or the server works on now.
        waiting: Requests that wait for their turn.
        limit: Requests in flight at most now; 0 where there is no limit.
        causes: What made tries necessary after the first: cause → tries.
        conditions: Gives what holds work up now.
        estimated: Answers whose counts of tokens cannot be, or were not given, and were estimated.
        notes: Sentences for people, each said once.
    """

    requests: int = 0
    prompt_tokens: int = 0
    tokens: int = 0
    wasted_tokens: int = 0
    tries: int = 0
    retries: int = 0
    abandoned: int = 0
    stopped: int = 0
    saved_tokens: int = 0
    in_flight: int = 0
    waiting: int = 0
    limit: int = 0
    causes: Counter[str] = field(default_factory=Counter)
    conditions: Callable[[], list[Condition]] = list
    estimated: int = 0
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Add a sentence for people, unless it was said."""
        if text not in self.notes:
            self.notes.append(text)

    def answered(self, completion: Completion, cap: int) -> None:
        """Count a response that was asked for with this token cap."""
        self.requests += 1
        self.tokens += completion.num_tokens
        self.prompt_tokens += completion.num_prompt_tokens
        if completion.finish_reason == "stopped":
            self.stopped += 1
            self.saved_tokens += max(0, cap - completion.num_tokens)


@dataclass(frozen=True)
class EngineInfo:
    """What an engine says of itself.

    Attributes:
        model: The model as named in the recipe.
        fingerprint: Hash of the weights; for a URL the served name and revision.
        precision: ``float32``, ``bfloat16`` or ``unknown``.
        window: Tokens of prompt and response together; 0 is unknown.
        opens_think: True where the template's generation prompt ends in an open ``<think>``.
        example_prompt: A rendered chat prompt of the user text ``{problem}``, for the manifest.
        width: Requests that it can work on at once; whoever asks keeps somewhat more than these
            under way. 0 is unknown.
    """

    model: str
    fingerprint: str
    precision: str = "unknown"
    window: int = 0
    opens_think: bool = False
    example_prompt: str = ""
    width: int = 0


class Engine(Protocol):
    """Answers prompts. Everything above is blind to which engine it is.

    Cancelling an awaited call aborts the request. Each completion is handed over as it finishes;
    nothing waits for a batch.

    Example:
        completion = await engine.sample(Request(messages=({"role": "user", "content": "1+1?"},)))
        score = await engine.score(request, "</think>")
    """

    @property
    def info(self) -> EngineInfo:
        """Fingerprint, precision, window and what the template does."""
        ...

    @property
    def usage(self) -> Usage:
        """Counts of what it has done and is doing, live: the same object at each call."""
        ...

    async def sample(self, request: Request) -> Completion:
        """One response.

        Raises:
            RecordError: The request alone is at fault (longer than the window).
            EngineError: The engine is at fault; the row stays owed.
            RequestError: The engine serves others and fails on this request; the row stays owed
                until its tries are used up.
        """
        ...

    async def score(self, request: Request, continuation: str) -> Score:
        """Log-probability of ``continuation`` right after the prompt: one prefill, no decoding."""
        ...

    async def close(self) -> None:
        """Give back memory, threads and connections."""
        ...


@dataclass(frozen=True)
class ModelSpec:
    """A model name of a recipe, resolved (``model_names.py``) but not opened.

    Attributes:
        name: As written: a folder, a Hugging Face id, ``nano:NAME``, ``smol``, ``fake:SCRIPT``
            or ``URL#NAME``.
        kind: ``folder`` (also a hub snapshot), ``gguf``, ``url`` or ``fake``.
        location: Path of the folder or file, the URLs (separated by blanks), or the fake's script.
        fingerprint: Hash of the weights; for a URL the served name and revision; empty where it is
            not known before the model is fetched.
        served: For URLs the name under which the servers know the model.
    """

    name: str
    kind: Literal["folder", "gguf", "hub", "url", "fake"]
    location: str
    fingerprint: str = ""
    served: str = ""
