"""Before the first token: dead or misnamed later models and files that are not there."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import commands
import pytest
from counting import read_lines
from fault_server import Server


class Stub(ThreadingHTTPServer):
    """A server that says the same to every POST; its list of models is of no help."""

    def __init__(self, status, body):
        said = json.dumps(body).encode()
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(404)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_POST(self):
                asked.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said)

            def log_message(self, *_):
                pass

        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        threading.Thread(target=self.serve_forever, daemon=True).start()


ANSWER = {"choices": [{"message": {"content": "2"}, "finish_reason": "stop"}]}


@pytest.fixture
def rows(tmp_path):
    return commands.lines(
        tmp_path / "rows.jsonl", *({"problem": f"What is ${i} + 7$?"} for i in range(20))
    )


@pytest.fixture
def recipe(tmp_path, rows):
    path = tmp_path / "r.yaml"

    def write(teacher, student, more=""):
        path.write_text(
            f"""
name: two
models: {{teacher: {teacher}, student: {student}}}
steps:
  sources: {{stage: sources, settings: {{paths: [{rows}]}}}}
  distill: {{stage: solve, inputs: [sources], model: teacher, settings: {{max_new_tokens: 64}}}}
  filter: {{stage: filter, inputs: [distill]}}
{more}"""
        )
        return path

    return write


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    def call(recipe, *more):
        return commands.run(monkeypatch, capsys, "run", recipe, "--out", tmp_path / "run", *more)

    return call


def test_a_dead_student_is_found_before_the_teacher_is_paid(recipe, run, tmp_path):
    counts = tmp_path / "counts.jsonl"
    with Server("--counts", counts) as teacher:
        dead = "http://127.0.0.1:9/v1#student"
        status, said = run(recipe(teacher.model, dead))
        assert status == 2
        assert "step filter.student" in said
        assert "models.student.probe=false" in said
        assert [line["tokens"] for line in read_lines(counts)] == [1]  # one token, of one question
        # with its probe left out the teacher is paid, and then the student is missed
        status, said = run(recipe(teacher.model, dead), "--set", "models.student.probe=false")
        assert len(read_lines(counts)) > 20
        assert status == 2
        assert "no server answers" in said


@pytest.mark.parametrize(
    ("status", "body", "told"),
    [
        (404, {"error": {"message": "The model `student` does not exist."}}, "does not serve"),
        (400, {"error": {"message": "unknown model student"}}, "does not serve"),
        (401, {"error": {"message": "invalid key"}}, "wants an API key"),
        (403, {"error": {"message": "not for you"}}, "see to its rights"),
        (402, {"error": {"message": "credit used up"}}, "top it up"),
        (429, {"error": {"code": "insufficient_quota", "message": "no"}}, "top it up"),
        (400, {"error": {"message": "top_k is not permitted"}}, "http={omit: [top_k]}"),
        (500, {"error": {"message": "broken"}}, "status 500: broken"),
        (200, {"choices": []}, "no choice"),
    ],
)
def test_a_later_model_that_cannot_answer_is_found_first(
    recipe, run, tmp_path, monkeypatch, status, body, told
):
    monkeypatch.setattr("scalediff.engines.first_ask._PAUSE_S", 0.01)
    counts = tmp_path / "counts.jsonl"
    with Server("--counts", counts) as teacher:
        student = Stub(status, body)
        ended, said = run(recipe(teacher.model, f"{student.url}#student"))
        assert ended == {"top it up": 75, "status 500: broken": 1, "no choice": 1}.get(told, 2)
        assert told in said
        assert sum(line["tokens"] for line in read_lines(counts)) == 1
    assert {asked["model"] for asked in student.asked} == {"student"}
    assert {asked["max_tokens"] for asked in student.asked} == {1}


def test_a_busy_server_is_no_reason_not_to_begin(recipe, run, monkeypatch):
    monkeypatch.setattr("scalediff.engines.first_ask._PAUSE_S", 0.01)
    busy = Stub(429, {"error": {"message": "slow down"}})
    with Server() as teacher:
        text = recipe(teacher.model, f"{busy.url}#student")
        status, said = run(text, "--until", "distill")
        assert status == 0
        assert not busy.asked  # what is not to run is not asked
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("scalediff.pipeline.Pipeline._run_all", lambda *_: True)
            _, said = run(text)
        assert f"{busy.url} is busy (status 429: slow down); the run waits for it" in said


def test_one_of_several_servers_may_be_down(monkeypatch, capsys, tmp_path, rows):
    with Server() as up:
        dead = f"http://127.0.0.1:9/v1#{up.name}"
        out = tmp_path / "out.jsonl"
        status, said = commands.run(
            monkeypatch, capsys, "distill", rows, "-o", out, "--model", up.model, "--model", dead,
            "--max-new-tokens", "64",
        )  # fmt: skip
        assert status == 0
        assert "http://127.0.0.1:9/v1 does not answer" in said
        assert "the other servers" in said


def test_finish_asks_no_server_whose_step_it_only_seals(monkeypatch, capsys, tmp_path, rows):
    out = tmp_path / "out.jsonl"
    with Server("--latency", "0.05") as server:
        status, said = commands.run(
            monkeypatch, capsys, "distill", rows, "-o", out, "--model", server.model,
            "--max-new-tokens", "64", "--engine", "http.in_flight=2", "--budget", "300",
        )  # fmt: skip
        assert status == 75, said
    status, said = commands.run(monkeypatch, capsys, "finish", f"{out}.run")
    assert status == 0, said
    assert 0 < len(out.read_text().splitlines()) < 20


def broken_folder(tmp_path, **files):
    import shutil

    from scalediff.model_names import resolve

    folder = tmp_path / "model"
    shutil.copytree(resolve("nano:student").location, folder, dirs_exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"config__json": "{}"}, "names no kind of model"),
        ({"config__json": "{"}, "config.json of the model"),
        ({"tokenizer__json": "[1"}, "tokenizer.json of the model"),
        ({"chat_template__jinja": "{% if %}"}, "the chat template of"),
        ({"chat_template__jinja": None, "tokenizer_config__json": "{}"}, "has no chat template"),
    ],
)
def test_a_later_folder_is_read_before_anything_is_paid(recipe, run, tmp_path, files, told):
    texts = {name: text for name, text in files.items() if text is not None}
    folder = broken_folder(tmp_path, **texts)
    for name in files.keys() - texts.keys():
        (folder / name.replace("__", ".")).unlink()
    counts = tmp_path / "counts.jsonl"
    with Server("--counts", counts) as teacher:
        status, said = run(recipe(teacher.model, folder))
        assert status == 2
        assert told in said
        assert "step filter.student" in said
        assert not read_lines(counts)


def test_a_benchmark_that_is_not_there_is_found_before_anything_is_paid(recipe, run, tmp_path):
    more = """  evaluate:
    stage: evaluate
    model: teacher
    settings: {benchmarks: [NOWHERE]}
""".replace("NOWHERE", str(tmp_path / "nowhere.jsonl"))
    counts = tmp_path / "counts.jsonl"
    with Server("--counts", counts) as teacher:
        status, said = run(recipe(teacher.model, "fake:student", more))
        assert status == 2
        assert "nowhere.jsonl does not exist" in said
        assert not read_lines(counts)


@pytest.mark.parametrize(
    ("models", "told"),
    [
        ("{teacher: {model: fake:teacher, prob: false}, student: fake:student}", "unknown setting"),
        ("{teacher: {probe: false}, student: fake:student}", "names no model"),
    ],
)
def test_a_model_entry_that_is_none_is_said(recipe, run, models, told):
    path = recipe("fake:teacher", "fake:student")
    text = path.read_text()
    path.write_text(text.replace("{teacher: fake:teacher, student: fake:student}", models))
    status, said = run(path)
    assert status == 2
    assert told in said
