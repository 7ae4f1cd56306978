"""Settings of the engines. None of them changes what is asked of a model."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from scalediff.core.stage import OPERATION, Config

_OWN_FIELDS = {
    "model", "messages", "prompt", "seed", "n", "stream", "stop", "max_tokens",
    "max_completion_tokens", "temperature", "top_p", "top_k", "min_p", "presence_penalty",
    "frequency_penalty", "repetition_penalty",
}  # fmt: skip
"""Fields that a step's settings decide."""


class HttpConfig(Config):
    """How OpenAI-compatible servers are spoken to."""

    in_flight: Annotated[int | Literal["auto", "adaptive"], OPERATION] = "auto"
    """Requests in flight at each URL. A number is kept as it is; ``adaptive`` finds its own between
    ``floor`` and ``ceiling``; ``auto`` is 256 for servers of one's own (loopback and private
    addresses, where long answers would look like congestion) and adaptive for all others."""
    floor: Annotated[int, OPERATION] = Field(default=2, ge=1)
    """Adaptive: requests in flight at least."""
    ceiling: Annotated[int, OPERATION] = Field(default=512, ge=1)
    """Adaptive: requests in flight at most."""
    tries: Annotated[int, OPERATION] = Field(default=6, ge=1)
    """Tries of a request before its row is put back to be tried again later."""
    patience_s: Annotated[float, OPERATION] = Field(default=120.0, gt=0)
    """Seconds that requests wait in silence while no server can be reached; then their rows are put
    back, and the command tries again some minutes more before it ends."""
    least_deadline_s: Annotated[float, OPERATION] = Field(default=60.0, gt=0)
    """Seconds that any answer may take; more where the token cap and the measured speed ask it."""
    slowest_tokens_per_s: Annotated[float, OPERATION] = Field(default=2.0, gt=0)
    """Speed of one response that deadlines assume until speeds are measured."""
    api_key_env: Annotated[str, OPERATION] = ""
    """Environment variable with the API key; empty: SCALEDIFF_API_KEY, else OPENAI_API_KEY."""
    tokenizer: Annotated[str | None, OPERATION] = None
    """Folder or hub id of the served model's tokenizer: prompts are then rendered here where a
    server cannot be asked, and the server's count of prompt tokens is checked once."""
    cap_field: Annotated[Literal["max_tokens", "max_completion_tokens"], OPERATION] = "max_tokens"
    """Name of the token cap in chats; some models of OpenAI want ``max_completion_tokens``."""
    cap: Annotated[Literal["keep", "fit"], OPERATION] = "keep"
    """A token cap that the server's window has no room for: ``keep`` stops the run and says so,
    ``fit`` lowers it to what the window leaves beside each prompt."""
    useless_in_a_row: Annotated[int, OPERATION] = Field(default=50, ge=2)
    """Answers of no use one after another (refused, empty, without a finish reason) after which the
    run stops; at the start two fifths of these."""
    omit: Annotated[list[str], OPERATION] = []
    """Fields that the server refuses and that are left out (``top_k``, ``min_p``, ``seed``)."""
    extra_body: Annotated[dict[str, Any], OPERATION] = {}
    """Fields added to every request as they are."""

    @field_validator("extra_body")
    @classmethod
    def _asks_the_same(cls, value: dict[str, Any]) -> dict[str, Any]:
        taken = sorted(_OWN_FIELDS & value.keys())
        if taken:
            raise ValueError(
                f"{', '.join(taken)} would change what is asked without the step knowing; set it "
                "in the step's settings"
            )
        return value

    @field_validator("in_flight", mode="before")
    @classmethod
    def _is_some(cls, value: Any) -> Any:
        if value in ("auto", "adaptive") or (isinstance(value, int) and value >= 1):
            return value
        raise ValueError("write a number from 1 up, auto or adaptive")


class VllmConfig(Config):
    """How ``vllm serve`` is started."""

    python: Annotated[str, OPERATION] = "python3"
    """Interpreter that has vLLM: a path, since vLLM pins what others need in other versions."""
    replicas: Annotated[int, OPERATION] = Field(default=0, ge=0)
    """Servers at once; 0 is one for each GPU, and one on a CPU."""
    flags: Annotated[dict[str, Any], OPERATION] = {}
    """Flags of ``vllm serve`` as they are: ``{max-model-len: 4096, enforce-eager: true}``."""
    env: Annotated[dict[str, str], OPERATION] = {}
    """Environment variables of the servers; ``CUDA_VISIBLE_DEVICES`` is shared out among them."""
    in_flight: Annotated[int, OPERATION] = Field(default=256, ge=1)
    """Requests in flight at each replica."""
    start_s: Annotated[float, OPERATION] = Field(default=900.0, gt=0)
    """Seconds until a server has to be healthy: large models load for minutes."""


class EngineConfig(Config):
    """How the engine works; none of it changes what is asked of the model."""

    kind: Annotated[Literal["transformers", "vllm"], OPERATION] = "transformers"
    """What runs models of folders and hub ids: in this process, or ``vllm serve`` beside it."""
    slots: Annotated[int, OPERATION] = Field(default=64, ge=1)
    """Responses decoded together. For a small model on a CPU 64 is nearly as fast as 256."""
    threads: Annotated[int, OPERATION] = Field(default=0, ge=0)
    """Threads of the processor; 0 is all cores."""
    precision: Annotated[Literal["auto", "float32", "bfloat16"], OPERATION] = "auto"
    """Precision of the weights; ``auto`` is float32 on a CPU and bfloat16 on a GPU."""
    device: Annotated[str, OPERATION] = Field(default="auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    """``cpu``, ``cuda`` or ``cuda:1``; ``auto`` is a GPU where there is one."""
    http: Annotated[HttpConfig, OPERATION] = HttpConfig()
    """How servers are spoken to (``URL#NAME``, and those of ``kind: vllm``)."""
    vllm: Annotated[VllmConfig, OPERATION] = VllmConfig()
    """How ``kind: vllm`` starts its servers."""
