"""Damage to the files of a finished run, one at a time, and what the next command makes of it.

``Case`` is one file and one kind of damage. ``Trial`` copies a finished run, does the damage, runs
a command and says what came of it; everything that must never come of it is ``bad``.
"""

import hashlib
import io
import json
import os
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow.parquet as pq

from scalediff import cli
from scalediff.io.log_files import LogFiles

RECIPE = str(Path(__file__).with_name("fake.yaml"))
SMALL = ("--set", "generate.n=40", "--set", "sources.n=30")
CHANGED = ("--set", "filter.min_confidence=0.9")


def flip(place: float, bit: int = 0) -> Callable[[Path], None]:
    """One bit of the byte at a share of the file."""

    def change(path: Path) -> None:
        content = bytearray(path.read_bytes())
        if content:
            content[min(len(content) - 1, int(place * len(content)))] ^= 1 << bit
        path.write_bytes(content)

    return change


def _garbage(path: Path) -> None:
    path.write_bytes(random.Random(path.name).randbytes(max(1, path.stat().st_size)))


KINDS: dict[str, Callable[[Path], None]] = {
    "flip at 2 %": flip(0.02, 3),
    "flip at 30 %": flip(0.3),
    "flip at 50 %": flip(0.5, 6),
    "flip at 80 %": flip(0.8, 1),
    "flip of the last byte": flip(1.0, 2),
    "cut to half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "one byte less": lambda path: os.truncate(path, max(0, path.stat().st_size - 1)),
    "emptied": lambda path: os.truncate(path, 0),
    "deleted": Path.unlink,
    "zeros": lambda path: path.write_bytes(bytes(path.stat().st_size)),
    "garbage": _garbage,
}


@dataclass(frozen=True)
class Case:
    """One file of a run and what is done to it."""

    name: str
    kind: str


@dataclass
class Outcome:
    """What came of a case."""

    case: Case
    status: int
    said: str
    word: str
    bad: list[str] = field(default_factory=list)


def scalediff(*arguments: object) -> tuple[int, str]:
    """Exit status and all that was said, within this process."""
    out, before = io.StringIO(), sys.argv
    sys.argv = ["scalediff", *map(str, arguments)]
    try:
        with redirect_stderr(out), redirect_stdout(out):
            cli.main()
        status = 0
    except SystemExit as end:
        status = int(end.code or 0)
    except Exception as error:  # what would be a traceback
        status = 1
        out.write(f"Traceback: {type(error).__name__}: {error}")
    finally:
        sys.argv = before
    return status, out.getvalue()


def rows_of(run: Path) -> list[dict]:
    """The dataset as a user finds it in ``RUN/dataset``."""
    files = sorted((run / "dataset" / "data").glob("*.parquet"))
    return [row for path in files for row in pq.read_table(path).to_pylist()]


def figures_of(run: Path) -> dict:
    """What of the summary is no time."""
    summary = json.loads((run / "summary.json").read_text())
    return {name: summary.get(name) for name in ("waterfall", "counts", "rows_lost", "canaries")}


def records_of(path: Path) -> dict[bytes, bytes]:
    """Payloads of a log by key."""
    files = LogFiles(path, read_only=True)
    found = {}
    for number in range(files.num_records):
        read = files.read(number)
        if read is not None:
            found[files.key(number)] = read[1]
    files.close()
    return found


def files_of(run: Path) -> Iterator[str]:
    """Every file that is no link, by its path in the run."""
    for path in sorted(run.rglob("*")):
        if (
            path.is_file()
            and not path.is_symlink()
            and "dataset/" not in str(path.relative_to(run))[:8]
        ):
            yield path.relative_to(run).as_posix()


