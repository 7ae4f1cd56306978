"""Bad input to commands: one sentence with the mend, the right exit status, never a traceback."""

import gzip
import json
import os

import pytest
from commands import lines, run

GOOD = {"problem": "What is $2+2$ when you add them?", "answer": "4"}


@pytest.fixture
def screen(tmp_path, monkeypatch, capsys):
    def screened(path, *extra):
        out = tmp_path / "out.jsonl"
        status, said = run(monkeypatch, capsys, "screen", path, "-o", out, *extra)
        rejected = out.with_suffix(".rejected.jsonl")
        set_aside = rejected.read_text().splitlines() if rejected.exists() else []
        return status, said, out, [json.loads(line) for line in set_aside]

    return screened


def test_a_missing_file(screen, tmp_path):
    status, said, out, _ = screen(tmp_path / "nosuch.jsonl")
    assert status == 2
    assert "nosuch.jsonl" in said
    assert not out.exists()


def test_an_empty_file(screen, tmp_path):
    status, said, _, _ = screen(lines(tmp_path / "empty.jsonl"))
    assert status == 2
    assert "empty" in said


def test_a_folder_without_data(screen, tmp_path):
    (tmp_path / "folder").mkdir()
    status, said, _, _ = screen(tmp_path / "folder")
    assert status == 2
    assert "folder" in said


