"""Renders a chat template in a process with limits: run as a script, by ``templates.py`` alone.

Reads JSON from standard input (``template``, ``tokens``) and ends with status 0 where every
conversation is rendered, or refused by the template in an orderly way; else it says why not.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
from datetime import datetime
from typing import Any

MEMORY = 1 << 30
CPU_S = 5
_MOST = 1 << 20
"""Characters that a template may make of what has 20,000 at most."""

_LONG = "What is $1+1$? " * 1333
_USER = {"role": "user", "content": "What is $1+1$?"}
_CONVERSATIONS: list[list[dict[str, str]]] = [
    [_USER],
    [{"role": "user", "content": _LONG}],
    [{"role": "system", "content": "Answer."}, _USER],
    [_USER, {"role": "assistant", "content": "<think>\n1+1\n</think>\n\nIt is 2."}, _USER],
]


def _environment() -> Any:
    """As ``transformers`` makes it, as far as a template may ask it."""
    from jinja2 import TemplateError, nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """``{% generation %}``: what it encloses stands as it is."""

        tags = {"generation"}

        def parse(self, parser: Any) -> Any:
            line = next(parser.stream).lineno
            body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
            return nodes.Scope(body).set_lineno(line)

    def raise_exception(message: Any) -> None:
        raise TemplateError(str(message))

    def tojson(value: Any, **options: Any) -> str:
        return json.dumps(value, **{"ensure_ascii": False, **options})

    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, loopcontrols]
    )
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = lambda form: datetime.now().strftime(form)
    return made


def main() -> str | None:
    """Why the template is not to be trusted; None where it is."""
    from jinja2 import TemplateError

    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 1))
    asked = json.load(sys.stdin)
    try:
        template = _environment().from_string(asked["template"])
        for messages in _CONVERSATIONS:
            for thinking in ({}, {"enable_thinking": True}, {"enable_thinking": False}):
                for prompted in (True, False):
                    with contextlib.suppress(TemplateError, TypeError, ValueError, KeyError):
                        size = 0
                        for part in template.generate(
                            messages=messages, add_generation_prompt=prompted,
                            tools=None, documents=None, **asked["tokens"], **thinking,
                        ):  # fmt: skip
                            size += len(part)
                            if size > _MOST:
                                return f"makes over {_MOST:,} characters of a short problem"
    except TemplateError:
        return None  # whoever renders it in earnest says so
    except MemoryError:
        return f"takes over {MEMORY >> 30} GB of memory for a short problem"
    except RecursionError:
        return "calls itself without end"
    except OverflowError as error:
        return f"loops too often ({error})"
    return None


if __name__ == "__main__":
    reason = main()
    if reason:
        print(reason, flush=True)
    sys.exit(1 if reason else 0)
