"""Errors with an address: each class says who can mend what happened.

Every message is one sentence that names the file, row or setting and the mend. Whatever is not one
of these is a bug and propagates as a traceback.
"""

from __future__ import annotations

from pathlib import Path


class ScalediffError(Exception):
    """Base of all errors that are told to the user in one sentence.

    ``exit_status`` is what the command line ends with: 1 the work failed, 2 the call or its input
    was wrong, 75 stopped in good order.
    """

    exit_status = 1


class RecipeError(ScalediffError):
    """The recipe or an option is wrong; the user mends it. Exit status 2."""

    exit_status = 2


class InputError(ScalediffError):
    """An input file as a whole cannot be used (missing, empty, no usable row). Exit status 2."""

    exit_status = 2


class PrerequisiteError(ScalediffError):
    """Something has to be installed, downloaded or started first; the message holds the command."""

    exit_status = 2


class RunStateError(ScalediffError):
    """The run directory disagrees with what is asked of it. Exit status 2."""

    exit_status = 2


class DamagedError(RunStateError):
    """Bytes of a run are not those that were written.

    What is raised of a step's folder is met by making the step again; elsewhere it is the user's.

    Attributes:
        path: The file.
        what: What is wrong with it, without what to do.
    """

    def __init__(
        self,
        what: str,
        path: Path,
        cure: str = "run the same command again, which makes again what it can",
    ) -> None:
        super().__init__(f"{what}; {cure}")
        self.what = what
        self.path = path


class EngineError(ScalediffError):
    """The engine or server failed, not the row: the row stays owed."""


class EndpointError(ScalediffError):
    """What an endpoint answers is of no use to any row: the run stops and no row is dropped."""


class RequestError(EngineError):
    """The engine answers others but failed on this request, try after try.

    The row stays owed and is tried again later; when it has failed so in a stated number of passes,
    it is a row error after all.
    """


class RecordError(ScalediffError):
    """This row alone cannot be worked on: it becomes a drop with ``reason`` and evidence."""

    def __init__(self, reason: str, evidence: str = "") -> None:
        super().__init__(f"{reason}: {evidence}" if evidence else reason)
        self.reason = reason
        self.evidence = evidence


class Stopped(ScalediffError):
    """Stopped in good order (Ctrl-C, SIGTERM, budget): the same command goes on. Exit status 75.

    ``detail`` says what became of the work that was under way, where there is something to say.
    """

    exit_status = 75

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


INTERRUPTED = "stopped in good order; run the same command again to go on"
"""What an interrupt is answered with, wherever it is met."""
