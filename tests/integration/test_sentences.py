"""One sentence that names the setting and what it takes, in place of what libraries say."""

import commands
import pytest


@pytest.fixture
def said(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    commands.lines(tmp_path / "rows.jsonl", {"problem": "What is $1+1$?"})

    def call(*arguments):
        status, text = commands.run(monkeypatch, capsys, *arguments)
        assert status == 2, text
        assert "pydantic" not in text
        (line,) = [line for line in text.splitlines() if line.startswith("scalediff: ")]
        return line

    return call


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("distill.k=abc", "distill: k = 'abc' has to be a whole number"),
        ("distill.k=1.5", "k = 1.5 has to be a whole number"),
        ("distill.k=null", "k = None has to be a whole number"),
        ("distill.k=[1]", "k = [1] has to be a whole number"),
        ("distill.k.x=3", "k = {'x': 3} has to be a whole number"),
        ("distill.k=0", "k = 0 has to be greater than or equal to 1"),
        ("distill.temperature=warm", "temperature = 'warm' has to be a number"),
        ("distill.stop_loops=perhaps", "stop_loops = 'perhaps' has to be true or false"),
        ("filter.teacher_k=abc", "filter: teacher_k = 'abc' has to be a whole number"),
        ("filter.rules.min_tokens=abc", "min_tokens = 'abc' has to be a whole number"),
        ("filter.rules.min_token=3", "unknown setting 'min_token', did you mean min_tokens?"),
        ("evaluate.benchmarks=3", "benchmarks = 3 has to be a list"),
        ("evaluate.samples=abc", "samples = 'abc' has to be a whole number"),
        ("sources.paths=abc", "paths = 'abc' has to be a list"),
        ("identify.signal=p_thnk", "has to be first_token or p_think or pass_rate, did you mean"),
        ("seed=abc", "seed = 'abc' has to be a whole number"),
        ("models=3", "models = 3 has to be a valid dictionary"),
        ("models.teacher=3", "models.teacher = 3 has to be text"),
        ("models.teacher.probe=perhaps", "probe.teacher = 'perhaps' has to be true or false"),
        ("engine.slots=abc", "slots = 'abc' has to be a whole number"),
        ("engine.http.tries=abc", "http.tries = 'abc' has to be a whole number"),
        ("side_by_side=abc", "side_by_side = 'abc' has to be a whole number"),
        ("line=3", "line = 3 has to be a valid dictionary"),
        ("nothing_like_it=1", "unknown name; it begins with one of name"),
    ],
)
def test_a_value_of_another_type_names_the_setting_and_what_it_takes(said, text, told):
    assert told in said("run", "nano", "--dry-run", "--set", text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("foo=1", "evaluate: unknown setting 'foo'"),
        ("sample=1", "did you mean samples?"),
        ("samples=abc", "evaluate: samples = 'abc' has to be a whole number"),
        ("benchmarks=3", "benchmarks = 3 has to be a list"),
    ],
)
def test_a_command_of_a_plan_says_the_same(said, text, told):
    call = ("evaluate", "--model", "fake:student", "--benchmark", "nano:test", "--domain", "nano")
    assert told in said(*call, "-o", "scores", "--set", text)


@pytest.mark.parametrize(
    "out", ["s3://bucket/out.jsonl", "gs://bucket/out.jsonl", "http://host/out.jsonl",
            "az://x/out.jsonl", "file:/x/out.jsonl"]
)  # fmt: skip
def test_what_is_written_is_written_here(said, tmp_path, out):
    told = said("distill", "rows.jsonl", "-o", out, "--model", "fake:teacher")
    assert "only files of this machine are written" in told
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]
    assert "-o" in told
    assert "--out" in said("run", "nano", "--out", out.removesuffix("/out.jsonl"))
    assert "--cache" in said("run", "nano", "--out", "run", "--cache", out)
    assert [path.name for path in tmp_path.iterdir()] == ["rows.jsonl"]


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("s3://bucket/rows.jsonl", "is no path of this machine; download it first"),
        ("https://host/rows.jsonl", "is no path of this machine"),
        ("hf:/owner/name", "did you mean hf://owner/name?"),
        ("rows 2.jsonl", "rows 2.jsonl does not exist"),
    ],
)
def test_what_is_read_is_read_here(said, path, told):
    assert told in said("distill", path, "-o", "out.jsonl", "--model", "fake:teacher")
    assert told in said("look", path)


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("http://host:99999/v1#m", "its port is not from 1 to 65535"),
        ("http://host:0/v1#m", "its port is not from 1 to 65535"),
        ("http://host:abc/v1#m", "its port is not from 1 to 65535"),
        ("http://host:-1/v1#m", "its port is not from 1 to 65535"),
        ("http:/x#m", "did you mean http://x#m?"),
        ("http:x", "there is no model"),
        ("htp://host/v1#m", "did you mean http://host/v1#m?"),
        ("htps://host/v1#m", "did you mean https://host/v1#m?"),
        ("HTTP://host/v1#m", "did you mean http://host/v1#m?"),
        ("host:8000/v1#m", "did you mean http://host:8000/v1#m?"),
        ("http://a b/v1#m", "URLs hold no blanks"),
        ("http://#m", "it names no host"),
        ("http://[::1/v1#m", "its host is none"),
        ("http://me:secret@host:99999/v1#m", "http://***@host:99999"),
    ],
)
def test_a_url_that_cannot_be_is_named_with_the_nearest_that_can(said, model, told):
    assert told in said("distill", "rows.jsonl", "-o", "out.jsonl", "--model", model)