def test_a_binary_file(screen, tmp_path):
    path = tmp_path / "binary.jsonl"
    path.write_bytes(os.urandom(50_000) + b"\x00")
    status, said, _, _ = screen(path)
    assert status == 2
    assert said.count("\n") < 10


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (b'{"problem": "broken\n', "JSON"),
        (b"\xff\xfe\xfa not text\n", "UTF-8"),
        ({"answer": "4"}, "problem"),
        ({"problem": None}, "null"),
        ({"problem": 7}, "not text"),
        ({"problem": "  "}, "empty"),
        ({"problem": "x" * 10_000_000}, "characters"),
        ({"conversations": ["hello"]}, "object"),
        ({"messages": [{"role": "user", "content": None}]}, "null"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_line_and_the_rest_goes_on(screen, tmp_path, bad, reason):
    path = lines(tmp_path / "rows.jsonl", GOOD, {**GOOD, "problem": "How many is $3+3$ then?"}, bad)
    status, _, out, rejected = screen(path)
    assert status == 0
    assert len(out.read_text().splitlines()) == 2
    assert [row["line"] for row in rejected] == [3]
    assert reason.lower() in rejected[0]["reason"].lower()


def test_only_bad_rows_are_an_error(screen, tmp_path):
    status, said, out, _ = screen(lines(tmp_path / "bad.jsonl", {"answer": "4"}, {"answer": "5"}))
    assert status == 2
    assert "no usable row" in said
    assert not out.exists()


def test_strict_makes_a_bad_row_an_error(screen, tmp_path):
    status, said, _, _ = screen(lines(tmp_path / "x.jsonl", GOOD, b"{\n"), "--strict")
    assert status == 2
    assert "line 2" in said


def test_equal_rows_keep_apart_and_one_stays(screen, tmp_path):
    status, _, out, _ = screen(lines(tmp_path / "x.jsonl", GOOD, GOOD))
    assert status == 0
    assert len(out.read_text().splitlines()) == 1
    dropped = json.loads(out.with_suffix(".dropped.jsonl").read_text())
    assert (dropped["step"], dropped["reason"]) == ("screen", "duplicate")
    assert dropped["evidence"]


def test_a_compressed_file_is_read_and_foreign_columns_leave_as_they_came(screen, tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    with gzip.open(path, "wb") as file:
        file.write(json.dumps({**GOOD, "mixed": [1, "a", {"b": None}]}).encode() + b"\n")
    status, _, out, _ = screen(path)
    assert status == 0
    assert json.loads(out.read_text())["mixed"] == [1, "a", {"b": None}]


def test_an_output_that_is_somebody_elses(screen, tmp_path):
    (tmp_path / "out.jsonl").write_text("precious\n")
    status, said, out, _ = screen(lines(tmp_path / "x.jsonl", GOOD))
    assert status == 2
    assert "was not made by this command" in said
    assert out.read_text() == "precious\n"


def test_a_run_directory_of_another_recipe(tmp_path, monkeypatch, capsys):
    fake = "tests/support/fake.yaml"
    run(monkeypatch, capsys, "run", fake, "--out", tmp_path / "run", "--until", "sources")
    status, said = run(
        monkeypatch, capsys, "run", fake, "--out", tmp_path / "run", "--set", "name=other"
    )
    assert status == 2
    assert "give another --out" in said


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "nosuch.yaml"], "there is no recipe"),
        (["run", "nano", "--set", "generate.n=0"], "greater than or equal to 1"),
        (["run", "nano", "--set", "generate.temprature=1"], "did you mean temperature"),
        (["run", "nano", "--until", "filtre"], "did you mean filter"),
        (["generate", "-n", "0", "-o", "x.jsonl", "--model", "nano:generator"], "greater"),
        (["generate", "-n", "3", "-o", "x.jsonl", "--model", "nano:genrator"], "nano:generator"),
        (["generate", "-n", "3", "-o", "x.jsonl", "--model", "./nowhere"], "nowhere"),
        (["--nosuch"], "No such option"),
    ],
)
def test_a_wrong_call(monkeypatch, capsys, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    status, said = run(monkeypatch, capsys, *arguments)
    assert status == 2
    assert message in said


def test_a_model_folder_without_a_tokenizer(monkeypatch, capsys, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"")
    status, said = run(
        monkeypatch, capsys, "distill", lines(tmp_path / "x.jsonl", GOOD),
        "-o", tmp_path / "out.jsonl", "--model", folder,
    )  # fmt: skip
    assert status == 2
    assert "tokenizer" in said


def test_an_identifier_whose_template_does_not_open_a_thought(monkeypatch, capsys, tmp_path):
    status, said = run(
        monkeypatch, capsys, "identify", lines(tmp_path / "x.jsonl", GOOD),
        "-o", tmp_path / "out.jsonl", "--model", "nano:teacher",
    )  # fmt: skip
    assert status == 2
    assert "<think>" in said


def test_a_full_disk(monkeypatch, capsys, tmp_path):
    import scalediff.io.run as run_module

    def full(*_):
        raise OSError(28, "No space left on device", "somewhere")

    monkeypatch.setattr(run_module, "write_json", full)
    status, said = run(
        monkeypatch, capsys, "screen", lines(tmp_path / "x.jsonl", GOOD),
        "-o", tmp_path / "out.jsonl",
    )  # fmt: skip
    assert status == 1
    assert "free some space" in said


def test_grading_without_a_response_names_the_option(monkeypatch, capsys, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"problem": "1+1?", "solution": "It is \\\\boxed{2}.", "answer": "2"}\n')
    out = tmp_path / "graded.jsonl"
    status, errors = run(monkeypatch, capsys, "grade", str(rows), "-o", str(out))
    assert status == 2
    assert "--response-column" in errors
    status, _ = run(
        monkeypatch, capsys, "grade", str(rows), "-o", str(out), "--response-column", "solution"
    )
    assert status == 0
    assert json.loads(out.read_text())["verdict"] == "right"


def _nested(depth):
    return b"[" * depth + b"]" * depth


@pytest.mark.parametrize("depth", [210, 254, 300, 980, 1020, 3000, 200_000])
@pytest.mark.parametrize("name", ["deep.jsonl", "deep.json"])
def test_a_row_of_any_depth_is_set_aside(screen, monkeypatch, capsys, tmp_path, depth, name):
    good = json.dumps(GOOD).encode()
    bad = b'{"problem": "What is 1?", "x": ' + _nested(depth) + b"}"
    other = b'{"problem": ' + _nested(depth) + b', "y": ' + _nested(depth) + b"}"
    rows = [good, bad, other, good.replace(b"2+2", b"3+2")]
    path = tmp_path / name
    path.write_bytes(b"[" + b",\n".join(rows) + b"]" if name.endswith(".json") else
                     b"\n".join(rows) + b"\n")  # fmt: skip
    status, said, out, rejected = screen(path)
    assert status == 0, said
    assert len(out.read_text().splitlines()) == 2
    assert [row["line"] for row in rejected] == [2, 3]
    assert all("deep" in row["reason"] or "depth" in row["reason"] for row in rejected)
    assert run(monkeypatch, capsys, "look", path)[0] == 0


@pytest.mark.parametrize("place", ["pipe.jsonl", "socket.jsonl", "/dev/zero", "/dev/null", "link"])
@pytest.mark.parametrize("command", ["screen", "look", "grade", "against", "benchmark", "pattern"])
def test_what_has_no_end_is_no_input(monkeypatch, capsys, tmp_path, place, command):
    import socket

    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.jsonl")
    with socket.socket(socket.AF_UNIX) as held:
        held.bind("socket.jsonl")
    os.symlink("/dev/zero", "link")
    good = lines(tmp_path / "good.jsonl", GOOD)
    arguments = {
        "screen": ["screen", place, "-o", "o.jsonl"],
        "look": ["look", place],
        "grade": ["grade", place, "-o", "o.jsonl"],
        "against": ["screen", good, "-o", "o.jsonl", "--against", place],
        "benchmark": ["screen", good, "-o", "o.jsonl", "--benchmark", place],
        "pattern": ["screen", f"{place[:-1]}?", "-o", "o.jsonl"],
    }[command]
    status, said = run(monkeypatch, capsys, *arguments)
    assert status == 2
    assert "no regular file" in said
