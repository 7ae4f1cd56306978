import asyncio

import pytest
from fakes import FakeDomain, FakeEngine, context
from pydantic import ValidationError

from scalediff.core.engine import Completion
from scalediff.core.errors import RecipeError
from scalediff.core.keys import sample_seed
from scalediff.core.stage import EXTENT
from scalediff.stages.solve import Solve

ROW = {"key": "a", "problem": "Find $1+1$."}
DONE = Completion("one and one", "So \\boxed{2}.", "stop", 9)


def solve(engine, index=0, **settings):
    stage = Solve(Solve.Config(**settings))
    (attempt,) = asyncio.run(stage.process(ROW, index, context(engine=engine)))["attempts"]
    return attempt


def test_an_attempt_holds_what_came_back():
    attempt = solve(FakeEngine(DONE), index=2)
    assert attempt == {
        "role": "teacher",
        "sample_index": 2,
        "reasoning": "one and one",
        "content": "So \\boxed{2}.",
        "answer": "2",
        "finish_reason": "stop",
        "num_tokens": 9,
        "sample_seed": sample_seed(7, "teacher", "a", 2),
        "model": "fake:one",
    }


def test_the_request_is_the_domains_prompt_with_the_released_sampling():
    engine = FakeEngine(DONE)
    solve(engine)
    (request,) = engine.requests
    assert request.messages == (
        {"role": "user", "content": FakeDomain().prompt(ROW["problem"], "teacher")},
    )
    assert (request.thinking, request.seed) == (True, sample_seed(7, "teacher", "a", 0))
    sampling = request.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.6, 0.95, 20)
    assert sampling.max_new_tokens == 32768


def test_role_and_index_change_the_seed():
    seeds = {solve(FakeEngine(DONE), i, role=r)["sample_seed"] for i in (0, 1) for r in "ab"}
    assert len(seeds) == 4


def test_a_cut_thought_is_never_an_answer():
    cut = Completion("maybe \\boxed{3} or", "", "length", 5)
    assert solve(FakeEngine(cut))["answer"] is None


def test_the_attempt_id_of_the_store_is_kept():
    class Stored(Completion):
        attempt_id = "id7"

    stored = Stored(None, "\\boxed{2}", "stop", 3)
    assert solve(FakeEngine(stored))["attempt_id"] == "id7"


def test_k_is_an_extent():
    config = Solve.Config(k=3)
    assert Solve(config).sample_indices() == range(3)
    assert config.of_kind(EXTENT) == {"k": 3}


def test_a_step_without_a_model_says_so():
    with pytest.raises(RecipeError, match="step step calls a model but names none"):
        asyncio.run(Solve(Solve.Config()).process(ROW, 0, context()))


@pytest.mark.parametrize("bad", [{"k": 0}, {"top_p": 0}, {"temperature": -1}, {"unknown": 1}])
def test_settings_out_of_range(bad):
    with pytest.raises(ValidationError):
        Solve.Config(**bad)


def parts(*completions):
    """An engine that gives these one after the other."""
    left = list(completions)
    return FakeEngine(lambda request: left.pop(0))


def test_a_first_part_goes_on_only_where_it_is_cut_and_does_not_repeat_itself():
    cut = Completion("We count the ways", "", "length", 4)
    engine = parts(cut, DONE)
    assert solve(engine, first_cap=4, max_new_tokens=64)["finish_reason"] == "stop"
    assert [r.sampling.max_new_tokens for r in engine.requests] == [4, 64]

    engine = parts(DONE)
    assert solve(engine, first_cap=4, max_new_tokens=64)["finish_reason"] == "stop"

    loop = Completion("Wait, let me check that again. " * 300, "", "length", 4)
    engine = parts(loop)
    attempt = solve(engine, first_cap=4, max_new_tokens=64)
    assert (attempt["finish_reason"], len(engine.requests)) == ("stopped", 1)


def test_loops_are_watched_for_where_that_is_asked():
    engine = FakeEngine(DONE)
    solve(engine)
    solve(engine, stop_loops=True)
    plain, watched = (request.stop_when for request in engine.requests)
    assert plain is None
    assert watched("Wait, let me check that again. " * 300)
