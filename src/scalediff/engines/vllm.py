"""vLLM servers on this machine: started here, supervised, and spoken to as any other server.

One replica a GPU, from an interpreter of its own (``vllm_command.py``). ``serving.py`` keeps them
alive; ``OpenAIEngine`` sets one that died aside, sends its requests to the others, and takes it
back when it answers again.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from scalediff.core.engine import Completion, ModelSpec, Request, Score, Usage
from scalediff.core.errors import EngineError
from scalediff.engines import shares, vllm_command
from scalediff.engines.config import EngineConfig
from scalediff.engines.openai import OpenAIEngine
from scalediff.engines.serving import Replica
from scalediff.io.gguf import unpacked

T = TypeVar("T")
_LONGEST_NAME = 60


class VllmEngine:
    """``core.engine.Engine`` over vLLM servers that it started.

    Example:
        engine = await VllmEngine.open(resolve("org/model"), EngineConfig(kind="vllm"))
        completion = await engine.sample(Request(messages=({"role": "user", "content": "1+1?"},)))
        await engine.close()
    """

    def __init__(
        self, engine: OpenAIEngine, replicas: list[Replica], logs: Path | None, precision: str
    ) -> None:
        self.info = replace(engine.info, precision=precision)
        self._engine = engine
        self._replicas = replicas
        self._logs = logs
        self._failure: EngineError | None = None
        self._guards: set[asyncio.Timeout] = set()
        self._keeping = asyncio.create_task(self._keep())

    @classmethod
    async def open(
        cls, spec: ModelSpec, config: EngineConfig, log_folder: Path | None = None
    ) -> VllmEngine:
        """Start the servers and wait until all are healthy (a minute, or many).

        Args:
            spec: Of kind ``folder``, ``gguf`` or ``hub``.
            config: Its ``vllm`` part says how they are started.
            log_folder: Where the servers' logs go; None is a temporary folder, which is removed
                where all went well.

        Raises:
            PrerequisiteError: The interpreter, vLLM or a GPU is not at hand.
            RecipeError: A flag is one that the engine sets itself.
            EngineError: A server did not start; the message has its reason and its log.
        """
        logs = log_folder or Path(tempfile.mkdtemp(prefix="scalediff-vllm-"))
        replicas: list[Replica] = []
        try:
            replicas, on_cpu = await asyncio.to_thread(_prepare, spec, config, logs)
            await _start(spec.name, replicas)
            engine = await OpenAIEngine.open(_served(spec, replicas), _spoken(config), own=True)
        except BaseException:
            await _end(replicas)
            with contextlib.suppress(OSError):  # none was started: no log to read
                logs.rmdir()
            raise
        precision = vllm_command.precision_of(config, on_cpu=on_cpu)
        precision = precision if precision in ("float32", "bfloat16") else "unknown"
        return cls(engine, replicas, None if log_folder else logs, precision)

    @property
    def usage(self) -> Usage:
        """Counts of what it has done and is doing."""
        return self._engine.usage

    async def sample(self, request: Request) -> Completion:
        """One response; see ``core.engine.Engine``."""
        return await self._unless_failed(self._engine.sample(request))

    async def score(self, request: Request, continuation: str) -> Score:
        """Log-probability of a continuation; see ``core.engine.Engine``."""
        return await self._unless_failed(self._engine.score(request, continuation))

    async def close(self) -> None:
        """End the servers, and wait until all their processes are gone."""
        self._keeping.cancel()
        try:
            await self._engine.close()
        finally:
            await _end(self._replicas)
        if self._logs is not None and not any(r.num_restarts for r in self._replicas):
            shutil.rmtree(self._logs, ignore_errors=True)

    async def _unless_failed(self, answer: Coroutine[Any, Any, T]) -> T:
        """Await an answer, but no longer than there is a server or may be one again."""
        if self._failure is not None:
            answer.close()
            raise EngineError(str(self._failure))
        guard = asyncio.timeout(None)
        self._guards.add(guard)
        try:
            async with guard:
                return await answer
        except TimeoutError:
            if guard.expired() and self._failure is not None:
                raise EngineError(str(self._failure)) from None
            raise
        finally:
            self._guards.discard(guard)

    async def _keep(self) -> None:
        """Keep the servers alive; once all have died too often, fail what waits."""
        await asyncio.gather(*(replica.keep() for replica in self._replicas))
        self._failure = EngineError(f"{self.info.model}: {self._replicas[0].failure}")
        for guard in self._guards:
            guard.reschedule(asyncio.get_running_loop().time())


def _prepare(spec: ModelSpec, config: EngineConfig, logs: Path) -> tuple[list[Replica], bool]:
    """The replicas, not started, and whether they run on a CPU."""
    python = vllm_command.interpreter(config.vllm.python)
    gpus = shares.gpus_of_each(config)
    on_cpu = gpus[0] is None
    num = len(gpus)
    # vLLM reads no GGUF file any more, and the folder is what the embedded engine loads too
    place = str(unpacked(Path(spec.location))) if spec.kind == "gguf" else spec.location
    logs.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^\w.-]+", "-", spec.name).strip("-.")[-_LONGEST_NAME:]
    replicas = []
    given = zip(gpus, shares.cores_of_each(config, num), shares.free_ports(num), strict=True)
    for n, (gpu, cores, port) in enumerate(given):
        command = vllm_command.command(python, place, port, spec.name, config, on_cpu=on_cpu)
        env = vllm_command.environment(config, python, gpu, cores)
        replicas.append(Replica(command, env, port, logs / f"{name}-{n}.log", config.vllm.start_s))
    return replicas, on_cpu


async def _start(name: str, replicas: list[Replica]) -> None:
    """Start all at once; the first that fails is told."""
    starting = [asyncio.create_task(replica.first_start()) for replica in replicas]
    try:
        await asyncio.gather(*starting)
    except EngineError as error:
        raise EngineError(f"vLLM does not start with {name}: {error}") from None
    finally:
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)


async def _end(replicas: list[Replica]) -> None:
    for replica in replicas:
        replica.let_go()
    await asyncio.gather(*(replica.end() for replica in replicas))


def _served(spec: ModelSpec, replicas: list[Replica]) -> ModelSpec:
    urls = " ".join(replica.url for replica in replicas)
    return ModelSpec(spec.name, "url", urls, spec.fingerprint, spec.name)


def _spoken(config: EngineConfig) -> EngineConfig:
    """How servers of one's own are spoken to: no key, and patience while one is started anew."""
    patience_s = max(config.http.patience_s, config.vllm.start_s)
    more = {"in_flight": config.vllm.in_flight, "patience_s": patience_s, "api_key_env": ""}
    return config.model_copy(update={"http": config.http.model_copy(update=more)})
