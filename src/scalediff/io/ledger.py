"""The ledger of a step: which of its units are finished, and with what."""

from __future__ import annotations

from pathlib import Path

import orjson

from scalediff.core.records import Drop, Row
from scalediff.io.attempts import AttemptStore
from scalediff.io.log import KeyedLog
from scalediff.io.log_files import say

_ROW, _DROP = 0, 1


class Ledger:
    """Outcomes of a step's units (a row, or one sample of it), durable as they finish.

    Args:
        path: Path without suffix.
        attempts: The store that the outcomes speak of, which is always written before them.
        read_only: True to look at it as it is now, also while another process writes.

    Example:
        with Ledger(folder / "ledger") as ledger:
            ledger.write("row-1#0", {"answer": "4"})
            ledger.read("row-1#0")
    """

    def __init__(
        self, path: Path, attempts: AttemptStore | None = None, *, read_only: bool = False
    ) -> None:
        log = attempts.log if attempts is not None else None
        report = log.report if log is not None else say
        self._log = KeyedLog(path, log, report=report, read_only=read_only)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._log)

    def __contains__(self, key: str) -> bool:
        return key in self._log

    def write(self, key: str, outcome: Row | Drop, ordinal: int = 0) -> None:
        """Record what came of a unit."""
        if isinstance(outcome, Drop):
            payload = orjson.dumps({"reason": outcome.reason, "evidence": outcome.evidence})
            self._log.append(key, payload, outcome=_DROP, ordinal=ordinal)
        else:
            self._log.append(key, orjson.dumps(outcome), outcome=_ROW, ordinal=ordinal)

    def read(self, key: str) -> Row | Drop | None:
        """What came of a unit; None where it is still owed."""
        found = self._log.get(key)
        if found is None:
            return None
        outcome, payload = found
        value = orjson.loads(payload)
        return Drop(**value) if outcome == _DROP else value

    def flush(self) -> None:
        """Hand everything to the operating system; raises what went wrong since the last call."""
        self._log.flush()

    def close(self) -> None:
        """Sync and close."""
        self._log.close()
