"""The attempt store: every attempt and score ever paid for, kept once.

Keys are made by ``engines/recording.py`` from the model, the request as sent and the seed; nothing
of a step is in them, so the store outlives changed settings and may be shared between runs.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from scalediff.io.log import KeyedLog
from scalediff.io.log_files import Report, say


class AttemptStore:
    """Durable records by key, in ``FOLDER/attempts.log`` and ``.idx``.

    Attributes:
        log: What they are kept in; a ledger whose outcomes speak of attempts is written after it.

    Args:
        folder: Where they lie.
        report: Given a sentence for each damage found.
        read_only: True to look at it as it is now, also while another process writes.
        doubt_all: True to check every record at open.
    """

    def __init__(
        self,
        folder: Path,
        *,
        report: Report = say,
        read_only: bool = False,
        doubt_all: bool = False,
    ) -> None:
        path = folder / "attempts"
        self.log = KeyedLog(path, report=report, read_only=read_only, doubt_all=doubt_all)

    def __len__(self) -> int:
        return len(self.log)

    def __contains__(self, key: str) -> bool:
        return key in self.log

    def get(self, key: str) -> dict[str, Any] | None:
        """The record of a key, or None where it was never paid for."""
        found = self.log.get(key)
        if found is None:
            return None
        record: dict[str, Any] = orjson.loads(found[1])
        return record

    def put(self, key: str, record: dict[str, Any]) -> None:
        """Keep a record."""
        self.log.append(key, orjson.dumps(record))

    def sync(self) -> None:
        """Have everything on the disk."""
        self.log.sync()

    def close(self) -> None:
        """Sync and close."""
        self.log.close()
