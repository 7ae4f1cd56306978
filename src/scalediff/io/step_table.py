"""A sealed step as its readers see it: its rows with every column gained so far."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from scalediff.core.errors import DamagedError, RunStateError
from scalediff.core.records import Row, merge
from scalediff.io.parquet import read_table
from scalediff.io.step_folder import StepFolder


class Tables(Protocol):
    """What a table asks of its run."""

    def table_of(self, folder_name: str) -> StepTable:
        """The sealed table in a step's folder."""
        ...

    def with_texts(self, row: Row, *, strict: bool = False) -> Row:
        """The row with the texts of its attempts."""
        ...


class StepTable:
    """A sealed step as its readers see it (``core.stage.Table``).

    A step stores only what it adds; the rest comes from its first input, which is read beside it
    in the same order, so nothing is held in memory.

    Args:
        run: The run it belongs to.
        folder: The step's folder.
        texts: True to have the reasoning and content of every attempt fetched from the store.

    Raises:
        RunStateError: The step is not finished.
        DamagedError: Here or while rows are read: a file is not as it was sealed.
    """

    def __init__(self, run: Tables, folder: StepFolder, *, texts: bool = False) -> None:
        seal = folder.seal
        if seal is None and folder.damage:
            raise DamagedError(f"{folder.path}: {folder.damage}", folder.path / "seal.json")
        if seal is None:
            raise RunStateError(f"step folder {folder.path.name} is not finished; run it first")
        self._run = run
        self._folder = folder
        self._texts = texts
        about = folder.about
        self.name: str = about["name"]
        self._births: bool = about["births"]
        self._inputs: list[str] = about["inputs"]
        self.digest: str = seal["digest"]
        self.num_rows: int = seal["num_rows"]
        self._num_dropped = sum(seal["counts"]["dropped"].values())
        of_old = (folder.path / "attempts.parquet").exists()
        self._has_attempts: bool = "attempts.parquet" in seal.get("files", {}) or of_old

    def artefact(self, name: str) -> Path:
        """The path of what the step left beside its rows."""
        return self._folder.path / name

    def sound(self, name: str) -> Path:
        """The same, once its digest (of a folder: those of all below it) is what was sealed."""
        return self._folder.sound(name)

    def added(self) -> Iterator[Row]:
        """The rows with only what this step added."""
        rows = self._read("rows.parquet", self.num_rows)
        if not self._has_attempts:
            return rows
        return _with_attempts(rows, read_table(self.sound("attempts.parquet")))

    def _read(self, name: str, expected: int) -> Iterator[Row]:
        """Rows of a table, as many as were sealed."""
        path, count = self.sound(name), 0
        for row in read_table(path):
            count += 1
            yield row
        if count != expected:
            raise DamagedError(f"{path} has {count:,} rows where {expected:,} were sealed", path)

    def rows(self) -> Iterator[Row]:
        """The kept rows with every column gained so far."""
        rows = self._rows()
        return (self._run.with_texts(row, strict=True) for row in rows) if self._texts else rows

    def _rows(self) -> Iterator[Row]:
        if self._births or not self._inputs:
            yield from self.added()
            return
        parent = self._parent().rows()
        for added in self.added():
            for row in parent:
                if row["key"] == added["key"]:
                    yield merge(row, added)
                    break
            else:
                raise self._foreign(added["key"])

    def drops(self) -> Iterator[Row]:
        """The rows this step left out, as they came in, with ``reason`` and ``evidence``."""
        pending = self._read("drops.parquet", self._num_dropped)
        if self._births or not self._inputs:
            yield from pending
            return
        parent = self._parent().rows() if self._num_dropped else iter(())
        for drop in pending:
            for row in parent:
                if row["key"] == drop["key"]:
                    yield {**row, **drop}
                    break
            else:
                raise self._foreign(drop["key"])

    def _parent(self) -> StepTable:
        """The table of the first input.

        Raises:
            DamagedError: It is damaged; or it is not there any more, then this step is made again.
        """
        try:
            return self._run.table_of(self._inputs[0])
        except DamagedError:
            raise
        except RunStateError as error:
            raise DamagedError(
                f"step {self.name} reads {self._inputs[0]}, which is not there any more",
                self.artefact("seal.json"),
            ) from error

    def _foreign(self, key: str) -> DamagedError:
        return DamagedError(
            f"step {self.name} holds the row {key}, which its input lacks",
            self.artefact("seal.json"),
        )


def _with_attempts(rows: Iterator[Row], attempts: Iterator[Row]) -> Iterator[Row]:
    """Hang each row's attempts (same order, several a row) below it."""
    waiting = next(attempts, None)
    for row in rows:
        mine = []
        while waiting is not None and waiting["key"] == row["key"]:
            del waiting["key"]
            mine.append(waiting)
            waiting = next(attempts, None)
        yield {**row, "attempts": mine} if mine else row
