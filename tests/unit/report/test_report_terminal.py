"""The lines on the terminal."""

import pytest

from scalediff.core.records import REASONS
from scalediff.report.facts import Group, groups
from scalediff.report.lines import drops_note, group_line
from scalediff.report.terminal import headline
from scalediff.report.words import REASON_NAMES


def line_table(summary):
    return "\n".join(group_line(i, g, summary) for i, g in enumerate(groups(summary), start=1))


def test_every_shipped_reason_has_a_name():
    assert set(REASONS) <= set(REASON_NAMES)


def test_line_of_a_screen_names_what_left():
    counts = {"in": 10000, "out": 6332, "dropped": {"duplicate": 2550, "malformed": 668}}
    told = group_line(4, Group("screen", ("screen",), 2.0), {"counts": {"screen": counts}})
    assert told.startswith(" 4 screen")
    assert "10,000 -> 6,332" in told
    assert "duplicate 2,550 · malformed 668" in told
    assert told.endswith("2.0 s")


def test_rules_are_told_together_and_review_last():
    dropped = {"truncated": 1, "looping": 2, "too_easy": 9}
    told = drops_note({"dropped": dropped, "review": 4})
    assert told == "rules 3 · student solves it 9 · in review 4"


def test_table_draws_the_steps_of_the_line_together(summary):
    lines = line_table(summary).splitlines()
    assert [line[:19].strip() for line in lines] == [
        "1 screen, identify",
        "2 generator",
        "3 generate",
        "4 screen",
        "5 identify",
        "6 distill",
        "7 filter",
        "8 assemble",
        "9 students",
    ]
    assert "600 sources" in lines[0]
    assert "228 difficult (38 %)" in lines[0]
    assert "5,192 x 1" in lines[5]
    assert "rules 2 · student solves it 2,695 · in review 266" in lines[6]
    assert "adds up: 10,000 = 2,229 kept + 266 in review + 7,505 dropped" in lines[7]
    assert "sources · sources, as many steps · sources + kept" in lines[8]
    assert lines[8].endswith("4.2 min")


def test_steps_of_other_names_have_their_own_line():
    summary = {
        "steps": [{"name": "pick", "stage": "rules"}, {"name": "more.a", "stage": "decide"}],
        "counts": {
            "pick": {"in": 9, "out": 7, "dropped": {"own_code": 2}},
            "more.a": {"in": 7, "out": 7, "dropped": {}},
        },
    }
    lines = line_table(summary).splitlines()
    assert "9 -> 7" in lines[0]
    assert "own code 2" in lines[0]
    assert lines[1].startswith(" 2 more")


def test_headline_tells_scores_gains_and_labels(summary):
    told = headline(summary, "runs/nano/report.html")
    assert "RESULT, levels 3 to 8: sources 23.8 % [21.2, 26.5]" in told
    assert "sources + kept 61.9 % [59.3, 64.6]" in told
    assert "+38.1 points [34.2, 42.0] over the sources alone" in told
    assert "all generated 10 %, the paper's filter 18 %, this dataset 9 %" in told
    assert "(2.5x the teacher's tokens)" in told
    assert "NOT SHOWN: that this carries over to large models." in told
    assert "report: runs/nano/report.html" in told


def test_headline_says_what_is_unknown():
    told = headline({})
    assert "no student was evaluated" in told
    assert "how many are wrong is unknown" in told
    assert " 0" not in told


def test_served_first_attempts_leave_the_factor_out(summary):
    summary["tokens"]["distill"]["served"] = 10
    assert "x the teacher's tokens" not in headline(summary)


def test_warnings_are_told(summary):
    summary["warnings"] = [{"name": "few_difficult", "text": "only 40 %"}]
    assert "WARNING few_difficult: only 40 %" in headline(summary)


@pytest.mark.parametrize("text", ["\x1b[2J\x1b]0;x\x07", "a\nb\rc", "\u202e"])
def test_names_send_no_codes_to_the_terminal(summary, text):
    summary["scores"] = {text: {text: {"mean": 0.5}}}
    summary["steps"].append({"name": f"x{text}", "stage": "rules"})
    summary["seconds"][f"x{text}"] = 1.0
    summary["counts"][f"x{text}"] = {"in": 3, "out": 1, "dropped": {text: 2}}
    told = headline(summary, f"runs/{text}") + line_table(summary)
    assert not set("\x1b\r\x07\u202e") & set(told)
    assert len(headline(summary).splitlines()) == len(
        headline({**summary, "scores": {"a": {"all": {"mean": 1}}}}).splitlines()
    )


def test_rows_that_do_not_add_up_are_told(summary):
    summary["waterfall"]["kept"] += 1
    assert "DOES NOT ADD UP: 10,000 generated" in line_table(summary)
