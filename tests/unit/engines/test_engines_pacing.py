"""Limits and deadlines."""

from hypothesis import given
from hypothesis import strategies as st

from scalediff.engines.pacing import AdaptiveLimit, FixedLimit, Speeds


def test_a_fixed_limit_stays():
    limit = FixedLimit(7)
    limit.congested(0, 1)
    limit.succeeded(1, 1, full=True)
    assert limit.value == 7


def test_an_adaptive_limit_doubles_until_the_first_congestion_and_then_adds_one_a_round():
    limit = AdaptiveLimit(2, 1000)
    start = limit.value
    for _ in range(start):
        limit.succeeded(1, 10, full=True)
    assert limit.value == 2 * start
    limit.congested(sent=5, now=6)
    shrunk = limit.value
    assert shrunk < 2 * start
    for _ in range(shrunk + 1):
        limit.succeeded(1, 10, full=True)
    assert limit.value == shrunk + 1


def test_one_round_of_congestion_shrinks_once():
    limit = AdaptiveLimit(1, 100)
    limit.congested(sent=5, now=6)
    once = limit.value
    for _ in range(20):
        limit.congested(sent=5.5, now=6.1)  # sent before it shrank
    assert limit.value == once
    limit.congested(sent=6.5, now=7)
    assert limit.value < once


def test_it_does_not_grow_where_the_limit_holds_nothing_back_or_answers_slow_down():
    limit = AdaptiveLimit(1, 1000)
    before = limit.value
    for _ in range(100):
        limit.succeeded(1, 10, full=False)
    assert limit.value == before
    for _ in range(100):
        limit.succeeded(30, 10, full=True)
    assert limit.value <= before + 20
    for _ in range(400):
        limit.succeeded(60, 10, full=True)
    assert limit.value < before


@given(st.lists(st.tuples(st.booleans(), st.floats(0.001, 100)), max_size=200))
def test_a_limit_never_leaves_its_bounds(events):
    limit = AdaptiveLimit(3, 40)
    for now, (good, seconds) in enumerate(events):
        if good:
            limit.succeeded(seconds, 5, full=True)
        else:
            limit.congested(now, now)
        assert 3 <= limit.value <= 40


def test_deadlines_follow_the_cap_and_the_speed_seen():
    speeds = Speeds(least_s=60, slowest=2.0)
    assert speeds.deadline_s(32768) == 32768 / 2  # nothing is known: no long answer is cut off
    for _ in range(100):
        speeds.note(1000, 50.0)  # 20 tokens a second
    assert speeds.deadline_s(32768) == 2 * 32768 / 20
    assert speeds.deadline_s(10) == 60
    assert speeds.deadline_s(32768, times_late=1) == 2 * 2 * 32768 / 20


def test_a_few_fast_answers_do_not_make_a_deadline_short_for_the_slow():
    speeds = Speeds(least_s=1, slowest=2.0)
    for i in range(200):
        speeds.note(100, 1.0 if i % 10 else 20.0)  # a tenth comes at 5 tokens a second
    assert speeds.deadline_s(1000) == 2 * 1000 / 5


def test_the_time_of_a_score_says_nothing_of_tokens():
    limit = AdaptiveLimit(1, 1000)
    for _ in range(50):
        limit.succeeded(1, 100, full=False)
    before = limit.value
    for _ in range(500):
        limit.succeeded(5, 0, full=True)
    assert limit.value > before
