"""An answer that is said without a box, in English and other languages.

Read is what can be read with certainty: GSM8K's ``####``, ``<answer>`` tags, a sentence or heading
that says what the answer is, a response that is a value and nothing else. A number is never picked
out of running text. ``unread`` says whether text in which nothing was read may still hold an
answer.
"""

from __future__ import annotations

import re
from itertools import islice

from scalediff.core.records import Reading
from scalediff.domains.math.grading.factors import SCALE
from scalediff.domains.math.grading.withdrawn import denied_before, limited_behind, taken_back
from scalediff.text.language import foreign

_MAX_SAID = 200
"""An answer said in a sentence is at most so long; what is longer is an explanation."""
_MAX_SHOWN = 1_000
"""Characters behind an announcement that are looked at."""
_MOST_ANNOUNCED = 5

_HASHES = re.compile(r"^[ \t]*####[ \t]*(\S[^\n]*)$", re.MULTILINE)
_TAGGED = re.compile(
    r"<(?:final_)?answer>\s*([^<>]{1,1000}?)\s*</(?:final_)?answer>"
    r"|\"(?:final[_ ])?answer\"\s*:\s*\"?([^\"{}\n]{1,1000}?)\"?\s*[,}]",
    re.IGNORECASE,
)
_VALUE_LIKE = re.compile(r"[-+]?[$\\(\[]?\s*-?\d|[-+]?\\|\$")
_SAYS = re.compile(
    r"(?:\b(?:answer|ans|result|(?:correct |right )(?:option|choice))s?(?:\s+(?:to|of"
    r"|for)\s+[^.\n:]{1,60}?)?"
    r"\W{0,4}?(?:\s+(?:is|are|must be)\b|\s*[:=])|\b(?:la respuesta(?: final)? es"
    r"|la réponse(?: finale)? est"
    r"|die antwort (?:ist|lautet)|la risposta è|a resposta é)\b|答案(?:是|为|：|:))"
    r"[\s*:=：]*(?:(?:therefore|thus|simply|then|just|exactly|equal to|given by)\s+)?"
    r"(?=([^\n]{1,1000}))",
    re.IGNORECASE,
)
_HEADING = re.compile(
    r"^[ \t]*(?:#{1,6}[ \t]*|\*\*[ \t]*)(?:final\s+)?answer[ \t]*:?[ \t]*(?:\*\*)?[ \t]*:?"
    r"[ \t]*\n+[ \t]*([^\n]{1,1000})",
    re.IGNORECASE | re.MULTILINE,
)
_ANSWER_WORDS = (
    # Chinese, Japanese, Korean, Russian, Ukrainian, Arabic, Persian, Hindi, Bengali, Hebrew, Greek
    "答案|答え|答|解答|正解|정답|답|ответ(?:ом)?|відповідь|الجواب|الإجابة|الاجابة|الناتج|جواب|پاسخ"
    "|उत्तर|जवाब|উত্তর|התשובה|תשובה|απάντηση|คำตอบ"
    # Spanish, French, German, Italian, Portuguese, Dutch, Polish, Czech, Turkish, Vietnamese,
    # Indonesian, the North, Hungarian, Romanian
    "|respuesta|réponse|antwort|lösung|ergebnis|risposta|resposta|antwoord|odpowiedź|odpověď|cevap"
    "|yanıt|sonuç|đáp án|đáp số|jawaban(?:nya)?|svar(?:et)?|vastaus|válasz|răspuns(?:ul)?"
)
_IS = (
    r"은|는|이|가|は|が|是|为|為|等于|等於|равен|равно|составляет|есть|це|дорівнює|هو|هي|is|es|est|ist"
    r"|lautet|è|é|jest|to|je|là|adalah|är|er|on|este|είναι|היא|הוא|คือ|है"
)
_VALUE = (
    r"\$\$?[^$\n]{1,200}?\$\$?|\\\([^\n]{1,200}?\\\)|[-+−]?\d(?:[\d.,]*\d)?(?:/\d+)?(?:\s?%)?"
    r"|\(?[A-H]\)?(?![^\W_])"
)
_IN_OTHER_WORDS = re.compile(
    rf"(?<![^\W\d_])(?:{_ANSWER_WORDS})(?:\s*(?:{_IS})(?![A-Za-z]))?[\s*:：=–—-]*({_VALUE})[\s*]*"
    r"(?:입니다|이다|이에요|예요|임|です|である|だ|となる|になります|となります|है|हैं|होगा|ہے|است)?"
    r"[\s*]*(?=[.。।!！]|\n|$)",
    re.IGNORECASE,
)
_WHOLE = re.compile(rf"[\s*=`]*({_VALUE}|\\\[.{{1,200}}?\\\])[\s*`.。]*", re.DOTALL)
_ONE_NUMBER = re.compile(r"(?<![\w.])\$?-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w^/])")
_MATHS = re.compile(r"\$\$?(.+?)\$\$?(?!\d)|\\\((.+?)\\\)|\\\[(.+?)\\\]", re.DOTALL)
_EXPLAINED = re.compile(
    r"(?<=\S)(?:\.(?=\s+[A-Z\\$])|\s+(?:because|since|as|so|which|where|if|when"
    r"|rather than|and not)\b|,\s+(?:since|so|as"
    r"|because|which|it|not|we|but|while|whereas|i|you|he|she|they|this|that|there)\b"
    r"|\s+\((?=[a-z]{3,}\b)|\s+[–—-]\s+(?=[a-z]{2,})|<\|)"
)
_NO_ANSWER = re.compile(
    r"(?:(?:not|unclear|unknown|as follows|below|above|obtained|found|easy|hard"
    r"|difficult|clear(?:ly)?|obvious(?:ly)?|trivial|immediate|as desired)\b"
    r"|(?:indeed\s+|also\s+|therefore\s+)?(?:correct|right|verified|confirmed|consistent|the same"
    r"|reasonable|valid|wrong|incorrect)\b(?!\s+(?:triangle|angle)))",
    re.IGNORECASE,
)
_DECLINES = re.compile(
    r"\b(?:don['’]?t know|do not know|can(?:not|['’]?t)|unable|no idea|sorry|not sure|no answer"
    r"|impossible to (?:say|tell)|need more|not known|unknown|unclear)\b|\?",
    re.IGNORECASE,
)
_ANNOUNCES = re.compile(r"(?:so |thus |therefore,? )?the (?:final )?answer\b", re.IGNORECASE)
_TELLING = re.compile(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundred|thousand"
    r"|million|billion|dozen|negative|minus|plus|half|halves|third|thirds|quarters?|twice|double"
    r"|triple|root|squared?|cubed?|factorial|percent|pi|and|or|of|not|more|less|times|to|over|by"
    r"|between|sin|cos|tan|log|ln|[a-z])\b|[!%√^=+*/\\]|[-−]\s",
    re.IGNORECASE,
)
"""What in a sentence makes its one number no answer."""
_LEADS_IN = re.compile(
    r"(?:(?:the|a|an|total|of|sum|number|value|exactly|just|simply|only|approximately|about|roughly"
    r"|around|equal|to|thus|therefore|then|now|also|indeed|clearly|precisely|option|choice|equals)"
    r"\b|[\s,:*_$(])*"
    r"|(?:the\s+)?\w+\s+(?:has|have|had|is|are|was|were|needs?|gets?|pays?|earn\w*|spen\w+|sold|sells?"
    r"|made|makes|saved?|will|can|must|be|have|still|now|\s)*",
    re.IGNORECASE,
)
"""Words between an announcement and its number that leave it the answer."""
_BEGINS_WITH_NO_VALUE = re.compile(
    r"(?:at (?:least|most)|not|no (?:more|less|fewer)|(?:strictly )?(?:greater|less|more|fewer"
    r"|larger|smaller|bigger|higher|lower|other) than|above|below|under|over|between|up to|within"
    r"|beyond"
    r"|(?:all|anything|everything) but|any\b|near|almost|in|on|at|by|from|given|see|shown|found"
    r"|an? (?:integer|number|prime|multiple|factor|divisor|positive|negative|even|odd|value|real)"
    r"|part|step|case|one of|either|divisible|bounded)\b(?=.*[\d$])",
    re.IGNORECASE | re.DOTALL,
)
"""How an announcement goes on that bounds its answer or refers to another place."""
_INTERMEDIATE = re.compile(
    r"results?\b|\w+ (?:to|of|for) (?:the )?(?:step|part|stage|first|case)"
    r"|.* (?:step|part|stage)\b",
    re.IGNORECASE,
)
"""An announcement that may be one of a step."""
_NEXT_SENTENCE = re.compile(r"[.!?。](?=\s)|\n")
_MORE_HASHES = re.compile(r"####\s*[-+$\\(]?\s*\d")
_MORE_MATHS = re.compile(r"\s*(?:,\s*(?:and|or)?|and|or)\s*(?=\$|\\\()")
_MOST_WORDS = 8
"""A sentence of more words with a number in it is no answer."""

