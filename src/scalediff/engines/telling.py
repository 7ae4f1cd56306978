"""What a server's log says of its end, in one line."""

from __future__ import annotations

import os
import re
from pathlib import Path

_LOOKED_AT = 2**20
"""Bytes at the end of a log in which its telling line is looked for."""
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


def told_by(log: Path, start: int) -> str:
    """The telling line of a log's part from ``start`` on, and where the log is."""
    try:
        with open(log, "rb") as file:
            file.seek(max(start, file.seek(0, os.SEEK_END) - _LOOKED_AT))
            text = file.read().decode("utf-8", "replace")
    except OSError as error:  # a week later somebody may have tidied up
        return f"its log {log} cannot be read ({error.strerror})"
    return f"{telling_line(text) or 'it said nothing'} (log: {log})"
