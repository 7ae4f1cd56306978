"""YAML of people, read with limits: a few lines of it can stand for gigabytes, or for no end.

Aliases are expanded, so that no value stands in two places; what comes out has a bounded number of
values, a bounded depth and only text that a file can hold.
"""

from __future__ import annotations

from typing import Any

import yaml

MAX_BYTES = 4 << 20
"""Of a text. Ours: some hundred times the longest recipe."""
_MAX_VALUES = 100_000
_MAX_DEPTH = 64


class BadYamlError(ValueError):
    """The text is not read; says why."""


class _Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):  # type: ignore[misc]
    """Safe, and counting what merged mappings (``<<``) expand to."""

    num_merged = 0

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        self.num_merged += len(node.value)
        if self.num_merged > _MAX_VALUES:
            raise BadYamlError(f"its aliases expand to over {_MAX_VALUES:,} values")


def load_yaml(text: str) -> Any:
    """The value of a text.

    Raises:
        BadYamlError: It is no YAML, or expands to more than anybody writes; says why and where.
    """
    if len(text) > MAX_BYTES:
        raise BadYamlError(f"it is over {MAX_BYTES >> 20} MB")
    try:
        value = yaml.load(text, _Loader)
    except BadYamlError:
        raise
    except RecursionError:
        raise BadYamlError("it is nested too deep") from None
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        what = getattr(error, "problem", None) or "it is not valid YAML"
        line = f"line {where.line + 1}: " if where is not None else ""
        raise BadYamlError(f"{line}{what}") from None
    except (ValueError, OverflowError, TypeError, ArithmeticError, AttributeError) as error:
        # a date that is none, a number of ten thousand digits
        raise BadYamlError(f"a value cannot be read ({str(error)[:80]})") from None
    return _Copy().of(value)


class _Copy:
    """Copies a value so that no object stands twice, as aliases do."""

    def __init__(self) -> None:
        self._num = 0
        self._above: set[int] = set()

    def of(self, value: Any) -> Any:
        """The copy.

        Raises:
            BadYamlError: It is endless, too large, too deep, or holds text that no file can.
        """
        self._num += 1
        if self._num > _MAX_VALUES:
            raise BadYamlError(f"it holds over {_MAX_VALUES:,} values, aliases expanded")
        if isinstance(value, str):
            _check(value)
        if not isinstance(value, dict | list):
            return value
        if id(value) in self._above:
            raise BadYamlError("an alias stands within what it names; write it out")
        if len(self._above) >= _MAX_DEPTH:
            raise BadYamlError(f"it is nested deeper than {_MAX_DEPTH} levels")
        self._above.add(id(value))
        try:
            if isinstance(value, dict):
                return {self.of(key): self.of(inner) for key, inner in value.items()}
            return [self.of(inner) for inner in value]
        finally:
            self._above.discard(id(value))


def _check(text: str) -> None:
    if "\0" in text:
        raise BadYamlError(f"{text[:40]!r} holds a null byte")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise BadYamlError(f"{text[:40]!r} holds half a character") from None
