"""What the console writes while a run goes on."""

import io
from dataclasses import dataclass, field

from scalediff.watch import Console


@dataclass
class FakeNode:
    name: str


@dataclass
class FakePlan:
    name: str
    state: str = "run"
    why: str = ""
    node: FakeNode = field(init=False)

    def __post_init__(self):
        self.node = FakeNode(self.name)


class Terminal(io.StringIO):
    def isatty(self):
        return True


GROUPS = [("screen", ["screen"]), ("identify", ["identify.score", "identify.select"])]


def told(number, title, steps, seconds):
    return [f"{number} {title} told"]


def test_a_group_is_told_once_when_its_last_step_is_done():
    stream = io.StringIO()
    console = Console(GROUPS, told, stream)
    for name in ("screen", "identify.score", "identify.select"):
        console.begin(FakePlan(name))
        console.end(FakePlan(name), {})
    assert stream.getvalue().splitlines() == ["1 screen told", "2 identify told"]


def test_reused_groups_are_told_together_and_the_rest_says_why():
    stream = io.StringIO()
    console = Console(GROUPS, told, stream)
    console.begin(FakePlan("screen", "done"))
    console.begin(FakePlan("identify.score", "done"))
    select = FakePlan("identify.select", "again", "threshold 0.5 -> 0.6")
    console.begin(select)
    console.end(select, {})
    assert stream.getvalue().splitlines() == [
        "   reused: screen",
        "   identify.select: again, threshold 0.5 -> 0.6",
        "2 identify told",
    ]


def test_without_a_terminal_progress_is_rare_and_plain(monkeypatch):
    stream = io.StringIO()
    console = Console(GROUPS, told, stream)
    clock = iter([0.0, 1.0, 20.0, 20.1])
    console._told = 0.0
    monkeypatch.setattr("scalediff.watch.time.monotonic", lambda: next(clock))
    console.begin(FakePlan("identify.score"))
    for done in (10, 210, 220):
        console.progress("identify.score", done, 1000)
    (line,) = stream.getvalue().splitlines()
    assert line == " 2 identify: score 210 of 1,000, 10/s, 79 s left"


def test_on_a_terminal_one_line_is_overwritten(monkeypatch):
    stream = Terminal()
    console = Console(GROUPS, told, stream)
    console._told = -1.0
    console.begin(FakePlan("screen"))
    monkeypatch.setattr("scalediff.watch._LIVE_SECONDS", 0.0)
    console.progress("screen", 5, 10)
    console.progress("screen", 9, 10)
    console.end(FakePlan("screen"), {})
    assert "\n" not in stream.getvalue().split("1 screen told")[0]
    assert stream.getvalue().count("\r\x1b[2K") == 3
    assert stream.getvalue().endswith("1 screen told\n")


def test_what_a_step_costs_stands_beside_its_progress(monkeypatch):
    stream = io.StringIO()
    console = Console(GROUPS, told, stream)
    clock = iter([0.0, 20.0])
    monkeypatch.setattr("scalediff.watch.time.monotonic", lambda: next(clock))
    console.begin(FakePlan("screen"))
    spent = {"new": 12_000, "prompt": 300, "in_flight": 64, "waiting": 0, "retries": 2}
    console.progress("screen", 5, 10, {**spent, "cost": 1.2, "of_budget": 0.45})
    (line,) = stream.getvalue().splitlines()
    assert line.endswith(
        " · 12.0k tokens, 600 tok/s, 64 in flight, 2 retries, cost 1.20, 45 % of the budget"
    )
