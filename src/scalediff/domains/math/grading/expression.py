r"""Expressions read from tidied LaTeX by a strict grammar: wholly, or not at all.

``read_expression(r"\frac{\sqrt{3}}{2}x")`` gives a tree of small tuples. Whatever is not
understood, and whatever people read in two ways (``1/2x``, ``2^3^4``), gives None and is left to
others. Nothing is worked out here and nothing is ever executed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import Any

from scalediff.domains.math.grading.reader import NotUnderstood, TokenReader

Tree = tuple[Any, ...]
"""``("number", "1.5")``, ``("letter", "x_1")``, ``("constant", "pi")``, else an operation and its
arguments: ``+ * / ^ neg root ! binom abs floor ceil`` or the name of a function. ``("call", "f", 2,
x)`` is f''(x) of an f that nobody defined, ``("apply", "T", 0, n)`` what may be one of a T,
``("diff", "x", tree, 1)`` a derivative, and ``("sum", "k", body, low, high)``, ``prod``, ``int``
and ``lim`` bind their letter."""

_MAX_DEPTH = 60
_MAX_TOKENS = 600

_FUNCTION_NAMES = (
    "sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh arsinh arcosh artanh ln log lg exp"
)
FUNCTIONS = frozenset(_FUNCTION_NAMES.split())
_INVERSES = {"sin": "arcsin", "cos": "arccos", "tan": "arctan", "sinh": "arsinh",
             "cosh": "arcosh", "tanh": "artanh"}  # fmt: skip
_GREEK_NAMES = (
    "alpha beta gamma delta epsilon varepsilon zeta eta theta lambda mu nu xi rho sigma tau phi"
    " varphi chi psi omega Delta Gamma Lambda Omega Phi Psi Sigma Theta ell"
)
_GREEK = frozenset(_GREEK_NAMES.split())
PI: Tree = ("constant", "pi")
BOUND = frozenset({"sum", "prod", "int", "lim"})
"""Operations whose first argument is a letter that they bind."""
_TIMES = ("*", r"\cdot", r"\times")
_TOKEN = re.compile(
    r"\s*(\d+\.\d*|\.\d+|\d+|\\[A-Za-z]+|[A-Za-z](?:_(?:[A-Za-z0-9]|\{[A-Za-z0-9]+\}))?'*"
    r"|_[A-Za-z0-9]|[-+*/^!(){}\[\]|_=])"
)
_ABOVE = re.compile(r"(d|\\partial)(?: \^ (?:\{ )?(\d)(?: \})?)?(?: (.+))?")
_BELOW = re.compile(r"(d|\\partial) ([A-Za-z]|\\[a-z]+)(?: \^ (?:\{ )?(\d)(?: \})?)?")
_WORD = re.compile(r"(?<![A-Za-z\\])[A-Za-z]{3,}")
_DIGITS_APART = re.compile(r"(?<!_)\d\s+[\d.]|(?<=\d)\d\s+[\d.]")
_ENDS_FACTOR = frozenset("*/+-^!)}]|=")
_ENDED = frozenset({")", "}", r"\pi"})
_NO_FACTOR = frozenset(
    {r"\cdot", r"\times", r"\div", r"\rfloor", r"\rceil", r"\rvert", r"\rightarrow"}
)
_OFTEN_APPLIED = frozenset(["p", "q", "phi", "varphi", "Gamma", "zeta", "sigma"])
"""Names of functions that are lower-case or Greek letters."""
_APPLIED = re.compile(r"(?<![\\A-Za-z])([A-Za-z](?:_\w)?)\s*\(([^()]*)\)")
_NAMED_OPERATOR = re.compile(r"(?<![\\A-Za-z])(?:[A-Z][a-z]{1,2}|var|cov)\s*[(\[]")
"""``Var(X)``, ``Pr(A)``, ``Re(z)``."""
_FREE_FUNCTION = re.compile(r"[fghy]|[A-Za-z]'+|[fghy]'*_\w")


@lru_cache(maxsize=20_000)
def read_expression(text: str, joined: bool | None = None, functions: str = "") -> Tree | None:
    r"""The tree of a tidied expression, or None.

    Args:
        text: Tidied LaTeX.
        joined: How ``1/2x`` and ``\\sin 2x(y+1)`` are read: None refuses them, True takes what
            follows into the denominator or the argument, False does not.
        functions: Letters that are functions where brackets follow (see ``applied_in``).

    Example:
        >>> read_expression(r"2\sqrt{x}")
        ('*', ('number', '2'), ('root', ('letter', 'x'), ('number', '2')))
        >>> read_expression("1/2x") is None
        True
        >>> read_expression("1/2x", joined=False)[0]
        '*'
    """
    if not text or "," in text or _DIGITS_APART.search(text) or _NAMED_OPERATOR.search(text):
        return None
    try:
        return _Reader(_tokens(_with_functions(text)), joined, functions).result()
    except (NotUnderstood, RecursionError):
        return None


def applied_in(equation: str) -> str:
    """Letters that stand before several different brackets, none with the letter in it.

    Example:
        >>> applied_in("a(n+2)=a(n+1)+1"), applied_in("x(x+1)=x(x+2)")
        ('a', '')
    """
    found: dict[str, set[str]] = {}
    for name, inner in _APPLIED.findall(equation):
        found.setdefault(name, set()).add(inner)
    names = [n for n, inner in found.items() if len(inner) > 1 and not any(n in i for i in inner)]
    return " ".join(names)


def _with_functions(text: str) -> str:
    """Function names typed without a backslash get one; other words are no mathematics."""
    for word in _WORD.findall(text):
        if word in FUNCTIONS:
            text = re.sub(rf"(?<![A-Za-z\\]){word}(?![A-Za-z])", rf"\\{word} ", text)
        elif word == "pi" or len(word) > 3 or word.lower() in _NO_PRODUCTS:
            raise NotUnderstood
    return re.sub(r"(?<![A-Za-z\\])pi(?![A-Za-z])", r"\\pi ", text)


_WORDS = "and mod max min gcd lcm abs det yes not inf dne sqrt the for who why sum all any"
_NO_PRODUCTS = frozenset(_WORDS.split())


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        match = _TOKEN.match(text, at)
        if not match or len(found) > _MAX_TOKENS:
            raise NotUnderstood
        found.append(match[1])
        at = match.end()
    return found


class _Reader(TokenReader):
    """Recursive descent; ``_bars`` counts open ``|`` so that one closes what it opened."""

    def __init__(self, tokens: list[str], joined: bool | None = None, functions: str = "") -> None:
        super().__init__(tokens)
        self._functions = functions
        self._products: set[int] = set()
        self._bars = 0
        self._ends = 0
        self._joined = joined

    def result(self) -> Tree:
        tree = self._sum()
        self._must_end()
        return tree

    def _sum(self) -> Tree:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotUnderstood
        total = self._product()
        while sign := self._take("+", "-"):
            term = self._product()
            total = ("+", total, term if sign == "+" else ("neg", term))
        self._depth -= 1
        return total

    def _product(self) -> Tree:
        if self._take("-"):
            return ("neg", self._product())
        self._take("+")
        total = self._power()
        divided = False
        while True:
            if self._take(*_TIMES):
                total, divided = ("*", total, self._signed()), False
            elif self._take("/", r"\div"):
                total, divided = ("/", total, self._signed()), True
            elif self._begins_factor():
                if divided and self._joined is None:  # 1/2x: half of x, or one over 2x
                    raise NotUnderstood
                factor = self._power()
                if divided and self._joined:
                    total = (*total[:2], ("*", total[2], factor))
                else:
                    total = ("*", total, factor)
            else:
                return total

    def _signed(self) -> Tree:
        if self._take("-"):
            return ("neg", self._signed())
        return self._power()

    def _begins_factor(self) -> bool:
        token = self._peek()
        if not token or token in _NO_FACTOR:
            return False
        if token == "|":
            return not self._bars
        before = self._tokens[self._at - 1]
        if token[0].isdigit() and (
            before == "!" or (self._joined is not None and before in _ENDED)
        ):
            return True  # 3!7!; (n-2)2^n where nothing stricter reads it
        if token[0].isdigit() or token[0] in "._":  # x2, (2)3: a slip
            raise NotUnderstood
        return token not in _ENDS_FACTOR

    def _power(self) -> Tree:
        base = self._postfix(self._factor())
        if not self._take("^"):
            return base
        if self._take(r"\circ"):
            return ("*", base, ("/", ("constant", "pi"), ("number", "180")))
        exponent = self._exponent()
        if self._peek() == "^":  # 2^3^4
            raise NotUnderstood
        if self._peek() == "!":  # 2^{3}!: of the power, or of the exponent
            raise NotUnderstood
        if self._peek() == "[" and base[0] == "letter":  # E^2[X]
            raise NotUnderstood
        return ("^", base, exponent)

    def _postfix(self, tree: Tree) -> Tree:
        if self._take("!"):
            if self._peek() == "!":
                raise NotUnderstood
            return ("!", tree)
        return tree

    def _exponent(self) -> Tree:
        if self._peek() == "{":
            return self._group()
        if self._take("-"):
            return ("neg", self._atom())
        return self._atom()

    def _atom(self) -> Tree:
        token = self._peek()
        if not token or not (token[0].isalnum() or token in (r"\pi",) or token[1:] in _GREEK):
            raise NotUnderstood
        if token[0].isdigit():  # no mixed number: x^2\frac{1}{2} is a product
            self._at += 1
            return ("number", token)
        return self._sign()

    def _factor(self) -> Tree:
        token = self._peek()
        if not token:
            raise NotUnderstood
        if token[0].isdigit() or token[0] == ".":
            return self._number()
        if token in ("(", "{", "["):
            inside = "".join(self._tokens[self._at + 1 :]).partition("]")[0]
            if token == "[" and len(inside) > 1 and inside.isalpha() and inside.isupper():
                return ("apply", "[]", 0, self._group())  # [ABC]: an area
            return self._group()
        return self._applied(self._sign())

    def _applied(self, sign: Tree) -> Tree:
        r"""``T(n)``, ``E[X]``: a letter with what may be its argument; alone before a factor.

        ``x(x+1)`` and ``a(b+c)`` are products. Other brackets hold an argument as often as a
        factor, so that nothing is multiplied out there.
        """
        brackets, at = self._peek(), self._at
        named = sign[0] == "letter" or sign == ("constant", "pi")
        if brackets not in ("(", "[") or not named or at in self._products:
            return sign
        argument = self._group()
        if brackets == "(" and self._is_product(sign[1], argument):
            self._products.add(at)  # so that nested brackets are read twice, not 2^n times
            self._at = at
            return sign
        return ("apply", sign[1], 0, argument)

    def _is_product(self, name: str, argument: Tree) -> bool:
        if name == "pi":  # \pi(10) may count primes
            return (bool(letters(argument)) and argument[0] != "letter") or holds(argument, "root")
        if name in letters(argument):
            return True
        function = name[0].isupper() or name in _OFTEN_APPLIED or name in self._functions.split()
        return argument[0] == "+" and not function

    def _sign(self) -> Tree:
        """A letter, a constant, bars or a command; never a number or brackets."""
        token = self._peek()
        self._at += 1
        if token == "|":
            self._bars += 1
            inner = self._sum()
            self._must("|")
            self._bars -= 1
            return ("abs", inner)
        if token[0] == "\\":
            return self._command(token[1:])
        if token in ("e", "i"):
            return ("constant", token)
        if not token[0].isalpha():
            raise NotUnderstood
        name = re.sub(r"[{}]", "", token)
        if _FREE_FUNCTION.fullmatch(name):
            return self._call(name)
        return ("letter", name)

    def _call(self, name: str) -> Tree:
        """A function of its own at an argument: ``f''(x)``, ``f^{(2)}(x)``; or a letter."""
        bare = name.rstrip("'")
        order = len(name) - len(bare)
        next_ones = self._tokens[self._at : self._at + 6]
        if next_ones[:3] == ["^", "{", "("] and next_ones[4:] == [")", "}"]:
            if not next_ones[3].isdigit():
                raise NotUnderstood
            self._at += 6
            order += int(next_ones[3])
            name = bare + "'" * order if order < 9 else f"{bare}^({order})"
        if self._peek() == "^" and bare in "fgh" and "(" in self._tokens[self._at :]:
            raise NotUnderstood  # f^{-1}(x), f^2(x)
        if self._peek() != "(" or (not order and bare == "y"):
            return ("letter", name)
        return ("call", bare, order, self._group())

    def _number(self) -> Tree:
        token = self._tokens[self._at]
        self._at += 1
        if self._peek() == r"\frac" and token.isdigit():
            return self._mixed(token)
        return ("number", token)

    def _mixed(self, whole: str) -> Tree:
        r"""``3\frac{1}{2}`` is a mixed number; ``3\\frac{x}{2}`` is a product."""
        parts = self._tokens[self._at + 1 : self._at + 7]
        proper = (
            [p for i, p in enumerate(parts) if i not in (1, 4)] == ["{", "}", "{", "}"]
            and parts[1].isdigit()
            and parts[4].isdigit()
        )
        if not proper:
            return ("number", whole)
        if int(parts[1]) >= int(parts[4]):
            raise NotUnderstood
        self._at += 1
        above, below = self._group(), self._group()
        return ("+", ("number", whole), ("/", above, below))

    def _group(self) -> Tree:
        closing = {"(": ")", "{": "}", "[": "]"}.get(self._peek())
        if closing is None:
            raise NotUnderstood
        self._at += 1
        bars, self._bars = self._bars, 0
        inner = self._sum()
        self._must(closing)
        self._bars = bars
        return inner

    def _command(self, name: str) -> Tree:
        if name == "pi" or (name == "infty" and self._ends):
            return ("constant", name)
        if name in _GREEK:
            return ("letter", name)
        if name == "frac":
            return self._derivative() or ("/", self._argument(), self._argument())
        if name in ("sum", "prod", "lim", "int"):
            return self._bound(name)
        if name == "lvert":
            inner = self._sum()
            self._must(r"\rvert")
            return ("abs", inner)
        if name == "binom":
            return ("binom", self._argument(), self._argument())
        if name == "sqrt":
            degree: Tree = ("number", "2")
            if self._peek() == "[":
                degree = self._group()
            return ("root", self._argument(), degree)
        if name in ("lfloor", "lceil"):
            inner = self._sum()
            self._must(rf"\r{name[1:]}")
            return (name[1:], inner)
        if name in FUNCTIONS:
            return self._function(name)
        raise NotUnderstood

    def _derivative(self) -> Tree | None:
        r"""``\\frac{d}{dx}(...)`` and ``\\frac{d^2y}{dx^2}``; None where the fraction is none."""
        start = self._at
        above, below = self._raw_group(), self._raw_group()
        upper, lower = _ABOVE.fullmatch(" ".join(above)), _BELOW.fullmatch(" ".join(below))
        if not upper or not lower or (upper[1], upper[2]) != (lower[1], lower[3]):
            self._at = start
            return None
        order, by = int(upper[2] or 1), lower[2].lstrip("\\")
        if upper[3]:
            inner = upper[3].split(" ")
            if len(inner) == 1:
                return ("letter", f"d{order}{inner[0]}/d{by}")
            return ("diff", by, _Reader(inner, self._joined, self._functions).result(), order)
        if not self._begins_factor():
            raise NotUnderstood
        grouped = self._peek() in ("(", "[", "{")
        body = self._power() if grouped else self._product()
        if grouped and self._begins_factor():  # d/dx (x)(y): of how much?
            raise NotUnderstood
        return ("diff", by, body, order)

    def _raw_group(self) -> list[str]:
        """The tokens of a group in braces, which is passed over; empty where there is none."""
        if self._peek() != "{":
            return []
        depth, start = 0, self._at + 1
        while self._peek():
            depth += (self._peek() == "{") - (self._peek() == "}")
            self._at += 1
            if not depth:
                return self._tokens[start : self._at - 1]
        raise NotUnderstood

    def _bound(self, name: str) -> Tree:
        r"""``\\sum_{k=1}^{n} ...``, ``\\int_0^1 ... dx``, ``\\lim_{x\\to 0} ...``."""
        low: Tree | None = None
        high: Tree | None = None
        letter = ""
        self._ends += 1
        while mark := self._peek()[:1]:
            if mark == "_":
                token = self._take(self._peek())
                if name == "int":
                    low = self._group() if token == "_" else _read_sign(token[1])
                    continue
                self._must("{")
                letter = self._take(self._peek())
                self._must("=" if name != "lim" else r"\rightarrow")
                low = self._sum()
                self._must("}")
            elif mark == "^" and name != "lim":
                self._at += 1
                infinite = self._take(r"\infty")
                high = ("constant", "infty") if infinite else self._exponent()
            else:
                break
        self._ends -= 1
        if name == "int":
            body, letter = self._integrand()
        else:
            if low is None or not letter.isalpha() or (high is None and name != "lim"):
                raise NotUnderstood
            body = _as_letter(self._product(), letter)
        if (low is None) != (high is None) and name != "lim":
            raise NotUnderstood
        return (name, letter, body, *(end for end in (low, high) if end is not None))

    def _integrand(self) -> tuple[Tree, str]:
        """What stands before ``dx``, and the x."""
        depth, start = 0, self._at
        while self._peek():
            token = self._take(self._peek())
            depth += (token in "({[") - (token in ")}]") + (token == r"\int")
            if token == "d" and self._peek().isalpha():
                if depth <= 0:
                    body = self._tokens[start : self._at - 1]
                    letter = self._take(self._peek())
                    if not body:
                        return ("number", "1"), letter
                    return _Reader(body, self._joined, self._functions).result(), letter
                depth -= 1
        raise NotUnderstood

    def _argument(self) -> Tree:
        return self._group() if self._peek() == "{" else self._atom()

    def _function(self, name: str) -> Tree:
        power: Tree | None = None
        base: Tree | None = None
        if name == "log" and self._peek()[:1] == "_":
            mark = self._take(self._peek())
            base = self._group() if mark == "_" else _read_sign(mark[1])
        if self._take("^"):
            power = self._exponent()
        if power == ("neg", ("number", "1")):
            if name not in _INVERSES:
                raise NotUnderstood
            name, power = _INVERSES[name], None
        argument = self._function_argument(name)
        tree: Tree = (name, argument) if base is None else (name, argument, base)
        return tree if power is None else ("^", tree, power)

    def _function_argument(self, name: str) -> Tree:
        if self._peek() in ("(", "["):
            group = self._group()
            if (
                self._peek() == "^" and self._joined is None
            ):  # \cos (x)^2: of the square, or squared
                raise NotUnderstood
            if self._joined and self._take("^"):
                return ("^", group, self._exponent())
            return group
        if self._peek()[1:] in FUNCTIONS:
            return self._power()
        if self._take("-"):
            raise NotUnderstood
        argument = self._power()
        number = argument[0] == "number"
        while self._begins_factor() and self._peek()[1:] not in FUNCTIONS:
            token = self._peek()
            plain = (
                token == r"\pi" or token[1:] in _GREEK or (token.isalpha() and token not in "ei")
            )
            scaled = token == r"\pi" and name in ("ln", "log", "lg")
            if not number or not plain or scaled:  # \sin x y, \ln 2\pi: of how much?
                if self._joined is None:
                    raise NotUnderstood
                if not self._joined:
                    break
            argument = ("*", argument, self._power())
        return argument


def _read_sign(sign: str) -> Tree:
    if sign.isdigit():
        return ("number", sign)
    return ("constant", sign) if sign in "ei" else ("letter", sign)


def _as_letter(tree: Tree, letter: str) -> Tree:
    """The tree with i or e as the letter that a sum runs over."""
    if tree == ("constant", letter):
        return ("letter", letter)
    return changed(tree, partial(_as_letter, letter=letter))


def letters(tree: Tree) -> set[str]:
    """The names of the variables in a tree, without those that a sum or an integral binds."""
    if tree[0] == "letter":
        return {tree[1]}
    found = {name for part in tree[1:] if isinstance(part, tuple) for name in letters(part)}
    if tree[0] in BOUND and len(tree) > 3:
        body, *ends = (letters(part) for part in tree[2:])
        return (body - {tree[1]}).union(*ends)
    return found | {tree[1]} if tree[0] == "diff" else found


def subtrees(tree: Tree) -> Iterator[Tree]:
    """A tree and all that it is made of."""
    yield tree
    for part in tree[1:]:
        if isinstance(part, tuple):
            yield from subtrees(part)


def holds(tree: Tree, *kinds: str) -> bool:
    """Whether one of some operations or functions occurs in a tree."""
    return any(part[0] in kinds for part in subtrees(tree))


def changed(tree: Tree, change: Callable[[Tree], Tree]) -> Tree:
    """A tree with each of its parts changed."""
    return (tree[0], *(change(part) if isinstance(part, tuple) else part for part in tree[1:]))
