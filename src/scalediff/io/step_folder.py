"""One step's folder: a ledger while it works, tables and a seal when it is done.

The seal is written last and vouches for every other file with its size and SHA-256. A step whose
seal or files are not what they were is not done: it is made again, from its ledger and the attempt
store where it paid for something.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from scalediff.core.errors import DamagedError
from scalediff.io.atomic import is_temporary
from scalediff.io.contents import file_digest
from scalediff.io.json_files import CHECKED, read_json, write_json
from scalediff.io.log import KeyedLog
from scalediff.io.log_files import Report
from scalediff.io.log_repair import free_name
from scalediff.io.parquet import count_rows

SMALL_BYTES = 4 << 20
"""Files up to this size are digested whenever a seal is looked at; larger ones when they are read
(``StepTable``), and by ``scalediff check --deep``."""

_SEAL = {"digest": str, "num_rows": int, "input": str, "extent": dict, "counts": dict,
         "seconds": int | float, "tokens": dict}  # fmt: skip
_COUNTS = {"in": int, "out": int, "review": int, "dropped": dict}
_ABOUT = {"name": str, "stage": str, "births": bool, "inputs": list, "settings": dict}
_NOT_SEALED = ("seal.json", "spent.json", "train.log", "job.json", "train.jsonl")
_LEDGER = ("ledger.log", "ledger.idx")


class StepFolder:
    """One step's folder.

    Args:
        path: Where it is, or will be.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def seal(self) -> dict[str, Any] | None:
        """What the seal says (digest, counts, seconds); None unless the step is done and whole."""
        return self._looked()[0]

    @property
    def damage(self) -> str:
        """What is wrong with a step that was done, as a phrase; empty where nothing is."""
        return self._looked()[1]

    def _looked(self) -> tuple[dict[str, Any] | None, str]:
        try:
            seal = read_json(self.path / "seal.json")
        except DamagedError:
            return None, "seal.json is damaged"
        if seal is None:
            return None, ""
        # one with a list of files has a checksum: rows that it lost are a fault of the stage, which
        # the report counts
        if not _has(seal, _SEAL) or not ("files" in seal or _adds_up(seal)):
            return None, "seal.json is damaged"
        wrong = next(self.wrong_files(seal), "")
        return (None, wrong) if wrong else (seal, "")

    def wrong_files(self, seal: Mapping[str, Any], *, deep: bool = False) -> Iterator[str]:
        """What is wrong with the files that a seal vouches for, one phrase each.

        Args:
            seal: The seal.
            deep: Whether to digest the large ones too.
        """
        if "files" not in seal:
            yield from self._wrong_of_old(seal)
            return
        for name, told in seal["files"].items():
            if wrong := self._wrong(name, told, deep=deep):
                yield wrong

    def _wrong(self, name: str, told: Mapping[str, Any], *, deep: bool) -> str:
        path = self.path / name
        try:
            size = path.stat().st_size
        except OSError:
            return f"{name} is missing"
        if not path.is_file():
            return f"{name} is no file any more"
        if size != told["size"]:
            return f"{name} has {size:,} bytes where {told['size']:,} were sealed"
        if (deep or size <= SMALL_BYTES) and file_digest(str(path)) != told["sha256"]:
            return f"{name} is not as it was sealed (its digest differs)"
        return ""

    def _wrong_of_old(self, seal: Mapping[str, Any]) -> Iterator[str]:
        """The same of a seal from before sizes: what has to be there, and its rows."""
        if not _has(self.about, _ABOUT):
            yield "step.json is missing or damaged"
            return
        dropped = sum(seal["counts"]["dropped"].values())
        for name, num in (("rows.parquet", seal["num_rows"]), ("drops.parquet", dropped)):
            try:
                found = count_rows(self.path / name)
            except DamagedError as error:
                yield error.what.replace(f"{self.path}/", "")
            else:
                if found != num:
                    yield f"{name} has {found:,} rows where {num:,} were sealed"
        stage = self.about.get("stage")
        if stage == "train" and not (self.path / "model" / "training.json").is_file():
            yield "model/training.json is missing"
        if stage == "assemble":
            yield from self._wrong_dataset()

    def _wrong_dataset(self) -> Iterator[str]:
        try:
            if not (self.path / "dataset" / "README.md").is_file():
                yield "dataset/README.md is missing"
            told = read_json(self.path / "dataset" / "provenance.json")
            for split, num in (told or {"rows": {"any": 1}})["rows"].items():
                shards = (self.path / "dataset" / "data").glob(f"{split}-*-of-*.parquet")
                found = sum(count_rows(shard) for shard in shards)
                if found != num:
                    yield f"dataset has {found:,} rows of {split} where {num:,} were written"
        except (DamagedError, TypeError, KeyError, AttributeError):
            yield "dataset is damaged"

    def sound(self, name: str) -> Path:
        """The path of a sealed file (or of a folder, all below it), its digest compared.

        Raises:
            DamagedError: It is not as it was sealed.
        """
        path = self.path / name
        seal = read_json(self.path / "seal.json") or {}
        for each, told in seal.get("files", {}).items():
            inside = each == name or each.startswith(f"{name}/")
            if inside and (wrong := self._wrong(each, told, deep=True)):
                raise DamagedError(f"{self.path / wrong}", self.path / each)
        return path

    @property
    def about(self) -> dict[str, Any]:
        """``step.json``: name, stage, key, meaning, inputs and whether rows are born here.

        Empty where there is none that is whole.
        """
        try:
            value = read_json(self.path / "step.json")
        except DamagedError:
            return {}
        return value if isinstance(value, dict) else {}

    def begin(self, about: dict[str, Any]) -> None:
        """Open the folder for work: an old seal is broken, what it is about is written."""
        self.path.mkdir(parents=True, exist_ok=True)
        self.break_seal()
        write_json(self.path / "step.json", {**about, **CHECKED})

    def break_seal(self) -> None:
        """The step is not done any more; a folder in it that is damaged is moved aside.

        A stage would take that (a model) for finished.
        """
        try:
            seal = read_json(self.path / "seal.json") or {}
        except DamagedError:
            seal = {}
        for name, told in seal.get("files", {}).items() if isinstance(seal, dict) else ():
            top = self.path / name.partition("/")[0]
            if "/" in name and top.exists() and self._wrong(name, told, deep=True):
                top.rename(free_name(top, "damaged"))
        (self.path / "seal.json").unlink(missing_ok=True)

    def forget_ledger(self) -> None:
        """Remove the ledger: its rows are sealed, or were made from another input."""
        for name in _LEDGER:
            (self.path / name).unlink(missing_ok=True)

    @property
    def spent(self) -> dict[str, float]:
        """Seconds and tokens over all goes at the step: ``spent.json``, else what the seal says."""
        try:
            value = read_json(self.path / "spent.json")
        except DamagedError:
            value = None
        if not isinstance(value, dict):
            seal = self._looked()[0] or {}
            value = {"seconds": seal["seconds"], **seal.get("tokens", {})} if seal else {}
        return {n: v for n, v in value.items() if isinstance(v, int | float)}

    def spend(self, amounts: dict[str, float]) -> dict[str, Any]:
        """Add seconds and tokens of one go at the step to those of earlier ones; the totals."""
        total: dict[str, Any] = self.spent
        for name, amount in amounts.items():
            total[name] = total.get(name, 0) + amount
        write_json(self.path / "spent.json", {**total, **CHECKED})
        return total

    def finish(self, seal: dict[str, Any]) -> None:
        """Seal the step; written last, so that a seal means that all else is whole."""
        files = {}
        for path in sorted(self.path.rglob("*")):
            name = path.relative_to(self.path).as_posix()
            if path.is_file() and not path.is_symlink() and _is_sealed(name):
                files[name] = {"size": path.stat().st_size, "sha256": file_digest(str(path))}
        ledger = self._ledger() if self.about.get("pays") else {}
        vouched = {"files": files} | ({"ledger": ledger} if ledger else {})
        write_json(self.path / "seal.json", {**seal, **vouched, **CHECKED})

    def _ledger(self) -> dict[str, int]:
        found = ((name, self.path / name) for name in _LEDGER)
        return {name: path.stat().st_size for name, path in found if path.is_file()}

    def wrong_ledger(self) -> str:
        """What is wrong with the ledger of a step that is done, by the sizes; empty for nothing."""
        seal = self.seal or {}
        now = self._ledger()
        for name, size in seal.get("ledger", {}).items():
            if name not in now:
                return f"{name} is missing"
            if now[name] != size:
                return f"{name} has {now[name]:,} bytes where {size:,} were sealed"
        return ""

    def restore(self, report: Report) -> None:
        """Put right what a step that is done does not stand on: its ledger and ``spent.json``.

        A ledger is opened where it is small, or not of the size that was sealed; the seal vouches
        for it as it is then.
        """
        seal = self.seal
        if seal is None:
            return
        wrong, now = self.wrong_ledger(), self._ledger()
        if wrong:
            report(
                f"{self.path}: {wrong}; the step is whole without it, and its attempts are in the "
                "store"
            )
        if now and self.about.get("pays") and (wrong or sum(now.values()) <= SMALL_BYTES):
            KeyedLog(self.path / "ledger", report=report).close()
        if "ledger" in seal and self._ledger() != seal["ledger"]:
            write_json(self.path / "seal.json", {**seal, "ledger": self._ledger(), **CHECKED})
        try:
            has_spent = isinstance(read_json(self.path / "spent.json"), dict)
        except DamagedError:
            has_spent = False
        if not has_spent:
            report(f"{self.path / 'spent.json'} is not there or damaged; written from the seal")
            write_json(self.path / "spent.json", {**self.spent, **CHECKED})


def _has(value: Any, wanted: Mapping[str, Any]) -> bool:
    """Whether a value is a mapping that has these entries, of these types."""
    return isinstance(value, dict) and all(
        isinstance(value.get(name), kind) for name, kind in wanted.items()
    )


def _adds_up(seal: Mapping[str, Any]) -> bool:
    """Whether its counts are counts, and the rows in are those kept and dropped."""
    counts, numbers = seal["counts"], [*seal["tokens"].values()]
    if not _has(counts, _COUNTS) or not all(isinstance(n, int | float) for n in numbers):
        return False
    dropped = [*counts["dropped"].values()]
    if not all(isinstance(num, int) for num in dropped):
        return False
    kept = counts["out"] + counts["review"]
    return bool(seal["num_rows"] == kept and counts["in"] == kept + sum(dropped))


def _is_sealed(name: str) -> bool:
    """Whether a file is of those that a seal vouches for."""
    parts = name.split("/")
    working = any(".torn-" in part or ".damaged-" in part or is_temporary(part) for part in parts)
    return not working and name not in (*_NOT_SEALED, *_LEDGER) and parts[0] != "checkpoints"
