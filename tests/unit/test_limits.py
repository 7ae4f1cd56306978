from datetime import UTC, datetime, timedelta, timezone

import pytest

from scalediff.core.errors import RecipeError, Stopped
from scalediff.core.records import Drop
from scalediff.limits import (
    Budget,
    Guard,
    Limits,
    StepBrake,
    limits_of,
    quantities_of,
    read_budget,
    read_deadline,
    read_grace,
    read_guard,
)
from scalediff.recipe import build

NOON = datetime(2026, 11, 26, 12, 0)


@pytest.mark.parametrize(
    ("texts", "budget"),
    [
        (["500000"], Budget(tokens=500_000)),
        (["2M"], Budget(tokens=2_000_000)),
        (["1.5B tokens".split()[0]], Budget(tokens=1_500_000_000)),
        (["3h"], Budget(hours=3.0)),
        (["90min"], Budget(hours=1.5)),
        (["2d"], Budget(hours=48.0)),
        (["$20"], Budget(cost=20.0)),
        (["20 EUR"], Budget(cost=20.0)),
        (["2M", "3h"], Budget(tokens=2_000_000, hours=3.0)),
        (["1_000"], Budget(tokens=1000)),
        (["1,000,000"], Budget(tokens=1_000_000)),
        (["0.5k"], Budget(tokens=500)),
        ([".5h"], Budget(hours=0.5)),
        ([], Budget()),
    ],
)
def test_budgets_are_read_as_people_write_them(texts, budget):
    assert read_budget(texts) == budget


@pytest.mark.parametrize(
    "text", ["", "much", "-3h", "3 weeks", "h3", "1,5h", "0,1k", "2.5", "12,34", "_"]
)
def test_what_is_no_budget_is_one_sentence(text):
    with pytest.raises(RecipeError, match="write tokens"):
        read_budget([text])


def test_deadlines():
    at = {text: datetime.fromtimestamp(read_deadline(text, NOON)) for text in
          ("+2h", "+90min", "18:00", "11:00", "2026-12-01 18:00")}  # fmt: skip
    assert at["+2h"] == datetime(2026, 11, 26, 14, 0)
    assert at["+90min"] == datetime(2026, 11, 26, 13, 30)
    assert at["18:00"] == datetime(2026, 11, 26, 18, 0)
    assert at["11:00"] == datetime(2026, 11, 27, 11, 0)
    assert at["2026-12-01 18:00"] == datetime(2026, 12, 1, 18, 0)
    for wrong in ("soon", "2026-11-01 10:00", "+h", "25:00", "+99999999999999h", "0001-01-01"):
        with pytest.raises(RecipeError):
            read_deadline(wrong, NOON)


def test_a_deadline_elsewhere_is_read_in_its_own_time_zone():
    later = (NOON.astimezone(UTC) + timedelta(hours=1)).astimezone(timezone(-timedelta(hours=9)))
    assert read_deadline(later.isoformat(), NOON) == later.timestamp()


def test_guards_are_read_and_known():
    assert read_guard(" truncated>40% after 1_000 ") == Guard(
        "truncated>40% after 1_000", "truncated", 0.4, 1000
    )
    for wrong in ("cut > 0.4 after 500", "truncated > 1.5 after 5", "truncated > 0.4",
                  "truncated < 0.4 after 5", "truncated > 0.4 after 0"):  # fmt: skip
        with pytest.raises(RecipeError, match="stop_if"):
            read_guard(wrong)


def test_what_an_outcome_counts_for():
    cut = {"attempts": [{"finish_reason": "length", "answer": None}]}
    assert quantities_of(cut) == {"truncated", "no_answer"}
    assert quantities_of({"attempts": [{"finish_reason": "stop", "answer": "4"}]}) == set()
    assert quantities_of({"finish_reason": "length", "problem": "x"}) == {"truncated"}
    assert quantities_of({"p_think": 0.1, "is_greedy": True}) == {"simple"}
    assert quantities_of(Drop("attempt_failed")) == {"failed"}


