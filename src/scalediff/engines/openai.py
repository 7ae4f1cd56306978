"""Servers that speak the OpenAI API: vLLM, SGLang, llama.cpp, or somebody's endpoint.

Requests are taken one by one and each answer is handed over as it comes. How many are in flight,
who gets them and what is tried again is ``pool.py``'s; what is sent ``payloads.py``'s; what comes
back ``replies.py``'s; and how a score is had ``served_scores.py``'s. Every sampled request carries
its own seed, since replicas that were started alike otherwise answer alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson

from scalediff.core.engine import Completion, EngineInfo, ModelSpec, Request, Score, Usage
from scalediff.core.errors import EngineError, PrerequisiteError, RecipeError, RecordError
from scalediff.core.secrets import api_key, mask
from scalediff.engines import chat
from scalediff.engines.config import EngineConfig, HttpConfig
from scalediff.engines.endpoint import Endpoint, TryError, is_too_long, parse
from scalediff.engines.payloads import BEYOND_OPENAI, Body, Payloads
from scalediff.engines.pool import Pool
from scalediff.engines.reaching import endpoint_of, is_own, open_session, reach
from scalediff.engines.rendering import LocalRenderer, Renderer, ServerRenderer, load_tokenizer
from scalediff.engines.replies import Reply, completion_of, finish_reason, read_reply, written
from scalediff.engines.served_scores import Scorer
from scalediff.engines.streams import gather

if TYPE_CHECKING:
    import aiohttp

_GOOD_PART = 0.9
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
        self._config = config
        self._served = served
        self._pool = Pool(endpoints, config.tries, config.patience_s, self.usage, self._serves)
        self._payloads = Payloads(served, config)
        self._renderer = renderer
        self._opens = info.opens_think if renderer is not None else None
        self._overhead = len(info.example_prompt.encode()) or _UNKNOWN_TEMPLATE
        self._scorer = Scorer(self._post_json, served, renderer, config)
        self._to_check = renderer if isinstance(renderer, LocalRenderer) else None
        self._any_answer = False

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
        outside = not own and not all(is_own(url) for url in spec.location.split())
        key = api_key(http.api_key_env)
        session = open_session(outside=outside)
        try:
            urls = spec.location.split()
            endpoints = [endpoint_of(session, url, http, own=own, key=key) for url in urls]
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
        stream = request.stop_when is not None
        request = await self._fitted(request)
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
        doubted = False

        async def read(response: aiohttp.ClientResponse) -> tuple[Reply, Any]:
            nonlocal doubted
            reply = await self._read(response, request)
            if reply.reason == "stopped":
                return reply, "stopped"
            reason = finish_reason(reply, cap)
            if reason == "stop" and reply.content is None and not doubted:
                # a model may end within its thought, but it may as well be lost: ask once more
                doubted = True
                text = "the message has a thought and no content"
                raise TryError("broken", text, num_tokens=reply.num_tokens or 0)
            return reply, reason

        reply, reason = await self._run(path, body, read, cap)
        opens = self._opens if prompt is None or request.raw is None else _opens(request)
        completion = completion_of(request, reply, reason, opens)
        self.usage.answered(completion, cap)
        if self._to_check is not None and prompt is None:
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
        await self._pool.close()
        await self._session.close()

    async def _fitted(self, request: Request) -> Request:
        """The request with a token cap that the window has room for: servers refuse a larger one.

        A token has at least one byte, so that the bytes of a prompt bound its tokens; they are
        counted only where that bound would cost a good part of the cap.
        """
        cap, window = request.sampling.max_new_tokens, self.info.window
        texts = [m["content"] for m in request.messages or ()]
        num = sum(len(t.encode("utf-8", "replace")) for t in (*texts, request.raw or ""))
        num += len(request.prefix.encode("utf-8", "replace")) + self._overhead
        if not window or num + cap <= window:
            return request
        if window - num < _GOOD_PART * min(cap, window) and self._renderer is not None:
            num = await self._renderer.count(request)
        if num >= window:
            evidence = f"{num} tokens of prompt at most, window {window}"
            raise RecordError("over_length", evidence)
        sampling = replace(request.sampling, max_new_tokens=min(cap, window - num))
        return replace(request, sampling=sampling)

    async def _read(self, response: aiohttp.ClientResponse, request: Request) -> Reply:
        content_type = response.headers.get("Content-Type", "")
        if not content_type.startswith("text/event-stream"):
            return read_reply(parse(await response.read(), content_type))
        look = request.stop_when

        def ends(reply: Reply) -> bool:
            return look is not None and look(written(request, reply, self._opens or False) or "")

        def given_up(num_tokens: int) -> None:
            self.usage.wasted_tokens += num_tokens

        return await gather(response, ends, given_up)

    async def _run(
        self,
        path: str,
        body: Body,
        read: Callable[[aiohttp.ClientResponse], Awaitable[tuple[Reply, Any]]],
        cap: int,
    ) -> tuple[Reply, Any]:
        """Have a body answered by one of the servers."""
        data = orjson.dumps(body)
        clock = asyncio.get_running_loop().time

        async def send(member: Endpoint) -> tuple[Reply, Any]:
            sent = clock()
            answer = await member.post(path, data, read)
            num_tokens = answer[0].num_tokens or 0
            self._pool.note_answer(member, clock() - sent, num_tokens)
            return answer

        try:
            answer = await self._pool.run(send, cap)
        except TryError as error:
            raise await self._refused(error, path, body) from None
        self._any_answer = True
        return answer

    async def _post_json(self, path: str, body: Body) -> dict[str, Any]:
        """The JSON of an answer, through the queue; for scores.

        Raises:
            TryError: The server refuses it.
        """
        data = orjson.dumps(body)

        async def read(response: aiohttp.ClientResponse) -> dict[str, Any]:
            value = parse(await response.read(), response.headers.get("Content-Type", ""))
            read_reply(value)
            return value

        clock = asyncio.get_running_loop().time

        async def send(member: Endpoint) -> dict[str, Any]:
            sent = clock()
            answer = await member.post(path, data, read)
            self._pool.note_answer(member, clock() - sent, 0)
            return answer

        return await self._pool.run(send, 1)

    async def _refused(self, error: TryError, path: str, body: Body) -> Exception:
        """Whose fault a refusal is: the row's, or of all that is sent (then the run stops)."""
        text = str(error)
        if error.status == 401:
            return PrerequisiteError(
                f"{self.info.model}: the server wants an API key ({text}); export "
                f"{self._config.api_key_env or 'SCALEDIFF_API_KEY'}=KEY"
            )
        if error.status in (404, 405, 410):
            what = f"{self.info.model} does not serve this model or path ({text})"
            if self._any_answer:  # it did before: the row is not to blame
                return EngineError(what)
            return PrerequisiteError(f"{what}; check the URL and the name after the #")
        if is_too_long(error):
            return RecordError("over_length", text)
        if not self._any_answer and await self._refuses_all(path, body):
            named = [f for f in (*BEYOND_OPENAI, "seed", "add_special_tokens") if f in text]
            mend = (
                f"; --engine 'http={{omit: [{', '.join(named)}]}}' leaves it out" if named else ""
            )
            return RecipeError(f"{self.info.model} refuses what is sent ({text}){mend}")
        return RecordError("attempt_failed", f"the server refuses it: {text}")

    async def _serves(self, member: Endpoint) -> bool:
        """Whether a server answers a question of one token."""
        body = {"model": self._served, "messages": list(_HELLO), "max_tokens": 1}
        status, value = await member.ask("/chat/completions", body)
        if status == 404:  # a server without chats
            body = {"model": self._served, "prompt": "1", "max_tokens": 1}
            status, value = await member.ask("/completions", body)
        return status == 200 and isinstance(value, dict) and bool(value.get("choices"))

    async def _refuses_all(self, path: str, body: Body) -> bool:
        """Whether a request that nobody could object to is refused as well."""
        small = {**body, "max_tokens": 1, "stream": False}
        small.pop("stream_options", None)
        small |= {"prompt": "1"} if "prompt" in body else {"messages": list(_HELLO)}
        status, _ = await self._pool.members[0].ask(path, small)
        return 400 <= status < 500 and status != 429

    async def _check_prompt(
        self, renderer: LocalRenderer, request: Request, completion: Completion
    ) -> None:
        """Compare the server's count of prompt tokens with the tokenizer's, once."""
        counted = completion.num_prompt_tokens
        if not counted:
            return
        self._to_check = None
        expected = await renderer.count(request)
        if counted != expected:
            raise RecipeError(
                f"{self.info.model} counts {counted} tokens of a prompt where the tokenizer "
                f"{self._config.tokenizer} makes {expected}: their chat templates or tokenizers "
                "differ; name the tokenizer of the served model in engine.http.tokenizer"
            )


_HELLO = ({"role": "user", "content": "1+1?"},)


def _opens(request: Request) -> bool:
    return request.raw is not None and chat.opens_think(request.raw)
