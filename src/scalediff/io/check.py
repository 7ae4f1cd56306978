"""What of a run directory is whole: ``scalediff check``, which reads and repairs nothing.

Fast, it compares sizes, seals, indexes and counts; deep, it reads every byte. What the deep look
finds is noted in ``doubted.json``, so that the next command, which does not read every byte, makes
it again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from scalediff.core.errors import DamagedError, RunStateError
from scalediff.io.json_files import read_json, write_json
from scalediff.io.lock import holder_of
from scalediff.io.log_files import LogFiles
from scalediff.io.parquet import count_rows, read_column, read_table
from scalediff.io.run import DOUBTED, MANIFESTS, Run
from scalediff.io.step_folder import StepFolder

_TABLES = ("rows.parquet", "drops.parquet", "attempts.parquet")
_AGAIN = "written again by the next command"


@dataclass(frozen=True)
class Finding:
    """Something that is damaged.

    Attributes:
        place: Its path in the run.
        what: What is wrong.
        then: What the next command makes of it.
        doubted: What that command has to read in full, or nothing where it sees by itself.
    """

    place: str
    what: str
    then: str
    doubted: str = ""


@dataclass
class Checked:
    """What a check came to.

    Attributes:
        findings: What is damaged.
        notes: What is worth knowing and no damage.
        num_steps: Steps that are done and whole.
        num_files: Files that were looked at.
        num_records: Records of ledgers and of the attempt store.
        lost: Attempts that are lost: units that the next command would pay for again.
    """

    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    num_steps: int = 0
    num_files: int = 0
    num_records: int = 0
    lost: set[str] = field(default_factory=set)

    def text(self) -> str:
        """For people."""
        lines = [*self.notes]
        for found in self.findings:
            lines += [f"damaged: {found.place}: {found.what}", f"    {found.then}"]
        counted = (
            f"{self.num_steps:,} steps, {self.num_files:,} files, {self.num_records:,} records"
        )
        if not self.findings:
            return "\n".join([*lines, f"whole: {counted}"])
        units = f"{len(self.lost):,} unit{'s' * (len(self.lost) != 1)}"
        last = f"{len(self.findings):,} damaged; whole: {counted}; the same command as before makes"
        return "\n".join([*lines, f"{last} it whole again and pays for {units}"])


class _Store:
    """The attempt store as it is now, without the records that are not whole."""

    def __init__(self, run: Run) -> None:
        self._store = run.attempts
        self.bad: set[bytes] = set()

    def lost(self, ids: Iterable[str | None]) -> set[str]:
        """Those of some attempts that it does not have."""
        return {each for each in ids if each is not None and not self._has(each)}

    def _has(self, key: str) -> bool:
        return key in self._store and hashlib.sha256(key.encode()).digest()[:16] not in self.bad


def check(path: Path, *, deep: bool = False) -> Checked:
    """Look at a run directory; changes nothing in it but the note of what a deep look found.

    Args:
        path: The run directory; a command may be at work in it.
        deep: Whether to read every byte.

    Raises:
        RunStateError: It is no run directory.
    """
    run, checked = Run(path, create=False), Checked()
    holder = holder_of(path)
    if holder is not None:
        checked.notes.append(f"{path} is at work{holder}: what is done so far was checked")
    try:
        _check_head(run, checked, is_working=holder is not None)
        store = _Store(run)
        places = _log(run.store_folder / "attempts", deep=deep, is_working=holder is not None)
        for finding, bad, num in places:
            checked.num_records += num
            store.bad |= bad
            if finding is not None:
                checked.findings.append(finding)
        current = {entry["folder"] for entry in run.manifest.get("steps", {}).values()}
        for folder in sorted((path / "steps").glob("*")):
            if folder.name in current or not current:
                _check_step(StepFolder(folder), store, checked, deep=deep)
            elif folder.is_dir():
                earlier = Checked()
                _check_step(StepFolder(folder), store, earlier, deep=deep)
                checked.notes += [
                    f"of an earlier setting, made again should it come back: {f.place}: {f.what}"
                    for f in earlier.findings
                ]
    finally:
        run.close()
    for aside in sorted([*path.rglob("*.torn-*"), *path.rglob("*.damaged-*")]):
        place = aside.relative_to(path)
        checked.notes.append(f"{place} was set aside earlier; nothing needs it any more")
    if deep:
        _note(path, checked)
    return checked


def _check_head(run: Run, checked: Checked, *, is_working: bool) -> None:
    """The files at the top."""
    is_old = run.manifest["format"] == 1
    for name in MANIFESTS[:1] if is_old else MANIFESTS:
        checked.num_files += 1
        try:
            if read_json(run.path / name) is None:
                checked.findings.append(Finding(name, "it is missing", _AGAIN))
        except DamagedError as error:
            checked.findings.append(Finding(name, error.what, _AGAIN))
    has_order = "order" in run.manifest
    if has_order and not is_working:
        checked.num_files += 1
        try:
            run.sound_recipe()
        except RunStateError as error:
            what = error.what if isinstance(error, DamagedError) else "it is missing"
            checked.findings.append(Finding("recipe.yaml", what, _AGAIN))
    if "steps" in run.manifest and "command" not in run.manifest and not is_working:
        for name in ("summary.json", "report.html"):
            checked.num_files += 1
            try:
                is_there = (run.path / name).is_file()
                what = "" if is_there else "it is missing"
                if name.endswith(".json"):
                    read_json(run.path / name)
            except DamagedError as error:
                what = error.what
            if what:
                checked.findings.append(Finding(name, what, _AGAIN))


def _log(
    path: Path, *, deep: bool, is_working: bool
) -> Iterator[tuple[Finding | None, set[bytes], int]]:
    """What is wrong with a log, keys of records that are bad, and how many are whole."""
    name = path.with_suffix(".log")
    place = f"{name.parent.name}/{name.name}"
    if not name.exists() and not path.with_suffix(".idx").exists():
        return
    files = LogFiles(path, read_only=True)
    try:
        index_size = path.with_suffix(".idx").stat().st_size if files.num_records else 0
        told = (index_size // 44, files.size) != (files.num_records, files.end)
        bad: set[bytes] = set()
        num_headers = 0
        if deep:
            for number, found in files.checked():
                if not found.payload:
                    bad.add(files.key(number))
                num_headers += not found.header and found.payload
        doubted = f"{path.parent.name}/{path.name}" if path.name == "ledger" else "attempts"
        if told and not is_working:
            then = "made again from what is there; a torn tail is set aside"
            what = f"its index does not fit it from record {files.num_records:,} on"
            yield Finding(place, what, then), set(), 0
        if bad:
            what = f"{len(bad):,} records with a wrong checksum"
            yield Finding(place, what, "skipped; their units are done again", doubted), bad, 0
        if num_headers:
            what = f"{num_headers:,} damaged headers of records"
            yield Finding(place, what, "written again from the index", doubted), set(), 0
        yield None, set(), files.num_records - len(bad)
    finally:
        files.close()


def _check_step(folder: StepFolder, store: _Store, checked: Checked, *, deep: bool) -> None:
    """One step: its seal, what that vouches for, its ledger, its attempts."""
    place = f"steps/{folder.path.name}"
    about = folder.about
    for finding, _, num in _log(folder.path / "ledger", deep=deep, is_working=folder.seal is None):
        checked.num_records += num
        if finding is not None:
            doubted = f"steps/{finding.doubted}" if finding.doubted else ""
            checked.findings.append(
                Finding(f"steps/{finding.place}", finding.what, finding.then, doubted)
            )
    try:
        seal = read_json(folder.path / "seal.json")
    except DamagedError:
        seal = None
    if seal is None and not folder.damage:
        if about:
            checked.notes.append(f"{place} is not done yet")
        return
    wrong = [folder.damage] if folder.damage else []
    if isinstance(seal, dict) and "counts" in seal:
        checked.num_files += len(seal.get("files", ())) + 1
        wrong = [*folder.wrong_files(seal, deep=deep)] or wrong
        wrong = wrong or [*_sums(folder, seal)]
        if deep and not wrong:
            wrong = [*_unreadable(folder)]
    doubted = place if deep and not folder.damage else ""
    for what in wrong:
        checked.findings.append(Finding(place, what, _then(folder, about), doubted))
    if folder.seal is not None and (what := folder.wrong_ledger()):
        then = "the step is whole without it, and its attempts are in the store"
        checked.findings.append(Finding(place, what, then))
    if about.get("pays") and (lost := store.lost(_ids(folder))):
        checked.lost |= lost
        what = f"{len(lost):,} of its attempts are lost from the store"
        checked.findings.append(Finding(place, what, "they are paid for again"))
    checked.num_steps += not wrong


def _then(folder: StepFolder, about: dict[str, Any]) -> str:
    if about.get("stage") == "train":
        hours = folder.spent.get("seconds", 0) / 3600
        return f"the model is trained again (it took {hours:.1f} hours)"
    if about.get("pays"):
        return "the step is made again from its ledger and the attempt store"
    return "the step is made again; it costs nothing"


def _sums(folder: StepFolder, seal: dict[str, Any]) -> Iterator[str]:
    """Whether its counts add up, and are those of the tables."""
    counts, dropped = seal["counts"], sum(seal["counts"]["dropped"].values())
    kept = counts["out"] + counts["review"]
    if counts["in"] != kept + dropped or seal["num_rows"] != kept:
        yield f"its counts do not add up: {counts['in']:,} in, {kept:,} kept, {dropped:,} dropped"
    for name, expected in (("rows.parquet", kept), ("drops.parquet", dropped)):
        try:
            if count_rows(folder.path / name) != expected:
                yield f"{name} does not have the {expected:,} rows that were sealed"
        except DamagedError as error:
            yield error.what


def _unreadable(folder: StepFolder) -> Iterator[str]:
    """Every page of every table."""
    shards = (folder.path / "dataset" / "data").glob("*.parquet")
    tables = [path for name in _TABLES if (path := folder.path / name).exists()]
    for path in tables:
        try:
            for _ in read_table(path):
                pass
        except DamagedError as error:
            yield error.what
    for path in shards:
        try:
            for _ in read_column(path, "key"):
                pass
        except DamagedError as error:
            yield error.what


def _ids(folder: StepFolder) -> Iterator[str | None]:
    """The attempts that a step speaks of: by its table, or by its ledger where that is damaged."""
    if folder.seal is not None:
        if (folder.path / "attempts.parquet").exists():
            with suppress(DamagedError):
                for part in read_column(folder.path / "attempts.parquet", "attempt_id"):
                    yield from part
        return
    files = LogFiles(folder.path / "ledger", read_only=True)
    try:
        for number in range(files.num_records):
            found = None if files.place(number).is_lost else files.read(number)
            value = orjson.loads(found[1]) if found is not None else {}
            yield from (a.get("attempt_id") for a in value.get("attempts", ()))
    finally:
        files.close()


def _note(path: Path, checked: Checked) -> None:
    """Leave word of what only a deep look finds; not where nothing can be written."""
    doubted = sorted({found.doubted for found in checked.findings if found.doubted})
    with suppress(OSError):
        if doubted:
            write_json(path / DOUBTED, {"files": doubted})
        else:
            (path / DOUBTED).unlink(missing_ok=True)
