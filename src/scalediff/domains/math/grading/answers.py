r"""Grading in one line: a response and its gold in, a verdict out.

::

    from scalediff import grade
    grade(r"So it is $\boxed{\frac{1}{2}}$.", "0.5").value     # 'right'

The verdict is right, wrong or undecided, with the rule that decided and the reason; a response
without an answer is wrong with the rule ``no_answer``, one that may hold an answer which could not
be read is undecided with the rule ``not_read``. Nothing of a text is ever executed; what needs
computer algebra happens in processes that are killed when they take too long or too much.
"""

from __future__ import annotations

import asyncio
import atexit
import threading
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from scalediff.core.errors import InputError
from scalediff.core.records import NO_GOLD, Reading, Verdict, unanswered
from scalediff.domains.math.grading.extract import gold_answer, read_answer
from scalediff.domains.math.grading.grader import Grader, grade_at_once
from scalediff.io.answers import answer_in
from scalediff.text.marks import ending, may_be_cut
from scalediff.text.thoughts import answer_part

_WINDOW = 2_000


def answer_of(response: str, finish_reason: str | None = None) -> str | None:
    r"""The answer that a response gives, or None.

    Args:
        response: The text, with or without a thought in ``<think>`` tags.
        finish_reason: Why it ended, where that is known: where it was cut and no thought had ended
            there is no answer, since what looks like one may stand in the thought.

    Example:
        >>> answer_of(r"<think>\boxed{3}?</think>It is \boxed{4}.")
        '4'
        >>> answer_of(r"<think>\boxed{3}? Let me", "length") is None
        True
    """
    return _reading(response, finish_reason).answer


def _read_off(text: str) -> str | None:
    return read_answer(text).answer


def _reading(response: Any, finish_reason: str | None = None) -> Reading:
    return read_answer(answer_part(_text_of(response), finish_reason), finish_reason)


def _text_of(response: Any) -> str:
    """A response as text: nothing is the empty one, a number its digits."""
    if isinstance(response, str):
        return response
    if response is None:
        return ""
    if isinstance(response, int | float | Decimal) and not isinstance(response, bool):
        return answer_in(response).text or ""
    kind = type(response).__name__
    raise InputError(f"a response is the text that a model wrote, not {kind}: pass its content")


def grade(response: str, gold: Any, *, finish_reason: str | None = None) -> Verdict:
    r"""Whether a response's final answer is the gold; may be called from any thread.

    Args:
        response: What a model wrote; None is an empty response, a number its digits.
        gold: The dataset's answer: bare, boxed in a solution, or behind ``####``; a number, a
            truth value or a list as in files (``io.answers``). With a placeholder such as ``N/A``
            the verdict is undecided, rule ``missing``.
        finish_reason: See ``answer_of``.

    Raises:
        InputError: The response is no text.
        PrerequisiteError: The processes for computer algebra cannot be started.

    Example:
        >>> grade("The answer is 7.", "7").value, grade(r"\boxed{", "7").rule
        ('right', 'no_answer')
    """
    return grade_many([(response, gold, finish_reason)])[0]


def grade_many(rows: Iterable[Sequence[Any]]) -> list[Verdict]:
    """The verdicts on many rows of response, gold and, where known, finish reason; in order."""
    verdicts: list[Verdict] = []
    left: dict[int, tuple[str, str]] = {}
    for at, (response, gold, *reason) in enumerate(rows):
        text = answer_in(gold, _read_off).text
        if text is None:
            verdicts.append(NO_GOLD)
            continue
        found = _reading(response, *reason)
        why = reason[0] if reason else None
        unread = found.unread or (may_be_cut(why) if ending(why) == "unknown" else "")
        missing = unanswered(unread, ending(why) == "stop")
        if found.answer is None:
            verdicts.append(missing)
            continue
        pair = (found.answer, gold_answer(text))
        verdict = grade_at_once(*pair)
        verdicts.append(verdict or missing)
        if verdict is None:
            left[at] = pair
    if left:
        found = _Background.shared().run(_in_processes([*left.values()]))
        for at, verdict in zip(left, found, strict=True):
            verdicts[at] = verdict
    return verdicts


async def _in_processes(pairs: list[tuple[str, str]]) -> list[Verdict]:
    grader = _Background.shared().grader
    found: list[Verdict] = []
    for start in range(0, len(pairs), _WINDOW):
        window = pairs[start : start + _WINDOW]
        found += await asyncio.gather(*(grader.grade_pair(*pair) for pair in window))
    return found


class _Background:
    """One grader and one event loop in a thread of its own, for callers without a loop."""

    _lock = threading.Lock()
    _only: _Background | None = None

    def __init__(self) -> None:
        self.grader = Grader()
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="grader", daemon=True).start()
        atexit.register(self.grader.stop)

    @classmethod
    def shared(cls) -> _Background:
        """The one of this process."""
        with cls._lock:
            if cls._only is None:
                cls._only = cls()
            return cls._only

    def run(self, work: Any) -> Any:
        """Wait for a coroutine that runs in the thread's loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()
