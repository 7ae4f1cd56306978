"""API keys come from the environment and go into requests alone; this keeps them out of text.

Whatever is written or shown (files, events, errors, reports) and may hold a URL goes through
``mask``.
"""

from __future__ import annotations

import os
import re
from base64 import b64encode
from functools import lru_cache
from urllib.parse import quote

from scalediff.core.errors import PrerequisiteError

_CREDENTIALS = re.compile(r"(https?://)[^/@\s]*@")
_PARAMETER = re.compile(
    r"([?&][\w-]*(?:key|token|sig|signature|secret|password)=)[^&#\s]+", re.IGNORECASE
)
HIDDEN = "***"
"""What stands for credentials wherever they are written or shown."""
_SHORTEST = 6
"""Shorter keys are placeholders ("none"), which may stand in any text."""

_more: set[str] = set()
_variables = ["SCALEDIFF_API_KEY", "OPENAI_API_KEY"]


def api_key(variable: str = "") -> str | None:
    """The API key: of the variable named, else SCALEDIFF_API_KEY, else OPENAI_API_KEY.

    Raises:
        PrerequisiteError: The variable that is named is not set.
    """
    if variable:
        key = os.environ.get(variable, "").strip()
        if not key:
            raise PrerequisiteError(
                f"the environment variable {variable} (engine.http.api_key_env) is not set; "
                f"export {variable}=KEY"
            )
        if variable not in _variables:
            _variables.append(variable)
    else:
        found = (os.environ.get(name, "").strip() for name in _variables[:2])
        key = next((key for key in found if key), "")
    if key and not key.isprintable():
        names = variable or " or ".join(_variables[:2])
        raise PrerequisiteError(f"the API key ({names}) has more than one line; export one key")
    keep_secret(key)
    return key or None


def with_credentials(url: str) -> str:
    """A URL of which a run keeps only ``***``, with the credentials of the environment.

    Raises:
        PrerequisiteError: There are none.
    """
    if HIDDEN not in url:
        return url
    given = os.environ.get("SCALEDIFF_URL_CREDENTIALS", "").strip()
    user, colon, password = given.partition(":")
    if not colon or "***@" not in url:
        raise PrerequisiteError(
            f"a run keeps no credentials, and {url} needs some: run the recipe's or the command's "
            "own line again, which has them, or export SCALEDIFF_URL_CREDENTIALS=USER:PASSWORD"
        )
    return url.replace("***@", f"{quote(user, safe='')}:{quote(password, safe='')}@")


def keep_secret(*values: str) -> None:
    """Mask these too from now on, such as the password of a URL."""
    _more.update(value for value in values if len(value) >= _SHORTEST)


def mask_keys(text: str) -> str:
    """A text without the keys and passwords that were sent, however a server writes them."""
    return _without(text, _written(*sorted(_more)))


def _without(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        if secret in text:
            text = text.replace(secret, HIDDEN)
    return text


def mask(text: str) -> str:
    """A text without the credentials of URLs in it, and without the API keys.

    Example:
        >>> mask("http://me:secret@host/v1?api-key=abc")
        'http://***@host/v1?api-key=***'
    """
    if "://" in text:
        text = _PARAMETER.sub(r"\1***", _CREDENTIALS.sub(r"\1***@", text))
    keys = (os.environ.get(name, "").strip() for name in _variables)
    return _without(text, _written(*(k for k in keys if len(k) >= _SHORTEST), *sorted(_more)))


@lru_cache(maxsize=16)
def _written(*secrets: str) -> tuple[str, ...]:
    """Secrets as they may stand in a text: plain, in a URL, in base64; the longest first."""
    found = set(secrets)
    for secret in secrets:
        found |= {quote(secret, safe=""), b64encode(secret.encode()).decode().rstrip("=")}
    return tuple(sorted(found, key=len, reverse=True))
