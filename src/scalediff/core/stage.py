"""What a stage is, in three shapes, and what it is given.

* ``RowStage``: ``process(row, domain)``, pure and picklable, mapped over processes in chunks.
* ``AsyncStage``: ``async process(row, ctx)``, for work that awaits an engine or the grader's pool.
* ``SetStage``: ``run(inputs, ctx)``, for what needs the whole set (duplicates, training, assembly).

One row in gives one row (the columns it adds, nothing more) or one ``Drop`` out. A stage either
pays (calls a model) or decides (pure and free), never both. It asks ``ctx.engine`` and
``ctx.domain`` and knows nothing above itself.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from scalediff.core.domain import Domain
from scalediff.core.engine import Engine
from scalediff.core.records import Drop, Row

Item = TypeVar("Item")
Made = TypeVar("Made")


class Kind(Enum):
    """The three kinds of settings; a field without a mark is *meaning*.

    Meaning is in the step's key; extent (n, k, samples) reopens a step and owes only the
    difference; operation (URL, batch, workers) never changes what comes out.
    """

    MEANING = "meaning"
    EXTENT = "extent"
    OPERATION = "operation"


EXTENT = Kind.EXTENT
"""Mark of a field: ``n: Annotated[int, EXTENT] = 100``."""

OPERATION = Kind.OPERATION
"""Mark of a field: ``workers: Annotated[int, OPERATION] = 2``."""


class Config(BaseModel):
    """Base of every stage's settings: unknown keys are rejected, docstrings describe the fields."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        validate_default=True,
        frozen=True,
        allow_inf_nan=False,
    )

    def of_kind(self, kind: Kind) -> dict[str, Any]:
        """The settings of one kind as JSON-able values."""
        values = self.model_dump(mode="json")
        return {
            name: values[name]
            for name, info in type(self).model_fields.items()
            if next((m for m in info.metadata if isinstance(m, Kind)), Kind.MEANING) is kind
        }


class Table(Protocol):
    """A sealed step as its readers see it: rows with every column gained so far, in order."""

    name: str
    num_rows: int
    digest: str

    def rows(self) -> Iterator[Row]:
        """Stream the kept rows; may be called again."""
        ...

    def artefact(self, name: str) -> Path:
        """The path of a file or folder that the step left beside its rows."""
        ...


def no_progress(done: int, total: int | None = None) -> None:
    """Progress that goes nowhere."""


@dataclass
class Context:
    """What a stage may ask.

    Attributes:
        domain: Prompts, answers and checks.
        role: The role this step plays (``teacher``), part of every sample seed.
        seed: The sampling seed of the recipe; another number trains.
        step: The step's name.
        folder: Where a set-wise stage leaves its artefacts (written whole before the seal).
        engine: The engine of the step's model; None for steps that decide.
        train: Runs a training job (see ``training``) and returns the model folder.
        progress: Called with rows done and, where known, rows in all.
        spread: Maps a picklable function of an item and the domain over items, in order, in as many
            processes as the machine has cores where there are items enough; None maps here.
    """

    domain: Domain
    role: str
    seed: int
    step: str
    folder: Path
    engine: Engine | None = None
    train: Callable[[Mapping[str, Any]], Path] | None = None
    progress: Callable[[int, int | None], None] = field(default=no_progress)
    spread: Callable[[Callable[[Any, Domain], Any], Iterable[Any]], Iterator[Any]] | None = None

    def map(self, work: Callable[[Item, Domain], Made], items: Iterable[Item]) -> Iterator[Made]:
        """What a pure function makes of each item, in order."""
        if self.spread is not None:
            return self.spread(work, items)
        return (work(item, self.domain) for item in items)


class Brake(Protocol):
    """What may end a step early and in good order: a budget, a deadline, a guard."""

    def note(self, outcome: Row | Drop) -> None:
        """Told of each finished unit, those of earlier goes too."""
        ...

    def reason(self) -> Exception | None:
        """Asked before each new unit: what to raise once all that is under way has finished."""
        ...

    def is_full(self, num_under_way: int, num_done: int, width: int) -> bool:
        """Asked before each new unit: whether it is to wait until another has finished.

        Args:
            num_under_way: Units begun and not finished; with none, nothing is held back.
            num_done: Units finished since the step was taken up.
            width: Requests that the engine works on at once; 0 where it does not say.
        """
        ...


class Stage(ABC):
    """What all shapes share.

    Attributes:
        name: The stage's name in recipes and keys.
        version: Raised whenever the same input and settings would give another output.
        pays: True where it calls a model.
        births: True where its rows are new (sources, generate) rather than rows of its input.
        adds: Columns it adds, for the sealed table's schema (``io/parquet.py`` has the types).
        reads_texts: True where it reads the reasoning and content of attempts, which are kept
            once, in the attempt store, and fetched only for those who want them.
        Config: Its settings.
    """

    name: ClassVar[str]
    version: ClassVar[str] = "1"
    pays: ClassVar[bool] = False
    births: ClassVar[bool] = False
    adds: ClassVar[tuple[str, ...]] = ()
    reads_texts: ClassVar[bool] = False
    Config: ClassVar[type[Config]] = Config

    def __init__(self, config: Any) -> None:
        self.config = config

    def fingerprint(self, domain: Domain) -> str | None:
        """A hash of what it reads besides rows (files), part of the step's key; None if nothing."""
        return None

    @property
    def apart(self) -> bool:
        """Whether the work is done in a process of its own, so that other steps may go on."""
        return False

    def sample_indices(self) -> range:
        """What a row owes: one unit for each index. A paying stage with k samples overrides it."""
        return range(1)


class RowStage(Stage):
    """CPU work on one row; pure, so that it can run in any process."""

    @abstractmethod
    def process(self, row: Row, domain: Domain) -> Row | Drop:
        """The columns to add, or why the row leaves."""


class AsyncStage(Stage):
    """Work on one unit (a row, or one sample of it) that awaits an engine or the grader."""

    @abstractmethod
    async def process(self, row: Row, sample_index: int, ctx: Context) -> Row | Drop:
        """The columns to add for this sample, or why it fails by itself."""

    def newborn(self) -> Iterator[Row]:
        """The empty rows of a stage that births (``generate``: one a slot)."""
        raise NotImplementedError(f"stage {self.name} takes its rows from an input")


class SetStage(Stage):
    """Work that needs the whole set; it reads its inputs as streams, in order."""

    @abstractmethod
    def run(self, inputs: list[Table], ctx: Context) -> Iterable[tuple[str, Row | Drop]]:
        """For each row of the first input, in order: its key and the outcome.

        A stage that births yields whole rows; one that leaves only artefacts yields nothing.
        """
