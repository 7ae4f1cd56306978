"""Servers that speak the OpenAI API: vLLM, SGLang, llama.cpp, or somebody's endpoint.

Requests are taken one by one and each answer is handed over as it comes. How many are in flight,
who gets them and what is tried again is ``pool.py``'s; whose fault a refusal is ``blame.py``'s;
what is sent ``payloads.py``'s; what comes back ``replies.py``'s; and how a score is had
``served_scores.py``'s. Every sampled request carries its own seed, since replicas that were started
alike otherwise answer alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import orjson

from scalediff.core.engine import Completion, EngineInfo, ModelSpec, Request, Score, Usage
from scalediff.core.errors import PrerequisiteError, RecipeError, RecordError
from scalediff.core.secrets import api_key, mask, with_credentials
from scalediff.engines import chat
from scalediff.engines.asking import Asker, NoRoomError
from scalediff.engines.bodies import Bodies, Bounds
from scalediff.engines.caps import Caps
from scalediff.engines.config import EngineConfig, HttpConfig
from scalediff.engines.endpoint import Endpoint, parse
from scalediff.engines.payloads import Body, Payloads
from scalediff.engines.reaching import endpoint_of, is_own, open_session, reach
from scalediff.engines.rendering import LocalRenderer, Renderer, ServerRenderer, load_tokenizer
from scalediff.engines.replies import Reply, completion_of, finish_reason, read_reply, written
from scalediff.engines.served_scores import Scorer
from scalediff.engines.streams import gather
from scalediff.engines.trying import TryError

if TYPE_CHECKING:
    import aiohttp

_REFITS = 4
"""Times that a token cap is fitted to what a server says of its room."""
_UNKNOWN_TEMPLATE = 256
"""Bytes that a chat template is taken to add where it is not known."""
_EXAMPLE = Request(messages=({"role": "user", "content": "{problem}"},))


class OpenAIEngine:
    """``core.engine.Engine`` over one or more URLs that serve the same model.

    Example:
        engine = await OpenAIEngine.open(resolve("http://localhost:8000/v1#m"), EngineConfig())
        completion = await engine.sample(Request(messages=({"role": "user", "content": "1+1?"},)))
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        endpoints: list[Endpoint],
        info: EngineInfo,
        served: str,
        config: HttpConfig,
        renderer: Renderer | None,
    ) -> None:
        self.info = info
        self.usage = Usage()
        self._session = session
        self._bodies = endpoints[0].bodies
        self._config = config
        self._payloads = Payloads(served, config)
        self._asker = Asker(endpoints, info.model, config, self._payloads, self.usage)
        self._renderer = renderer
        self._opens = info.opens_think if renderer is not None else None
        overhead = len(info.example_prompt.encode()) or _UNKNOWN_TEMPLATE
        self._caps = Caps(
            info.window, overhead, renderer, self._asker.judge, config, self.usage.note
        )
        self._scorer = Scorer(self._post_json, served, renderer, config)
        self._to_check = renderer if isinstance(renderer, LocalRenderer) else None

    @classmethod
    async def open(
        cls, spec: ModelSpec, config: EngineConfig, *, own: bool = False
    ) -> OpenAIEngine:
        """Reach the servers and learn what they are.

        Args:
            spec: Of kind ``url``.
            config: Its ``http`` part says how they are spoken to.
            own: Replicas of one's own, however their addresses look.

        Raises:
            PrerequisiteError: Nobody answers, the key is not taken, or the model is not served.
        """
        http = config.http
        urls = [with_credentials(url) for url in spec.location.split()]
        outside = not own and not all(is_own(url) for url in urls)
        key = api_key(http.api_key_env)
        session = open_session(outside=outside)
        try:
            bodies = Bodies()
            endpoints = [
                endpoint_of(session, url, http, own=own, key=key, bodies=bodies) for url in urls
            ]
            windows = [await reach(endpoint, spec.served) for endpoint in endpoints]
            if all(window is None for window in windows):
                raise PrerequisiteError(
                    f"no server answers at {mask(', '.join(e.base for e in endpoints))}; start it, "
                    "or correct the URL"
                )
            alive = next(e for e, w in zip(endpoints, windows, strict=True) if w is not None)
            renderer: Renderer | None
            if http.tokenizer is not None:
                renderer = LocalRenderer(await asyncio.to_thread(load_tokenizer, http.tokenizer))
            else:
                renderer = await ServerRenderer.find(alive, spec.served)
            example = await renderer.text(_EXAMPLE) if renderer is not None else ""
            info = EngineInfo(
                model=spec.name,
                fingerprint=spec.fingerprint or spec.served,
                window=min((w for w in windows if w), default=0),
                opens_think=chat.opens_think(example),
                example_prompt=example,
                width=sum(e.limit.most for e in endpoints),
            )
            return cls(session, endpoints, info, spec.served, http, renderer)
        except BaseException:
            await session.close()
            raise

    async def sample(self, request: Request) -> Completion:
        """One response; see ``core.engine.Engine``."""
        counted: int | None = None
        for _ in range(_REFITS):
            fitted = await self._caps.fitted(request, counted)
            try:
                return await self._sample(fitted)
            except NoRoomError as error:
                counted = await self._caps.make_room(error, fitted)
        raise RecordError("over_length", "the server refuses every token cap beside this prompt")

    async def _sample(self, request: Request) -> Completion:
        stream = request.stop_when is not None
        prompt: str | list[int] | None = None
        if request.raw is not None:
            prompt = request.raw + request.prefix
        elif request.prefix and self._renderer is not None:
            prompt = await self._renderer.prompt(request)
        if prompt is None:
            path, body = "/chat/completions", self._payloads.chat(request, stream=stream)
        else:
            path, body = "/completions", self._payloads.completion(request, prompt, stream=stream)
        cap = request.sampling.max_new_tokens
        num_sent = sum(len(m["content"]) for m in request.messages or ()) + len(request.raw or "")
        bounds = self._bounds(cap, num_sent + len(request.prefix), logprobs=request.logprobs)
        doubted = False

        async def read(response: aiohttp.ClientResponse) -> tuple[Reply, Any]:
            nonlocal doubted
            reply = await self._read(response, request, bounds)
            if reply.reason == "stopped" and stream:
                return reply, "stopped"
            reason = finish_reason(reply, cap, dict(request.reasons), self.info.model)
            if reason == "stop" and reply.content is None and not doubted:
                # a model may end within its thought, but it may as well be lost: ask once more
                doubted = True
                text = "the message has a thought and no content"
                raise TryError("broken", text, num_tokens=reply.num_tokens or 0)
            return reply, reason

        reply, reason = await self._asker.ask(
            path, body, read, cap, lambda answer: answer[0].num_tokens or 0
        )
        opens = self._opens if prompt is None or request.raw is None else _opens(request)
        completion = completion_of(request, reply, reason, opens)
        self.usage.answered(completion, cap)
        self.usage.estimated += reply.is_estimated
        if self._to_check is not None and prompt is None and reply.num_prompt_tokens:
            await self._check_prompt(self._to_check, request, completion)
        return completion

    async def score(self, request: Request, continuation: str) -> Score:
        """Log-probability of a continuation, by the best way that the server has."""
        score = await self._scorer.score(request, continuation)
        self.usage.requests += 1
        self.usage.prompt_tokens += score.num_prompt_tokens
        return score

    async def close(self) -> None:
        """Close every connection; calls under way get an EngineError."""
        await self._asker.pool.close()
        await self._session.close()

    async def _read(
        self, response: aiohttp.ClientResponse, request: Request, bounds: Bounds
    ) -> Reply:
        content_type = response.headers.get("Content-Type", "")
        if not content_type.startswith("text/event-stream"):
            data = await self._bodies.whole(response, bounds)
            return read_reply(parse(data, content_type), bounds)
        look = request.stop_when

        def ends(reply: Reply) -> bool:
            return look is not None and look(written(request, reply, self._opens or False) or "")

        def given_up(num_tokens: int) -> None:
            self.usage.wasted_tokens += num_tokens

        lines = self._bodies.lines(response, bounds)
        return await gather(lines, bounds, ends, response.close, given_up)

    def _bounds(self, cap: int, num_sent: int, *, logprobs: bool) -> Bounds:
        return Bounds.of(cap, num_sent, self._config.least_deadline_s, logprobs=logprobs)

    async def _post_json(
        self, path: str, body: Body, make: Callable[[dict[str, Any]], Score]
    ) -> Score:
        """What is made of the JSON of an answer, through the queue; for scores.

        Raises:
            RecordError: It is too long for the window.
            ScalediffError: As ``Asker.ask``.
        """
        bounds = self._bounds(1, len(orjson.dumps(body)), logprobs=True)

        async def read(response: aiohttp.ClientResponse) -> Score:
            data = await self._bodies.whole(response, bounds)
            value = parse(data, response.headers.get("Content-Type", ""))
            read_reply(value)
            return make(value)

        try:
            return await self._asker.ask(path, body, read, 1, lambda _: 0)
        except NoRoomError as error:
            raise RecordError("over_length", str(error)) from None

    async def _check_prompt(
        self, renderer: LocalRenderer, request: Request, completion: Completion
    ) -> None:
        """Compare the server's count of prompt tokens with the tokenizer's, once."""
        counted = completion.num_prompt_tokens
        self._to_check = None
        expected = await renderer.count(request)
        if counted != expected:
            raise RecipeError(
                f"{self.info.model} counts {counted} tokens of a prompt where the tokenizer "
                f"{self._config.tokenizer} makes {expected}: their chat templates or tokenizers "
                "differ; name the tokenizer of the served model in engine.http.tokenizer"
            )


def _opens(request: Request) -> bool:
    return request.raw is not None and chat.opens_think(request.raw)
