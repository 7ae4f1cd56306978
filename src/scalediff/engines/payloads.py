"""What is sent to an OpenAI-compatible server.

Every sampling field is sent with every request, also those at their neutral value: a server fills
what is missing from the model's ``generation_config.json``, and an attempt would then not be what
its record says. The fields beyond OpenAI's own (``top_k``, ``min_p``, ``repetition_penalty``,
``chat_template_kwargs``) are those that vLLM, SGLang and llama.cpp share; ``omit`` leaves out what
a server refuses.
"""

from __future__ import annotations

from typing import Any

from scalediff.core.engine import Request, Sampling
from scalediff.engines.config import HttpConfig

BEYOND_OPENAI = ("top_k", "min_p", "repetition_penalty", "chat_template_kwargs")
"""Fields that OpenAI's own API does not know."""

Body = dict[str, Any]


class Payloads:
    """Makes the bodies of requests.

    Args:
        served: The model's name at the server.
        config: Fields left out and added.
    """

    def __init__(self, served: str, config: HttpConfig) -> None:
        self._served = served
        self._config = config
        self._known: dict[tuple[Sampling, bool | None, bool], Body] = {}

    def chat(self, request: Request, *, stream: bool = False) -> Body:
        """A body for ``/chat/completions``; a prefix becomes the answer that is to go on."""
        messages: list[dict[str, str]] = list(request.messages or ())
        body = {**self._common(request, raw=False), "messages": messages, "seed": request.seed}
        if request.prefix:
            messages.append({"role": "assistant", "content": request.prefix})
            body |= {"add_generation_prompt": False, "continue_final_message": True}
        if request.logprobs:
            body |= {"logprobs": True, "top_logprobs": 0}
        return self._last(body, stream)

    def completion(
        self, request: Request, prompt: str | list[int], *, stream: bool = False
    ) -> Body:
        """A body for ``/completions``: the prompt as it is, with nothing added by the server."""
        body = {**self._common(request, raw=True), "prompt": prompt, "seed": request.seed}
        if request.logprobs:
            body["logprobs"] = 0
        return self._last(body, stream)

    def _common(self, request: Request, *, raw: bool) -> Body:
        """The fields that hang on the sampling alone."""
        place = (request.sampling, request.thinking, raw)
        if place not in self._known:
            self._known[place] = self._fields(*place)
        return self._known[place]

    def _fields(self, sampling: Sampling, thinking: bool | None, raw: bool) -> Body:
        body: Body = {
            "model": self._served,
            "max_tokens" if raw else self._config.cap_field: sampling.max_new_tokens,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "top_k": sampling.top_k or -1,  # how servers write "keep all"
            "min_p": sampling.min_p,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "repetition_penalty": 1.0,
        }
        if sampling.stop:
            body["stop"] = list(sampling.stop)
        if raw:
            # a stop string such as <|im_end|> is a special token: hidden, it would never be seen
            body["skip_special_tokens"] = not sampling.stop
            body["add_special_tokens"] = False
        elif thinking is not None:
            body["chat_template_kwargs"] = {"enable_thinking": thinking}
        return body

    def _last(self, body: Body, stream: bool) -> Body:
        if stream:
            body["stream"] = True
            body["stream_options"] = {"include_usage": True, "continuous_usage_stats": True}
        body.update(self._config.extra_body)
        for name in self._config.omit:
            body.pop(name, None)
        return body
