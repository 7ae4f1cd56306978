"""The run directory: the only code that knows where things lie in it.

``docs/formats.md`` documents the layout. A step's folder is named by the step and its key, so that
a setting changed back finds the old result. Reading needs no model library, and changes nothing.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from scalediff.core.errors import DamagedError, RunStateError
from scalediff.core.records import Row
from scalediff.core.secrets import mask
from scalediff.core.stopping import STOPPING
from scalediff.io.atomic import is_temporary, replacing
from scalediff.io.attempts import AttemptStore
from scalediff.io.json_files import CHECKED
from scalediff.io.json_files import read_json as read_json
from scalediff.io.json_files import write_json as write_json
from scalediff.io.lock import RunLock
from scalediff.io.log import KeyedLog
from scalediff.io.log_files import say
from scalediff.io.log_repair import free_name
from scalediff.io.parquet import read_column
from scalediff.io.step_folder import StepFolder as StepFolder
from scalediff.io.step_table import StepTable as StepTable

FORMAT = 2
"""Version of the run directory's layout, in ``manifest.json``."""

READS = (1, 2)
"""Versions that are read; a run of an earlier one goes on in the new."""

DOUBTED = "doubted.json"
"""What ``check --deep`` found damaged, until a run has dealt with it."""

MANIFESTS = ("manifest.json", "manifest.copy.json")
"""The manifest, and what it is restored from."""


