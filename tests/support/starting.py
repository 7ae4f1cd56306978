"""The fault server as a process of a test."""

from __future__ import annotations

import json
import os
import selectors
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import scalediff

_READY_S = 250.0
_SCRIPT = Path(__file__).with_name("fault_server.py")


class Server:
    """A fault server that runs while the ``with`` block does; options as on its command line.

    On Linux it ends when the thread that started it ends, so start it in one that lasts.

    Attributes:
        url: ``http://127.0.0.1:PORT/v1``; the port stays the same over restarts.
        name: The served name.
        pid: The process.

    Example:
        with Server("--fault", "429=0.1", model="fake:teacher?accuracy=1") as server:
            main(["distill", "in.jsonl", "-o", "out.jsonl", "--model", server.model])
            assert server.counts()["served_again"] == 0
    """

    def __init__(self, *options: str | Path, model: str = "fake:teacher") -> None:
        self._options = [*map(str, options), "--model", model]
        self._process: subprocess.Popen[str] | None = None
        self._port = 0
        self.url = self.name = ""

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    @property
    def model(self) -> str:
        """The model's name for recipes and ``--model``: ``URL#NAME``."""
        return f"{self.url}#{self.name}"

    @property
    def pid(self) -> int:
        """The process; it has to run."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the process and wait until it takes calls."""
        source = Path(scalediff.__file__).parents[1]
        own = ["--parent", str(os.getpid()), "--port", str(self._port)]
        self._process = subprocess.Popen(
            [sys.executable, _SCRIPT, *own, *self._options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(source)},
        )
        line = self._ready_line()
        self.url, _, self.name = line.removeprefix("listening on ").partition("#")
        self._port = int(self.url.rsplit(":", 1)[1].partition("/")[0])

    def kill(self) -> None:
        """End the process at once (SIGKILL); connections break, the counts file stays."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
        self._process = None

    def restart(self) -> None:
        """Kill it where it runs, and start it again on the same port."""
        self.kill()
        self.start()

    def counts(self) -> dict[str, Any]:
        """What ``GET /counts`` says."""
        with urllib.request.urlopen(
            self.url.removesuffix("/v1") + "/counts", timeout=100
        ) as answer:
            totals: dict[str, Any] = json.load(answer)
        return totals

    def _ready_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + _READY_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            ready = selector.select(deadline - time.monotonic())
        line = self._process.stdout.readline().strip() if ready else ""
        if not line.startswith("listening on "):
            self.kill()
            raise RuntimeError(f"the fault server did not start; it said {line!r}")
        return line
