r"""A text without the marks of HTML and Markdown around its words, for comparing it with others.

Entities become their characters, ``<sup>2</sup>`` becomes ``^{2}``, tags of layout go, and so do
Markdown's stars, underscores, fences and headings. A ``<`` that opens no known tag, a ``*`` between
numbers and the ``_`` of a subscript stay.
"""

from __future__ import annotations

import html
import re

_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][\da-fA-F]{1,6}|[A-Za-z][A-Za-z\d]{1,31});")
_RAISED = re.compile(r"<(su[pb])\b[^<>]*>(.{0,200}?)</\1\s*>", re.IGNORECASE | re.DOTALL)
_ATTRIBUTES = r"""(?:\s+[\w:-]+\s*=\s*(?:"[^"]*"|'[^']*'|[^\s"'<>]+))*"""
_INLINE = (
    "b|i|u|s|em|strong|span|font|small|big|code|tt|var|mark|ins|del|a|q|kbd|samp|cite|abbr|math"
    "|mi|mn|mo|mrow|mtext|su[pb]|wbr"
)
_BLOCK = (
    "br|p|hr|div|li|ul|ol|dl|dt|dd|table|t[rdh]|tbody|thead|tfoot|h[1-6]|center|pre|img|blockquote"
    "|section|article|body|html|head"
)
_TAG = re.compile(
    rf"</?(?:({_INLINE})|{_BLOCK}){_ATTRIBUTES}\s*/?>|<!--.{{0,2000}}?-->",
    re.IGNORECASE | re.DOTALL,
)
_STARS = re.compile(r"(?<![\w*\\)\]}])(\*{1,3})(?=[^\s*])([^*]+?)(?<=\S)\1(?![\w*(\[{\\])")
_LINES = re.compile(r"(?<![\w\\)\]}])(_{1,2})(?=[^\s_{])([^_$\\]+?)(?<=\S)\1(?![\w{\\])")
_CODE = re.compile(r"(?<![\w`])`([^`']+)`(?!\w)")
_FENCE = re.compile(r"```+\w*")
_TITLE = re.compile(
    r"\A\s*#{1,6}\s*(?:(?:problem|question|exercise|example)\b[^\n]{0,12}\n)?", re.IGNORECASE
)


def without_markup(text: str) -> str:
    """The text that a reader of the page sees, of one whose entities are characters.

    Example:
        >>> without_markup("**Find** <i>x</i><sup>2</sup> if 2*x*3 < 5.<br/>")
        'Find x^{2} if 2*x*3 < 5. '
    """
    if "<" in text:
        text = _TAG.sub(lambda m: "" if m[1] else " ", _RAISED.sub(_raised, text))
    if "*" in text:
        text = _STARS.sub(r"\2", text)
    if "_" in text:
        text = _LINES.sub(r"\2", text)
    if "`" in text:
        text = _CODE.sub(r"\1", _FENCE.sub(" ", text))
        text = text.replace("``", '"').replace("`", "'")
    return _TITLE.sub("", text) if "#" in text[:20] else text


def without_entities(text: str) -> str:
    r"""The text with characters for HTML's names and numbers of them.

    Example:
        >>> without_entities("a&nbsp;&lt;&#x20;&amp;amp; b & c &x;")
        'a\xa0< & b & c &x;'
    """
    for _ in range(3 if "&" in text else 0):  # what was escaped twice or thrice
        before, text = text, _ENTITY.sub(_character, text)
        if before == text:
            break
    return text


def _character(match: re.Match[str]) -> str:
    """The character of an entity; ``&NBSP;`` of a text in capitals too."""
    found = html.unescape(match[0])
    return html.unescape(match[0].lower()) if found == match[0] else found


def _raised(match: re.Match[str]) -> str:
    return ("^{" if match[1].lower() == "sup" else "_{") + match[2] + "}"
