"""The child process of a training: ``python -m scalediff.training.child FOLDER``.

Reads ``FOLDER/job.json`` and tells its parent, one JSON object a line on standard output, its steps
(``step``, ``total``) or the one sentence that it ends with (``error``, ``message``).
"""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path
from typing import Any

from scalediff.core.errors import ScalediffError
from scalediff.core.stopping import ignore_signals


def main() -> int:
    """Train what the job says."""
    folder = Path(sys.argv[1])
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    ignore_signals()  # a parent that is asked to end sees to its children itself
    told = _take_output()

    def tell(**values: Any) -> None:
        told.write(json.dumps(values) + "\n")
        told.flush()

    try:
        from scalediff.training.sft import train

        train(job, lambda step, total: tell(step=step, total=total))
    except ScalediffError as error:
        tell(error=type(error).__name__, message=str(error))
        return error.exit_status
    return 0


def _take_output() -> Any:
    """Standard output for our lines alone: what libraries print goes to the log."""
    ours = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return ours


def _end_with_parent() -> None:
    """Standard input ends when the parent does, however it ended."""
    # os.read, not sys.stdin: at exit the interpreter must not find that object locked
    while os.read(0, 1024):
        pass
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
