"""The child process of a training: reads ``job.json``, tells its steps on standard output."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path


def main() -> None:
    """Train what the job says."""
    job = json.loads(Path(sys.argv[1]).read_text())
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from scalediff.training.sft import train

    def tell(step: int, total: int | None) -> None:
        print(json.dumps({"step": step, "total": total}), flush=True)

    train(job, tell)


def _end_with_parent() -> None:
    """Standard input ends when the parent does, however it ended."""
    sys.stdin.read()
    os._exit(1)


if __name__ == "__main__":
    main()
