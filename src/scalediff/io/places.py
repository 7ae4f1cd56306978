"""Which files a path names: a file, a folder, a pattern or a data set of the hub."""

from __future__ import annotations

import glob
import re
from collections.abc import Sequence
from pathlib import Path

from scalediff.core.errors import InputError

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst", ".json", ".parquet")
"""Endings of the files that a folder is searched for."""

HUB = "hf://"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")
_REPORTS = (".dropped.jsonl", ".rejected.jsonl")
_MAGIC = "*?["


def expand(paths: Sequence[str]) -> list[str]:
    """The files of all paths, folders and patterns sorted; ``hf://ID`` stays as it is.

    A folder is searched with all below it, without hidden files, run directories (``*.run``) and
    what our exports write about rows that left (``*.dropped.jsonl``, ``*.rejected.jsonl``).

    Raises:
        InputError: A path is missing, or a folder or pattern holds no data file.
    """
    if not paths:
        raise InputError("no input is given; name a file, a folder or a pattern")
    found: list[str] = []
    for path in paths:
        found += [path] if path.startswith(HUB) else _files(path)
    return found


def is_pattern(path: str) -> bool:
    """Whether a path is a pattern rather than the name of something that exists."""
    return any(mark in path for mark in _MAGIC) and not _exists(Path(path).expanduser())


def _files(path: str) -> list[str]:
    if not path:
        raise InputError("an input is the empty text; name a file, a folder or a pattern")
    place = Path(path).expanduser()
    if is_pattern(path):
        matches = sorted(glob.glob(str(place), recursive=True))
        files = [f for match in matches for f in _of_match(Path(match))]
        if not files:
            raise InputError(f"no data file matches {path}; check the pattern")
        return files
    if not _exists(place):
        if (scheme := _SCHEME.match(path)) is not None:
            near = f", did you mean {HUB}{path[scheme.end() :].lstrip('/')}?"
            near = near if scheme[1].lower() in ("hf", "huggingface") else ""
            raise InputError(
                f"{path} is no path of this machine; download it first, or name a data set of the "
                f"hub as hf://OWNER/NAME{near}"
            )
        raise InputError(f"{path} does not exist; check the path")
    if place.is_dir():
        return _of_folder(place)
    check_regular(place)
    return [str(place)]


def check_regular(place: Path) -> None:
    """Refuse what has no end, or gives what it holds only once.

    Raises:
        InputError: It is a pipe, a socket or a device.
    """
    if place.exists() and not place.is_file():
        raise InputError(
            f"{place} is no regular file (a pipe, a socket or a device); write its rows to a file "
            "and name that"
        )


def check_written(path: object, option: str) -> None:
    """Whether a path is one that can be written to.

    Raises:
        InputError: It is of an object store or a server.

    Example:
        >>> check_written("out/rows.jsonl", "-o")
    """
    text = str(path)
    if _SCHEME.match(text):
        raise InputError(
            f"{option} {text}: only files of this machine are written; give a path here, and copy "
            "what is made when it is done"
        )


def _exists(place: Path) -> bool:
    try:
        return place.exists()
    except (OSError, ValueError):  # too long a name, a null byte, a folder that may not be entered
        return False


def _of_match(place: Path) -> list[str]:
    if place.is_dir():
        return _searched(place)
    if place.name.endswith(_REPORTS):
        return []
    check_regular(place)
    return [str(place)]


def _of_folder(place: Path) -> list[str]:
    if (place / "manifest.json").is_file() and (place / "steps").is_dir():
        raise InputError(f"{place} is a run directory; name the data set in it, or another file")
    if (place / "provenance.json").is_file() and (place / "data").is_dir():
        place = place / "data"  # a data set of ours: the shards, not the same rows in other formats
    files = _searched(place)
    if not files:
        raise InputError(
            f"the folder {place} holds no data file; files of these kinds are read: "
            f"{', '.join(SUFFIXES)}"
        )
    return files


def _searched(place: Path) -> list[str]:
    files = []
    for file in sorted(place.rglob("*")):
        inner = file.relative_to(place).parts
        wanted = file.name.endswith(SUFFIXES) and not file.name.endswith(_REPORTS)
        apart = any(part.startswith(".") or part.endswith(".run") for part in inner)
        if wanted and not apart and file.is_file():
            files.append(str(file))
    return files
