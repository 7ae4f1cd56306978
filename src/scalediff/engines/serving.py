"""Servers as processes of this one: started, waited for, started anew when they die, and ended.

Between a server and this process stands ``supervisor.py``, which ends the server's whole process
group when the pipe from here closes: on ``end()``, and when this process is killed.
"""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scalediff.core.errors import EngineError

GRACE_S = 10.0
"""Seconds that a server has to end in good order before it is killed."""
MOST_RESTARTS = 3
_FORGIVEN_S = 3600.0
"""After so long without a death earlier ones no longer count: a week's run may meet several."""
_LOOK_S = 0.25
_LEFT_S = 10.0
_LOOKED_AT = 2**20
"""Bytes at the end of a log in which its telling line is looked for."""
_SUPERVISOR = Path(__file__).with_name("supervisor.py")


class Replica:
    """One server.

    Args:
        command: Starts it, on the same port each time.
        env: Its whole environment.
        port: Where it listens, on 127.0.0.1.
        log: File that its output is added to.
        start_s: Seconds until it has to be healthy.

    Attributes:
        url: Base of its OpenAI API.
        num_restarts: How often it was started anew.
        failure: Why it is not started anew any more; None while it lives.
    """

    def __init__(
        self, command: Sequence[str], env: Mapping[str, str], port: int, log: Path, start_s: float
    ) -> None:
        self.url = f"http://127.0.0.1:{port}/v1"
        self.num_restarts = 0
        self.failure: EngineError | None = None
        self._command = list(command)
        self._env = dict(env)
        self._health = f"http://127.0.0.1:{port}/health"
        self._log = log
        self._log_from = 0
        self._start_s = start_s
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it is healthy.

        Raises:
            EngineError: It ended, or took too long (and was ended).
        """
        try:
            process = self._process = self._spawn()
        except OSError as error:
            raise EngineError(f"no process can be started ({error}); see to it") from None
        until = time.monotonic() + self._start_s
        while not await self._is_healthy():
            if process.poll() is not None:
                raise EngineError(
                    f"the server ended with status {process.returncode}: {self._told()}"
                )
            if time.monotonic() > until:
                await self.end()
                raise EngineError(
                    f"the server was not ready within {self._start_s:g} s "
                    f"(engine.vllm.start_s): {self._told()}"
                )
            await asyncio.sleep(_LOOK_S)

    async def keep(self) -> None:
        """Start it anew whenever it dies, until it has died too often (then ``failure`` is set)."""
        deaths = 0
        while True:
            since = time.monotonic()
            while self._process is not None and self._process.poll() is None:
                await asyncio.sleep(_LOOK_S)
            deaths = 1 if time.monotonic() - since > _FORGIVEN_S else deaths + 1
            if deaths > MOST_RESTARTS:
                self.failure = EngineError(f"the server died {deaths} times, last: {self._told()}")
                return
            self.num_restarts += 1
            with suppress(EngineError):  # it died or was ended: that is one more death
                await self.start()

    def let_go(self) -> None:
        """Tell the supervisor to end the server, and do not wait."""
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    async def end(self) -> None:
        """End the server and wait until all its processes are gone."""
        self.let_go()
        if self._process is None:
            return
        until = time.monotonic() + GRACE_S + _LEFT_S
        while self._process.poll() is None and time.monotonic() < until:
            await asyncio.sleep(0.02)
        if self._process.poll() is None:
            self._process.kill()  # the kernel then ends the server: it is tied to its supervisor
            self._process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        # not asyncio's: it kills the supervisor when the loop is dropped, and with it what would
        # have ended the server in good order
        with open(self._log, "ab") as log:
            self._log_from = log.tell()
            return subprocess.Popen(
                [sys.executable, "-I", str(_SUPERVISOR), str(GRACE_S), *self._command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,  # Ctrl-C is for this process, which ends the server itself
            )

    async def _is_healthy(self) -> bool:
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=5)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._health) as answer,
            ):
                # a stranger may listen at the port, while this server has ended for want of it
                return answer.status == 200 and self._lives()
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False

    def _lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _told(self) -> str:
        """The last telling line of the log since the last start, and where the log is."""
        with open(self._log, "rb") as log:
            log.seek(max(self._log_from, log.seek(0, os.SEEK_END) - _LOOKED_AT))
            text = log.read().decode("utf-8", "replace")
        return f"{telling_line(text) or 'it said nothing'} (log: {self._log})"


_PREFIX = re.compile(r"^(\(\w[^()]*\)\s*)?([A-Z]+ \d\d-\d\d [\d:.]+ )?(\[[\w.]+:\d+\]\s*)?")
_TELLING = re.compile(
    r"\b[A-Z]\w*(Error|Exception|Interrupt)\b: ?\S|\berror: |^Killed|out of memory"
)
_AFTERMATH = ("Engine core initialization failed", "EngineDeadError", "EngineGenerateError")
_LONGEST = 400


def telling_line(log: str) -> str:
    r"""The line of a server's log that says best why it ended: the last error that is no aftermath.

    Example:
        >>> telling_line("Traceback:\nValueError: too large\nbye")
        'ValueError: too large'
    """
    lines = [_PREFIX.sub("", line.strip()).strip() for line in log.splitlines()]
    lines = [line for line in lines if line]
    errors = [line for line in lines if _TELLING.search(line)]
    causes = [line for line in errors if not any(word in line for word in _AFTERMATH)]
    best = (causes or errors or lines or [""])[-1]
    return best if len(best) <= _LONGEST else best[:_LONGEST] + "…"
