"""Texts that mean the same, by the cosine of their sentence embeddings.

Optional: it needs sentence-transformers (``pip install 'scalediff[embed]'``) and a model folder. It
finds reworded copies that share no n-gram. An embedding hardly sees numbers (a problem's version
with other numbers is as near as its rewording), so two texts mean the same only where their numbers
are the same, too.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from scalediff.core.errors import PrerequisiteError, RecipeError
from scalediff.text.normalise import normalise, numbers

_BATCH = 512


def same_meaning(
    texts: Iterable[tuple[str, str]],
    known: Sequence[tuple[str, str]],
    model: str,
    threshold: float,
) -> Iterator[tuple[str, str]]:
    """Key and evidence of every text that means the same as a known one.

    Args:
        texts: Key and text of each text, streamed.
        known: Name and text of each known one, kept in memory as vectors (1.5 kB at 384 numbers).
        model: A sentence-transformers folder.
        threshold: Cosine similarity from which two texts mean the same.

    Raises:
        PrerequisiteError: sentence-transformers is not installed.
        RecipeError: The folder is none of its models.
    """
    encoder = _load(model)
    names = [name for name, _ in known]
    vectors = encoder.encode([text for _, text in known], normalize_embeddings=True)
    stream = iter(texts)
    while batch := list(itertools.islice(stream, _BATCH)):
        found = encoder.encode([text for _, text in batch], normalize_embeddings=True) @ vectors.T
        for (key, text), similarities in zip(batch, found, strict=True):
            at = int(similarities.argmax())
            if similarities[at] >= threshold and _numbers(text) == _numbers(known[at][1]):
                head = " ".join(known[at][1].split())[:160]
                yield key, f"{names[at]} (embedding similarity {similarities[at]:.2f}): {head}"


def _numbers(text: str) -> list[str]:
    return sorted(numbers(normalise(text)))


def _load(model: str):  # type: ignore[no-untyped-def]
    if importlib.util.find_spec("sentence_transformers") is None:
        raise PrerequisiteError(
            "embedding_model needs sentence-transformers: pip install 'scalediff[embed]'"
        )
    if not Path(model).is_dir():
        raise RecipeError(
            f"embedding_model: {model} is no folder; give a sentence-transformers one"
        )
    from sentence_transformers import SentenceTransformer

    try:
        return SentenceTransformer(model, device="cpu", local_files_only=True)
    except (OSError, ValueError) as error:
        raise RecipeError(f"embedding_model: {model} cannot be loaded: {error}") from None
