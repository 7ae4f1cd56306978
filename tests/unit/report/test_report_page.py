"""The page: whole, partial and hostile runs."""

import re
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scalediff.report.facts import groups
from scalediff.report.lines import group_line
from scalediff.report.page import render
from scalediff.report.terminal import headline

VOID = {"meta", "br", "hr", "img", "link", "input"}

HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{ 7*7 }}"


class Checker(HTMLParser):
    """Balanced tags, unique ids, links that lead somewhere; collects tags and attributes."""

    def __init__(self, page):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.links, self.tags, self.attributes = [], [], [], [], []
        self.words = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        values = dict(attrs)
        assert len(values) == len(attrs)
        if "id" in values:
            self.ids.append(values["id"])
        if tag == "a":
            self.links.append(values["href"])

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def check(summary, samples):
    page = render(summary, samples)
    page.encode("utf-8")
    found = Checker(page)
    assert len(set(found.ids)) == len(found.ids)
    assert {link.removeprefix("#") for link in found.links} <= set(found.ids)
    assert not {"script", "img", "iframe", "link", "object"} & set(found.tags)
    assert not [name for name, _ in found.attributes if name.startswith("on") or name == "src"]
    return found


def test_complete_run_has_the_eight_blocks_in_order(summary, samples):
    text = check(summary, samples).text
    places = [
        text.index(heading)
        for heading in (
            "LABORATORY RUN",
            "Does it help?",
            "What went in, what came out",
            "Can I trust the labels?",
            "What did it cost?",
            "Warnings",
            "One row’s life",
            "What this does not show",
            "Counts by step",
        )
    ]
    assert places == sorted(places)
    assert "Yes: more than the sources alone" in text
    assert "+38.1 points [34.2, 42.0]" in text
    assert "models of under a million parameters" in text
    assert "scalediff run recipes/nano.yaml --out runs/nano" in text


def test_waterfall_is_shown_and_adds_up(summary, samples):
    found = check(summary, samples)
    assert "adds up: 10,000 = 2,229 kept + 266 in review + 7,505 dropped" in found.text
    parts = summary["waterfall"]
    left = parts["generated"]
    for rows in parts["dropped"].values():
        left -= rows
    assert left - parts["review"] == parts["kept"]
    for rows in parts["dropped"].values():
        assert f"−{rows:,}" in found.text
    widths = [
        float(width)
        for width in re.findall(
            r'<rect class="f-[^"]*" x="[\d.]+" y="0" width="([\d.]+)"', render(summary, samples)
        )
    ]
    assert len(widths) == 8
    assert 980 < sum(widths) <= 1001


def test_each_part_of_the_bar_leads_to_its_rows(summary, samples):
    found = check(summary, samples)
    assert {"#kept", "#review", "#drop-duplicate", "#drop-too_easy"} <= set(found.links)


def test_rows_that_do_not_add_up_are_named(summary, samples):
    summary["waterfall"]["kept"] -= 12
    del summary["warnings"]
    text = check(summary, samples).text
    assert "Does not add up: 12 rows are unaccounted for" in text
    assert "Rows lost 12" in text
    assert "rows lost 12 rows are unaccounted for" in text


def test_unfinished_run_says_how_many_are_under_way(summary, samples):
    summary["waterfall"]["kept"] -= 12
    del summary["finished"]
    text = check(summary, samples).text
    assert "12 rows are still under way" in text
    assert "unaccounted" not in text


def test_kept_is_called_kept_only_when_the_filters_have_decided(summary, samples):
    summary["counts"] = {"generate": summary["counts"]["generate"]}
    summary["waterfall"] = {"generated": 10000, "kept": 10000, "review": 0, "dropped": {}}
    text = check(summary, samples).text
    assert "10,000 still in the line" in text


@pytest.mark.parametrize("with_samples", [True, False])
def test_any_part_may_be_absent(summary, samples, with_samples):
    for key in list(summary):
        check({k: v for k, v in summary.items() if k != key}, samples if with_samples else {})
        check({**summary, key: None}, samples if with_samples else {})


def test_empty_run_says_what_there_is_not_and_shows_no_zero():
    found = check({}, {})
    assert "Unknown: no student was trained and evaluated in this run." in found.text
    assert "No problems were generated in this run." in found.text
    assert "Rows lost unknown" in found.text
    assert "Could not be looked for" in found.text
    assert "LABORATORY" not in found.text
    body = found.text[found.text.index("scalediff report", 30) :]
    assert not re.search(r"\b0\b", body)


def test_identifier_is_never_the_only_witness(summary, samples):
    text = check(summary, samples).text
    assert text.index("identifier says difficult 38.0 % → 82.0 %") < text.index("52.0 %")
    assert "student solves unknown → 52.0 %" in text
    assert "teacher’s tokens 41 → 57" in text


