"""What the two strict grammars share: a place among tokens, and the word for giving up."""

from __future__ import annotations


class NotUnderstood(Exception):
    """The text is none of the grammar."""


class TokenReader:
    """Tokens that are taken one after the other."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0

    def _peek(self) -> str:
        """The next token; empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self, *wanted: str) -> str:
        """The next token where it is one of those wanted, else an empty text."""
        token = self._peek()
        if token and token in wanted:
            self._at += 1
            return token
        return ""

    def _must(self, wanted: str) -> None:
        if not self._take(wanted):
            raise NotUnderstood

    def _must_end(self) -> None:
        if self._at < len(self._tokens):
            raise NotUnderstood