_HOLDS = re.compile(r"\d|\$|\\[(\[]|\\frac|\\sqrt|√|π|\b[A-H]\b(?![’'])")
"""What an answer may look like."""
_MAY_SAY = re.compile(
    rf"####\s*[-+$\\(\d]|\b(?:final|correct|right) (?:option|choice|value)|\bans(?:wer)?\b"
    rf"|\bis (?:the )?(?:correct|right)\b|\b(?:choose|pick)\b|{_ANSWER_WORDS}",
    re.IGNORECASE,
)
_OTHER_BOX = re.compile(
    r"(?:boxed|fbox|framebox|bbox|colorbox|fcolorbox|oxed)\s*(?:\[[^\]]*\])?\s*[{(]\s*[^\s{})]"
)
_CONCLUDES = re.compile(
    r"\W*(?:therefore|hence|thus|so|finally|consequently|altogether|in total|in conclusion|overall"
    r"|(?:we|this|that|which) (?:conclude|gives?|get|find|obtain)|the (?:final|correct)|∴"
    r"|\\therefore)\b(?! far)",
    re.IGNORECASE,
)
_BOLD = re.compile(r"(\*\*|__)[^*\n]*\d[^*\n]*\1|\\(?:textbf|mathbf)\s*\{[^{}]*\d")
_CLAUSE = re.compile(r"[,;!?\n。，；]|\.(?!\d)")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_COMMANDS = re.compile(r"\\[A-Za-z]+|[\W\d_]+")
_FOREIGN = re.compile("[\u0400-\u1fff\u3040-\ud7af]{3}")
"""Letters of other scripts than Latin and Greek."""
_FEWEST_WORDS = 5
_MOST_WORDS_OF_ANSWERS = 500


