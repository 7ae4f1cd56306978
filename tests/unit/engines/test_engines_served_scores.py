"""Scores from servers: which way is found, and what each says."""

import asyncio
import math
from typing import Any

import pytest

from scalediff.core.engine import Request, Score
from scalediff.core.errors import RecipeError, RecordError, RequestError
from scalediff.engines.config import HttpConfig
from scalediff.engines.endpoint import TryError
from scalediff.engines.served_scores import Scorer

REQUEST = Request(messages=({"role": "user", "content": "1+1?"},))
PROMPT = ["<u>", "1+1?", "<think>"]


class Words:
    """Renders a prompt of three words."""

    async def prompt(self, request: Request, more: str = "") -> str:
        return " ".join(PROMPT) + more

    async def text(self, request: Request) -> str:
        return " ".join(PROMPT)


class Server:
    """Answers bodies as a function says; refuses with status 400 where that gives None."""

    def __init__(self, answers: Any) -> None:
        self._answers = answers
        self.asked: list[dict[str, Any]] = []

    async def post(self, path: str, body: dict[str, Any], make: Any) -> Score:
        self.asked.append(body)
        made = self._answers(path, body)
        if made is None:
            raise RequestError("status 400: unknown field")
        found: Score = make(
            {"choices": [made], "usage": {"prompt_tokens": 4, "completion_tokens": 1}}
        )
        return found


def score(answers: Any, *, renderer: Any = Words(), continuation: str = "</think>") -> Score:  # noqa: B008
    return asyncio.run(Scorer(Server(answers).post, "m", renderer, HttpConfig()).score(
        REQUEST, continuation))  # fmt: skip


def prompt_logprobs(path, body):
    if "prompt_logprobs" not in body:
        return None
    tokens = [*PROMPT, "</", "think>"]
    entries: list[Any] = [None]
    for i, token in enumerate(tokens[1:], start=1):
        rank = 2 if i == 4 else 1
        entries.append(
            {str(i): {"logprob": -0.5 * i, "rank": rank, "decoded_token": token},
             "99": {"logprob": -0.01, "rank": 1, "decoded_token": "x"}}
        )  # fmt: skip
    return {"text": "x", "prompt_logprobs": entries}


def test_prompt_logprobs_are_summed_over_the_continuation():
    found = score(prompt_logprobs)
    assert found == Score(-0.5 * 3 - 0.5 * 4, False, 3, "prompt_logprobs")


def echo(path, body):
    if not body.get("echo"):
        return {"text": "x", "logprobs": None}
    return {
        "text": "…",
        "logprobs": {
            "tokens": [*PROMPT, "</think>", "sampled"],
            "token_logprobs": [None, -1.0, -1.0, -0.25, -3.0],
            "top_logprobs": [None, {"a": -1.0}, {"b": -1.0}, {"</think>": -0.25, "y": -2.0}, {}],
        },
    }


def test_echo_serves_where_there_are_no_prompt_logprobs():
    assert score(echo) == Score(-0.25, True, 3, "echo")


def test_an_ignored_echo_is_noticed_by_counting():
    def ignores(path, body):
        if body.get("logprobs") == 20:
            return {"logprobs": {"top_logprobs": [{"</think>": -0.1, "Hm": -3.0}]}}
        return {"text": "x", "logprobs": {"tokens": ["x"], "token_logprobs": [-1.0],
                                          "top_logprobs": [{"x": -1.0}]}}  # fmt: skip

    assert score(ignores) == Score(-0.1, True, 4, "top_k", -0.1, -0.1)


def test_what_is_not_among_the_best_lies_in_an_interval():
    def best(path, body):
        if "top_logprobs" not in body and body.get("logprobs") != 20:
            return {"text": "x", "logprobs": None}
        tops = [{"token": t, "logprob": math.log(p)} for t, p in (("Hm", 0.7), ("So", 0.2))]
        return {"logprobs": {"content": [{"token": "Hm", "logprob": math.log(0.7),
                                          "top_logprobs": tops}]}}  # fmt: skip

    found = score(best, renderer=None)
    assert found.method == "top_k"
    assert not found.is_greedy
    assert found.low == -math.inf
    assert found.high == pytest.approx(math.log(0.1))


def test_a_server_that_lists_few_tokens_is_asked_for_few():
    def few(path, body):
        if body.get("logprobs") != 5:
            return None
        return {"logprobs": {"top_logprobs": [{"</think>": -0.1, "Hm": -3.0}]}}

    assert score(few).logprob == -0.1


def test_a_server_without_any_way_stops_the_run_in_one_sentence():
    with pytest.raises(RecipeError, match=r"cannot score a continuation .*pass_rate"):
        score(lambda path, body: {"text": "x", "logprobs": None})


def test_the_way_is_found_once():
    server = Server(echo)

    async def go() -> None:
        scorer = Scorer(server.post, "m", Words(), HttpConfig())
        await asyncio.gather(*(scorer.score(REQUEST, "</think>") for _ in range(10)))

    asyncio.run(go())
    assert len(server.asked) == 11  # one try of prompt_logprobs


def test_a_prompt_that_is_too_long_is_the_row_s_own():
    class Full(Server):
        async def post(self, path, body, make):
            raise RecordError("over_length", "maximum context length is 8 tokens")

    async def go() -> None:
        await Scorer(Full(None).post, "m", Words(), HttpConfig()).score(REQUEST, "</think>")

    with pytest.raises(RecordError, match="over_length"):
        asyncio.run(go())


def test_a_token_across_the_border_is_no_score():
    def joined(path, body):
        made = prompt_logprobs(path, body)
        return made and {**made, "prompt_logprobs": made["prompt_logprobs"][:-2]}

    with pytest.raises(RecipeError, match="does not end in"):
        score(joined)


@pytest.mark.parametrize("wrong", [
    {"prompt_logprobs": "none"}, {"prompt_logprobs": [None, 3, 4]},
    {"prompt_logprobs": [None, {"1": {"logprob": "-1", "decoded_token": 7}}]},
    {"prompt_logprobs": [None, {"1": {"logprob": float("nan"), "decoded_token": "</think>"}}]},
    {"prompt_logprobs": [None, {"1": {"logprob": 2.5, "decoded_token": "</think>"}}]},
    {"prompt_logprobs": [None, {"1": {"decoded_token": "</think>"}}]},
    {"prompt_logprobs": {"1": {}}}, {"prompt_logprobs": [[], []]},
])  # fmt: skip
def test_log_probabilities_of_another_form_are_no_score(wrong):
    def odd(path, body):
        return wrong if "prompt_logprobs" in body else None

    with pytest.raises(RecipeError, match="cannot score a continuation"):
        score(odd)


def test_a_score_that_is_missing_once_the_way_is_known_is_of_no_use_and_drops_no_row():
    answers = [prompt_logprobs, lambda path, body: {"text": "x"}]

    async def go() -> None:
        scorer = Scorer(Server(lambda *a: answers[0](*a)).post, "m", Words(), HttpConfig())
        await scorer.score(REQUEST, "</think>")
        answers.pop(0)
        with pytest.raises(TryError, match="no prompt_logprobs") as error:
            await scorer.score(REQUEST, "</think>")
        assert error.value.is_whole

    asyncio.run(go())
