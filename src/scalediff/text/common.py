r"""What many problems share without being copies: phrases of instruction and standard identities.

An n-gram of these counts for nothing when a text is compared with a benchmark problem. Letters are
renamed in the order in which they come, so that an identity in ``a, b`` is known in ``x, y`` too.
"""

from __future__ import annotations

from functools import lru_cache

from scalediff.text.ngrams import cased_tokens, masked, ngrams, small

_PHRASES = [
    "where $m$ and $n$ are relatively prime positive integers. Find $m+n$.",
    "can be written as $m/n$ where $m$ and $n$ are relatively prime positive integers. Find $m+n$.",
    r"can be expressed as $\frac{m}{n}$, where $m$ and $n$ are relatively prime positive integers."
    " Find $m+n$.",
    r"can be written in the form $\frac{m}{n}$, where $m$ and $n$ are relatively prime positive"
    " integers. Find $m+n$.",
    "where $m$ and $n$ are coprime positive integers. Compute $m+n$.",
    r"can be written in the form $m\sqrt{n}$, where $m$ and $n$ are positive integers and $n$ is"
    " not divisible by the square of any prime. Find $m+n$.",
    r"where $a$, $b$ and $c$ are positive integers, $a$ and $c$ are relatively prime, and $b$ is"
    " not divisible by the square of any prime. Find $a+b+c$.",
    "Find the remainder when $N$ is divided by $1000$.",
    "Find the sum of all possible values of $x$.",
    "Express your answer as a common fraction in lowest terms.",
    "Express your answer in simplest radical form in terms of $\\pi$.",
    "Express your answer as a decimal to the nearest hundredth.",
    "Give your answer as an exact value and round it to the nearest whole number.",
    "Please reason step by step, and put your final answer within \\boxed{}.",
    "Let $x$, $y$ and $z$ be positive real numbers such that",
    "Let $a$, $b$, $c$ and $d$ be real numbers satisfying the following system of equations",
    "What is the greatest possible value of the expression",
    "How many ordered pairs of positive integers $(a, b)$ are there such that",
    "The value of $x$ can be expressed as a fraction in lowest terms. What is the value of $x$?",
]

_IDENTITIES = [
    "a^2-b^2=(a-b)(a+b)",
    "(a+b)^2=a^2+2ab+b^2",
    "(a-b)^2=a^2-2ab+b^2",
    "a^3+b^3=(a+b)(a^2-ab+b^2)",
    "a^3-b^3=(a-b)(a^2+ab+b^2)",
    "(a+b)^3=a^3+3a^2b+3ab^2+b^3",
    "(a-b)^3=a^3-3a^2b+3ab^2-b^3",
    "(a+b)^3=a^3+b^3+3ab(a+b)",
    "(a+b)^4=a^4+4a^3b+6a^2b^2+4ab^3+b^4",
    "(a-b)^4=a^4-4a^3b+6a^2b^2-4ab^3+b^4",
    "(a+b)^5=a^5+5a^4b+10a^3b^2+10a^2b^3+5ab^4+b^5",
    "(a+1)^2=a^2+2a+1",
    "(a+1)^3=a^3+3a^2+3a+1",
    "(a+1)^4=a^4+4a^3+6a^2+4a+1",
    "(a+1)^5=a^5+5a^4+10a^3+10a^2+5a+1",
    "(1+a)^4=1+4a+6a^2+4a^3+a^4",
    "(1+a)^5=1+5a+10a^2+10a^3+5a^4+a^5",
    "(a+b+c)^2=a^2+b^2+c^2+2ab+2bc+2ca",
    "a^3+b^3+c^3-3abc=(a+b+c)(a^2+b^2+c^2-ab-bc-ca)",
    "(a+b)(b+c)(c+a)=(a+b+c)(ab+bc+ca)-abc",
    r"\tan(a+b)=\frac{\tan a+\tan b}{1-\tan a\tan b}",
    r"\tan(a-b)=\frac{\tan a-\tan b}{1+\tan a\tan b}",
    r"\tan 2a=\frac{2\tan a}{1-\tan^2 a}",
    r"\tan(\alpha+\beta)=\frac{\tan\alpha+\tan\beta}{1-\tan\alpha\tan\beta}",
    r"\sin(a+b)=\sin a\cos b+\cos a\sin b",
    r"\sin(a-b)=\sin a\cos b-\cos a\sin b",
    r"\cos(a+b)=\cos a\cos b-\sin a\sin b",
    r"\cos(a-b)=\cos a\cos b+\sin a\sin b",
    r"\sin^2 a+\cos^2 a=1",
    r"\cos 2a=\cos^2 a-\sin^2 a=2\cos^2 a-1=1-2\sin^2 a",
    r"x=\frac{-b\pm\sqrt{b^2-4ac}}{2a}",
    r"c^2=a^2+b^2-2ab\cos C",
    r"\frac{a}{\sin A}=\frac{b}{\sin B}=\frac{c}{\sin C}",
    r"1+2+3+\cdots+n=\frac{n(n+1)}{2}",
    r"1^2+2^2+3^2+\cdots+n^2=\frac{n(n+1)(2n+1)}{6}",
    r"\sum_{k=1}^{n}k=\frac{n(n+1)}{2}",
    r"\sum_{k=1}^{n}k^2=\frac{n(n+1)(2n+1)}{6}",
    r"F_1=F_2=1 and F_{n+2}=F_{n+1}+F_n for n\ge 1",
    r"f(x)=ax^2+bx+c",
    r"\frac{x+y}{2}\ge\sqrt{xy}",
]

_LENGTHS = (8, 13)


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    found: set[str] = set()
    for words in map(cased_tokens, _PHRASES + _IDENTITIES):
        for n in _LENGTHS:
            found.update(map(_renamed, ngrams(small(words), n)), ngrams(masked(words), n))
    return frozenset(found)


def is_common(gram: str) -> bool:
    """Whether an n-gram (tokens joined by spaces, masked or not) is of a common phrase or identity.

    Example:
        >>> is_common("x ^ 2 - y ^ 2 ="), is_common("x ^ 2 - 3 y + 2")
        (True, False)
    """
    known = _known()
    return gram in known or _renamed(gram) in known


def _renamed(gram: str) -> str:
    """The n-gram with its letters named in the order in which they come."""
    names: dict[str, str] = {}
    words = gram.split(" ")
    for i, word in enumerate(words):
        if len(word) == 1 and word.isalpha():
            words[i] = names.setdefault(word, f"@{len(names)}")
    return " ".join(words)