def is_run(path: Path) -> bool:
    """Whether a folder is a run directory, also one whose manifest is gone."""
    if any((path / name).is_file() for name in MANIFESTS):
        return True
    return (path / "attempts" / "attempts.log").is_file() or any(path.glob("steps/*/step.json"))


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
        self._create = create
        self._store: AttemptStore | None = None
        self._lock = RunLock(path)
        self._lost: dict[tuple[str, str, int], int] = {}
        if path.exists() and not path.is_dir():
            cure = "give another --out" if create else "give the folder of a run"
            raise RunStateError(f"{path} is a file, not a run directory; {cure}")
        if not is_run(path):
            if not create:
                raise RunStateError(f"{path} is no run directory (it has no manifest.json)")
            self._begin()
        found = self.manifest.get("format")
        if found not in READS:
            self.close()
            raise RunStateError(
                f"{path} was written in run format {found}, this version reads "
                f"{' and '.join(map(str, READS))}; give another --out"
            )

    def _begin(self) -> None:
        """Make the directory; the lock is held from before its first file until ``close``."""
        path = self.path
        # killed while it began, a run leaves its lock and a file under its temporary name
        if path.exists() and any(
            p.name != "lock" and not is_temporary(p.name) for p in path.iterdir()
        ):
            raise RunStateError(
                f"{path} exists and is no run directory of scalediff; give another --out"
            )
        path.mkdir(parents=True, exist_ok=True)
        self._lock.take()
        if not is_run(path):
            self._write_manifest(self._new_manifest())

    def _new_manifest(self) -> dict[str, Any]:
        begun = {"format": FORMAT, "created": time.time()}
        return begun | ({"cache": str(self._cache)} if self._cache else {})

    @property
    def manifest(self) -> dict[str, Any]:
        """``manifest.json`` as it stands; where that is damaged or gone, its copy.

        Where both are, what every run has: the steps that are done are found by their folders.
        """
        for name in MANIFESTS:
            with suppress(DamagedError):
                value = read_json(self.path / name)
                if isinstance(value, dict) and "format" in value:
                    return value
        return self._new_manifest()

    def update_manifest(self, **values: Any) -> None:
        """Change entries of the manifest."""
        self._write_manifest({**self.manifest, **values})

    def _write_manifest(self, value: dict[str, Any]) -> None:
        for name in reversed(MANIFESTS):
            write_json(self.path / name, {**value, **CHECKED})

    def write_recipe(self, text: str) -> None:
        """Write ``recipe.yaml``, and into the manifest what it is by its digest."""
        raw = mask(text).encode()
        with replacing(self.path / "recipe.yaml") as file:
            file.write(raw)
        self.update_manifest(recipe_sha256=hashlib.sha256(raw).hexdigest())

    def sound_recipe(self) -> Path:
        """The path of ``recipe.yaml``.

        Raises:
            RunStateError: There is none, or not the one that was written.
        """
        path = self.path / "recipe.yaml"
        if not path.exists():
            raise RunStateError(
                f"{self.path} holds no recipe.yaml: run the command that made it once more, which "
                "writes it again"
            )
        told = self.manifest.get("recipe_sha256")
        if told is not None and hashlib.sha256(path.read_bytes()).hexdigest() != told:
            raise DamagedError(
                f"{path} is not as it was written", path,
                "run the command that made it once more, which writes it again",
            )  # fmt: skip
        return path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from working in the directory meanwhile; the store is closed then.

        Raises:
            RunStateError: One does already; nothing has been changed.
        """
        self._lock.take()
        try:
            with STOPPING.working():
                self._put_right()
                self._settle_doubts()
                yield
        finally:
            self.close()

    def _put_right(self) -> None:
        """Write again what of the manifest is damaged or gone, and raise its format."""
        whole = self.manifest
        if whole.get("format") != FORMAT:
            self.update_manifest(format=FORMAT)  # logs are written in the new form from here on
            return
        for name in MANIFESTS:
            try:
                found = read_json(self.path / name)
                wrong = f"{self.path / name} is {'missing' if found is None else 'no manifest'}"
            except DamagedError as error:
                found, wrong = None, error.what
            if not isinstance(found, dict):
                self.damage(f"{wrong}; written again")
            if found != whole:
                self._write_manifest(whole)

    def _settle_doubts(self) -> None:
        """Look at every byte of what ``check --deep`` found damaged, and make it right."""
        for name in self.doubted():
            place = self.path / name
            if place.name == "ledger":
                KeyedLog(place, report=self.damage, doubt_all=True).close()
            elif place.name == "attempts":
                self.close_store()
                self._store = self._opened(doubt_all=True)
            else:
                folder = StepFolder(place)
                wrong = next(folder.wrong_files(folder.seal or {"files": {}}, deep=True), "")
                if wrong:
                    self.damage(f"{place / wrong}; made again")
                    folder.break_seal()
        (self.path / DOUBTED).unlink(missing_ok=True)

    def damage(self, text: str) -> None:
        """Report damage and what becomes of it: on standard error and in ``events.jsonl``."""
        say(text)
        self.event("damage", message=text)

    @property
    def attempts(self) -> AttemptStore:
        """The attempt store, opened on first use; locked, unless this run is only looked at."""
        if self._store is None:
            self._store = self._opened()
        return self._store

    @property
    def store_folder(self) -> Path:
        """Where the attempt store lies."""
        known = self.manifest.get("cache")
        return self._cache or (Path(known) if known else self.path / "attempts")

    def _opened(self, *, doubt_all: bool = False) -> AttemptStore:
        read_only = not (self._create or self._lock.is_held)
        return AttemptStore(
            self.store_folder, report=self.damage, read_only=read_only, doubt_all=doubt_all
        )

    def lost_attempts(self, folder: StepFolder) -> int:
        """How many attempts a sealed step speaks of that the store does not have (any more)."""
        path, seal = folder.path / "attempts.parquet", folder.seal
        if seal is None or not path.exists():
            return 0
        which = (folder.path.name, seal["digest"], self.attempts.log.num_lost)
        if which not in self._lost:
            self._lost[which] = sum(
                self.attempts.log.num_missing([each for each in part if each is not None])
                for part in read_column(path, "attempt_id")
            )
        return self._lost[which]

    def unseal(self, error: DamagedError) -> bool:
        """Have the step that damage was found in made again; False where it is in none."""
        inside = error.path.is_relative_to(self.path / "steps")
        self.damage(f"{error.what}; made again")
        if not inside:
            return error.path.name == "attempts.log"
        name = error.path.relative_to(self.path / "steps").parts[0]
        StepFolder(self.path / "steps" / name).break_seal()
        return True

    def doubted(self) -> list[str]:
        """What ``check --deep`` found damaged and no run has dealt with, by paths in the run."""
        with suppress(DamagedError):
            value = read_json(self.path / DOUBTED)
            if isinstance(value, dict) and isinstance(value.get("files"), list):
                return [str(each) for each in value["files"]]
        return []

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
                raise DamagedError(
                    f"the attempt store of {self.path} lacks an attempt of row {row['key']}",
                    self.path / "attempts" / "attempts.log",
                    "give back the store, or run the same command again, which pays for it anew",
                )
            if record is not None:
                texts = {"reasoning": record["reasoning"], "content": record["content"]}
                attempt = {**attempt, **texts}
            attempts.append(attempt)
        return {**row, "attempts": attempts} if attempts else row

    def event(self, kind: str, **values: Any) -> None:
        """Append a line to ``events.jsonl``."""
        line = orjson.dumps({"time": time.time(), "event": kind, **values}, default=str)
        with open(self.path / "events.jsonl", "ab+") as file:
            end = file.seek(0, os.SEEK_END)
            torn = end > 0 and os.pread(file.fileno(), 1, end - 1) != b"\n"
            file.write(b"\n" * torn + mask(line.decode()).encode() + b"\n")

    def events(self) -> Iterator[dict[str, Any]]:
        """The lines of ``events.jsonl``; one cut short by a power cut is left out."""
        path = self.path / "events.jsonl"
        if path.exists():
            with open(path, "rb") as file:
                for line in file:
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
        elif path.exists():
            path.rename(free_name(path, "aside"))
        path.symlink_to(os.path.relpath(target, path.parent))

    def close(self) -> None:
        """Close the attempt store and give back the lock."""
        try:
            self.close_store()
        finally:
            self._lock.release()

    def close_store(self) -> None:
        """Close the attempt store; it opens again when it is asked."""
        if self._store is not None:
            store, self._store = self._store, None
            store.close()
