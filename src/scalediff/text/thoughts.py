r"""Thoughts and answers apart, in every form of the table in ``text/marks.py``.

Files, servers, the embedded engine and the grader all read a response here:

* What stands between the tags of a kind is thought, what stands outside is content.
* A thought without its end is cut: the whole text is reasoning and there is no content, whatever
  the finish reason is called. An end tag that is itself cut, at the very end, ends nothing.
* An end without a beginning ends a thought that began with the text (the template opened it).
* Inside a thought only its own kind counts; its tags nest, and one written twice in a row is one.
* A tag in quotation marks or backticks is none, nor is one that the text speaks of ("the tag
  <think>", "<think> tags") in the middle of a line, unless the text was cut.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from scalediff.text.channels import channels
from scalediff.text.marks import HARMONY, NAMED, TAGS, Tags, ending

Extra = Sequence[Sequence[str]]
"""Tags that a recipe adds, in the form of ``TAGS``."""

_NEAR = 200
"""Characters beside a tag that say whether it is used or spoken of."""
_WORD = r"(?:tags?|tokens?|markers?|delimiters?)"
_SPOKEN_BEFORE = re.compile(rf"\b{_WORD}[ :]+$", re.IGNORECASE)
_SPOKEN_AFTER = re.compile(rf"[ ]{_WORD}\b")
_QUOTES = {"“": "”", "‘": "’", "«": "»"}
_QUOTED_FROM = re.compile(r"(?:^|[ (\n])(`{1,3}|[\"'“‘«])$")
_NONE, _ANY = "", "*"
_Event = tuple[str, str, int, int]
"""What a tag does (``begin``, ``end``, ``answer``, ``answered``), its family, from, to."""

_HIDDEN = "\u00ad\u200b-\u200f\u2060-\u2064\ufeff"
_ODD = re.compile(f"[{_HIDDEN}＜]|&#")
_ODD_TAG = re.compile(
    r"(?:[<＜]|&lt;|&#0?60;|&#x3c;)([^<>＜＞&;\n]{3,80})(?:[>＞]|&gt;|&#0?62;|&#x3e;)",
    re.IGNORECASE,
)
_GENERAL = re.compile(
    rf"(?P<left><|&lt;|\[|◁)[\s|｜]{{0,9}}(?P<slash>/?)[\s|｜]{{0,9}}(?P<name>{NAMED})"
    r"(?:\s{1,9}[\w-]{1,40}\s?=\s?[^\s<>]{1,60}){0,4}[\s|｜]{0,9}(?P<void>/?)(?:>|&gt;|\]|▷)",
    re.IGNORECASE,
)
_SQUARE_END = re.compile(r"\[/([\w:-]{3,61})\]")
_SIDE = re.compile(r"^(start|begin|end)[_-](?:of[_-])?|[_-](start|begin|end)$", re.IGNORECASE)
_CUT_END = re.compile(rf"(?:</|<\|/|<\|end_(?:of_)?|\[/){NAMED}\|?$", re.IGNORECASE)


def split(
    text: str, finish_reason: object = None, extra: Extra = (), *, opened: bool = False
) -> tuple[str | None, str]:
    r"""Reasoning and content of a response, by the rules of this module.

    Args:
        text: What the model wrote.
        finish_reason: Why it ended, by any name; None where that is not known.
        extra: More tags.
        opened: Whether the prompt ended in an open thought.

    Returns:
        The thought without its tags (None where there was none, empty where it was skipped), and
        the content, empty where the thought was cut.

    Example:
        >>> split("<think>2+2=4</think>\n\nIt is 4."), split("2+2=4[/THINK]It is 4.")
        (('2+2=4', 'It is 4.'), ('2+2=4', 'It is 4.'))
        >>> split("a</think>b<think>c"), split("It is 4."), split("hm", opened=True)
        (('abc', ''), (None, 'It is 4.'), ('hm', ''))
    """
    text = _plain(text)
    thoughts, content = channels(text) or _parts(text, _events(text, finish_reason, extra), opened)
    if _ends_in_a_cut_tag(text, extra):
        thoughts, content = [*thoughts, *content], []
    kept = [piece.strip() for piece in thoughts]
    return ("\n\n".join(filter(None, kept)) if kept else None), _joined(content)


def answer_part(text: str, finish_reason: object = None, extra: Extra = ()) -> str:
    r"""What of a response may hold its answer.

    Its content, and nothing of one that was cut before any thought in it had ended, since what
    looks like an answer may then stand in the thought.

    Example:
        >>> answer_part("<think>3?</think>It is 4."), answer_part("So 3. Wait", "MAX_TOKENS")
        ('It is 4.', '')
    """
    reasoning, content = split(text, finish_reason, extra)
    return "" if reasoning is None and ending(finish_reason) != "stop" else content


def cleaned(reasoning: str, extra: Extra = ()) -> str:
    """A thought without tags in it, so that it can be put between tags again."""
    reasoning = _plain(reasoning)
    return _untagged(reasoning, _events(reasoning, None, extra))


def opening(prompt: str, extra: Extra = ()) -> str:
    r"""The tag in which a prompt ends, as it stands there; empty where no thought is open.

    Example:
        >>> opening("<|Assistant|><think>\n"), opening("<think>\n\n</think>\n\n")
        ('<think>', '')
    """
    tail = prompt[-_NEAR:]
    *_, last = (None, *_found(tail, extra))
    begins = last is not None and str(last.lastgroup).startswith("begin_")
    return last[0] if last and begins and not tail[last.end() :].strip() else ""


def closing(begin: str, extra: Extra = ()) -> str:
    """The end of the thought that a tag begins; empty where it begins none."""
    match = next(_found(begin, extra), None)
    what, _, family = str(match and match.lastgroup).partition("_")
    return (*TAGS, *map(tuple, extra))[int(family)][1] if what == "begin" else ""


def first_tag(text: str) -> str:
    """The first tag of a text, as it stands there; empty where it has none."""
    match = next(_found(text, ()), None)
    return match[0] if match else ""


def tokens(extra: Extra = ()) -> Iterator[str]:
    """Every piece of a tag that may be one token: what must not be hidden as a special one."""
    for tag in (*(tag for tags in (*TAGS, *extra) for tag in tags), *HARMONY):
        yield from re.findall(r"<[^<>]+>|\[[^\[\]]+\]|◁[^◁▷]+▷", tag) or [tag]


def _parts(text: str, events: list[_Event], opened: bool) -> tuple[list[str], list[str]]:
    """Thoughts and content between the tags; no content where a thought has no end."""
    thoughts: list[str] = []
    content: list[str] = []
    unbegun: int | None = None  # where a thought ends that began with the text
    kind, depth, at = (_ANY if opened else _NONE), 1, 0
    for what, family, start, end in events:
        if kind != _NONE:
            if what == "begin" and kind in (family, _ANY) and not text[at:start].strip():
                kind, at = family, end  # the same tag once more, or the template's by the model
            elif what == "begin" and kind == family:
                depth += 1
            elif what in ("end", "answer") and kind in (family, _ANY):
                depth = 0 if what == "answer" else depth - 1
                if depth == 0:
                    thoughts.append(_untagged(text, events, at, start))
                    kind, at = _NONE, end
        elif what == "end" or (what == "answer" and not thoughts and text[at:start].strip()):
            thoughts, content, unbegun, at = [], [], start, end
        else:
            content.append(text[at:start])
            at, depth = end, 1
            kind = family if what == "begin" else _NONE
    if kind != _NONE:
        return [_untagged(text, events)], []
    if unbegun is not None:
        thoughts.insert(0, _untagged(text, events, 0, unbegun))
    return thoughts, [*content, text[at:]]


@dataclass(frozen=True)
class _Table:
    """Tags made ready: where one may start, which it is, how a cut end may look, families."""

    start: re.Pattern[str]
    tag: re.Pattern[str]
    cut_ends: tuple[str, ...]
    families: tuple[str, ...]


@lru_cache(maxsize=32)
def _compiled(extra: Tags) -> _Table:
    names = ("begin", "end", "answer", "answered")
    parts = [
        f"(?P<{name}_{family}>{_pattern(tag, name == 'begin')})"
        for family, kind in enumerate((*TAGS, *extra))
        for name, tag in zip(names, kind, strict=False)
    ]
    # nearly every bracket of a solution is no tag's, so that it pays to see this at once
    starts = [r"(?:[<\[◁]|&lt;)[\s|｜/]{0,20}[a-z]", *(re.escape(t[0]) for k in extra for t in k)]
    return _Table(
        re.compile("|".join(starts), re.IGNORECASE),
        re.compile("|".join(parts), re.IGNORECASE),
        tuple(
            {
                end[:length]
                for kind in (*TAGS, *extra)
                if not (end := kind[1].casefold())[0].isalnum()
                for length in range(3, len(end))
            }
        ),
        tuple(_side(kind[0])[1] or str(at) for at, kind in enumerate((*TAGS, *extra))),
    )


def _table(extra: Extra) -> _Table:
    return _compiled(tuple(map(tuple, extra)))


def _found(text: str, extra: Extra) -> Iterator[re.Match[str]]:
    """Every tag of a text, in order."""
    table = _table(extra)
    for start in table.start.finditer(text):
        if match := table.tag.match(text, start.start()):
            yield match


def _pattern(tag: str, begins: bool) -> str:
    """A tag as a pattern: spaces and bars inside of its brackets, and HTML's ``&lt;``, are free."""
    found = re.fullmatch(r"([<\[◁])(/?)([\w:]+)([>\]▷])", tag)
    if found is None:
        return re.sub(r"(?:\\ )+", r"\\s+", re.escape(tag))
    left, slash, name, right = found.groups()
    left = "(?:<|&lt;)" if left == "<" else re.escape(left)
    right = "(?:>|&gt;)" if right == ">" else re.escape(right)
    more = r"(?:\s{1,9}[\w-]{1,40}\s?=\s?[^\s<>]{1,60}){0,4}" if begins else ""
    free = r"[\s|｜]{0,9}"
    return rf"{left}{free}{slash}{free}{re.escape(name)}{more}{free}{right}"