def read_said(content: str) -> Reading:
    """The answer that is said without a box, or why there may be one that was not read."""
    hashes = list(_HASHES.finditer(content))
    if hashes:
        last = hashes[-1]
        rest = content[last.end() :]
        if not rest.strip() or _VALUE_LIKE.match(last[1]):
            again = _MORE_HASHES.search(rest)
            undone = again[0] if again else taken_back(rest)
            return _unless(undone, _cleaned(last[1]))
    if tagged := list(_TAGGED.finditer(content)):
        undone = taken_back(content[tagged[-1].end() :])
        return _unless(undone, _cleaned(tagged[-1][1] or tagged[-1][2]))
    if whole := _WHOLE.fullmatch(content):
        return Reading(_cleaned(whole[1]))
    found = [
        (m.start(1), m, _said) for m in (*_SAYS.finditer(content), *_HEADING.finditer(content))
    ]
    found += [(m.start(1), m, _cleaned) for m in _IN_OTHER_WORDS.finditer(content)]
    # "the answer is 12. This answer is correct": the last that announces something
    for start, match, read in sorted(found, key=lambda one: one[0], reverse=True)[:_MOST_ANNOUNCED]:
        answer = read(content[start:] if read is _said else match[1])
        if answer is not None:
            if undone := _undone(content, match, start, answer):
                return Reading(None, f"announced, and perhaps no answer: {undone}")
            prose = len(answer.split()) > _MOST_WORDS and _HOLDS.search(answer)
            return Reading(None, f"a sentence: {answer}") if prose else Reading(answer)
    return Reading(None, _unread(content))


def _unless(undone: str, answer: str | None) -> Reading:
    """An answer, unless the text takes it back."""
    return Reading(None, f"taken back: {undone}") if undone else Reading(answer)


def _undone(content: str, announced: re.Match[str], start: int, answer: str) -> str:
    """What in the text denies, bounds or takes back an announced answer, or goes on from it."""
    if found := denied_before(content[max(0, announced.start() - 300) : announced.end()]):
        return found
    tail = content[start : start + _MAX_SHOWN]
    at = tail.find(answer)
    if bound := _BEGINS_WITH_NO_VALUE.match(answer) or re.search(r"\banswer\b", answer):
        return bound[0]
    if bounded := limited_behind(answer.partition(" ")[2] and " " + answer.partition(" ")[2]):
        return bounded
    behind = tail[at + len(answer) :] if at >= 0 else ""
    if found := limited_behind(behind) or taken_back(content[start + max(at, 0) :]):
        return found
    later = _NEXT_SENTENCE.search(behind)
    rest = content[start + at + len(answer) + later.end() :].strip() if later else ""
    if _INTERMEDIATE.match(announced[0]) and _HOLDS.search(rest):
        return f"{announced[0].strip()}, and more follows"
    last = _SENTENCE.split(rest.rpartition("\n")[2])[-1]
    other = _CONCLUDES.match(last) and _HOLDS.search(last) and answer.strip("$ ") not in last
    return last if other else ""


