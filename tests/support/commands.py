"""Calling the command line within a test."""

import json

import pytest

from scalediff import cli


def run(monkeypatch, capsys, *arguments):
    """Exit status and what was said on standard error."""
    monkeypatch.setattr("sys.argv", ["scalediff", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return end.value.code, said


def succeeding(monkeypatch, capsys, tmp_path):
    """Calls commands in a folder; each has to end with 0, and gives what it said."""
    monkeypatch.chdir(tmp_path)

    def called(*arguments):
        status, said = run(monkeypatch, capsys, *arguments)
        assert status == 0, said
        return said

    return called


def lines(path, *rows):
    """A file of rows: bytes as they are, everything else as JSON."""
    path.write_bytes(
        b"".join(r if isinstance(r, bytes) else json.dumps(r).encode() + b"\n" for r in rows)
    )
    return path
