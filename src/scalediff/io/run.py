"""The run directory: the only code that knows where things lie in it.

``docs/formats.md`` documents the layout. A step's folder is named by the step and its key, so that
a setting changed back finds the old result. Reading needs no model library.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson

from scalediff.core.errors import RunStateError
from scalediff.core.records import Row, merge
from scalediff.core.secrets import mask
from scalediff.core.stopping import STOPPING
from scalediff.io.attempts import AttemptStore
from scalediff.io.parquet import count_rows, read_table

FORMAT = 1
"""Version of the run directory's layout, in ``manifest.json``."""


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole: a reader sees the old one or the new one."""
    temporary = path.with_name(path.name + ".tmp")
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    text = mask(orjson.dumps(value, option=options, default=str).decode())
    with open(temporary, "wb") as file:
        file.write(text.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def read_json(path: Path) -> Any:
    """The value of a JSON file, or None where there is none."""
    try:
        return orjson.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except orjson.JSONDecodeError as error:
        raise RunStateError(
            f"{path} is not valid JSON ({error}); it was changed by hand: restore it, or start "
            "over with another --out"
        ) from None


class StepFolder:
    """One step's folder: a ledger while it works, tables and a seal when it is done."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def seal(self) -> dict[str, Any] | None:
        """What the seal says (digest, counts, seconds), or None before the step is done."""
        value: dict[str, Any] | None = read_json(self.path / "seal.json")
        return value

    @property
    def about(self) -> dict[str, Any]:
        """``step.json``: name, stage, key, meaning, inputs and whether rows are born here."""
        return read_json(self.path / "step.json") or {}

    def begin(self, about: dict[str, Any]) -> None:
        """Open the folder for work: what it is about is written, an old seal is broken."""
        self.path.mkdir(parents=True, exist_ok=True)
        (self.path / "seal.json").unlink(missing_ok=True)
        write_json(self.path / "step.json", about)

    def forget_ledger(self) -> None:
        """Remove the ledger: its rows are sealed, or were made from another input."""
        for suffix in (".log", ".idx"):
            (self.path / "ledger").with_suffix(suffix).unlink(missing_ok=True)

    def spend(self, amounts: dict[str, float]) -> dict[str, Any]:
        """Add seconds and tokens of one go at the step to those of earlier ones; the totals."""
        path = self.path / "spent.json"
        total: dict[str, Any] = read_json(path) or {}
        for name, amount in amounts.items():
            total[name] = total.get(name, 0) + amount
        write_json(path, total)
        return total

    def finish(self, seal: dict[str, Any]) -> None:
        """Seal the step; written last, so that a seal means that all else is whole."""
        write_json(self.path / "seal.json", seal)


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
    """

    def __init__(self, run: Run, folder: StepFolder, *, texts: bool = False) -> None:
        seal = folder.seal
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

    def artefact(self, name: str) -> Path:
        """The path of what the step left beside its rows."""
        return self._folder.path / name

    def added(self) -> Iterator[Row]:
        """The rows with only what this step added."""
        rows = self.artefact("rows.parquet")
        if not rows.exists():
            return iter(())
        attempts = self.artefact("attempts.parquet")
        plain = read_table(rows)
        return _with_attempts(plain, read_table(attempts)) if attempts.exists() else plain

    def rows(self) -> Iterator[Row]:
        """The kept rows with every column gained so far."""
        rows = self._rows()
        return (self._run.with_texts(row, strict=True) for row in rows) if self._texts else rows

    def _rows(self) -> Iterator[Row]:
        if self._births or not self._inputs:
            yield from self.added()
            return
        parent = self._run.table_of(self._inputs[0]).rows()
        for added in self.added():
            for row in parent:
                if row["key"] == added["key"]:
                    yield merge(row, added)
                    break
            else:
                raise RunStateError(
                    f"step {self.name} holds the row {added['key']}, which its input lacks; "
                    f"delete {self._folder.path} and run again"
                )

    def drops(self) -> Iterator[Row]:
        """The rows this step left out, as they came in, with ``reason`` and ``evidence``."""
        path = self.artefact("drops.parquet")
        if not path.exists() or count_rows(path) == 0:
            return
        pending = read_table(path)
        if self._births or not self._inputs:
            yield from pending
            return
        parent = self._run.table_of(self._inputs[0]).rows()
        for drop in pending:
            for row in parent:
                if row["key"] == drop["key"]:
                    yield {**row, **drop}
                    break


class Run:
    """A run directory.

    Args:
        path: The directory; made where it is absent.
        cache: Where the attempt store lies when it is shared between runs; else in the run. A run
            that was begun with one keeps to it.

    Raises:
        RunStateError: The directory is no run of ours, or cannot be written.
    """

    def __init__(self, path: Path, *, cache: Path | None = None, create: bool = True) -> None:
        self.path = path
        self._cache = cache.absolute() if cache is not None else None
        self._store: AttemptStore | None = None
        manifest = path / "manifest.json"
        if path.exists() and not path.is_dir():
            mend = "give another --out" if create else "give the folder of a run"
            raise RunStateError(f"{path} is a file, not a run directory; {mend}")
        if not manifest.exists():
            if not create:
                raise RunStateError(f"{path} is no run directory (it has no manifest.json)")
            # killed while it began, a run leaves the manifest under its temporary name
            if path.exists() and any(p.name != "manifest.json.tmp" for p in path.iterdir()):
                raise RunStateError(
                    f"{path} exists and is no run directory of scalediff; give another --out"
                )
            path.mkdir(parents=True, exist_ok=True)
            begun = {"format": FORMAT, "created": time.time()}
            write_json(manifest, begun | ({"cache": str(self._cache)} if self._cache else {}))
        found = self.manifest.get("format")
        if found != FORMAT:
            raise RunStateError(
                f"{path} was written in run format {found}, this version reads {FORMAT}; "
                "give another --out"
            )

    @property
    def manifest(self) -> dict[str, Any]:
        """``manifest.json`` as it stands."""
        value = read_json(self.path / "manifest.json") or {}
        if not isinstance(value, dict):
            raise RunStateError(
                f"{self.path / 'manifest.json'} is no manifest of a run; restore it, or start over "
                "with another --out"
            )
        return value

    def update_manifest(self, **values: Any) -> None:
        """Change entries of the manifest."""
        write_json(self.path / "manifest.json", {**self.manifest, **values})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from working in the directory meanwhile; the store is closed then.

        Raises:
            RunStateError: One does already.
        """
        with open(self.path / "lock", "a", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise RunStateError(
                    f"{self.path} is at work in another process; wait for it, or give another --out"
                ) from None
            try:
                with STOPPING.working():
                    yield
            finally:
                self.close()

    @property
    def attempts(self) -> AttemptStore:
        """The attempt store, opened (and locked) on first use."""
        if self._store is None:
            known = self.manifest.get("cache")
            place = self._cache or (Path(known) if known else self.path / "attempts")
            self._store = AttemptStore(place)
        return self._store

    def step(self, name: str, key: str) -> StepFolder:
        """The folder of a step with this key."""
        return StepFolder(self.path / "steps" / f"{name}-{key[:12]}")

    def table_of(self, folder_name: str, *, texts: bool = False) -> StepTable:
        """The sealed table in ``steps/FOLDER_NAME``."""
        return StepTable(self, StepFolder(self.path / "steps" / folder_name), texts=texts)

    def table(self, step_name: str, *, texts: bool = False) -> StepTable | None:
        """The sealed table of a step of the current recipe, by name; None before it is done."""
        entry = self.manifest.get("steps", {}).get(step_name)
        if entry is None:
            return None
        folder = StepFolder(self.path / "steps" / entry["folder"])
        return StepTable(self, folder, texts=texts) if folder.seal is not None else None

    def with_texts(self, row: Row, *, strict: bool = False) -> Row:
        """The row with the texts of its attempts, which the store keeps once.

        Raises:
            RunStateError: The store lacks one, and ``strict`` is asked for.
        """
        attempts = []
        for attempt in row.get("attempts") or ():
            record = None
            owed = attempt.get("attempt_id") and "content" not in attempt
            if owed:
                record = self.attempts.get(attempt["attempt_id"])
            if owed and record is None and strict:
                raise RunStateError(
                    f"the attempt store of {self.path} lacks an attempt of row {row['key']}; give "
                    "back the store, or delete the folder steps and run again"
                )
            if record is not None:
                texts = {"reasoning": record["reasoning"], "content": record["content"]}
                attempt = {**attempt, **texts}
            attempts.append(attempt)
        return {**row, "attempts": attempts} if attempts else row

    def event(self, kind: str, **values: Any) -> None:
        """Append a line to ``events.jsonl``."""
        line = orjson.dumps({"time": time.time(), "event": kind, **values}, default=str)
        with open(self.path / "events.jsonl", "ab") as file:
            file.write(mask(line.decode()).encode() + b"\n")

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of ``events.jsonl``; one cut short by a power cut is left out."""
        path = self.path / "events.jsonl"
        if path.exists():
            for line in path.read_bytes().splitlines():
                try:
                    event = orjson.loads(line)
                except orjson.JSONDecodeError:
                    continue
                if isinstance(event, dict) and isinstance(event.get("time"), float):
                    yield event

    def link(self, name: str, target: Path) -> None:
        """Point ``RUN/NAME`` at what a step left, by a relative link."""
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            path.unlink()
        path.symlink_to(os.path.relpath(target, path.parent))

    def close(self) -> None:
        """Close the attempt store."""
        if self._store is not None:
            self._store.close()
            self._store = None


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