def test_a_guard_trips_when_enough_are_known_and_too_many_in_vain():
    brake = StepBrake("distill", Limits(), [read_guard("truncated > 0.4 after 10")])
    good = {"attempts": [{"finish_reason": "stop", "answer": "4"}]}
    cut = {"attempts": [{"finish_reason": "length", "answer": None}]}
    for outcome in [cut] * 5 + [good] * 4:
        brake.note(outcome)
        assert brake.reason() is None
    brake.note(good)
    stopped = brake.reason()
    assert isinstance(stopped, Stopped)
    assert "5 of 10" in str(stopped)
    assert "stop_if.distill=[]" in str(stopped)
    for _ in range(10):
        brake.note(good)
    assert brake.reason() is None


def full(brake, *args):
    return [n for n in range(200) if not brake.is_full(n, *args)][-1] + 1


def test_a_budget_holds_back_what_would_go_beyond_it():
    spent = {"tokens": 0, "cost": 0.0}
    limits = Limits(Budget(tokens=1000), spent=lambda: spent)
    brake = StepBrake("distill", limits, [], {"tokens": 300})
    assert full(brake, 0, 0) == 3  # until one has finished, each may take its cap
    spent["tokens"] = 100
    assert full(brake, 4, 0) == 24  # 25 each, and half of it again, for four say little
    spent["tokens"] = 990
    assert full(brake, 40, 0) == 1  # one at least, else it would wait for ever


def test_money_holds_back_too_and_a_deadline_what_waits_in_the_queue():
    spent = {"tokens": 0, "cost": 0.0}
    brake = StepBrake("s", Limits(Budget(cost=1.0), spent=lambda: spent), [], {"cost": 0.1})
    assert full(brake, 0, 0) == 10
    assert full(StepBrake("s", Limits(deadline=1e12), []), 0, 64) == 64
    assert full(StepBrake("s", Limits(), []), 0, 64) == 200


def test_money_cannot_be_counted_without_prices():
    with pytest.raises(RecipeError, match="needs `prices:`"):
        limits_of(["$5"], None, has_prices=False)
    assert limits_of(["$5"], None, has_prices=True).budget == Budget(cost=5.0)


def test_limits_say_which_is_reached():
    spent = {"tokens": 10, "hours": 0.5, "cost": 1.0}
    assert Limits(Budget(tokens=11), spent=lambda: spent).reached() is None
    assert "10 tokens" in (Limits(Budget(tokens=10), spent=lambda: spent).reached() or "")
    assert "0.50 hours" in (Limits(Budget(hours=0.4), spent=lambda: spent).reached() or "")
    assert "deadline" in (Limits(deadline=1.0).reached() or "")


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        (Budget(tokens=12_345), "the budget of 12,345 tokens is spent (12,345 tokens)"),
        (Budget(tokens=9000), "the budget of 9,000 tokens is spent (12,345 tokens)"),
        (Budget(tokens=12_346), None),
        (Budget(hours=1.25), "the budget of 1.25 hours is spent (1.25 hours)"),
        (Budget(hours=1.26), None),
        (Budget(cost=1000.0), "the budget of 1,000.00 is spent (1,000.50)"),
        (Budget(cost=1000.51), None),
        (Budget(tokens=1, hours=1.0, cost=1.0), "the budget of 1 tokens is spent (12,345 tokens)"),
        (Budget(tokens=10**9, cost=1.0), "the budget of 1.00 is spent (1,000.50)"),
        (Budget(), None),
    ],
)
def test_each_limit_says_what_it_was_and_what_is_spent(budget, said):
    spent = {"tokens": 12_345, "hours": 1.25, "cost": 1000.5}
    limits = Limits(budget, spent=lambda: spent)
    assert limits.reached() == said
    assert limits.is_set == (budget != Budget())
    reason = StepBrake("distill", limits, []).reason()
    assert reason is None if said is None else str(reason).startswith(f"step distill: {said}; ")


def test_a_deadline_says_when_it_was_and_is_kept_to_the_second():
    at = datetime.now().timestamp()
    assert Limits(deadline=at + 3600).reached() is None
    assert Limits(deadline=at + 3600).is_set
    assert Limits(deadline=at).reached() == (
        f"the deadline {datetime.fromtimestamp(at):%Y-%m-%d %H:%M} has come"
    )
    late = NOON.replace(second=41, microsecond=7)
    assert datetime.fromtimestamp(read_deadline("18:00", late)) == datetime(2026, 11, 26, 18, 0)


