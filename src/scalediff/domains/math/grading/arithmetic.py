r"""Exact values of answers that are written-out arithmetic: integers, decimals, fractions, powers.

Most answers are of this kind, and none of them needs a computer algebra system. Everything that is
not understood, or whose value would be unreasonably long, gives None and is left to others.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from functools import lru_cache

from scalediff.domains.math.grading.budget import spend
from scalediff.domains.math.grading.reader import NotUnderstood, TokenReader

MAX_BITS = 60_000
"""Longest numerator or denominator that is worked out (2006! has 19,000 bits)."""

_MAX_DEPTH = 40
_MAX_FACTORIAL = 4_000

_TOKEN = re.compile(
    r"\s*(\d+\.\d*|\.\d+|\d+|\\frac|\\binom|\\sqrt|\\cdot|\\times|\\div|\\bmod|\\infty|[-+*/^!(){}])"
)
_GROUPED = re.compile(r"(?<![\d.,])[1-9]\d{0,2}(?:,\d{3})+(?![\d,])")
_SPACED = re.compile(r"[-+]?\d{1,3}(?: \d{3})+(?:\.\d+)?")
_MIXED = re.compile(r"([-+]?)(\d+) (\d+)/(\d+)")
_EXPONENT = re.compile(r"[-+]?\d+(?:\.\d+)?[eE][-+]?\d{1,4}")
_REPEATING = re.compile(
    r"([-+]?\d*)\.(\d*?)(?:\\overline\s*\{(\d+)\}|\((\d+)\)|\\dot\s*\{?(\d)\}?(?:(\d*)\\dot\s*\{?(\d)\}?)?)"
)
_GOES_ON = re.compile(r"([-+]?\d*)\.(\d*?)(\d{1,6}?)\3{2,}\s*(?:\.\.\.|\\ldots|\\dots|\\cdots)")


class _TooLarge(NotUnderstood):
    """The value would be too long."""


@lru_cache(maxsize=20_000)
def value(text: str) -> Fraction | None:
    r"""The exact value of tidied LaTeX or plain arithmetic, or None.

    A whole number before a fraction is a mixed number; ``2^10`` is meant as ``2^{10}``.

    Example:
        >>> value(r"3\frac{1}{2}"), value("1,024") == value("2^{10}"), value("x")
        (Fraction(7, 2), True, None)
    """
    text = _GROUPED.sub(lambda m: m[0].replace(",", ""), text.strip())
    if not text or "," in text:
        return None
    if _SPACED.fullmatch(text):
        text = text.replace(" ", "")
    if _EXPONENT.fullmatch(text):
        return Fraction(text)
    if found := _MIXED.fullmatch(text):
        sign, whole, above, below = found.groups()
        text = f"{sign}({whole}+{above}/{below})"
    if found := _REPEATING.fullmatch(text):
        whole, once, *periods = found.groups()
        return _repeating(whole, once, "".join(part or "" for part in periods))
    if found := _GOES_ON.fullmatch(text):
        return _repeating(*found.groups())
    try:
        return _Reader(text).result()
    except (NotUnderstood, ZeroDivisionError):
        return None


def is_large(text: str) -> bool:
    """Whether a text is arithmetic whose value is too long to be worked out (``5^{5^{5^5}}``).

    Example:
        >>> is_large("(10^9)!"), is_large("10!"), is_large("x!")
        (True, False, False)
    """
    try:
        _Reader(text).result()
    except _TooLarge:
        return True
    except (NotUnderstood, ZeroDivisionError):
        return False
    return False


def _repeating(whole: str, once: str, period: str) -> Fraction:
    sign = -1 if whole.startswith("-") else 1
    digits = (whole.lstrip("+-") or "0") + once
    nines = int("9" * len(period)) * 10 ** len(once)
    return sign * (Fraction(int(digits), 10 ** len(once)) + Fraction(int(period), nines))


class _Reader(TokenReader):
    """Recursive descent over tokens, with bounds on depth and on the size of values."""

    def __init__(self, text: str) -> None:
        tokens: list[str] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            if not found:
                raise NotUnderstood
            tokens.append(found[1])
            at = found.end()
        super().__init__(tokens)

    def result(self) -> Fraction:
        total = self._sum()
        self._must_end()
        return total

    def _sum(self) -> Fraction:
        self._enter()
        total = self._product()
        while sign := self._take("+", "-"):
            term = self._product()
            total = _bounded(total + term if sign == "+" else total - term)
        self._depth -= 1
        return total

    def _product(self) -> Fraction:
        total = self._signed()
        while sign := self._take("*", r"\cdot", r"\times", "/", r"\div", r"\bmod"):
            factor = self._signed()
            if sign == r"\bmod":
                total = _remainder(total, factor)
                continue
            total = _bounded(total / factor if sign in ("/", r"\div") else total * factor)
        return total

    def _signed(self) -> Fraction:
        negative = False
        while sign := self._take("+", "-"):
            negative ^= sign == "-"
        result = self._power()
        return -result if negative else result

    def _power(self) -> Fraction:
        base = self._factor()
        if self._take("!"):
            base = _factorial(base, 2 if self._take("!") else 1)
            if self._peek() == "!":
                raise NotUnderstood
        if not self._take("^"):
            return base
        self._enter()
        exponent = self._group() if self._peek() == "{" else self._exponent()
        self._depth -= 1
        if self._peek() == "^":  # 2^3^4 is no LaTeX, and has two readings
            raise NotUnderstood
        return _power(base, exponent)

    def _exponent(self) -> Fraction:
        sign = -1 if self._take("-") else 1
        if self._peek().isdigit():  # no mixed number: 2^3\frac{1}{2} is a product
            return sign * Fraction(self._take(self._peek()))
        return sign * self._factor()

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotUnderstood

    def _factor(self) -> Fraction:
        token = self._peek()
        if token[:1].isdigit() or token[:1] == ".":
            return self._number()
        if token == "(":
            self._at += 1
            inner = self._sum()
            self._must(")")
            return inner
        if token == "{":
            return self._group()
        if self._take(r"\frac"):
            return _bounded(self._group() / self._group())
        if self._take(r"\binom"):
            return _binomial(self._group(), self._group())
        if self._take(r"\sqrt"):
            return _root(self._group())
        raise NotUnderstood

    def _number(self) -> Fraction:
        token = self._tokens[self._at]
        self._at += 1
        number = Fraction(token if token[-1] != "." else token + "0")
        if self._peek() == r"\frac" and token.isdigit():
            return number + self._proper_fraction()
        return number

    def _proper_fraction(self) -> Fraction:
        """The fraction of a mixed number: two whole numbers, the first one smaller."""
        parts = self._tokens[self._at + 1 : self._at + 7]
        if len(parts) < 6 or not (parts[1].isdigit() and parts[4].isdigit()):
            raise NotUnderstood
        if parts[0::2] != ["{", "}", parts[4]] or int(parts[1]) >= int(parts[4]):
            raise NotUnderstood
        self._at += 1
        return self._group() / self._group()

    def _group(self) -> Fraction:
        self._must("{")
        inner = self._sum()
        self._must("}")
        return inner


def _bits(number: Fraction) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


def _bounded(number: Fraction) -> Fraction:
    bits = _bits(number)
    if bits > MAX_BITS:
        raise _TooLarge
    spend(bits / 200)
    return number


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or (base == 0 and exponent <= 0):
        raise NotUnderstood
    if abs(exponent) * _bits(base) > MAX_BITS and abs(base) != 1:
        raise _TooLarge
    return Fraction(base ** (exponent.numerator if abs(base) != 1 else exponent.numerator % 2))


def _remainder(number: Fraction, modulus: Fraction) -> Fraction:
    if number.denominator != 1 or modulus.denominator != 1 or modulus <= 0:
        raise NotUnderstood
    return Fraction(number.numerator % modulus.numerator)


def _natural(number: Fraction) -> int:
    """A whole number that a factorial can be of."""
    if number.denominator != 1 or number < 0:
        raise NotUnderstood
    if number > _MAX_FACTORIAL:
        raise _TooLarge
    spend(number.numerator / 40)
    return number.numerator


def _factorial(number: Fraction, step: int) -> Fraction:
    n = _natural(number)
    return Fraction(math.factorial(n) if step == 1 else math.prod(range(n, 0, -step)))


def _binomial(n: Fraction, k: Fraction) -> Fraction:
    if not k <= n:
        raise NotUnderstood
    return Fraction(math.comb(_natural(n), _natural(k)))


def _root(number: Fraction) -> Fraction:
    if number < 0:
        raise NotUnderstood
    above, below = math.isqrt(number.numerator), math.isqrt(number.denominator)
    if Fraction(above, below) ** 2 != number:
        raise NotUnderstood
    return Fraction(above, below)