def _events(text: str, finish_reason: object, extra: Extra) -> list[_Event]:
    """The tags of a text that are used in it, not spoken of."""
    whole = ending(finish_reason) == "stop"
    found: list[_Event] = []
    families = _table(extra).families
    # a name in square brackets may be a heading; it is a tag where its end follows
    closed = {end[1].casefold(): end.start() for end in _SQUARE_END.finditer(text)}
    for match in _all_found(text, extra):
        if "left" in match.re.groupindex:
            what, family = _side(match[0])
            square = what == "begin" and match["left"] == "["
            if square and closed.get(match["name"].casefold(), -1) < match.end():
                continue
        else:
            what, _, number = str(match.lastgroup).partition("_")
            family = families[int(number)]
        named = whole and what == "begin" and _named(text, *match.span())
        if not named and not _quoted(text, *match.span()):
            found.append((what, family, *match.span()))
    return found


def _all_found(text: str, extra: Extra) -> Iterator[re.Match[str]]:
    """Every tag of a text, also those that only their name says to be of a thought."""
    table = _table(extra)
    for start in table.start.finditer(text):
        at = start.start()
        if match := table.tag.match(text, at) or _GENERAL.match(text, at):
            yield match


def _side(tag: str) -> tuple[str, str]:
    """What a tag does by its name, and its family: its bracket and its name without the side."""
    match = _GENERAL.fullmatch(tag)
    if match is None:
        return "", ""
    side = _SIDE.search(match["name"])
    ends = match["slash"] or match["void"] or (side and "end" in (side[1] or side[2]).lower())
    name = re.sub(r"[_-](?:fast|faster|slow|deep)$", "", _SIDE.sub("", match["name"].lower()))
    left = "<" if match["left"] == "&lt;" else match["left"]
    return "end" if ends else "begin", left + "".join(filter(str.isalnum, name))


