"""Pure work on many items, in as many processes as the machine has cores.

Processes are spawned, never forked, and open the domain once each. Few items are not worth starting
them (a second), so they are worked on here.
"""

from __future__ import annotations

import itertools
import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

from scalediff.core.domain import Domain
from scalediff.core.stopping import kept_from_children

POOL_FROM = 10_000
"""Items from which processes are worth starting."""

_CHUNK = 500

Work = Callable[[Any, Domain], Any]


def spread(work: Work, items: Iterable[Any], domain: Domain, workers: int) -> Iterator[Any]:
    """What a picklable function of an item and the domain makes of each item, in order."""
    items = iter(items)
    first = list(itertools.islice(items, POOL_FROM if workers > 1 else 0))
    if len(first) < POOL_FROM:
        yield from (work(item, domain) for item in itertools.chain(first, items))
        return
    context = multiprocessing.get_context("spawn")
    with kept_from_children():
        processes = context.Pool(workers, _start, (work, domain.name))
    with processes as pool:
        yield from pool.imap(_do, itertools.chain(first, items), chunksize=_CHUNK)


def spread_over(domain: Domain, workers: int) -> Callable[[Work, Iterable[Any]], Iterator[Any]]:
    """``spread`` with a domain and a number of processes, as a stage's context wants it."""
    return partial(spread, domain=domain, workers=workers)


_worker: tuple[Work, Domain] | None = None


def _start(work: Work, domain_name: str) -> None:
    from scalediff.domains import open_domain

    global _worker
    _worker = (work, open_domain(domain_name))


def _do(item: Any) -> Any:
    assert _worker is not None
    return _worker[0](item, _worker[1])
