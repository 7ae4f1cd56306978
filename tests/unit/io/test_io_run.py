"""The run directory: what it takes for its own, and what it brings back."""

import json

import pytest

from scalediff.core.errors import DamagedError, RunStateError
from scalediff.io.run import FORMAT, Run


def test_a_run_killed_while_it_wrote_its_first_file_is_begun_anew(tmp_path):
    (tmp_path / "manifest.json.tmp").write_bytes(b'{"form')
    (tmp_path / ".manifest.json.scalediff-00.tmp").write_bytes(b'{"form')
    (tmp_path / "lock").write_bytes(b"")
    Run(tmp_path).close()
    Run(tmp_path, create=False).close()


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    (tmp_path / "thesis.txt").write_text("chapter one")
    with pytest.raises(RunStateError, match="another --out"):
        Run(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "chapter one"
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.txt"]


@pytest.mark.parametrize("create", [True, False])
def test_a_run_of_another_format_is_refused(tmp_path, create):
    (tmp_path / "manifest.json").write_text('{"format": 0}')
    with pytest.raises(RunStateError, match="run format 0"):
        Run(tmp_path, create=create)


def test_a_run_of_format_1_is_read_as_it_is_and_goes_on_in_this_one(tmp_path):
    old = '{"format": 1, "created": 5.0, "cache": "/somewhere"}'
    (tmp_path / "manifest.json").write_text(old)
    run = Run(tmp_path, create=False)
    assert run.manifest["created"] == 5.0
    assert (tmp_path / "manifest.json").read_text() == old
    with run.locked():
        pass
    value = json.loads((tmp_path / "manifest.json").read_text())
    assert (value["format"], value["cache"]) == (FORMAT, "/somewhere")


@pytest.fixture
def begun(tmp_path):
    run = Run(tmp_path / "run", cache=tmp_path / "cache")
    run.update_manifest(order=["a"], command="distill")
    run.attempts.put("key", {"n": 1})
    run.close()
    return tmp_path / "run"


@pytest.mark.parametrize("content", [None, b"", b"{", b"[]", b"\x00" * 50])
@pytest.mark.parametrize("name", ["manifest.json", "manifest.copy.json"])
def test_a_manifest_is_restored_from_its_copy(begun, capsys, name, content):
    before = (begun / name).read_bytes()
    (begun / name).unlink() if content is None else (begun / name).write_bytes(content)
    run = Run(begun)
    assert (run.manifest["command"], run.manifest["order"]) == ("distill", ["a"])
    with run.locked():
        assert run.attempts.get("key") == {"n": 1}
    assert (begun / name).read_bytes() == before
    assert name in capsys.readouterr().err
    assert b'"damage"' in (begun / "events.jsonl").read_bytes()


def test_a_run_without_either_manifest_is_still_a_run(tmp_path, capsys):
    run = Run(tmp_path)
    run.attempts.put("key", {"n": 1})
    run.close()
    for name in ("manifest.json", "manifest.copy.json"):
        (tmp_path / name).unlink()
    run = Run(tmp_path)
    with run.locked():
        assert run.attempts.get("key") == {"n": 1}
    assert "is missing; written again" in capsys.readouterr().err


def test_a_recipe_that_is_not_the_one_that_was_written_is_not_finished(tmp_path):
    run = Run(tmp_path / "run")
    with pytest.raises(RunStateError, match=r"holds no recipe.yaml"):
        run.sound_recipe()
    run.write_recipe("models: {teacher: cheap}\n")
    assert run.sound_recipe().read_text() == "models: {teacher: cheap}\n"
    run.sound_recipe().write_text("models: {teacher: dear}\n")
    with pytest.raises(DamagedError, match="is not as it was written; run the command that made"):
        run.sound_recipe()
    run.close()


def test_an_event_behind_a_torn_line_is_a_line_of_its_own(tmp_path):
    run = Run(tmp_path / "run")
    run.event("one")
    path = tmp_path / "run" / "events.jsonl"
    path.write_bytes(path.read_bytes() + b'{"time": 1.0, "ev')
    run.event("two")
    assert [event["event"] for event in run.events()] == ["one", "two"]
    run.close()


def test_what_lies_in_the_place_of_a_link_is_moved_aside(tmp_path):
    run = Run(tmp_path / "run")
    (tmp_path / "run" / "dataset").write_text("the user's")
    (tmp_path / "run" / "steps").mkdir()
    run.link("dataset", tmp_path / "run" / "steps")
    assert (tmp_path / "run" / "dataset").resolve() == tmp_path / "run" / "steps"
    assert (tmp_path / "run" / "dataset.aside-1").read_text() == "the user's"
    run.close()


def test_looking_at_a_run_that_is_at_work_needs_no_lock(tmp_path):
    working = Run(tmp_path)
    with working.locked():
        working.attempts.put("key", {"n": 1})
        working.attempts.sync()
        looking = Run(tmp_path, create=False)
        assert looking.attempts.get("key") == {"n": 1}
        looking.close()