def _plain(text: str) -> str:
    """A text whose tags are written with plain brackets and nothing hidden in them."""
    if _ODD.search(text) is None:
        return text
    return _ODD_TAG.sub(_plain_tag, text)


def _plain_tag(match: re.Match[str]) -> str:
    tag = f"<{re.sub(f'[{_HIDDEN}]', '', match[1])}>"
    return tag if next(_all_found(tag, ()), None) else match[0]


def _quoted(text: str, start: int, end: int) -> bool:
    """Whether a tag alone stands in backticks or quotation marks, within a sentence."""
    left = _QUOTED_FROM.search(text, max(0, start - 4), start)
    if left is None or not text.startswith(_QUOTES.get(left[1], left[1]), end):
        return False
    after = end + len(left[1])
    return text[after : after + 1] in {*" .,;:!?)\n"}


def _named(text: str, start: int, end: int) -> bool:
    """Whether a text speaks of a tag in the middle of a line."""
    before = text[max(0, start - _NEAR) : start].rpartition("\n")[2]
    named = _SPOKEN_BEFORE.search(before) or _SPOKEN_AFTER.match(text, end)
    return bool(before.strip()) and named is not None


def _ends_in_a_cut_tag(text: str, extra: Extra) -> bool:
    tail = text[-60:].rstrip().casefold()
    return _CUT_END.search(tail) is not None or tail.endswith(_table(extra).cut_ends)


def _untagged(text: str, events: list[_Event], at: int = 0, until: int | None = None) -> str:
    """A stretch of a text without the tags in it."""
    until = len(text) if until is None else until
    parts = []
    for number in range(bisect_left(events, at, key=lambda one: one[2]), len(events)):
        _, _, start, end = events[number]
        if end > until:
            break
        parts.append(text[at:start])
        at = end
    return "".join([*parts, text[at:until]])


def _joined(pieces: list[str]) -> str:
    """Pieces of content in one, with a paragraph's end where they would run together."""
    made = ""
    for piece in filter(str.strip, pieces):
        touch = made and not made[-1].isspace() and not piece[0].isspace()
        made += f"\n\n{piece}" if touch else piece
    return made.strip()
