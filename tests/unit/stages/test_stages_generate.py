import asyncio

from fakes import FakeEngine, context

from scalediff.core.engine import Completion
from scalediff.core.keys import problem_id
from scalediff.core.stage import EXTENT
from scalediff.stages.generate import Generate


def generate(completion, n=3, **settings):
    stage = Generate(Generate.Config(n=n, **settings))
    engine = FakeEngine(completion)
    ctx = context(engine=engine)
    rows = [asyncio.run(stage.process(row, 0, ctx)) for row in stage.newborn()]
    return rows, engine.requests


def test_slots_have_keys_that_a_larger_n_keeps():
    few = list(Generate(Generate.Config(n=2)).newborn())
    many = list(Generate(Generate.Config(n=5)).newborn())
    assert many[:2] == few
    assert few == [{"key": "slot-00000000", "slot": 0}, {"key": "slot-00000001", "slot": 1}]
    assert Generate.Config(n=2).of_kind(EXTENT) == {"n": 2}


def test_the_prompt_is_the_bare_user_turn_and_every_slot_has_a_seed():
    _, requests = generate(Completion(None, "Find $x$.", "stop", 4))
    assert {request.raw for request in requests} == {"<|im_start|>user\n"}
    assert {request.messages for request in requests} == {None}
    assert len({request.seed for request in requests}) == 3
    sampling = requests[0].sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (1.0, 0.95, 20)
    assert (sampling.max_new_tokens, sampling.stop) == (1024, ("<|im_end|>",))


def test_what_a_row_gains():
    rows, _ = generate(Completion(None, "\n Find $x$. \n", "stop", 4), n=1)
    assert rows == [
        {
            "slot": 0,
            "problem": "Find $x$.",
            "problem_id": problem_id("Find $x$."),
            "finish_reason": "stop",
            "num_tokens": 4,
        }
    ]
    assert set(rows[0]) == set(Generate.adds)


def test_an_empty_text_is_a_row():
    rows, _ = generate(Completion(None, "  ", "length", 9), n=1)
    assert (rows[0]["problem"], rows[0]["finish_reason"]) == ("", "length")
