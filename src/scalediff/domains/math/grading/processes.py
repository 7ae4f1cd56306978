"""Processes that are spawned without the caller's script.

``multiprocessing`` runs the caller's ``__main__`` again in each spawned process. That breaks a
script on standard input, which has no file, and one that calls the grader without a guard, which
would start processes without end. The grader's workers need nothing of it.
"""

from __future__ import annotations

from multiprocessing import popen_spawn_posix, spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from types import FunctionType, SimpleNamespace
from typing import Any


def _preparation_data(name: str) -> dict[str, Any]:
    data = spawn.get_preparation_data(name)
    return {key: data[key] for key in data if not key.startswith("init_main")}


_LAUNCH: Any = vars(popen_spawn_posix.Popen)["_launch"]


class _Popen(popen_spawn_posix.Popen):
    # The one function that asks for the preparation data, with ours in its place: nothing that
    # another thread could see is changed.
    _launch = FunctionType(
        _LAUNCH.__code__,
        _LAUNCH.__globals__
        | {"spawn": SimpleNamespace(**vars(spawn) | {"get_preparation_data": _preparation_data})},
    )


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        return _Popen(process_obj)


class WithoutMain(SpawnContext):
    """Spawns processes that do not import ``__main__``."""

    Process = _Process
