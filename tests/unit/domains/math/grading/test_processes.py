"""The grader's processes need nothing of the script that calls it."""

import subprocess
import sys

import pytest

SCRIPT = r"""
from scalediff import grade
print(grade(r"$\boxed{\int_0^1 x\,dx}$", r"\frac12").value)
"""


@pytest.mark.parametrize("how", ["stdin", "dash", "file", "command", "module"])
def test_a_script_needs_no_guard(how, tmp_path):
    (tmp_path / "script.py").write_text(SCRIPT)
    arguments = {
        "stdin": [],
        "dash": ["-"],
        "file": ["script.py"],
        "command": ["-c", SCRIPT],
        "module": ["-m", "script"],
    }[how]
    ran = subprocess.run(
        [sys.executable, *arguments],
        input=SCRIPT if how in ("stdin", "dash") else "",
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (ran.stdout, ran.returncode) == ("right\n", 0), ran.stderr
