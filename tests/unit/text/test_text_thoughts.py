"""Thoughts and answers apart, in every form that models write them."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scalediff.text.marks import REASONS, TAGS, Thoughts, ending
from scalediff.text.thoughts import answer_part, opening, split, tokens

PAIRS = [tags[:2] for tags in TAGS]


@pytest.mark.parametrize(("begin", "end"), PAIRS)
def test_every_pair_whole_and_cut(begin, end):
    assert split(f"{begin}\nhm\n{end}\n\nIt is 4.") == ("hm", "It is 4.")
    assert split(f"hm{end}It is 4.") == ("hm", "It is 4.")
    assert split(f"{begin}{end}It is 4.") == ("", "It is 4.")
    assert split(f"It is 4.{begin}hm{end}") == ("hm", "It is 4.")
    for reason in (None, "stop", "length", "MAX_TOKENS", "tired"):
        assert split(f"{begin}so \\boxed{{4}}", reason) == ("so \\boxed{4}", "")
        assert split(f"Well: {begin}so \\boxed{{4}}", reason)[1] == ""
        assert split(f"a{end}b{begin}so \\boxed{{4}}", reason)[1] == ""
        assert split(f"so \\boxed{{4}}{end[:-1]}", reason) == (f"so \\boxed{{4}}{end[:-1]}", "")


@pytest.mark.parametrize(
    "text",
    [
        "<THINK>hm</THINK>It is 4.",
        "< think >hm</ think >It is 4.",
        "<Think>hm< /Think>It is 4.",
        "&lt;think&gt;hm&lt;/think&gt;It is 4.",
        "<|think|>hm<|/think|>It is 4.",
        '<thinking effort="high">hm</thinking>It is 4.',
        "[think]hm[/think]It is 4.",
        "<think>\n<think>\nhm</think>It is 4.",
        "<|begin_of_thought|>\n\nhm\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nIt is 4."
        "\n\n<|end_of_solution|>",
        "<|begin_of_thought|>hm<|begin_of_solution|>It is 4.<|end_of_solution|>",
        "<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>It is 4.<|END_RESPONSE|>",
        "hm<|START_RESPONSE|>It is 4.<|END_RESPONSE|>",
        "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>"
        "It is 4.<|return|>",
        "<|start|>assistant<|channel|>analysis<|message|>hm<|end|>\n<|start|>assistant<|channel|>"
        "final<|message|>It is 4.",
        "analysis<|message|>hm<|end|><|start|>assistant<|channel|>final <|constrain|>text"
        "<|message|>It is 4.",
        "hm<|end|><|start|>assistant<|channel|>final<|message|>It is 4.<|return|>",
        "analysishmassistantfinalIt is 4.",
        "analysis\nhm\nassistantfinal\nIt is 4.",
        "hmassistantfinalIt is 4.",
        "Here is my thought process: hm Here is my response: It is 4.",
        "Here's my thought process:\nhm\nHere's my response:\nIt is 4.",
        "Here are my reasoning steps:\nhm\n[BEGIN FINAL RESPONSE]\nIt is 4.\n[END FINAL RESPONSE]",
    ],
)
def test_every_way_of_writing_it(text):
    assert split(text) == ("hm", "It is 4.")


@pytest.mark.parametrize(
    "text",
    [
        "<|channel|>analysis<|message|>so \\boxed{4}",
        "<|channel|>analysis<|message|>so \\boxed{4}<|end|>",
        "<|channel|>analysis<|message|>so \\boxed{4}<|end|><|start|>assistant<|channel|>fin",
        "<|channel|>commentary<|message|>so \\boxed{4}<|end|>",
        "<|channel|>final<|message|>\\boxed{3}<|end|><|channel|>analysis<|message|>so \\boxed{4}",
        "analysisSo \\boxed{4}",
        "analysisso \\boxed{4}",
        "analysis\nSo \\boxed{4}",
        "analysisSo \\boxed{4}assistantfin",
        "analysisSoassistantfinal\\boxed{3}assistantanalysisno: \\boxed{4}",
        "<|begin_of_thought|>so \\boxed{4}<|end_of_tho",
        "<think>a<think>b</think>so \\boxed{4}",
        "<think>a</think>b</think>c<think>so \\boxed{4}",
        "a</think>b<think>c \\boxed{1}",
        "<think>so </thinking> \\boxed{4}",
        "<reasoning>a<think>b</think>so \\boxed{4}",
        "<think>my tag `</think>` comes later: \\boxed{4}",
    ],
)
@pytest.mark.parametrize("reason", [None, "stop", "length"])
def test_a_cut_thought_gives_no_answer(text, reason):
    reasoning, content = split(text, reason)
    assert reasoning
    assert content == ""
    assert answer_part(text, reason) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("It is 4.", (None, "It is 4.")),
        ("", (None, "")),
        ("<think>a</think>b</think>c", ("ab", "c")),
        ("<think>a<think>b</think>c</think>d", ("abc", "d")),
        ("<think>a</think>b<think>c</think>d", ("a\n\nc", "b\n\nd")),
        ("Sure. <think>a</think>4", ("a", "Sure. 4")),
        ("<think>a <reasoning> b</think>4", ("a  b", "4")),
        ("<think>a</think><answer>4</answer>", ("a", "<answer>4</answer>")),
        ("<think>a `</think>` b</think>4", ("a `</think>` b", "4")),
        ("<think>use `x`</think>`4`", ("use `x`", "`4`")),
        ("<think>`</think>`", ("`", "`")),
        ("<think>a (</think>) b", ("a (", ") b")),
        ("Write ``<think>``, then think. 4", (None, "Write ``<think>``, then think. 4")),
        ("“<think>” opens it: 4", (None, "“<think>” opens it: 4")),
        ("<think>my '</think>' ends it</think>4", ("my '</think>' ends it", "4")),
        ('Write "<think>" first. It is 4.', (None, 'Write "<think>" first. It is 4.')),
        ("The tag <think> opens it.", (None, "The tag <think> opens it.")),
        ("It has <think> tags.", (None, "It has <think> tags.")),
        ("<|channel|>final<|message|>4", (None, "4")),
        ("<|begin_of_solution|>4<|end_of_solution|>", (None, "4")),
        ("a < b and [1, 2] <\nc", (None, "a < b and [1, 2] <\nc")),
        ("analysis of it gives 4", (None, "analysis of it gives 4")),
        ("Analysis: it is 4", (None, "Analysis: it is 4")),
        ("Here is my thought process: 4.", (None, "Here is my thought process: 4.")),
        ("Ends<|end|>", (None, "Ends<|end|>")),
    ],
)
def test_the_rules(text, expected):
    assert split(text) == expected


def test_what_a_cut_text_speaks_of_is_no_longer_known():
    assert split("The tag <think> opens it.", "length")[1] == ""


def test_a_thought_that_the_prompt_opened():
    assert split("hm [/THINK]4", opened=True) == ("hm", "4")
    assert split("<reasoning>hm</think>a</reasoning>4", opened=True) == ("hma", "4")
    assert split("so \\boxed{4}", "stop", opened=True) == ("so \\boxed{4}", "")
    for tag in ("<think>", "[THINK]", "<seed:think>", "<|START_THINKING|>", "◁think▷"):
        assert opening(f"x{tag}\n") == tag
        assert opening(f"x{tag}\nhm") == ""


def test_what_was_cut_before_any_thought_ended_has_no_answer():
    assert answer_part("So \\boxed{4}", "max_new_tokens") == ""
    assert answer_part("So \\boxed{4}", "tired") == ""
    assert answer_part("So \\boxed{4}") == "So \\boxed{4}"
    assert answer_part("hm</think>So \\boxed{4}. And", "length") == "So \\boxed{4}. And"


def test_a_recipe_adds_tags():
    extra = [["<x>", "</x>"], ["PLAN:", "ANSWER:"]]
    assert split("<X>hm</x>4", None, extra) == ("hm", "4")
    assert split("Plan: hm Answer: 4", None, extra) == ("hm", "4")
    assert split("<x>so \\boxed{4}", "stop", extra) == ("so \\boxed{4}", "")
    assert split("<x>hm</x>4") == (None, "<x>hm</x>4")
    assert opening("a<x>", extra) == "<x>"
    Thoughts(tags=extra)
    for wrong in (["<x>"], ["<x>", ""], ["<x>", "<X>"], ["a"] * 5):
        with pytest.raises(ValueError, match="thought"):
            Thoughts(tags=[wrong])


def test_tokens_are_single_brackets():
    found = set(tokens([["PLAN:", "ANSWER:"]]))
    assert {"<think>", "</think>", "[THINK]", "<|channel|>", "<|channel>", "◁/think▷", "PLAN:",
            "<|END_RESPONSE|>", "<unused94>"} <= found  # fmt: skip


@pytest.mark.parametrize(
    ("meaning", "names"),
    [
        ("stop", "stop STOP eos <eos> eos_token end_turn EndTurn stop-sequence Finished completed "
         "FINISH_REASON_STOP FinishReason.STOP COMPLETE tool_calls endoftext"),
        ("length", "length LENGTH MAX_TOKENS maxTokens max-new-tokens model_length max_length "
         "token_limit truncated incomplete max_output_tokens context_length_exceeded "
         "FINISH_REASON_MAX_TOKENS finish_reason_length model_context_window_exceeded limit"),
        ("refused", "content_filter SAFETY refusal RECITATION Content-Filter guardrail_intervened"),
        ("broken", "abort error cancelled insufficient_system_resource USER_CANCEL"),
        ("stopped", "stopped repetition"),
        ("unknown", "tired other FINISH_REASON_UNSPECIFIED finish_reason x 1"),
    ],
)  # fmt: skip
def test_finish_reasons(meaning, names):
    assert {name: ending(name) for name in names.split()} == dict.fromkeys(names.split(), meaning)


def test_finish_reasons_that_are_no_names():
    for absent in (None, "", " ", "None", "null", float("nan")):
        assert ending(absent) == "stop"
    for odd in (0, 1, True, False, 2.5, ["stop"], {}, {"x": 1}):
        assert ending(odd) == "unknown"
    assert ending({"type": "length", "length": 100}) == "length"
    assert ending({"type": "stop", "matched": 2}) == "stop"
    assert ending("Tired", {"tired": "length"}) == ending("tired", {"TIRED": "length"}) == "length"
    assert ending("stop", {"stop": "length"}) == "length"


def test_no_name_means_two_things():
    names = [name.replace("_", "") for names in REASONS.values() for name in names.split()]
    assert len(names) == len(set(names))


words = st.text(st.characters(exclude_characters="<>[]◁▷&`", codec="utf-8"), max_size=40)


@given(words, words, st.sampled_from(PAIRS))
def test_whatever_stands_between_the_tags(thought, content, pair):
    text = f"{pair[0]}x{thought}x{pair[1]}y{content}y"
    assert split(text) == (f"x{thought}x", f"y{content}y")
    assert split(text.removesuffix(f"{pair[1]}y{content}y"), "stop")[1] == ""


@pytest.mark.parametrize(
    "text",
    ["<think>" * 40_000, "</think>" * 40_000, "<think></think>" * 20_000, "< " * 200_000,
     '"<think>" ' * 30_000, "`<think>` " * 30_000, "<|channel|>analysis<|message|>" * 20_000,
     "assistantfinal" * 20_000, "<think " + "a=b " * 100_000, "[ " * 200_000],
)  # fmt: skip
def test_hostile_texts_take_no_time(text):
    start = time.process_time()
    split(text)
    assert time.process_time() - start < 20


HIDDEN = "\u200b"
OTHER_WAYS = [
    "<|im_start|>think\nhm\n<|im_start|>answer\nIt is 4.",
    "<|thought_start|>hm<|thought_end|>It is 4.",
    "Thinking...\nhm\n...done thinking.\n\nIt is 4.",
    "hm\n...done thinking.\n\nIt is 4.",
    '<details type="reasoning" done="true" duration="3">\n<summary>Thought for 3 s</summary>\n'
    "hm\n</details>\nIt is 4.",
    "<|think_start|>hm<|think_end|>It is 4.",
    "<|start_of_thought|>hm<|end_of_thought|>It is 4.",
    "<|begin_of_reasoning|>hm<|end_of_reasoning|>It is 4.",
    "<|START_REASONING|>hm<|END_REASONING|>It is 4.",
    "[THOUGHT]hm[/THOUGHT]It is 4.",
    "[INNER_THOUGHTS]hm[/INNER_THOUGHTS]It is 4.",
    "◁thinking▷hm◁/thinking▷It is 4.",
    "&#60;think&#62;hm&#60;/think&#62;It is 4.",
    "＜think＞hm＜/think＞It is 4.",
    f"<th{HIDDEN}ink>hm</{HIDDEN}think>It is 4.",
    "<|think|>hm<|end|><|begin|>assistant<|content|>It is 4.",
    "hm<think/>It is 4.",
]
OTHER_NAMES = (
    "think_fast think_faster antthinking inner_thoughts internal_monologue thinkingprocess"
    " chain-of-thought thought-process inner-thoughts self_reflection step_by_step_reasoning"
    " scratch_pad my_thoughts"
)


@pytest.mark.parametrize(
    "text", [*OTHER_WAYS, *(f"<{n}>hm</{n}>It is 4." for n in OTHER_NAMES.split())]
)
def test_tags_that_their_name_or_place_says(text):
    assert split(text) == ("hm", "It is 4.")


@pytest.mark.parametrize(
    "text",
    [
        "<think_fast>So 4",
        "<|im_start|>think\nSo 4",
        "Thinking...\nSo 4",
        "<|think|>So 4<|end|>",
        '<details type="reasoning">So 4',
        "<inner-thoughts>So 4</inner-tho",
        "<step_by_step_reasoning>So 4",
    ],
)
def test_such_a_thought_without_its_end_is_cut(text):
    assert split(text)[1] == ""


@pytest.mark.parametrize(
    "text",
    [
        "It is 4. <details>more</details>",
        "It is 4.<|end|>",
        "<think_on>It is 4.",
        "[Analysis] It is 4.",
        "<reasoning_and_answer>It is 4.</reasoning_and_answer>",
    ],
)
def test_what_only_looks_like_such_a_tag(text):
    assert split(text) == (None, text)


def test_an_empty_tag_is_a_thought_that_was_skipped():
    assert split("<think/>It is 4.") == ("", "It is 4.")


@pytest.mark.parametrize(
    "reason",
    ["</s>", "hit_eos", "end", "normal", "<|im_end|>", "<|eot_id|>", "<|endoftext|>", "151645",
     "<end_of_turn>", "<|end|>", 151645, "<｜end▁of▁sentence｜>"],
)  # fmt: skip
def test_the_token_that_ended_it_is_a_plain_stop(reason):
    assert ending(reason) == "stop"
