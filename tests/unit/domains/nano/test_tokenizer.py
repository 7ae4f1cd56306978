import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scalediff.domains.nano import chat, world
from scalediff.domains.nano.bases import AT_ONCE_PREFIX
from scalediff.domains.nano.identify import open_prompt
from scalediff.domains.nano.tokenizer import build_tokenizer, world_tokens

PROBLEMS = world.make_problems(400, seed=8)


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer(chat.QWEN3_STYLE)


@pytest.fixture(scope="module")
def r1_tokenizer():
    return build_tokenizer(chat.R1_STYLE)


def ids_of(tokenizer, text):
    return tokenizer(text)["input_ids"]


@given(text=st.text())
@settings(max_examples=300)
def test_any_text_round_trips(tokenizer, text):
    assert tokenizer.decode(ids_of(tokenizer, text)) == text


def test_world_texts_round_trip_without_special_tokens(tokenizer):
    for problem in PROBLEMS:
        text = chat.user_turn(problem.problem) + world.thinking_response(problem) + "<|im_end|>"
        assert tokenizer.decode(ids_of(tokenizer, text)) == text
        response = world.thinking_response(problem)
        ids = ids_of(tokenizer, response + "<|im_end|>")
        assert tokenizer.decode(ids, skip_special_tokens=True) == response


def test_the_marks_are_one_token_each_and_the_tags_are_not_special(tokenizer):
    for mark in ("<|im_start|>", "<|im_end|>", "<|endoftext|>", "<think>", "</think>"):
        assert len(ids_of(tokenizer, mark)) == 1
    assert tokenizer.eos_token == "<|im_end|>"
    assert tokenizer.pad_token == "<|endoftext|>"
    assert tokenizer.bos_token is None
    assert "</think>" not in tokenizer.all_special_tokens


def test_world_tokens_are_distinct_and_whole(tokenizer):
    assert len(set(world_tokens())) == len(world_tokens())
    for token in world_tokens():
        assert len(ids_of(tokenizer, token)) == 1, token


def test_texts_are_short(tokenizer):
    problems = [len(ids_of(tokenizer, p.problem)) for p in PROBLEMS]
    responses = [len(ids_of(tokenizer, world.thinking_response(p))) for p in PROBLEMS]
    assert statistics.mean(problems) < 30
    assert max(problems) < 50
    assert statistics.mean(responses) < 75
    assert max(responses) < 160


def render(tokenizer, problem, **flags):
    turn = [{"role": "user", "content": problem}]
    return tokenizer.apply_chat_template(turn, add_generation_prompt=True, tokenize=False, **flags)


def test_what_is_trained_on_is_what_the_templates_render(tokenizer, r1_tokenizer):
    for problem in PROBLEMS[:50]:
        text = problem.problem
        assert render(tokenizer, text) == chat.user_turn(text)
        at_once = render(tokenizer, text, enable_thinking=False)
        assert at_once == chat.user_turn(text) + AT_ONCE_PREFIX
        assert render(r1_tokenizer, text) == open_prompt(text)


def test_prompt_and_response_tokenise_apart_as_together(tokenizer):
    for problem in PROBLEMS[:100]:
        prompt, response = chat.user_turn(problem.problem), world.thinking_response(problem)
        pairs = [
            (prompt, response),
            (prompt + AT_ONCE_PREFIX, problem.final),
            (open_prompt(problem.problem), f"</think>\n\n{problem.final}"),
            (open_prompt(problem.problem), response.removeprefix("<think>\n")),
            ("<|im_start|>user\n", f"{problem.problem}<|im_end|>"),
        ]
        for left, right in pairs:
            apart = ids_of(tokenizer, left) + ids_of(tokenizer, right)
            assert apart == ids_of(tokenizer, left + right)


def test_a_conversation_renders_its_answer(tokenizer):
    turns = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False)
    assert text == "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n"
