"""Prompts of a served model as it reads them: needed where something is put after them.

A score asks for a continuation right after the prompt, and a prefix is the beginning of a response;
both have to stand where the template's generation prompt ends, which a chat API cannot say. So the
prompt is rendered here with the tokenizer that the recipe names, or the server is asked: vLLM has
``/tokenize``, llama.cpp ``/apply-template``.
"""

from __future__ import annotations

from typing import Any, Protocol

from scalediff.core.engine import Request
from scalediff.core.errors import EngineError, PrerequisiteError
from scalediff.core.secrets import mask_keys
from scalediff.engines import chat
from scalediff.engines.endpoint import Endpoint

Prompt = str | list[int]


class Renderer(Protocol):
    """Renders requests for the raw endpoint."""

    @property
    def is_exact(self) -> bool:
        """Whether ``count`` gives tokens rather than a bound."""
        ...

    async def prompt(self, request: Request, more: str = "") -> Prompt:
        """The prompt with the request's prefix and ``more`` after it."""
        ...

    async def text(self, request: Request) -> str:
        """The prompt as text, without the prefix."""
        ...

    async def count(self, request: Request) -> int:
        """Tokens of the prompt with the request's prefix; at most that many where none counts."""
        ...


class LocalRenderer:
    """With the tokenizer that the recipe names."""

    is_exact = True

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer

    async def prompt(self, request: Request, more: str = "") -> Prompt:
        """The prompt as text: every server takes it."""
        return chat.render(self._tokenizer, request) + request.prefix + more

    async def text(self, request: Request) -> str:
        """The rendered prompt."""
        return chat.render(self._tokenizer, request)

    async def count(self, request: Request) -> int:
        """Tokens of the prompt with the request's prefix."""
        return len(chat.encode(self._tokenizer, request)[1])


class ServerRenderer:
    """With vLLM's ``/tokenize`` and ``/detokenize``, or llama.cpp's ``/apply-template``."""

    def __init__(self, endpoint: Endpoint, served: str, kind: str) -> None:
        self._endpoint, self._served, self._kind = endpoint, served, kind
        self._root = endpoint.base.removesuffix("/v1")
        self._ends: dict[str, list[int]] = {}

    @property
    def is_exact(self) -> bool:
        """Whether tokens are counted: llama.cpp gives the prompt as text."""
        return self._kind == "vllm"

    @classmethod
    async def find(cls, endpoint: Endpoint, served: str) -> ServerRenderer | None:
        """The renderer that this server has, or None."""
        request = Request(messages=({"role": "user", "content": "1+1?"},))
        for kind in ("vllm", "llama"):
            renderer = cls(endpoint, served, kind)
            try:
                if await renderer.text(request):
                    return renderer
            except EngineError:
                continue
        return None

    async def prompt(self, request: Request, more: str = "") -> Prompt:
        """Token ids (vLLM), or text (llama.cpp)."""
        after = request.prefix + more
        if self._kind == "llama":
            return await self.text(request) + after
        if request.raw is not None:
            return await self._ids({"prompt": request.raw + after, "add_special_tokens": False})
        ids = await self._ids(self._chat(request))
        if after and after not in self._ends:
            ended = await self._ids({"prompt": after, "add_special_tokens": False})
            if len(after) > 64:
                return ids + ended
            self._ends[after] = ended
        return ids + self._ends[after] if after else ids

    async def text(self, request: Request) -> str:
        """The rendered prompt."""
        if request.raw is not None:
            return request.raw
        if self._kind == "llama":
            value = await self._post("/apply-template", {"messages": list(request.messages or ())})
            return mask_keys(_text(value))
        ids = await self._ids(self._chat(request))
        value = await self._post("/detokenize", {"model": self._served, "tokens": ids})
        return mask_keys(_text(value))

    async def count(self, request: Request) -> int:
        """Tokens of the prompt with the request's prefix; its bytes where it comes as text."""
        prompt = await self.prompt(request)
        return len(prompt.encode() if isinstance(prompt, str) else prompt)

    def _chat(self, request: Request) -> dict[str, Any]:
        body: dict[str, Any] = {
            "messages": list(request.messages or ()),
            "add_generation_prompt": True,
            "add_special_tokens": False,
        }
        if request.thinking is not None:
            body["chat_template_kwargs"] = {"enable_thinking": request.thinking}
        return body

    async def _ids(self, body: dict[str, Any]) -> list[int]:
        value = await self._post("/tokenize", {"model": self._served, **body})
        tokens = value.get("tokens")
        if not isinstance(tokens, list) or not all(type(token) is int for token in tokens):
            raise EngineError(f"{self._endpoint.shown} counts tokens but does not list them")
        return tokens

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        status, value = await self._endpoint.ask(self._root + path, body)
        if status != 200 or not isinstance(value, dict):
            raise EngineError(f"{self._endpoint.shown}{path} answers with status {status}")
        return value


def _text(value: dict[str, Any]) -> str:
    prompt = value.get("prompt")
    return prompt if isinstance(prompt, str) else ""


def load_tokenizer(name: str) -> Any:
    """The tokenizer that ``engine.http.tokenizer`` names.

    Raises:
        PrerequisiteError: It cannot be loaded.
    """
    try:
        from transformers import AutoTokenizer

        return AutoTokenizer.from_pretrained(name, trust_remote_code=False)
    except ImportError:
        raise PrerequisiteError(
            f'the tokenizer {name} needs transformers: pip install "scalediff[local]"'
        ) from None
    except Exception as error:  # the loaders raise anything on what is no tokenizer
        reason = (str(error).strip().splitlines() or [""])[0]
        raise PrerequisiteError(
            f"the tokenizer {name} (engine.http.tokenizer) cannot be loaded: {reason[:200]}; give "
            "a folder with tokenizer.json, or a Hugging Face id"
        ) from None