def _unread(content: str) -> str:
    """What shows that a text may hold an answer; empty where it plainly gives none."""
    if found := _OTHER_BOX.search(content):
        return f"another box: {found[0]}"
    for found in islice(_MAY_SAY.finditer(content), _MOST_WORDS_OF_ANSWERS):
        start = max(0, found.start() - _MAX_SAID)
        start = max(
            (m.end() for m in _CLAUSE.finditer(content, start, found.start())), default=start
        )
        stop = _CLAUSE.search(content, found.end(), found.end() + _MAX_SAID)
        clause = content[start : stop.start() if stop else found.end() + _MAX_SAID]
        if _HOLDS.search(clause) or not found[0].isascii():
            return f"announced: {clause.strip()}"
    line = content.strip().rpartition("\n")[2]
    sentence = _SENTENCE.split(line.strip())[-1]
    holds = bool(_HOLDS.search(line))
    words = _COMMANDS.sub(" ", content).split()
    if holds and (_FOREIGN.search(content) or foreign(content, ("en",))):
        return f"in another language: {line[-_MAX_SAID:]}"
    if (_CONCLUDES.match(sentence) and _HOLDS.search(sentence)) or _BOLD.search(line):
        return f"a conclusion: {sentence[:_MAX_SAID]}"
    if "=" in line and not re.search("[A-Za-z]{3}", _COMMANDS.sub(" ", line)):
        return f"a formula: {line[:_MAX_SAID]}"
    few = 0 < len(words) <= _FEWEST_WORDS and "\n" not in content.strip()
    if few and not _DECLINES.search(content):
        return f"a few words: {content.strip()[:_MAX_SAID]}"
    return ""


def _said(text: str) -> str | None:
    """The answer at the beginning of what follows its announcement."""
    text = text[:_MAX_SHOWN].strip().lstrip("*_: ")
    if _NO_ANSWER.match(text) or _ANNOUNCES.match(text):
        return None
    if (found := _MATHS.match(text)) and not re.match(r"\$\d[\d.,]*(?:\s|\W*$)", text):
        return _formulas(text, found)
    text = text.partition("\n")[0].replace("−", "-")
    if found := _EXPLAINED.search(text):
        text = text[: found.start()]
    if _DECLINES.search(text):
        return None
    numbers = _ONE_NUMBER.findall(text)
    if len(text.split()) > 2 and len(numbers) == 1:
        preface, _, rest = text.partition(numbers[0])
        rest = f"{preface} {rest}"
        if (
            _LEADS_IN.fullmatch(preface)
            and not _TELLING.search(rest)
            and not re.search(r"\d", rest)
        ):
            text = numbers[0]
    return _cleaned(text)


def _formulas(text: str, found: re.Match[str]) -> str | None:
    """The formula at the beginning, with those that it is joined to and a scale behind it."""
    parts = [_inside(found)]
    end = found.end()
    while (more := _MORE_MATHS.match(text, end)) and (other := _MATHS.match(text, more.end())):
        parts.append(_inside(other))
        end = other.end()
    if scale := re.compile(rf"\s*(?:{SCALE.pattern})").match(text, end):
        parts[-1] += f" {scale[1] or scale[2] or scale[3]}"
    return _cleaned(", ".join(parts))


def _inside(formula: re.Match[str]) -> str:
    """What stands between the signs of a formula, in one line."""
    return " ".join(next(group for group in formula.groups() if group).split())


def _cleaned(text: str) -> str | None:
    """An answer in a sentence without its emphasis and its full stop."""
    text = text.partition("<|")[0].strip().strip("*_").strip()
    text = re.sub(r"(?<=[^.])[.,;!。]$", "", text).strip().strip("*_").strip()
    if len(text) > 2 and text[0] == text[-1] == "$":
        text = text.strip("$").strip()
    return text if 0 < len(text) <= _MAX_SAID else None
