"""The run directory: what it takes for its own."""

import pytest

from scalediff.core.errors import RunStateError
from scalediff.io.run import Run


def test_a_run_killed_while_it_wrote_its_first_file_is_begun_anew(tmp_path):
    (tmp_path / "manifest.json.tmp").write_bytes(b'{"form')
    Run(tmp_path).close()
    Run(tmp_path, create=False).close()


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("chapter one")
    with pytest.raises(RunStateError, match="another --out"):
        Run(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "chapter one"


@pytest.mark.parametrize("create", [True, False])
def test_a_run_of_another_format_is_refused(tmp_path, create):
    (tmp_path / "manifest.json").write_text('{"format": 0}')
    with pytest.raises(RunStateError, match="run format 0"):
        Run(tmp_path, create=create)
