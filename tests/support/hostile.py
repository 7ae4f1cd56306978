"""A server that is in trouble for good, or means harm: what each mode answers.

From a given call on every call to the model meets the mode, so that nothing else is seen of the
server; ``models-*`` are met by the list of models.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator
from typing import Any

from aiohttp import web

HUGE = 2**30
"""Bytes of what is too large. Never held here: it is written in pieces."""
_PIECE = b"x" * 2**16


def _refused(status: int, message: str, code: str | None = None) -> Callable[..., web.Response]:
    error = {"message": message, "type": code, "code": code}

    def answer(body: dict[str, Any]) -> web.Response:
        return web.json_response({"error": error}, status=status)

    return answer


REFUSALS: dict[str, Callable[[dict[str, Any]], web.Response]] = {
    "401": _refused(401, "Incorrect API key provided", "invalid_api_key"),
    "402": _refused(402, "Insufficient credits"),
    "403": _refused(403, "You do not have access to this project"),
    "quota-429": _refused(429, "You exceeded your current quota, please check your plan and "
                          "billing details.", "insufficient_quota"),
    "quota-400": _refused(400, "Billing hard limit has been reached", "billing_hard_limit_reached"),
    "quota-403": _refused(403, "Your credit balance is too low"),
    "gone": _refused(404, "The model `teacher` does not exist", "model_not_found"),
    "gone-400": _refused(400, "The model `teacher` has been decommissioned"),
    "refuses": _refused(400, "this is not accepted"),
}  # fmt: skip
"""An account, a model or a setting in trouble: mode → answer."""


def cap_of(body: dict[str, Any]) -> int:
    """The token cap of a call."""
    return int(body.get("max_tokens") or body.get("max_completion_tokens") or 16)


def words_in(body: dict[str, Any]) -> int:
    """Tokens of a prompt as this server counts them: its words."""
    texts = [m["content"] for m in body.get("messages", ())] or [str(body.get("prompt"))]
    return sum(len(t.split()) for t in texts) + 8


WINDOWS: dict[str, tuple[int, str]] = {
    "window-openai": (400, "This model's maximum context length is {w} tokens. However, you "
                      "requested {all} tokens ({p} in the messages, {cap} in the completion)."),
    "window-vllm": (400, "'max_tokens' or 'max_completion_tokens' is too large: {cap}. This model's"
                    " maximum context length is {w} tokens and your request has {p} input tokens "
                    "({cap} > {w} - {p})."),
    "window-sglang": (400, "Requested token count exceeds the model's maximum context length of "
                      "{w} tokens. You requested a total of {all} tokens: {p} tokens from the "
                      "input messages and {cap} tokens for the completion."),
    "window-tgi": (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= {w}."
                   " Given: {p} `inputs` tokens and {cap} `max_new_tokens`"),
    "window-llama": (400, "the request exceeds the available context size ({w} tokens), try "
                     "increasing it"),
    "window-range": (400, "Invalid max_tokens value, the valid range of max_tokens is [1, {w}]"),
    "window-silent": (400, "max_tokens is too large."),
}  # fmt: skip
"""A window that the list of models does not say: mode → status and message of a refusal."""
WINDOW = 600


def too_wide(mode: str, body: dict[str, Any]) -> web.Response | None:
    """The refusal of a call that does not fit the window; None where it does."""
    prompt, cap = words_in(body), cap_of(body)
    if prompt + cap <= WINDOW:
        return None
    status, text = WINDOWS[mode]
    text = text.format(w=WINDOW, p=prompt, cap=cap, all=prompt + cap)
    return web.json_response({"error": {"message": text}}, status=status)


def whole(
    content: Any = "It is $\\boxed{4}$.", reason: Any = "stop", **more: Any
) -> dict[str, Any]:
    """An answer; what is given stands in place of what would be right."""
    message = {"role": "assistant", "content": content, **more.pop("message", {})}
    usage = more.pop("usage", {"prompt_tokens": 9, "completion_tokens": 5})
    choice = {"index": 0, "message": message, "text": content, "finish_reason": reason, **more}
    return {"object": "chat.completion", "choices": [choice], "usage": usage}


def _usage(prompt: Any, sampled: Any) -> dict[str, Any]:
    return whole(usage={"prompt_tokens": prompt, "completion_tokens": sampled})


ODD: dict[str, Any] = {
    "finish-null": whole(reason=None),
    "finish-object": whole(reason={"type": "stop"}),
    "finish-number": whole(reason=3),
    "content-null": whole(None),
    "content-number": whole(7),
    "refusal": whole(None, message={"refusal": "I cannot help with that."}),
    "empty-choices": {"choices": [], "usage": {"completion_tokens": 3}},
    "choices-number": {"choices": 7},
    "choices-object": {"choices": {"0": whole()["choices"][0]}},
    "choice-text": {"choices": ["It is 4."]},
    "message-list": {"choices": [{"message": ["It is 4."], "finish_reason": "stop"}]},
    "logprobs-text": whole(logprobs={"content": [{"token": "It", "logprob": "low"}]}),
    "logprobs-odd": whole(logprobs={"content": [3, None, {"logprob": None}, {"logprob": {}}]}),
    "usage-list": whole(usage=[1, 2]),
    "tokens-huge": _usage(2**64 - 1, 2**64 - 1),
    "tokens-negative": _usage(-5_000_000, -5_000_000),
    "tokens-float": _usage(9.0, 5.0),
    "tokens-bool": _usage(True, True),
    "tokens-text": _usage("9", "5"),
    "tokens-zero": _usage(0, 0),
    "tokens-none": whole(usage=None),
}
"""Answers of another form than is agreed, or with counts that cannot be."""

RAW: dict[str, bytes] = {
    "surrogate": b'{"choices": [{"message": {"content": "It is \\ud800 $\\\\boxed{4}$."}, '
                 b'"finish_reason": "stop"}], "usage": {"completion_tokens": 5}}',
    "infinity": b'{"choices": [{"message": {"content": "It is $\\\\boxed{4}$."}, "finish_reason": '
                b'"stop", "logprobs": {"content": [{"token": "It", "logprob": -Infinity}, '
                b'{"token": "is", "logprob": NaN}]}}], "usage": {"completion_tokens": 5}}',
    "tokens-nan": b'{"choices": [{"message": {"content": "It is $\\\\boxed{4}$."}, "finish_reason":'
                  b' "stop"}], "usage": {"prompt_tokens": NaN, "completion_tokens": 1e400}}',
    "digits": b'{"choices": [{"message": {"content": "It is $\\\\boxed{4}$."}, "finish_reason": '
              b'"stop"}], "usage": {"completion_tokens": ' + b"9" * 10_000 + b"}}",
    "deep": b'{"choices": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "bad-utf8": b'{"choices": [{"message": {"content": "It is \xff\xfe $\\\\boxed{4}$."}, '
                b'"finish_reason": "stop"}], "usage": {"completion_tokens": 5}}',
}  # fmt: skip
"""Bodies byte by byte."""

STREAMED = ("huge-body", "huge-error", "gzip-bomb", "deflate-bomb", "endless-body",
            "endless-stream", "endless-comments", "long-line", "slow-drip")  # fmt: skip
"""Bodies that are too large, or have no end."""

OTHER = ("echo-key", "echo-key-error", "redirect", "redirect-307")

MODES = (*REFUSALS, *WINDOWS, *ODD, *RAW, *STREAMED, *OTHER)
"""What calls to the model may meet."""

MODELS: dict[str, Any] = {
    "models-window-text": {"data": [{"id": "teacher", "max_model_len": "abc"}]},
    "models-window-odd": {"data": [{"id": "teacher", "max_model_len": [2**63]}]},
    "models-window-negative": {"data": [{"id": "teacher", "max_model_len": -7}]},
    "models-number": {"data": 7},
    "models-list": [1, 2],
    "models-id": {"data": [{"id": {"a": 1}}, 3, {"id": "teacher"}]},
}
"""What the list of models may say."""


async def respond(
    mode: str, http: web.Request, body: dict[str, Any], elsewhere: str
) -> web.StreamResponse | None:
    """The answer to a call to the model; None where the mode leaves it alone."""
    if mode in REFUSALS:
        return REFUSALS[mode](body)
    if mode in WINDOWS:
        return too_wide(mode, body)
    if mode in ODD:
        return web.json_response(ODD[mode])
    if mode in RAW:
        return web.Response(body=RAW[mode], content_type="application/json")
    if mode.startswith("echo-key"):
        key = http.headers.get("Authorization", "").removeprefix("Bearer ")
        if mode == "echo-key":
            thought = {"reasoning_content": f"the key {key} is long"}
            return web.json_response(whole(f"It is {key} $\\boxed{{4}}$.", message=thought))
        return web.json_response({"error": {"message": f"no: {key}" + " x" * 9}}, status=400)
    if mode.startswith("redirect"):
        status = 307 if mode.endswith("307") else 302
        return web.Response(status=status, headers={"Location": elsewhere + http.path})
    return await _stream(mode, http)


async def _stream(mode: str, http: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "application/json"}
    if mode in ("endless-stream", "endless-comments", "long-line"):
        headers["Content-Type"] = "text/event-stream"
    if mode.endswith("bomb"):
        headers["Content-Encoding"] = mode.partition("-")[0]
    response = web.StreamResponse(status=400 if mode == "huge-error" else 200, headers=headers)
    await response.prepare(http)
    try:
        for piece in _pieces(mode):
            await response.write(piece)
            await asyncio.sleep(1.0 if mode == "slow-drip" else 0)
        await response.write_eof()
    except ConnectionError:
        pass  # the client went away, as it should
    return response


def _pieces(mode: str) -> Iterator[bytes]:
    """The parts of a body; those that have no end end after so much that nobody should read on."""
    text = b'{"choices": [{"message": {"content": "'
    if mode.endswith("bomb"):
        yield from _bomb(text, gzip=mode.startswith("gzip"))
        return
    if mode == "slow-drip":
        for byte in text + b"It is 4." * 1000:
            yield bytes([byte])
        return
    events = {
        "endless-stream": b'data: {"choices": [{"delta": {"content": "again and again "}}]}\n\n',
        "endless-comments": b": still at work\n\n",
    }
    piece = events.get(mode)
    if mode == "long-line":
        yield b"data: " + text
    elif piece is None:
        yield text
    piece = piece * 200 if piece is not None else _PIECE
    for _ in range((1 if "endless" not in mode else 8) * HUGE // len(piece)):
        yield piece


def _bomb(text: bytes, *, gzip: bool) -> Iterator[bytes]:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31 if gzip else 15)
    yield packer.compress(text)
    for _ in range(HUGE // len(_PIECE)):
        packed = packer.compress(_PIECE)
        if packed:
            yield packed
    yield packer.flush()


__all__ = ["MODELS", "MODES", "STREAMED", "WINDOWS", "respond", "whole"]
