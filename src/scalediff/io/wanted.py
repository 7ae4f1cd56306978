"""What a caller named of the rows: where a value is, and which rows are wanted."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from scalediff.core.errors import InputError
from scalediff.core.records import Row
from scalediff.io.columns import lookup, near

_MOST_VALUES = 50
_ROWS_KEPT = 20


class Named:
    """Rows that lack a column that was named; at the end, whether all did.

    Args:
        column: The name; null where none was given, and nothing is asked.
        option: The option that named it, for the error.
    """

    def __init__(self, column: str | None, option: str) -> None:
        self._column = column
        self._option = option
        self._met = False
        self._rows: list[Row] = []

    def values(self, row: Row) -> list[tuple[str, Any]]:
        """What a row has there."""
        found = lookup(row, self._column) if self._column is not None else []
        self._met = self._met or bool(found)
        if not found and len(self._rows) < _ROWS_KEPT:
            self._rows.append(row)
        return found

    def check(self) -> None:
        """Whether some row had the column.

        Raises:
            InputError: None of those that were read.
        """
        if self._column is not None and not self._met and self._rows:
            raise InputError(
                f"no row that was read has a column {self._column} ({self._option}); "
                f"{near(self._column, self._rows)}"
            )


class Where:
    """Which rows are wanted: those that have the value named for each column.

    Several values for one column are alternatives. A value is compared as text with text, numbers
    and ``true``, ``false`` and ``null`` as JSON writes them; a list has a value where one of its
    elements is it.

    Args:
        conditions: ``COLUMN=VALUE`` each, the column as for ``lookup``.

    Attributes:
        kept, left_out: Rows that were wanted, and that were not.

    Raises:
        InputError: A condition is not of that form.
    """

    def __init__(self, conditions: Sequence[str] = ()) -> None:
        self.conditions = tuple(conditions)
        self.left_out = 0
        self.kept = 0
        self._wanted: dict[str, set[str]] = {}
        for text in conditions:
            column, value = parted(text)
            self._wanted.setdefault(column, set()).update(_spellings(value))
        self._columns = {name: Named(name, "--where") for name in self._wanted}
        self._others: dict[str, Counter[str]] = {name: Counter() for name in self._wanted}
        self._matched: set[str] = set()

    def keeps(self, row: Row) -> bool:
        """Whether a row is wanted; those that are not are counted."""
        wanted = True
        for name, values in self._wanted.items():
            has = {text for _, v in self._columns[name].values(row) for text in _texts(v)}
            if values.intersection(has):
                self._matched.add(name)
                continue
            wanted = False
            others = self._others[name]
            others.update(t for t in has if t in others or len(others) < _MOST_VALUES)
        self.kept += wanted
        self.left_out += not wanted
        return wanted

    def check(self) -> None:
        """Whether any row was wanted.

        Raises:
            InputError: Of all rows that were read, none.
        """
        if self.kept or not self.left_out:
            return
        for name, others in self._others.items():
            self._columns[name].check()
            if name not in self._matched:
                there = ", ".join(f"{text[:60]} ({n:,})" for text, n in others.most_common(5))
                asked = ", ".join(c for c in self.conditions if parted(c)[0] == name)
                raise InputError(
                    f"no row has {asked} (--where); {name} is {there or 'an object everywhere'}"
                )
        raise InputError(
            f"none of {self.left_out:,} rows has {' and '.join(self.conditions)} (--where); leave "
            "one of them out"
        )


def parted(condition: str) -> tuple[str, str]:
    """Column and value of ``COLUMN=VALUE``.

    Raises:
        InputError: It is not of that form.
    """
    column, equals, value = condition.partition("=")
    if not equals or not column.strip():
        raise InputError(f"--where {condition!r}: write it as COLUMN=VALUE")
    return column.strip(), value.strip()


def _spellings(value: str) -> set[str]:
    """A wanted value as it was written, and as JSON writes the same."""
    json = {"True": "true", "False": "false", "None": "null"}.get(value, value)
    return {value, re.sub(r"^(-?\d+)\.0+$", r"\1", json)}


def _texts(value: Any) -> list[str]:
    """A value as JSON writes it, text without its marks; of a list each element."""
    if isinstance(value, list):
        return [text for inner in value if not isinstance(inner, list) for text in _texts(inner)]
    if isinstance(value, dict):
        return []
    if value is None or isinstance(value, bool):
        return ["null" if value is None else str(value).lower()]
    if isinstance(value, float) and value.is_integer():
        return [str(int(value))]
    return [str(value).strip()]
