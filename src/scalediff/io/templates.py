"""Chat templates of model folders: programs of somebody else, tried with limits before they run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

from scalediff.core.errors import RecipeError
from scalediff.io.template_child import CPU_S

_CHILD = Path(__file__).with_name("template_child.py")
_WAIT_S = 60.0
"""Seconds at most, on a machine that has other things to do as well."""
_LONGEST = 1 << 20


def check_template(tokenizer: Any) -> None:
    """Render the template of a tokenizer in a process with limits on time, memory and output.

    Once for each template; the conversations that are tried are short and long, with and without a
    system turn, an answer and each mode of thinking.

    Args:
        tokenizer: Of ``transformers``.

    Raises:
        RecipeError: It loops, or builds more than a prompt can be.
    """
    given = getattr(tokenizer, "chat_template", None)
    templates = given.values() if isinstance(given, dict) else [given]
    for template in templates:
        if isinstance(template, str):
            tokens = getattr(tokenizer, "special_tokens_map", None) or {}
            texts = {name: t for name, t in tokens.items() if isinstance(t, str)}
            reason = _trouble(template, json.dumps(texts))
            if reason is not None:
                name = getattr(tokenizer, "name_or_path", "") or "the model"
                raise RecipeError(
                    f"the chat template of {name} {reason}: it is broken or means harm; fetch the "
                    "model anew, or correct chat_template.jinja in its folder"
                )


@lru_cache(maxsize=64)
def _trouble(template: str, tokens: str) -> str | None:
    if len(template) > _LONGEST:
        return f"has {len(template):,} characters"
    asked = json.dumps({"template": template, "tokens": json.loads(tokens)})
    try:
        done = subprocess.run(
            [sys.executable, "-I", str(_CHILD)],
            input=asked,
            capture_output=True,
            text=True,
            timeout=_WAIT_S,
            check=False,
            start_new_session=True,  # Ctrl-C is for this process
        )
    except subprocess.TimeoutExpired:
        return f"does not end within {_WAIT_S:.0f} s"
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        return f"does not end within {CPU_S} s"
    return done.stdout.strip() or None
