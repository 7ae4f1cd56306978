r"""The one table of the tags that models write around thoughts, and of finish reasons.

``text/thoughts.py`` reads a response by it; a recipe adds to it.

Letters' case does not count in either, nor do spaces inside of a tag's brackets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

from pydantic import field_validator

from scalediff.core.stage import Config

Tags = tuple[tuple[str, ...], ...]

_NAMES = (
    *("think", "thinking", "thought", "thoughts", "reason", "reasoning", "reflection"),
    *("analysis", "rationale", "scratchpad", "cot", "chain_of_thought", "thought_process"),
    *("thinking_process", "reasoning_process", "inner_monologue", "inner_thoughts"),
    *("internal_monologue", "antthinking", "think_fast", "think_faster"),
    *("seed:think", "longcat_think"),  # Seed-OSS, LongCat
)
TAGS: Tags = (
    *((f"<{name}>", f"</{name}>") for name in _NAMES),
    ("[THINK]", "[/THINK]"),  # Magistral
    ("[THINKING]", "[/THINKING]"),
    ("[REASONING]", "[/REASONING]"),
    ("[THOUGHT]", "[/THOUGHT]"),
    ("<|thought_start|>", "<|thought_end|>"),  # MiniCPM
    ("<|think_start|>", "<|think_end|>"),
    ("◁think▷", "◁/think▷"),  # Kimi
    # Sky-T1, Bespoke, OpenThoughts
    ("<|begin_of_thought|>", "<|end_of_thought|>", "<|begin_of_solution|>", "<|end_of_solution|>"),
    # Cohere
    ("<|START_THINKING|>", "<|END_THINKING|>", "<|START_RESPONSE|>", "<|END_RESPONSE|>"),
    # Kimi K3
    ("<|open|>think<|sep|>", "<|close|>think<|sep|>",
     "<|open|>response<|sep|>", "<|close|>response<|sep|>"),
    ("<|inner_prefix|>", "<|inner_suffix|>"),  # Apertus
    ("<|channel>thought", "<channel|>"),  # Gemma
    ("<unused94>thought", "<unused95>"),  # MedGemma
)  # fmt: skip
"""Beginning and end of a thought; where there are such also the beginning of the answer, which ends
a thought that is still open, and its end. ``<answer>`` and the like stay in the content."""

NAMED = (
    r"(?![\w:-]{0,40}(?:answer|response|solution|final))(?!no[_-]?|[\w:-]{0,40}[_-](?:on|off)\b)"
    r"(?=[\w:-]{0,40}(?:think|thought|reason|reflect|scratch[_-]?pad|monolog|analysis|ponder))"
    r"[a-z][\w:-]{2,60}"
)
"""Names of tags that are not in the table and are of a thought all the same."""

BLOCKS = (
    (r"\s*<\|im_start\|>think\b", r"<\|im_start\|>answer\b(?: *\n)?", True),  # s1
    (r"\s*(?:<\|begin\|>assistant)?<\|think\|>(?=(?:(?!<\|/think\|>).)*<\|end\|>)",
     r"<\|end\|>\s*<\|begin\|>assistant<\|content\|>", True),  # Solar
    (r"\s*Thinking\.\.\.[^\S\n]*\n", r"\n\.\.\.done thinking\.", True),  # Ollama's command line
    (r"\s*<details\b[^<>]{0,200}\btype=.?reasoning\b[^<>]{0,200}>"
     r"(?:\s*<summary>[^<]{0,200}</summary>)?", r"</details>", False),  # Open WebUI
)  # fmt: skip
"""What begins a response as a thought, what ends it, and whether the end alone is enough; a thought
that begins and does not end is cut."""

PHRASES = (
    (r"here(?:'s| is) my thought process:?", r"here(?:'s| is) my response:?"),  # Granite
    (r"here are my reasoning steps:?", r"\[BEGIN FINAL RESPONSE\]"),  # Apriel
)
"""What begins a response, and its answer; where one of the two is missing it is ordinary text."""

HARMONY = ("<|start|>", "<|channel|>", "<|constrain|>", "<|message|>", "<|end|>", "<|return|>",
           "<|call|>")  # fmt: skip
"""Tokens of gpt-oss: its channels ``analysis`` and ``commentary`` are thought, ``final`` is not."""

Ending = Literal["stop", "length", "stopped", "refused", "broken", "unknown"]
"""``stop`` ended by itself, ``length`` was cut, ``stopped`` ended as a loop, ``refused`` was
withheld, ``broken`` is not whole, ``unknown`` is a name that is not in the table: it may be cut."""

REASONS: dict[str, str] = {
    "stop": "stop eos eos_token eos_token_id stop_sequence stop_token stop_string stop_word word"
    " matched_stop end_turn end_of_turn end_of_text end_of_sequence eot natural finish"
    " finished complete completed completion done success succeeded ok tool_calls tool_call"
    " s end normal hit_eos im_end eot_id eom_id end_of_sentence end_of_message eos_id"
    " tool_use function_call",
    "length": "length max_length max_len max_tokens max_token max_new_tokens max_output_tokens"
    " max_completion_tokens max_tokens_reached max_length_reached max_tokens_exceeded"
    " max_context_length max_seq_len max_model_len model_length output_length limit token_limit"
    " token_limit_reached length_limit context_limit output_limit limit_reached context_length"
    " context_length_exceeded context_window context_window_exceeded context_overflow"
    " model_context_window_exceeded length_capped capped cap budget token_budget"
    " budget_exhausted truncated truncation truncate incomplete not_finished unfinished"
    " cut cut_off partial time_limit timeout timed_out out_of_tokens pause_turn",
    "stopped": "stopped repetition repetitive repeat loop looping repetition_detected",
    "refused": "content_filter content_filtered content_filtering filter filtered safety refusal"
    " refused recitation blocklist blocked block prohibited_content spii image_safety language"
    " guardrail guardrails guardrail_intervened error_toxic sensitive moderation moderated"
    " censored policy policy_violation content_policy_violation",
    "broken": "abort aborted error errored cancel cancelled canceled user_cancel failed failure"
    " load unload insufficient_system insufficient_system_resource"
    " insufficient_system_resources network_error"
    " malformed_function_call error_limit internal_error server_error disconnected interrupted"
    " exception crash crashed killed",
}  # fmt: skip
"""What a finish reason means → its names; ``FINISH_REASON_MAX_TOKENS``, ``Max Tokens`` and
``FinishReason.maxTokens`` are ``max_tokens``."""


def ending(reason: object, extra: Mapping[str, str] | None = None) -> Ending:
    """What a finish reason means; none at all (null, empty, NaN) means that it ended by itself.

    Args:
        reason: As it was given: a name, or an object that names it under ``type`` or ``reason``.
        extra: More names and what they mean.

    Example:
        >>> ending("STOP"), ending("FinishReason.MAX_TOKENS"), ending(None), ending("tired")
        ('stop', 'length', 'stop', 'unknown')
    """
    if isinstance(reason, Mapping):
        reason = next((reason[n] for n in ("type", "reason") if reason.get(n)), "unknown")
    if reason is None or (isinstance(reason, float) and reason != reason):
        return "stop"
    if isinstance(reason, int) and reason >= _LEAST_ID:
        return "stop"
    if not isinstance(reason, str):
        return "unknown"
    name = _folded(reason)
    if name in ("none", "null", "nan") or not reason.strip():
        return "stop"
    if name.isdecimal() and len(name) < _LONGEST_ID and int(name) >= _LEAST_ID:
        return "stop"
    known = {_folded(n): meaning for n, meaning in (extra or {}).items()}
    return known.get(name) or _MEANINGS.get(name, "unknown")  # type: ignore[return-value]


def may_be_cut(reason: object) -> str:
    """What is to say of a response whose finish reason nobody knows, in place of its answer."""
    return f"it may be cut, its finish reason {str(reason)[:40]!r} is not known"


@lru_cache(maxsize=256)
def _folded(name: str) -> str:
    letters = "".join(filter(str.isalnum, name.rpartition(".")[2].casefold()))
    return re.sub(r"^(?:finish|stop|done|end)reason(?=.)", "", letters)


_LEAST_ID, _LONGEST_ID = 1_000, 9
"""A number from here on is the id of the token that ended a response; smaller ones are numbers of
reasons, which differ from server to server."""

_MEANINGS = {_folded(n): meaning for meaning, names in REASONS.items() for n in names.split()}


class Thoughts(Config):
    """What a recipe adds to the table."""

    tags: list[list[str]] = []
    """Tags of thoughts: beginning and end, such as ``["<x>", "</x>"]``, and perhaps beginning and
    end of the answer."""
    finish_reasons: dict[str, Ending] = {}
    """Names of finish reasons and what they mean: ``stop`` (it ended by itself), ``length`` (it was
    cut), ``refused`` or ``broken``."""

    @field_validator("tags")
    @classmethod
    def _are_pairs(cls, tags: list[list[str]]) -> list[list[str]]:
        for one in tags:
            if not 2 <= len(one) <= 4 or not all(tag.strip() == tag != "" for tag in one):
                raise ValueError(
                    f"{one} is no pair of tags; write the beginning and the end of a thought, such "
                    'as ["<x>", "</x>"]'
                )
            if one[0].casefold() == one[1].casefold():
                raise ValueError(f"{one[0]} cannot both begin and end a thought")
        return tags
