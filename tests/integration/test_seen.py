"""What holds a run up is seen within ten seconds: on standard error and in events.jsonl."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fault_server import Server


@pytest.fixture
def work(tmp_path):
    rows = ({"problem": f"What is ${i} + {i % 89}$?", "id": i} for i in range(300))
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


class Distilling:
    """The command, and what it has said so far."""

    def __init__(self, work, *models, more=()):
        self.said = work / "said.txt"
        self.run = Path(f"{work}/out.jsonl.run")
        args = ["distill", work / "rows.jsonl", "-o", work / "out.jsonl"]
        for model in models:
            args += ["--model", model]
        args += ["--max-new-tokens", "256", "--grace", "0", *more]
        with open(self.said, "wb") as said:
            command = [sys.executable, "-m", "scalediff.cli", *map(str, args)]
            self.process = subprocess.Popen(command, stderr=said)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(30)

    def events(self, kind):
        path = self.run / "events.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [event for event in map(json.loads, lines) if event["event"] == kind]

    def wait_for(self, pattern, seconds=20):
        until = time.monotonic() + seconds
        while not (found := re.search(pattern, self.said.read_text())):
            assert time.monotonic() < until, self.said.read_text()
            time.sleep(0.05)
        return found


def begun(client, seconds=60):
    until = time.monotonic() + seconds
    while not [e for e in client.events("begin") if e["step"] == "distill"]:
        assert time.monotonic() < until
        time.sleep(0.05)
    return time.monotonic()


def test_waiting_for_a_server_says_why_and_until_when(work):
    options = ("--fault", "429-after=1.0", "--retry-after", "60")
    with Server(*options) as server, Distilling(work, server.model) as client:
        began = begun(client)
        found = client.wait_for(r"distill: waiting for (\S+): status 429: .*asked again at [\d:]+")
        assert time.monotonic() - began < 10
        assert found[1] == server.url
        (held,) = client.events("held")
        assert (held["step"], held["held"], held["who"]) == ("distill", "waiting", server.url)
        assert 30 < held["until"] - held["time"] <= 61


def test_a_quota_without_a_time_is_seen_as_well(work):
    with Server("--fault", "429=1.0") as server, Distilling(work, server.model) as client:
        began = begun(client)
        client.wait_for(r"waiting for \S+: status 429")
        assert time.monotonic() - began < 10
        client.wait_for(r"retried: status 429 \d+", 30)


def test_a_server_that_died_is_named_and_its_return_said(work):
    slow = ("--latency", "0.3")
    with Server(*slow) as one, Server(*slow, "--name", one.name) as other:
        more = ("--engine", "http.in_flight=2")
        with Distilling(work, one.model, other.model, more=more) as client:
            begun(client)
            time.sleep(1.0)
            other.kill()
            killed = time.monotonic()
            client.wait_for(rf"{other.url} cannot be reached: ")
            assert time.monotonic() - killed < 10
            assert client.events("held")[0]["who"] == other.url
            other.start()
            client.wait_for(rf"{other.url} goes on, after \d+ s", 30)
            assert client.events("free")[0]["who"] == other.url


def test_a_server_that_is_slower_than_the_rest_is_named(work):
    with (
        Server("--latency", "0.05") as one,
        Server("--latency", "0.05", "--name", one.name) as two,
        Server("--latency", "0.6", "--name", one.name) as slow,
        Distilling(work, one.model, two.model, slow.model,
                   more=("--engine", "http.in_flight=2")) as client,
    ):  # fmt: skip
        client.wait_for(rf"{slow.url} is slow: the other servers are \d+\.\d times as fast", 60)
