"""Messages: the thought is found wherever it stands, and once."""

import pytest

from scalediff.text.messages import as_text, parts_of, with_thought
from scalediff.text.thoughts import split

TEXT = {"type": "text", "text": "4"}


@pytest.mark.parametrize(
    "message",
    [
        {"reasoning_content": "hm", "content": "4"},
        {"reasoning": "hm", "content": "4"},
        {"thinking": "hm", "content": "4"},
        {"reasoning_content": "", "reasoning": "hm", "content": "4"},
        {"reasoning_content": "\n", "reasoning": "hm", "content": "4"},
        {"reasoning_content": None, "reasoning": "hm", "content": "4"},
        {"reasoning_content": "hm", "reasoning": "hm", "content": "4"},
        {"reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
         "content": "4"},
        {"reasoning": None, "reasoning_details": [{"type": "reasoning.text", "text": "hm"}],
         "content": "4"},
        {"reasoning_details": [{"type": "reasoning.summary", "summary": "hm"},
                               {"type": "reasoning.encrypted", "data": "AAA"}], "content": "4"},
        {"reasoning": "", "reasoning_details": [{"type": "reasoning.text", "text": "h"},
                                                {"type": "reasoning.text", "text": "m"}],
         "content": [TEXT]},
        {"content": [{"type": "thinking", "thinking": "hm"}, TEXT]},
        {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, TEXT]},
        {"content": [{"type": "reasoning", "text": "hm"}, TEXT]},
        {"content": [{"type": "reasoning", "reasoning": "hm"}, "4"]},
        {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
                     {"type": "output_text", "text": "4"}]},
        {"content": [{"type": "redacted_thinking", "data": "AAA"},
                     {"type": "thinking", "thinking": "hm", "signature": "x"}, TEXT]},
        {"content": [{"text": "hm", "thought": True}, {"text": "4"}]},
        {"content": [{"thinking": "hm"}, {"text": "4"}]},
        {"reasoning": {"effort": "high"}, "reasoning_content": "hm", "content": "4"},
        {"reasoning_content": "hm", "content": [{"type": "thinking", "thinking": "hm"}, TEXT]},
    ],
)  # fmt: skip
def test_a_thought_is_found_once_wherever_it_stands(message):
    assert parts_of(message) == ("hm", "4")
    assert as_text(message) == "<think>\nhm\n</think>\n\n4"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({}, (None, None)),
        ({"content": None}, (None, None)),
        ({"content": "4"}, (None, "4")),
        ({"content": "4", "reasoning_content": ""}, ("", "4")),
        ({"content": "4", "reasoning_content": None, "reasoning": 7}, (None, "4")),
        ({"content": 7}, (None, None)),
        ({"content": []}, (None, "")),
        ({"content": [TEXT, 3, None, "5"]}, (None, "45")),
        ({"content": [{"type": "thinking", "thinking": "hm"}]}, ("hm", None)),
        ({"content": [{"type": "image_url", "image_url": "x"}, TEXT]}, (None, "4")),
        ({"content": [{"type": "redacted_thinking", "data": "A"}, TEXT]}, (None, "4")),
        ({"reasoning_content": " ", "content": None}, (" ", None)),
    ],
)
def test_what_there_is_not_is_not_made_up(message, expected):
    assert parts_of(message) == expected


def test_a_thought_with_tags_in_it_comes_back_whole():
    for thought in ("a</think>b", "a<think>b", "<think>ab", "ab</think>", "[THINK]ab"):
        assert split(with_thought(thought, "4")) == ("ab", "4")


def test_nesting_without_end_is_no_thought():
    deep: object = "hm"
    for _ in range(200):
        deep = [deep]
    assert parts_of({"reasoning": deep, "content": "4"}) == (None, "4")


@pytest.mark.parametrize(
    "kind",
    ["redacted_thinking", "reasoning.text", "think", "thinking_delta", "reasoning-delta",
     "summary", "analysis", "anything"],
)  # fmt: skip
def test_a_part_of_another_type_is_never_content(kind):
    assert parts_of({"content": [{"type": kind, "text": "hm"}, TEXT]}) == ("hm", "4")


def test_a_message_written_as_text_is_the_message():
    assert parts_of({"content": '{"content": "4", "reasoning_content": "hm"}'}) == ("hm", "4")
    assert parts_of({"content": '{"answer": 4}'}) == (None, '{"answer": 4}')