def age(run: Path) -> None:
    """Make a run look as one of format 1: no checksums, sizes or headers."""
    for path in run.rglob("*.json"):
        value = json.loads(path.read_text())
        if isinstance(value, dict):
            for name in ("check", "files", "ledger", "recipe_sha256"):
                value.pop(name, None)
            value |= {"format": 1} if path.name == "manifest.json" else {}
            path.write_text(json.dumps(value))
    (run / "manifest.copy.json").unlink()
    for path in run.rglob("*.idx"):
        stem = path.with_suffix("")
        files = LogFiles(stem, read_only=True)
        places = [files.place(n) for n in range(files.num_records)]
        payloads = [files.read(n)[1] for n in range(files.num_records)]
        files.close()
        at, index = 0, b""
        for place, payload in zip(places, payloads, strict=True):
            index += place._replace(offset=at, has_header=False).pack()
            at += len(payload)
        path.write_bytes(index)
        stem.with_suffix(".log").write_bytes(b"".join(payloads))


class Trial:
    """A finished run, and what damage to it comes to.

    Args:
        folder: An empty folder to work in.
        old: Whether the run is of format 1.

    Attributes:
        whole: The run.
        expected: Dataset and figures of the same command and of the changed one.
    """

    def __init__(self, folder: Path, *, old: bool = False) -> None:
        self.folder = folder
        self._old = old
        self.whole = folder / "whole"
        self.expected: dict[tuple[str, ...], tuple[list, dict]] = {}
        status, said = scalediff("run", RECIPE, "--out", self.whole, *SMALL)
        assert status == 0, said
        if old:
            age(self.whole)
        self.store = records_of(self.whole / "attempts" / "attempts")
        for extra in ((), CHANGED):
            copy = self.copy()
            status, said = scalediff("run", RECIPE, "--out", copy, *SMALL, *extra)
            assert status == 0, said
            self.expected[extra] = rows_of(copy), figures_of(copy)
        assert self.expected[()] != self.expected[CHANGED]

    def copy(self) -> Path:
        """A fresh copy of the run."""
        copy = self.folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(self.whole, copy, symlinks=True)
        return copy

    def cases(self) -> list[Case]:
        """Every file with every kind of damage."""
        return [Case(name, kind) for name in files_of(self.whole) for kind in KINDS]

    def run(self, case: Case, extra: tuple[str, ...] = ()) -> Outcome:
        """Do the damage, run the command, look at everything."""
        copy = self.copy()
        path = copy / case.name
        before = digest(path)
        KINDS[case.kind](path)
        is_same = digest(path) == before
        store = copy / "attempts" / "attempts"
        left = store.with_suffix(".log").read_bytes() if store.with_suffix(".log").exists() else b""
        old_size = len(left)
        status, said = scalediff("run", RECIPE, "--out", copy, *SMALL, *extra)
        bad = ["traceback"] if "Traceback" in said else []
        if status == 0:
            rows, figures = self.expected[extra]
            if rows_of(copy) != rows:
                bad.append("other rows with status 0")
            if figures_of(copy) != figures:
                bad.append("other figures with status 0")
            names = [] if extra else files_of(self.whole)
            missing = [n for n in names if _is_kept(n) and not (copy / n).exists()]
            bad += [f"{name} is still missing" for name in missing]
            checked, told = scalediff("check", copy, "--deep")
            if checked:
                bad.append(f"check --deep ends with {checked}: {told}")
        elif "scalediff: " not in said:
            bad.append(f"status {status} without a sentence")
        after = records_of(store)
        gone = [k for k, payload in self.store.items() if payload in left and k not in after]
        # without headers nothing but the index knows which record is which
        if gone and not (self._old and case.name.endswith("attempts.idx")):
            bad.append(f"{len(gone)} good records gone")
        size = store.with_suffix(".log").stat().st_size if store.with_suffix(".log").exists() else 0
        return Outcome(case, status, said, _word(status, said, is_same, size > old_size), bad)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.exists() else ""


def _is_kept(name: str) -> bool:
    """What of a run the same command has to bring back."""
    return not name.endswith(("ledger.log", "ledger.idx"))


def _word(status: int, said: str, is_same: bool, paid: bool) -> str:
    if is_same:
        return "no change"
    if status:
        return "ended with a sentence"
    if paid:
        return "whole again, something paid anew"
    if "made again" in said or "written again" in said or "record" in said or "damage" in said:
        return "said, and whole again for nothing"
    return "whole: written anew or not needed"
