"""The fault server as a process of its own, for tests and benchmarks."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("fault_server.py")


class Server:
    """``with Server("--fault", "500=0.1") as server``: options are those of ``fault_server.py``.

    Attributes:
        model: The model's name for ``--model``: ``URL#NAME``.
        port: Kept when it is started again.
    """

    def __init__(self, *options: str, port: int = 0) -> None:
        self._options = options
        self.port = port
        self.model = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Server:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end(signal.SIGTERM)

    @property
    def url(self) -> str:
        """The base URL."""
        return self.model.partition("#")[0]

    def start(self) -> None:
        """Start it and wait until it listens."""
        command = [sys.executable, str(SCRIPT), "--port", str(self.port), "--die-with-parent"]
        self._process = subprocess.Popen(
            [*command, *self._options], stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line.startswith("listening on "):
            raise RuntimeError(f"the server did not start: {line}")
        self.model = line.removeprefix("listening on ").strip()
        self.port = int(self.url.rpartition(":")[2].partition("/")[0])

    def end(self, number: int = signal.SIGKILL) -> None:
        """End it, by its own process id."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(10)
            assert self._process.stdout is not None
            self._process.stdout.close()
            self._process = None

    def counts(self) -> dict[str, Any]:
        """Its totals."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/counts", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
            return found
