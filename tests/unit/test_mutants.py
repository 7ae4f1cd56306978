"""What `make mutants` is configured with is there."""

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = tomllib.loads((ROOT / "tests/mutants/modules.toml").read_text("utf-8"))


@pytest.mark.parametrize("name", MODULES)
def test_every_file_that_is_named_exists(name):
    for pattern in MODULES[name]["source"]:
        assert list((ROOT / "src/scalediff").glob(pattern)), pattern
    for path in MODULES[name]["tests"]:
        assert (ROOT / "tests" / path).exists(), path
