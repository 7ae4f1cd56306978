"""Names of served models: ``URL#NAME``, several URLs of one model, and a revision after an @."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from scalediff.core.engine import ModelSpec
from scalediff.core.errors import RecipeError
from scalediff.core.secrets import mask

_NEXT_NAMED = re.compile(r"[,\s]+(?=https?://[^#]*#)")
_LIKE_A_URL = re.compile(r"([A-Za-z][A-Za-z+.-]*):/", re.ASCII)
_HOST_AND_NAME = re.compile(r"[\w.-]+(:\d+)?(/[^#\s]*)?#.", re.ASCII)
_BETWEEN = re.compile(r"[,\s]+")


def join_urls(models: Sequence[str]) -> str:
    """One name of a model that several servers serve.

    Raises:
        RecipeError: They do not serve the same model, or are no URLs.

    Example:
        >>> join_urls(["http://a:8000/v1#m", "http://b:8000/v1#m"])
        'http://a:8000/v1,http://b:8000/v1#m'
    """
    if len(models) == 1:
        return models[0]
    parts = [str(model).partition("#") for model in models]
    shown = mask(", ".join(str(model) for model in models))
    if not parts or any(not url.startswith(("http://", "https://")) for url, _, _ in parts):
        raise RecipeError(f"several models of one role have to be URLs of servers, not {shown}")
    names = {name for _, _, name in parts if name}
    if len(names) != 1:
        raise RecipeError(f"{shown} have to serve one model: write the same #NAME after each")
    return ",".join(url for url, _, _ in parts) + f"#{names.pop()}"


def read_urls(name: str) -> ModelSpec:
    """The servers that a name stands for.

    Raises:
        RecipeError: It names no model, or a URL is none.

    Example:
        >>> spec = read_urls("http://a/v1,http://b/v1#m@v2")
        >>> spec.location, spec.served, spec.fingerprint
        ('http://a/v1 http://b/v1', 'm', 'm@v2')
    """
    if name.count("#") > 1:  # URL#NAME,URL#NAME
        name = join_urls(_NEXT_NAMED.split(name))
    location, _, named = name.partition("#")
    shown = mask(name)
    if not named:
        raise RecipeError(f"{shown} names no served model; add it as {mask(location)}#NAME")
    urls = _BETWEEN.split(location.strip().rstrip(","))
    for url in urls:
        if fault := fault_of(url):
            blank = ", and URLs hold no blanks" if re.search(r"\s", location.strip()) else ""
            raise RecipeError(
                f"{mask(url)!r} in {shown} is no URL: {fault}{blank}; write http://HOST:PORT/v1"
            )
    served, at, revision = named.rpartition("@")
    if not served or not revision or "/" in revision:
        served, at, revision = named, "", ""
    return ModelSpec(shown, "url", " ".join(urls), f"{served}{at}{revision}", served)


def fault_of(url: str) -> str:
    """Why a text is no URL of a server; empty where it is one.

    Example:
        >>> fault_of("http://host:99999/v1"), fault_of("http://host:8000/v1")
        ('its port is not from 1 to 65535', '')
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        return "its host is none"
    if parts.scheme not in ("http", "https"):
        return "it does not begin with http:// or https://"
    if not host or re.search(r"[\s<>\"{}|\\^`]", parts.netloc):
        return "it names no host"
    try:
        return "its port is not from 1 to 65535" if parts.port == 0 else ""
    except ValueError:
        return "its port is not from 1 to 65535"


def meant_url(name: str) -> str | None:
    """The nearest URL to a name that looks like one and is none; None for other names.

    Example:
        >>> meant_url("htp://host/v1#m"), meant_url("host:8000/v1#m"), meant_url("org/model")
        ('http://host/v1#m', 'http://host:8000/v1#m', None)
    """
    match = _LIKE_A_URL.match(name)
    if match is not None:
        scheme = "https" if match[1].lower().endswith("s") else "http"
        return f"{scheme}://{name[match.end() :].lstrip('/')}"
    return f"http://{name}" if _HOST_AND_NAME.match(name) else None
