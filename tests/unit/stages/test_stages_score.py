import asyncio
import math

import pytest
from fakes import FakeEngine, context

from scalediff.core.engine import Score as Scored
from scalediff.core.errors import RecipeError
from scalediff.stages.score import Score

ROW = {"key": "a", "problem": "Find $1+1$."}


def score(engine, **settings):
    return asyncio.run(Score(Score.Config(**settings)).process(ROW, 0, context(engine=engine)))


def test_p_think_is_the_rest_of_the_probability():
    engine = FakeEngine(score=Scored(math.log(0.25), False), opens_think=True)
    added = score(engine)
    assert added == {
        "p_think": pytest.approx(0.75),
        "is_greedy": False,
        "score_method": "exact",
    }

    assert engine.continuations == ["</think>"]
    (request,) = engine.requests
    assert request.messages == ({"role": "user", "content": ROW["problem"]},)


def test_tiny_and_rounded_probabilities_stay_in_range():
    almost = score(FakeEngine(score=Scored(-1e-12, True), opens_think=True))
    assert almost["p_think"] == pytest.approx(1e-12)
    assert score(FakeEngine(score=Scored(1e-7, True), opens_think=True))["p_think"] == 0
    assert score(FakeEngine(score=Scored(-1e4, False), opens_think=True))["p_think"] == 1


def test_a_template_that_opens_no_thought_is_an_error_that_says_so():
    engine = FakeEngine(score=Scored(-1.0, False), example_prompt="<u>{problem}<a>")
    with pytest.raises(RecipeError, match="fake:one does not end in an open <think>"):
        score(engine)
    assert engine.requests == []


def test_another_continuation():
    engine = FakeEngine(score=Scored(-1.0, False), opens_think=True)
    score(engine, continuation="[/THINK]")
    assert engine.continuations == ["[/THINK]"]


def test_the_continuation_has_to_end_what_the_template_opens():
    engine = FakeEngine(
        score=Scored(-1.0, False), opens_think=True, example_prompt="<u>{problem}<a>[THINK]\n"
    )
    with pytest.raises(RecipeError, match=r"continuation to '\[/THINK\]'"):
        score(engine)
    assert engine.requests == []
    score(engine, continuation="[/THINK]")
    score(engine, continuation="\n")
    assert engine.continuations == ["[/THINK]", "\n"]


def test_an_interval_of_the_probability_is_kept_where_a_server_leaves_one():
    scored = Scored(math.log(0.05), False, 3, "top_k", -math.inf, math.log(0.1))
    added = score(FakeEngine(score=scored, opens_think=True))
    assert added["score_method"] == "top_k"
    assert added["p_think_low"] == pytest.approx(0.9)
    assert added["p_think_high"] == 1.0


def test_a_template_that_nobody_knows_is_asked_for():
    with pytest.raises(RecipeError, match="name its tokenizer"):
        score(FakeEngine(score=Scored(-1.0, False)))
