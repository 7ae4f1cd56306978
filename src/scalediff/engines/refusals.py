"""Whose trouble a refusal is: the account's, the endpoint's, the setting's, or the row's own.

Servers say it by status, by code and in words, each in their own way. What is decided here from
the words alone is checked by whoever acts on it (``openai.py`` asks something harmless under the
same settings), since an error may quote the row: a problem about a bank balance is no trouble of
the account's.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Trouble = Literal["key", "rights", "quota", "gone", "elsewhere", "size", "row"]
"""``key``: none, or not taken. ``rights``: the account may not do this. ``quota``: it may not spend
more. ``gone``: the model or path is not served. ``elsewhere``: a redirect to another host.
``size``: prompt or token cap do not fit the window. ``row``: this one request is not accepted."""

ENDPOINT = frozenset({"key", "rights", "quota", "gone", "elsewhere"})
"""Troubles that any request would meet at that endpoint."""

_QUOTA = re.compile(
    r"insufficient[_ ](quota|balance|funds?|credits?)|exceeded your current quota"
    r"|billing_(hard_limit|not_active)|billing hard limit|payment required|out of credits?"
    r"|(not enough|no|more|add|purchase) credits|(credit|account) balance|arrear|unpaid|overdue"
    r"|(spend(ing)?|usage|budget|monthly|credit|quota)( \w+)? (limit )?(has been |is |was )?"
    r"(reached|exceeded|exhausted|used up)|account \w*\s?(is|has been) (not active|inactive"
    r"|suspended|deactivated|disabled|on hold)|in good standing|check your (plan and )?billing",
    re.IGNORECASE,
)
_PASSING = re.compile(r"per[ _-]?(second|minute|hour|day)|retry[ _-]?(in|after|delay)|"
                      r"try again (in|later)|rate[ _-]limit", re.IGNORECASE)  # fmt: skip
_CERTAIN = re.compile(r"insufficient_quota|billing_(hard_limit|not_active)", re.IGNORECASE)
"""Codes that no rate limit has, whatever else the message says."""

_KEY = re.compile(
    r"invalid[_ ](api[_ ]?key|token|authentication)|api[_ ]?key (is )?(not valid|invalid|missing"
    r"|expired|required)|incorrect api key|(no|missing|provide an?) api[_ ]?key",
    re.IGNORECASE,
)
_GONE = re.compile(
    r"model_not_found|model_not_supported|model_decommissioned|invalid_model"
    r"|model\b.{0,120}\b(does not exist|do(es)? not have access|not found|is not (available|served"
    r"|supported|a valid model)|(has been|is|was) (deprecated|decommissioned|removed|retired"
    r"|discontinued))|(no such|unknown|not a valid) model",
    re.IGNORECASE | re.DOTALL,
)
_MODERATED = re.compile(r"flagged|moderation|content[_ ](policy|filter|management)|safety|unsafe",
                        re.IGNORECASE)  # fmt: skip
_SIZE = re.compile(
    r"context[_ ](length|window|size|limit)|max(imum)?[_ ](model[_ ](len|length)|seq)|session_len"
    r"|too (long|large)|longer than|token(s| count| limit)?\b.{0,60}\bexceed|exceed\w*.{0,60}token"
    r"|reduce (the|your) (length|prompt|input|messages)|(prompt|input)s?\b.{0,40}\btoo many tokens"
    r"|maxOutputTokens|max(imum)?_?(new_|completion_|output_|total_)?_?tokens"
    r"|must have (less|fewer) than|number of (input|output) tokens"
    r"|input length|total number of tokens",
    re.IGNORECASE | re.DOTALL,
)


def trouble_of(status: int, words: str, *, asks_to_wait: bool = False) -> Trouble | None:
    """Whose trouble an answer of this status is; None where trying again may help.

    Args:
        status: HTTP status, also one that stands in an error of status 200.
        words: The error's message, code and type.
        asks_to_wait: Whether it says when to come back (``Retry-After``).

    Example:
        >>> trouble_of(429, "You exceeded your current quota"), trouble_of(429, "slow down")
        ('quota', None)
    """
    if 300 <= status < 400:
        return "elsewhere"
    if status == 402:
        return "quota"
    if status == 429:
        passing = asks_to_wait or _PASSING.search(words)
        is_spent = _CERTAIN.search(words) or (_QUOTA.search(words) and not passing)
        return "quota" if is_spent else None
    if status in (408, 409, 425) or not 400 <= status < 500:
        return None
    if status == 401:
        return "key"
    for trouble, pattern in (("quota", _QUOTA), ("key", _KEY), ("gone", _GONE)):
        if pattern.search(words):
            return trouble  # type: ignore[return-value]
    if status in (404, 405, 410):
        return "gone"
    if status == 403:
        return "row" if _MODERATED.search(words) else "rights"
    return "size" if status in (400, 413, 422) and _SIZE.search(words) else "row"


@dataclass(frozen=True)
class Room:
    """What a refusal says of the room that there is, in tokens; None where it does not.

    Attributes:
        window: Prompt and response together.
        most_new: The response alone.
        prompt: What the prompt has, as the server counts it.
    """

    window: int | None = None
    most_new: int | None = None
    prompt: int | None = None


_NUMBER = r"(\d[\d,_]*)"
_WINDOW = tuple(
    re.compile(text.replace("#", _NUMBER), re.IGNORECASE)
    for text in (
        r"context limit: \d+ \+ \d+ > #",
        r"context (?:length|window|size|limit)\D{0,30}?(?:is|of|=|:|\()\s*(?:only )?#",
        r"`?inputs`? tokens \+ `?max_new_tokens`? must be <=? #",
        r"# (?:tokens? )?(?:maximum )?context (?:length|window|size)",
        r"(?:maximum )?(?:model|sequence|context) (?:length|len|size|limit)(?! by)\D{0,12}#",
        r"available context size \(#",
        r"n_ctx\W{1,4}#",
        r"session_len\W{1,4}#",
        r"prompt is too long: \d+ tokens > #",
        r"tokens? exceeds?\D{0,60}?(?:limit|length|window|maximum) ?(?:of|:|\() ?#",
        r"exceeds `?max_model_len`? \(#",
    )
)
_MOST_NEW = tuple(
    re.compile(text.replace("#", _NUMBER), re.IGNORECASE)
    for text in (
        r"supports? at most # (?:completion|output|new) tokens",
        r"valid range of `?max_\w*tokens`? is \[\d+, ?#",
        r"range of `?max_\w*tokens`? should be \[\d+, ?#",
        r"(?<!\+ )(?<!\+ `)max_\w*tokens`? must be (?:less than or equal to|<=|at most) `?#",
        r"max_\w*tokens: \d+ > #",
        r"supported range is from \d+ \(inclusive\) to #",
    )
)
_PROMPT = tuple(
    re.compile(text.replace("#", _NUMBER), re.IGNORECASE)
    for text in (
        r"# (?:tokens )?(?:in|from|of) (?:the |your )?(?:messages|prompt|input|text input)",
        r"# `?inputs?`? tokens",
        r"request has # input tokens",
        r"prompt (?:contains|has) # tokens",
        r"n_prompt_tokens\W{1,4}#",
    )
)


def room_in(words: str) -> Room:
    """The room that a refusal speaks of.

    Example:
        >>> room_in("This model's maximum context length is 4096 tokens. However, you requested "
        ...         "33000 tokens (232 in the messages, 32768 in the completion).")
        Room(window=4096, most_new=None, prompt=232)
    """
    return Room(_first(_WINDOW, words), _first(_MOST_NEW, words), _first(_PROMPT, words))


def _first(patterns: tuple[re.Pattern[str], ...], words: str) -> int | None:
    for pattern in patterns:
        found = pattern.search(words)
        if found is not None:
            number = int(found[1].replace(",", "").replace("_", "")[:18] or "0")
            return number or None
    return None
