"""``make mutants``: change the code in small ways and count what the tests notice.

For each module of ``modules.toml`` a copy of the repository is made below ``.mutants/``, mutmut
makes every mutant of its functions, and a random sample of them is run, each against the tests
that reach it. Printed by module: the share that was noticed, and a diff of each that was not.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".mutants"
COPIED = ("src", "tests", "recipes", "docs", "pyproject.toml")
NOTICED = ("killed", "timeout", "segfault")
_STATUS = {0: "alive", 1: "killed", 3: "killed", 5: "unreached", 33: "unreached", 36: "timeout"}
_STATUS |= {24: "timeout", -24: "timeout", 152: "timeout", 255: "timeout", -9: "segfault"}
_STATUS |= {-11: "segfault"}
# Texts for people: tests look for what matters in them, not for every letter.
_TEXTS = ["raise ", r"^\s*f?\"", r"Error\("]


def modules() -> dict[str, dict[str, list[str]]]:
    """The configuration: module → patterns of its source and its tests."""
    return tomllib.loads((ROOT / "tests/mutants/modules.toml").read_text("utf-8"))


def sources(module: dict[str, list[str]]) -> list[Path]:
    """The files of a module, relative to the repository."""
    base = ROOT / "src/scalediff"
    found = [path for pattern in module["source"] for path in sorted(base.glob(pattern))]
    return [path.relative_to(ROOT) for path in found]


def prepare(name: str, module: dict[str, list[str]]) -> Path:
    """A fresh copy of what is there, with mutmut's settings; mutants go into it alone."""
    place = WORK / name
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for part in COPIED:
        copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy2
        copy(ROOT / part, place / part)
    (place / "mutants" / "src").mkdir(parents=True)  # on the path from the start
    settings = {
        "source_paths": ["src"],
        "only_mutate": [str(path) for path in sources(module)],
        "do_not_mutate_patterns": _TEXTS,
        "also_copy": ["recipes", "docs"],
        "pytest_add_cli_args": ["-p", "no:cacheprovider", "-x"],
        "pytest_add_cli_args_test_selection": [f"tests/{test}" for test in module["tests"]],
        "process_isolation": "forkserver",  # threads of pyarrow and torch do not outlive a fork
        "use_git_change_detection": False,
        "timeout_constant": 5.0,
        "timeout_multiplier": 5.0,
        "debug": True,
    }
    with open(place / "pyproject.toml", "a", encoding="utf-8") as file:
        lines = [f"{key} = {json.dumps(value)}\n" for key, value in settings.items()]
        file.write("\n[tool.mutmut]\n" + "".join(lines))
    return place


def mutants_of(module: dict[str, list[str]]) -> Iterator[str]:
    """The names of all mutants; the working directory is the copy."""
    from mutmut.mutation.file_mutation import mutate_file_contents
    from mutmut.utils.format_utils import get_mutant_name

    for path in sources(module):
        made = mutate_file_contents(str(path), path.read_text("utf-8"))
        yield from (get_mutant_name(path, name) for name in made.mutant_names)


def run(place: Path, names: list[str]) -> dict[str, str]:
    """Run mutants by name; what became of each.

    Raises:
        SystemExit: mutmut failed, for instance because the tests fail unchanged.
    """
    environment = os.environ | {"PYTHONPATH": str(place / "mutants" / "src"), "COLUMNS": "120"}
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *names]
    log = place / "mutmut.log"
    with open(log, "w", encoding="utf-8") as file:
        done = subprocess.run(
            command, cwd=place, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
    if done.returncode:
        tail = "\n".join(log.read_text("utf-8", "replace").splitlines()[-30:])
        raise SystemExit(f"{tail}\nmutmut failed in {place}; the whole of it is in {log}")
    codes: dict[str, int | None] = {}
    for meta in (place / "mutants" / "src").rglob("*.py.meta"):
        codes |= json.loads(meta.read_bytes())["exit_code_by_key"]
    return {name: _STATUS.get(codes[name], "suspicious") for name in names}


def show(place: Path, name: str) -> str:
    """The diff of a mutant, without its heading."""
    command = [sys.executable, "-m", "mutmut", "show", name]
    text = subprocess.run(command, cwd=place, capture_output=True, text=True).stdout
    changed = [line for line in text.splitlines() if line[:1] in "+-" and line[:3] not in _HEADS]
    return "\n".join(f"      {line}" for line in changed)


_HEADS = ("+++", "---")


def main() -> None:
    """Read the command line and run what it names."""
    known = modules()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(known)}")
    parser.add_argument("--limit", type=int, default=40, help="mutants a module; 0 is all of them")
    parser.add_argument("--seed", type=int, default=0, help="which ones are drawn")
    options = parser.parse_args()
    unknown = set(options.modules) - set(known)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(known)}")
    table = []
    for name in options.modules or known:
        place = prepare(name, known[name])
        os.chdir(place)
        every = sorted(mutants_of(known[name]))
        few = options.limit and options.limit < len(every)
        names = random.Random(options.seed).sample(every, options.limit) if few else every
        found = run(place, names)
        for mutant, status in sorted(found.items()):
            if status not in NOTICED:
                print(f"  {status}: {mutant}\n{show(place, mutant)}", flush=True)
        counts = Counter(found.values())
        noticed = sum(counts[status] for status in NOTICED)
        line = f"{name:<12}{noticed:>5} of {len(names):>4} noticed ({noticed / len(names):.0%})"
        rest = ", ".join(f"{n} {status}" for status, n in sorted(counts.items()))
        table.append(f"{line}, {len(every)} in all: {rest}")
        print(table[-1], flush=True)
    print("\n" + "\n".join(table))


if __name__ == "__main__":
    main()
