r"""Responses whose thought and answer are told apart by more than a pair of tags.

gpt-oss writes in channels, with its tokens (``<|channel|>analysis<|message|>Hm.<|end|>``…) or with
these stripped (``analysisHm.assistantfinalIt is 4.``); Granite and Apriel begin with a sentence.
"""

from __future__ import annotations

import re

from scalediff.text.marks import BLOCKS, PHRASES

_HEAD = re.compile(
    r"(?:<\|start\|>\s*assistant\s*)?(?:<\|channel\|>|\A)\s*(analysis|commentary|final)\b"
    r"[^<\n]{0,100}(?:<\|constrain\|>[^<\n]{0,40})?<\|message\|>",
    re.IGNORECASE,
)
_END = re.compile(r"<\|(?:end|return|call|start|channel)\|>")
_STRIPPED = re.compile(r"assistant(analysis|commentary|final)")
_STRIPPED_START = re.compile(
    r"\s*(?:assistant)?(analysis|commentary)"
    r"(?:(?=[^\W_]|[\"'“‘(\[{\\$*#<])|[^\S\n]*\n|[^\S\n]+(?=[A-Z]))"
)
_BLOCKS = tuple(
    (re.compile(begins, re.IGNORECASE | re.DOTALL), re.compile(ends, re.IGNORECASE), alone)
    for begins, ends, alone in BLOCKS
)
_CLOSED_BY = "[END FINAL RESPONSE]"
_Parts = tuple[list[str], list[str]]


def channels(text: str) -> _Parts | None:
    """Thoughts and content of a response in channels, or None where it is in none.

    Where it ends within a thought there is no content.
    """
    return _with_tokens(text) or _blocks(text) or _stripped(text) or _phrases(text)


def _with_tokens(text: str) -> _Parts | None:
    heads = list(_HEAD.finditer(text)) if "<|message|>" in text.lower() else []
    if not heads:
        return None
    # what stands before the first channel is the end of one that the prompt opened
    before = _END.split(text[: heads[0].start()])[0]
    thoughts = [before] if before.strip() else []
    content: list[str] = []
    ended = True
    for head, following in zip(heads, [*heads[1:], None], strict=True):
        body = text[head.end() : following.start() if following else None]
        end = _END.search(body)
        ended = end is not None or following is not None or head[1].lower() == "final"
        (content if head[1].lower() == "final" else thoughts).append(
            body[: end.start()] if end else body
        )
    return (thoughts, content) if ended else ([*thoughts, *content], [])


def _stripped(text: str) -> _Parts | None:
    start = _STRIPPED_START.match(text)
    marks = list(_STRIPPED.finditer(text, start.end() if start else 0))
    if start is None and all(mark[1] != "final" for mark in marks):
        return None
    parts: _Parts = ([], [])
    at, name = start.end() if start else 0, "analysis"
    for mark in marks:
        parts[name == "final"].append(text[at : mark.start()])
        at, name = mark.end(), mark[1]
    parts[name == "final"].append(text[at:])
    return parts if name == "final" else ([*parts[1], *parts[0]], [])


def _blocks(text: str) -> _Parts | None:
    thoughts: list[str] = []
    for begins, ends, alone in _BLOCKS:
        at = 0
        while (start := begins.match(text, at)) or (alone and not thoughts):
            after = start.end() if start else 0
            stop = ends.search(text, after)
            if stop is None and start is None:
                break
            thoughts.append(text[after : stop.start() if stop else None])
            if stop is None:
                return thoughts, []
            at = stop.end()
        if thoughts:
            return thoughts, [text[at:]]
    return None


def _phrases(text: str) -> _Parts | None:
    for begins, answers in PHRASES:
        start = re.match(rf"\s*{begins}", text, re.IGNORECASE)
        if start and (stop := re.compile(answers, re.IGNORECASE).search(text, start.end())):
            content = text[stop.end() :].partition(_CLOSED_BY)[0]
            return [text[start.end() : stop.start()]], [content]
    return None
