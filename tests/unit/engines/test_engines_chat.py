"""What the templates of the field render, and how their responses come apart."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalediff.core.engine import Request
from scalediff.core.errors import RecipeError, RecordError
from scalediff.engines import chat

TURNS = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
)
TEMPLATES = {
    # opens nothing when thinking, and closes an empty thought when not
    "qwen3": TURNS + "{% if enable_thinking is defined and enable_thinking is false %}"
    "<think>\n\n</think>\n\n{% endif %}{% endif %}",
    # opens the thought unless told not to
    "qwen3.5": TURNS + "{% if enable_thinking is defined and enable_thinking is false %}"
    "<think>\n\n</think>\n\n{% else %}<think>\n{% endif %}{% endif %}",
    # always opens the thought; writes its own BOS; knows no enable_thinking
    "r1_distill": "<｜begin▁of▁sentence｜>{% for m in messages %}{% if m.role == 'user' %}"
    "<｜User｜>{{ m.content }}{% else %}{{ m.content.split('</think>')[-1] }}{% endif %}"
    "{% endfor %}{% if add_generation_prompt %}<｜Assistant｜><think>\n{% endif %}",
    # closes the thought when not thinking, with no tag of its own before
    "v3.1": "{% for m in messages %}<｜User｜>{{ m.content }}{% endfor %}"
    "{% if add_generation_prompt %}<｜Assistant｜>"
    "{% if enable_thinking is defined and enable_thinking %}<think>"
    "{% else %}</think>{% endif %}{% endif %}",
    # adds a system turn, as its authors trained it, and never thinks
    "smollm2": "{% if messages[0].role != 'system' %}"
    "<|im_start|>system\nYou are helpful<|im_end|>\n{% endif %}" + TURNS + "{% endif %}",
}
QWEN = "<|im_start|>user\n1+1?<|im_end|>\n<|im_start|>assistant\n"
R1 = "<｜begin▁of▁sentence｜><｜User｜>1+1?<｜Assistant｜><think>\n"
GOLDEN = {
    ("qwen3", None): QWEN,
    ("qwen3", True): QWEN,
    ("qwen3", False): QWEN + "<think>\n\n</think>\n\n",
    ("qwen3.5", None): QWEN + "<think>\n",
    ("qwen3.5", True): QWEN + "<think>\n",
    ("qwen3.5", False): QWEN + "<think>\n\n</think>\n\n",
    ("r1_distill", None): R1,
    ("r1_distill", True): R1,
    ("r1_distill", False): R1,
    ("v3.1", True): "<｜User｜>1+1?<｜Assistant｜><think>",
    ("v3.1", False): "<｜User｜>1+1?<｜Assistant｜></think>",
    ("smollm2", True): "<|im_start|>system\nYou are helpful<|im_end|>\n" + QWEN,
    ("smollm2", False): "<|im_start|>system\nYou are helpful<|im_end|>\n" + QWEN,
}
OPENS = {("qwen3.5", None), ("qwen3.5", True), ("v3.1", True)} | {
    ("r1_distill", thinking) for thinking in (None, True, False)
}


def ask(thinking=None, content="1+1?", **more):
    return Request(messages=({"role": "user", "content": content},), thinking=thinking, **more)


@pytest.mark.parametrize(("name", "thinking"), GOLDEN, ids=str)
def test_prompts_are_the_templates_own(name, thinking, tokenizer_with):
    prompt = chat.render(tokenizer_with(TEMPLATES[name]), ask(thinking))
    assert prompt == GOLDEN[name, thinking]
    assert chat.opens_think(prompt) == ((name, thinking) in OPENS)


@pytest.mark.parametrize(
    ("name", "thinking", "response", "expected"),
    [
        ("qwen3", True, "<think>\nhm\n</think>\n\nIt is 2.", ("hm", "It is 2.")),
        ("qwen3", True, "<think>\n\n</think>\n\nIt is 2.", ("", "It is 2.")),
        ("qwen3", False, "It is 2.", (None, "It is 2.")),
        ("qwen3", False, "<think>hm</think>It is 2.", ("hm", "It is 2.")),
        ("qwen3.5", True, "hm\n</think>\n\nIt is 2.", ("hm", "It is 2.")),
        ("qwen3.5", False, "It is 2.", (None, "It is 2.")),
        ("r1_distill", True, "hm\n</think>\n\nIt is 2.", ("hm", "It is 2.")),
        ("r1_distill", False, "hm\n</think>\n\nIt is 2.", ("hm", "It is 2.")),
        ("r1_distill", None, "</think>\n\nIt is 2.", ("", "It is 2.")),
        ("r1_distill", None, "<think>\nhm\n</think>\nIt is 2.", ("hm", "It is 2.")),
        ("v3.1", True, "hm</think>It is 2.", ("hm", "It is 2.")),
        ("v3.1", False, "It is 2.", (None, "It is 2.")),
        ("smollm2", True, "It is 2.", (None, "It is 2.")),
        ("smollm2", True, "Sure. <think>hm</think>2", ("hm", "Sure. 2")),
        ("smollm2", True, "The tag <think> opens a thought.",
         (None, "The tag <think> opens a thought.")),
    ],
)  # fmt: skip
def test_a_whole_response_comes_apart(name, thinking, response, expected):
    assert chat.split(GOLDEN[name, thinking], response, "stop") == expected


@pytest.mark.parametrize("reason", ["length", "stopped"])
@pytest.mark.parametrize(
    ("prompt", "response", "thought"),
    [
        (QWEN, "<think>\nIt is \\boxed{2}, or", "It is \\boxed{2}, or"),
        (R1, "It is \\boxed{2}, or", "It is \\boxed{2}, or"),
        (R1, "", ""),
        (QWEN, "Well. <think> It is \\boxed{2}", "Well.  It is \\boxed{2}"),
        (R1, "hm</think>\\boxed{2} <think>no, \\boxed{3}", "hm\\boxed{2} no, \\boxed{3}"),
    ],
)
def test_a_cut_thought_is_never_content(prompt, response, thought, reason):
    assert chat.split(prompt, response, reason) == (thought, "")


def test_a_thought_that_ends_unclosed_is_no_content_either():
    assert chat.split(R1, "It is \\boxed{2}.", "stop") == ("It is \\boxed{2}.", "")
    assert chat.split(QWEN, "<think>It is \\boxed{2}.", "stop") == ("It is \\boxed{2}.", "")


def test_cut_content_stays_content():
    assert chat.split(R1, "hm</think>It is", "length") == ("hm", "It is")


@pytest.mark.parametrize(
    ("prompt", "prefix", "sampled", "expected"),
    [
        (QWEN, "<think>\n\n</think>\n\n", "It is 2.", ("", "It is 2.")),
        (R1, "</think>\n\n", "It is 2.", ("", "It is 2.")),
        (QWEN, "<think>\nFirst,", " hm</think>2", ("First, hm", "2")),
        (R1, "First,", " hm</think>2", ("First, hm", "2")),
    ],
)
def test_a_given_prefix_is_part_of_the_response(prompt, prefix, sampled, expected):
    assert chat.split(prompt, prefix + sampled, "stop") == expected


def test_a_user_who_writes_the_tag_opens_nothing(tokenizer_with):
    for name in ("qwen3", "smollm2"):
        prompt = chat.render(tokenizer_with(TEMPLATES[name]), ask(content="What is <think>"))
        assert not chat.opens_think(prompt)


# what tags are made of is left out: a text that ends in half a tag was cut in it
words = st.text(st.characters(exclude_characters="<>[]◁▷&`", codec="utf-8"), max_size=40)


@given(words, words, st.sampled_from([QWEN, R1]))
def test_closed_thoughts_survive_whole(thought, content, prompt):
    opening = "" if prompt is R1 else "<think>"
    found = chat.split(prompt, f"{opening}{thought}</think>{content}", "stop")
    assert found == (thought.strip(), content.strip())


def test_nothing_is_added_to_a_raw_prompt(tokenizer):
    request = Request(raw="<|im_start|>user\n")
    prompt, ids = chat.encode(tokenizer, request)
    assert prompt == "<|im_start|>user\n"
    assert tokenizer.convert_ids_to_tokens(ids)[0] == "<|im_start|>"
    assert tokenizer.decode(ids) == prompt


def test_no_second_bos(tokenizer_with):
    tokenizer = tokenizer_with(TEMPLATES["r1_distill"])
    tokenizer.add_special_tokens({"bos_token": "<｜begin▁of▁sentence｜>"})
    _, ids = chat.encode(tokenizer, ask())
    assert ids.count(tokenizer.bos_token_id) == 1


def test_the_prefix_is_sent(tokenizer):
    _, ids = chat.encode(tokenizer, ask(prefix="<think>\n\n</think>"))
    assert tokenizer.decode(ids).endswith("assistant\n<think>\n\n</think>")


def test_a_tokenizer_without_template_is_an_error_that_says_so(tokenizer_with):
    with pytest.raises(RecipeError, match="has no chat template"):
        chat.render(tokenizer_with(None), ask())


def test_a_template_that_refuses_fails_the_row_alone(tokenizer_with):
    tokenizer = tokenizer_with("{{ raise_exception('roles must alternate') }}")
    with pytest.raises(RecordError, match="roles must alternate"):
        chat.render(tokenizer, ask())