def test_what_a_run_without_a_single_request_has_spent_is_nothing():
    assert Limits(Budget(tokens=5, hours=1.0, cost=1.0)).reached() is None
    assert Limits(Budget(tokens=5, cost=1.0)).left() == {"tokens": 5, "cost": 1.0}
    assert Limits(Budget(hours=1.0)).left() == {}
    assert Limits(Budget(tokens=5)).share() == 0


def test_the_share_of_a_budget_is_that_of_what_ends_first():
    spent = {"tokens": 500, "hours": 0.5, "cost": 1.0}
    assert Limits(Budget(tokens=1000, hours=5.0), spent=lambda: spent).share() == 0.5
    assert Limits(Budget(cost=1.0), spent=lambda: spent).share() == 1.0
    assert Limits(deadline=1e12, spent=lambda: spent).share() is None


def recipe(**more):
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": ["x.jsonl"]}},
        "solve": {"stage": "solve", "inputs": ["sources"], "model": "teacher"},
    }
    return build({"name": "r", "models": {"teacher": "fake:teacher"}, "steps": steps, **more}, "r")


def test_a_recipe_says_what_stops_it_and_what_tokens_cost():
    made = recipe(
        stop_if={"solve": ["no_answer > 0.5 after 20"]},
        prices={"teacher": {"prompt": 1, "sampled": 4}},
        budget="$3",
    )
    node = made.nodes["solve"]
    assert [guard.text for guard in made.guards(node)] == ["no_answer > 0.5 after 20"]
    price = made.price(node)
    assert price is not None
    assert price.of(1_000_000, 500_000) == 3.0
    assert recipe(stop_if={"solve": []}).guards(node) == []
    assert recipe().guards(node)  # shipped ones


def test_prices_go_by_role_or_by_the_model_s_name():
    for name in ("teacher", "fake:teacher"):
        made = recipe(prices={name: {"prompt": 1, "sampled": 4}})
        price = made.price(made.nodes["solve"])
        assert price is not None
        assert price.of(2_000_000, 1_000_000) == 6.0
    assert recipe().price(recipe().nodes["solve"]) is None


def test_guards_of_a_plan_are_those_of_each_of_its_steps():
    steps = {
        "sources": {"stage": "sources", "settings": {"paths": ["x.jsonl"]}},
        "solve": {"stage": "solve", "inputs": ["sources"], "model": "fake:teacher"},
        "filter": {
            "stage": "filter", "inputs": ["solve"],
            "settings": {"student": "fake:student", "teacher_k": 2},
        },
    }  # fmt: skip
    stop_if = {
        "filter": ["no_answer > 0.5 after 20"],
        "filter.more": ["truncated > 0.1 after 5"],
    }
    made = build({"name": "r", "steps": steps, "stop_if": stop_if}, "r")
    texts = {name: [guard.text for guard in made.guards(node)] for name, node in made.nodes.items()}
    assert texts["filter.student"] == ["no_answer > 0.5 after 20"]
    assert texts["filter.more"] == ["truncated > 0.1 after 5"]  # its own come first
    assert len(texts["solve"]) == 2  # the shipped ones


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("20", 20), ("120s", 120), ("2m", 120), ("1.5 min", 90), ("1h", 3600), ("0", 0), (".5", 0.5)],
)
def test_a_grace_time_is_read(text, seconds):
    assert read_grace(text) == seconds


@pytest.mark.parametrize("text", ["", "soon", "-1", "2 parsecs", "1e9", "nan", "inf", "1,5"])
def test_what_is_no_grace_time_is_said(text):
    with pytest.raises(RecipeError, match=r"--grace .*write seconds"):
        read_grace(text)


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"stop_if": {"solv": []}}, "did you mean solve"),
        ({"stop_if": {"solve": ["cut > 1 after 2"]}}, "stop_if"),
        ({"prices": {"techer": {"prompt": 1}}}, "did you mean teacher"),
        ({"prices": {"teacher": {"promt": 1}}}, "promt"),
        ({"budget": "$3"}, "needs `prices:`"),
        ({"budget": "much"}, "write tokens"),
    ],
)
def test_what_is_wrong_with_money_in_a_recipe_is_said(more, told):
    with pytest.raises(RecipeError, match=told):
        recipe(**more)
