r"""What a text says of its own answer: denied, supposed, bounded, conditional or taken back.

Boxes and sentences share these words. An answer that is not plainly given is not read: ``It is not
\boxed{3}``, ``\boxed{3} or more``, ``The answer is 5. Wait, that is wrong``.
"""

from __future__ import annotations

import re

_LOOKED_AT = 2_000
"""Characters behind an answer in which it may be taken back."""

_SENTENCE = re.compile(r"[.!?。！？](?=\s|$)|\n\s*\n")
_MARKUP = re.compile(
    r"\$|\\[()\[\],;:! ]|\\q?quad(?![A-Za-z])|\*\*|\\(?:text\w*|mathrm|mbox)(?![A-Za-z])|[{}~]"
)
_WRONG = (
    r"(?:wrong|incorrect|false|mistaken|invalid|impossible|rejected|extraneous|off|inadmissible"
    r"|(?:a|an|my|the)\s+(?:\w+\s+)?(?:mistake|error|trap|contradiction|misreading)"
    r"|(?:an?|the)\s+(?:\w+\s+)?(?:upper|lower)\s+bound"
    r"|too\s+(?:big|small|large|high|low|many|few|much|little))\b"
)
_BE = r"(?:is|was|are|were|seems?|looks?|would\s+be|will\s+be|must\s+be|has\s+to\s+be|appears?)"
_BOUND = (
    r"(?:(?:is|be|equals?|=)\s+at\s+(?:least|most)|no\s+(?:more|less|fewer|greater|larger|smaller|bigger)\s+than|not"
    r"|(?:strictly\s+)?(?:greater|less|more|fewer|larger|smaller|bigger|higher|lower|other"
    r"|further|rather)\s+than|above|below|beneath|under|over|beyond|exceed(?:s|ing)?|up\s+to"
    r"|bounded\s+by|all\s+but|anything\s+but|everything\s+but|any(?:thing|\s+number)?\s+except"
    r"|except(?:\s+for)?|instead\s+of|unlike|within|near(?:ly)?|almost|never|neither|between"
    r"|a\s+multiple\s+of|divisible\s+by|a\s+(?:factor|divisor|power)\s+of)"
)
_DENIED = re.compile(
    r"(?:\b(?:not|never|cannot|can\s*not|neither|hardly)|n['’]t)\s+"
    r"(?:(?:be|equals?|to|the|simply|just|actually|really|as|an?|value|answer|correct|necessarily"
    r"|have|been|get|give|yield|of|true|that|it|is|\w\s*=|=)\s+){0,5}$"
    rf"|\b(?:ignoring|excluding|discarding|rejecting|dismissing|{_BOUND})\s*$",
    re.IGNORECASE,
)
"""What directly before an answer denies or bounds it."""
_SUPPOSED = re.compile(
    r"\b(?:wrong|incorrect|false|naive|tempting|mistaken|erroneous|bogus|fake|bad|nor|doubt)"
    r"\s+(?:\w+\s+)?(?:answer|result|value|solution|option|choice)s?\b"
    r"|\b(?:if|suppose|supposing|assum(?:e|ing)|imagine|pretend|unless|whether|doubt)\s+(?:that\s+)?"
    r"(?:(?:the|our|my|this|its)\s+)?(?:\w+\s+)?(?:answer|result|value|solution|it)\b"
    r"[^,;=]{0,20}$"
    r"|\b(?:might|may|could|would)\s+(?:\w+ly\s+|first\s+|be\s+(?:tempted|inclined)\s+to\s+)?"
    r"(?:think|believe|guess|suspect|assume|suppose|hope|claim)\b"
    r"|\b(?:one|you|some\w*|people|students)\s+(?:might|may|would)\s+(?:\w+ly\s+|first\s+)?"
    r"(?:say|expect|conclude|argue)\b"
    r"|\b(?:tempt(?:ed|ing)|people|students|someone|some)\b[^,;]*\b(?:think|say|believe|guess"
    r"|answer|claim|conclude)\b"
    r"|\b(?:not|n['’]t)\s+(?:true|the case|possible|say|mean|think|believe)\b[^,;]*$",
    re.IGNORECASE,
)
"""What in a sentence before its answer says that it is none."""
_UNDONE_AT_ONCE = re.compile(
    rf"[\s.,;:–—-]*(?:(?:which|that|this|but\s+(?:this|that|it))\s+)?(?:{_BE}\s+"
    rf"(?:(?:\w+ly|also|of\s+course|just|only)\s+)*(?:{_WRONG}|not\b)"
    r"|(?:cannot|can\s*not|can['’]t|isn['’]t|aren['’]t|wasn['’]t|does(?:\s+not|n['’]t)"
    r"|do(?:\s+not|n['’]t)|fails?|must\s+not|should\s+not|shouldn['’]t|won['’]t)\b)"
    r"|\s*[(\[]?\s*not\b(?!\s*[-\d\\])"
    r"|[\s,;]*or\s+[-+]?\s*\\?\d|\s*[+]\s*(?:[.)]|$)"
    rf"|[\s,;:–—-]*[(\[]?\s*(?:{_WRONG}|nope\b|no\b|rejected?\b|[✗✘❌]|[?]{{1,3}}(?=[\s)]|$))"
    r"|[\s,(]*(?:or|and)\s+(?:more|less|fewer|greater|above|below|higher|lower|larger|smaller|up"
    r"|over|under|bigger|so|older|younger|longer|beyond|something)\b"
    r"|[\s,]*(?:at\s+(?:least|most)|plus)\b|[\s,(]*(?:if|when(?:ever)?(?!\s+(?:divided|rounded|simplified|reduced|expressed|written))|unless"
    r"|provided|assuming"
    r"|only\s+if|only\s+when|for\s+(?:even|odd)|otherwise|except)\b"
    r"|[\s,;.]*(?:\\(?:to|[lL]ong)?(?:rightarrow|Rightarrow)|\\(?:to|mapsto|implies|iff)|→|⇒|->|=>)"
    r"\s*[-+(\\]?\s*\d"
    r"|\s*(?:\\[lc]?dots[cbm]?(?![A-Za-z])|…|\.\.\.)(?!\s*[A-Z])",
    re.IGNORECASE,
)
"""What directly behind an answer denies, bounds or limits it."""
_OPPOSED = re.compile(
    r"[^.!?\n]{0,120}\b(?:but|however|although|whereas|while|yet)\b[^.!?\n]{0,60}"
    r"(?:\b(?:answer|value|result|it|that|this|truth)\b[^.!?\n]{0,30}\d|\b(?:wrong|incorrect)\b)",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"(?:^|[.!?\n,;:(–—-]\s*)(?:no|hm+|oh|ah|but|hold\s+on|ok(?:ay)?|actually)?[\s,.!]*wait"
    r"(?:\s*(?:[,.!…–—]|-\s|\.\.\.)|\s+(?:that|this|no|i|it|what|the|let|there|we|actually)\b"
    r"(?!\s+(?:time|list)))"
    r"|\b(?:that|this|it|which|answers?|above|result|i)(?:['’]s|['’]m|\s+(?:is|was|are|am|seems|looks"
    r"|can(?:not|['’]t)\s+be))\s+(?:\w+ly\s+|all\s+|also\s+)?(?:wrong|incorrect|mistaken|not\s+"
    r"(?:right|correct|true|the\s+(?:answer|case|right|correct))|a\s+mistake|an\s+error)\b"
    r"|\b(?:that|this|it|which)\s+(?:is|was)n['’]t\s+(?:right|correct|true|the\s+answer)\b"
    r"|\b(?:it|that|this|answer|value|result|which|there)\s+(?:should|ought\s+to)\s+"
    r"(?:actually\s+|really\s+|instead\s+|rather\s+)?(?:have\s+been|be|read|equal)\b[^.!?\n]{0,40}\d"
    r"|\b(?:oops|correction|scratch\s+that|strike\s+that|never\s*mind|my\s+(?:mistake|bad|error)"
    r"|on\s+second\s+thoughts?|i\s+(?:have\s+)?(?:made|make)\s+(?:a|an)\s+(?:\w+\s+)?"
    r"(?:mistake|error|slip)|let\s+me\s+(?:redo|recompute|recalculate|reconsider|correct|fix|restart)"
    r"|i\s+(?:was|am)\s+(?:wrong|mistaken)|(?:ignore|disregard)\s+(?:that|this|the\s+above|my))\b"
    r"|\bsorry\s*,|(?:^|[.!?\n]\s*)(?:hm+|no|nope)\s*[,.!…]"
    r"|(?:\bactually|\binstead|\bcorrectly)\b[^.!?\n]{0,40}\d|\bcontradiction\b",
    re.IGNORECASE,
)
"""What in a later sentence takes an answer back."""


def denied_before(text: str) -> str:
    """What in the sentence before an answer denies, supposes or bounds it; empty if nothing."""
    cut = max((found.end() for found in _SENTENCE.finditer(text)), default=0)
    sentence = _plain(text[cut:])[-300:]
    found = _DENIED.search(sentence) or _SUPPOSED.search(sentence)
    return found[0].strip()[:80] if found else ""


def limited_behind(text: str) -> str:
    """What directly behind an answer makes it a bound, one case of several or none."""
    plain = _plain(text[:400]).lstrip(")")
    found = _UNDONE_AT_ONCE.match(plain) or _OPPOSED.match(plain)
    return found[0].strip()[:80] if found else ""


def taken_back(text: str) -> str:
    """What in the text behind an answer takes it back; empty if nothing."""
    found = _TAKEN_BACK.search(_plain(text[:_LOOKED_AT]))
    return found[0].strip()[:80] if found else ""


def _plain(text: str) -> str:
    """A text without the signs of its formulas, which part no words."""
    return _MARKUP.sub(" ", text)
