"""Servers as processes of this one: started, waited for, started anew when they die, and ended.

Between a server and this process stands ``supervisor.py``, which ends the server's whole process
group when the pipe from here closes: on ``end()``, and when this process is killed.
"""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from scalediff.core.errors import EngineError
from scalediff.core.stopping import STOPPING
from scalediff.engines.telling import told_by

GRACE_S = 10.0
"""Seconds that a server has to end in good order before it is killed."""
MOST_RESTARTS = 3
_FORGIVEN_S = 3600.0
"""After so long without a death earlier ones no longer count: a week's run may meet several."""
_LOOK_S = 0.25
_ANSWER_S = 5.0
_LEFT_S = 10.0
_ASK_S = 10.0
_MOST_SILENT = 60
"""Questions after its health, ten seconds apart, that a server may leave without an answer: a busy
one answers late, one that hangs never. An answer that it is ill counts as twenty."""
_ILL = _MOST_SILENT // 3
_AGAIN_S = 20.0
"""Seconds until a server that found no memory is started again: longer than the servers of a
command that was killed take to end, for the next command may come at once."""
_PASSES = re.compile("memory on (device|node)|out of memory|ddress already in use")
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

    async def first_start(self) -> None:
        """Start it, once more where it fails for want of what others may be about to give back.

        Raises:
            EngineError: As ``start``.
        """
        try:
            await self.start()
        except EngineError as error:
            if not _PASSES.search(str(error)):
                raise
            await asyncio.sleep(_AGAIN_S)
            await self.start()

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
        while await self._status() != 200:
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
            await self._until_dead()
            if STOPPING.signal:  # it may have got the signal as well
                self.failure = EngineError("the server ended, and so does the run")
                return
            deaths = 1 if time.monotonic() - since > _FORGIVEN_S else deaths + 1
            if deaths > MOST_RESTARTS:
                self.failure = EngineError(f"the server died {deaths} times, last: {self._told()}")
                return
            self.num_restarts += 1
            with suppress(EngineError):  # it died or was ended: that is one more death
                await self.start()

    async def _until_dead(self) -> None:
        """Until it has ended; one that hangs or says that it is ill is ended here."""
        asked, silent = time.monotonic(), 0
        while self._lives():
            await asyncio.sleep(_LOOK_S)
            if time.monotonic() - asked < _ASK_S:
                continue
            status, asked = await self._status(), time.monotonic()
            silent = 0 if 0 < status < 500 else silent + (_ILL if status else 1)
            if silent >= _MOST_SILENT and self._lives():
                with suppress(OSError), open(self._log, "ab") as log:
                    told = f"status {status}" if status else "no answer"
                    log.write(f"ServerError: {told} when asked for its health, again\n".encode())
                await self.end()

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
        self._log.parent.mkdir(parents=True, exist_ok=True)
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

    async def _status(self) -> int:
        """HTTP status of its health; 0 where it does not answer."""
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=_ANSWER_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(self._health) as answer,
            ):
                # a stranger may listen at the port, while this server has ended for want of it
                return answer.status if self._lives() else 0
        except (aiohttp.ClientError, OSError, TimeoutError):
            return 0

    def _lives(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def _told(self) -> str:
        return told_by(self._log, self._log_from)
