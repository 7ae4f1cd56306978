import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = (
    "torch", "transformers", "trl", "datasets", "accelerate", "numpy", "sympy", "math_verify",
    "rensa", "pyarrow", "pydantic",
)  # fmt: skip
RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


def modules_after(code):
    """Which heavy modules a fresh interpreter has loaded after running code."""
    script = f"import sys\n{code}\nprint(*[m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=250
    )
    return set(done.stdout.splitlines()[-1].split())


def test_the_command_line_alone_loads_nothing_heavy():
    assert modules_after("import scalediff.cli") == set()


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_loads_without_any_model_library(path):
    loaded = modules_after(
        f"from pathlib import Path\nfrom scalediff.recipe import load\nload(Path({str(path)!r}))"
    )
    assert loaded <= {"pydantic", "pyarrow", "numpy"}


def test_reading_a_run_needs_no_model_library():
    loaded = modules_after(
        "import scalediff.io.run, scalediff.report.page, scalediff.report.summary"
    )
    assert not loaded & {"torch", "transformers", "trl", "datasets"}