@pytest.mark.parametrize(
    ("gain", "over", "sentence"),
    [
        ((0.1, 0.05, 0.15), (0.1, 0.02, 0.18), "Yes: more than the sources alone"),
        ((0.1, 0.05, 0.15), (0.1, -0.02, 0.18), "Not shown: as many steps"),
        ((0.1, 0.05, 0.15), None, "Yes, over the sources alone; there is no control"),
        ((0.01, -0.05, 0.07), (0.1, 0.02, 0.18), "Not shown: the gain"),
        ((-0.1, -0.15, -0.05), None, "No: the student is worse"),
        (None, None, "Unknown: this run compares no two students"),
    ],
)
def test_verdict_goes_by_the_intervals(summary, samples, gain, over, sentence):
    for key, values in (("gain", gain), ("gain_over_control", over)):
        summary[key] = values and dict(zip(("mean", "low", "high"), values, strict=True))
    assert sentence in check(summary, samples).text


def test_benchmarks_without_levels_need_no_plot(summary, samples):
    summary["scores"] = {"model": {"aime24": {"mean": 0.4, "low": 0.3, "high": 0.5}}}
    found = check(summary, samples)
    assert "polyline" not in found.tags
    assert "aime24" in found.text


def test_canaries_stand_in_where_there_is_no_oracle(summary, samples):
    del summary["oracle"]
    assert "no rows with gold travelled along" in check(summary, samples).text
    summary["canaries"] = {
        "wrong_label_share": {"share": 0.04, "low": 0.02, "high": 0.08, "n": 250}
    }
    text = check(summary, samples).text
    assert "4.0 % [2.0, 8.0] wrong among 250 rows with gold" in text


def test_hostile_text_stays_text(summary, samples):
    for row in [samples["life"], *samples["kept"], *samples["review"]]:
        row["problem"] = row["key"] = row["label"] = HOSTILE
        for attempt in row["attempts"]:
            for column in ("reasoning", "content", "answer", "verdict", "rejected", "role"):
                attempt[column] = HOSTILE
    samples["dropped"][HOSTILE] = [{"problem": HOSTILE, "evidence": HOSTILE, "step": HOSTILE}]
    summary["waterfall"]["dropped"][HOSTILE] = 5
    for key in ("name", "command", "machine", "started", "scalediff_version"):
        summary[key] = HOSTILE
    for key in ("settings", "versions", "seconds", "tokens", "scores", "training"):
        summary[key] = {HOSTILE: {HOSTILE: {"mean": 0.5, "low": 0.4, "high": 0.6}}}
    summary["warnings"] = [{"name": HOSTILE, "text": HOSTILE}]
    summary["steps"].append({"name": HOSTILE, "stage": HOSTILE, "model": HOSTILE})
    text = check(summary, samples).text
    assert "<script>alert(1)</script>" in text
    assert "{{ 7*7 }}" in text


def test_reasons_that_look_alike_keep_their_own_rows(summary, samples):
    summary["waterfall"]["dropped"] |= {"a b": 1, "a-b": 2, "A B": 3}
    check(summary, samples)


def test_text_that_cannot_be_written_is_mended(summary, samples):
    samples["life"]["problem"] = "cut \ud800 here \x00 and \x1b[31m there"
    page = render(summary, samples)
    assert "\x00" not in page
    assert "\x1b" not in page
    page.encode("utf-8")


def test_ten_megabyte_problem_is_cut(summary, samples):
    samples["kept"][0]["problem"] = "x" * 10_000_000
    page = render(summary, samples)
    assert len(page) < 300_000
    assert "9,994,000 more characters" in page


def test_page_needs_nothing_from_outside(summary, samples):
    page = render(summary, samples)
    assert not re.search(r"https?://|url\(|@import", page)


_key = st.sampled_from(
    ["share", "mean", "low", "high", "dropped", "filter", "before", "k", "all", "level_2", "name"]
) | st.text(max_size=4)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_key, inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_shape_of_a_part_is_a_traceback(summary, samples, data):
    told, shown = dict(summary), dict(samples)
    for key in data.draw(st.sets(st.sampled_from(sorted(told)), min_size=1, max_size=6)):
        told[key] = data.draw(_json)
    for key in data.draw(st.sets(st.sampled_from(sorted(shown)), max_size=4)):
        shown[key] = data.draw(_json)
    check(told, shown)
    lines = [group_line(i, group, told) for i, group in enumerate(groups(told), start=1)]
    (headline(told, "report.html") + "".join(lines)).encode("utf-8")
