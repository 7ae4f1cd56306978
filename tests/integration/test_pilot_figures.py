"""Every figure of a pilot's forecast, from what the pilot itself has counted."""

import re
import time
from datetime import datetime
from pathlib import Path

import pytest
import yaml
from watchers import Quiet

from scalediff.forecast import forecast, pilot_overrides
from scalediff.io.run import Run, read_json
from scalediff.pipeline import Pipeline
from scalediff.recipe import load
from scalediff.report.words import duration
from scalediff.stages.tally import wilson

FAKE = Path(__file__).parents[1] / "support" / "fake.yaml"
PRICES = {
    "generator": {"prompt": 500, "sampled": 500},
    "teacher": {"prompt": 1000, "sampled": 4000},
}


class Pilot:
    """A pilot that is done: its run, its recipe and the whole one, and its seals."""

    def __init__(self, path, values, n):
        path.mkdir()
        (path / "r.yaml").write_text(yaml.safe_dump(values))
        self.full = load(path / "r.yaml")
        self.few = load(path / "r.yaml", pilot_overrides(self.full, n))
        self.run = Run(path / "run")
        self.run.update_manifest(order=[*self.few.nodes], domain=self.few.file.domain, compare={})
        pipeline = Pipeline(self.few, self.run, Quiet())
        pipeline.execute(pipeline.plan(), lambda question: True)
        self.forecast = forecast(self.run, self.few, self.full)
        self.lines = {line.step: line for line in self.forecast.lines}

    def seal(self, step):
        entry = self.run.manifest["steps"][step]
        return read_json(self.run.path / "steps" / entry["folder"] / "seal.json")


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    values = yaml.safe_load(FAKE.read_text()) | {"prices": PRICES}
    pilot = Pilot(tmp_path_factory.mktemp("pilot") / "line", values, 40)
    yield pilot
    pilot.run.close()


GROWING = {"generate", "identify.score", "distill", "filter.student", "filter.more"}
ONCE = {"identify_sources.score", "distill_sources"}


def test_steps_that_follow_what_grows_grow_and_those_of_the_sources_do_not(line):
    assert line.forecast.factor == 300 / 40
    assert line.lines.keys() >= GROWING | ONCE
    for name, found in line.lines.items():
        seal, times = line.seal(name), 7.5 if name in GROWING else 1.0
        spent = seal["tokens"]
        assert found.rows == pytest.approx(seal["counts"]["in"] * times)
        assert found.tokens == pytest.approx((spent["new"] + spent["prompt"]) * times), name
        assert found.seconds == pytest.approx(seal["seconds"] * times)
        assert found.cost == pytest.approx(spent.get("cost", 0.0) * times)
    assert line.lines["generate"].rows == 300


def test_money_is_of_the_steps_that_have_a_price(line):
    for name, price in (("generate", (500, 500)), ("distill", (1000, 4000))):
        spent = line.seal(name)["tokens"]
        cost = (spent["prompt"] * price[0] + spent["new"] * price[1]) / 1e6
        assert line.lines[name].cost == pytest.approx(cost * 7.5)
        assert cost > 0
    assert line.lines["filter.student"].cost == 0
    assert line.lines["identify.score"].cost == 0


def test_kept_rows_have_wilson_s_interval_over_the_rows_that_were_made(line):
    made, kept = line.seal("generate")["num_rows"], line.seal("filter.decide")["counts"]["out"]
    assert 0 < kept < made == 40
    _, low, high = wilson(kept, made)
    assert line.forecast.kept == pytest.approx((kept * 7.5, low * 300, high * 300))


def test_the_text_says_what_is_left(line):
    text = line.forecast.text("$", "runs/x")
    assert "not included: training and evaluation of students; more duplicates" in text
    assert text.endswith("run the same command without --pilot (runs/x)")
    begins = re.search(r"left to the dataset: (\d{4}-\d\d-\d\d \d\d:\d\d) if it starts now", text)
    ends = datetime.fromisoformat(begins[1]).timestamp()
    seconds = sum(line.lines[name].seconds for name in GROWING)
    assert -61 < ends - time.time() < seconds + 1
    assert text.startswith("FORECAST of the whole: 7.5 times the pilot's rows")
    table = {m[1]: m[0] for m in re.finditer(r"^  (\S+) .*$", text, re.MULTILINE)}
    assert {name for name, said in table.items() if said.endswith("  done")} == ONCE | (
        set(line.lines) - GROWING - ONCE
    )
    # a share of 1 / 7.5 is done already
    left = sum(line.lines[name].seconds for name in GROWING) * (1 - 1 / 7.5)
    assert f"  {duration(left)} of work are left to the dataset" in text
    kept, low, high = line.forecast.kept
    assert f"kept rows: {kept:,.0f} ({low:,.0f} to {high:,.0f})" in text
    assert f"${line.lines['distill'].cost:,.2f}" in table["distill"]
    assert "$" not in table["filter.student"]


def test_sources_alone_grow_by_their_lines(tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_text("".join(f'{{"problem": "What is ${i} + 1$?"}}\n' for i in range(90)))
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": [str(rows)]}},
        "screen": {"stage": "screen", "inputs": ["sources"]},
        "solve": {"stage": "solve", "inputs": ["screen"], "model": "fake:teacher"},
    }
    pilot = Pilot(tmp_path / "a", {"name": "r", "domain": "nano", "steps": steps}, 20)
    assert pilot.forecast.factor == 90 / 20
    assert pilot.forecast.kept is None
    assert [(name, found.rows) for name, found in pilot.lines.items()] == [("solve", 90)]
    assert "kept rows" not in pilot.forecast.text("$", "x")
    pilot.run.close()
