"""The thread that owns a model: scores in batches, and responses in slots.

Finished responses leave their slot and waiting ones enter at any step. Each result is handed over
as it finishes.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from scalediff.core.engine import Sampling, Score
from scalediff.core.errors import EngineError
from scalediff.core.stopping import STOPPING
from scalediff.engines.decoder import Prefill, SlotDecoder, logprob
from scalediff.engines.responses import Response
from scalediff.engines.sampling import draw, uniforms

_TOGETHER = 16
"""Waiting responses enter when a sixteenth of the slots is free: a prefill of some costs less than
as many prefills of one, and a slot that waits costs a row of a step."""

_REMEMBERED = 4
"""Prefills that are kept: a generator's prompt is the same for every sample, a problem's for k."""


_LINGER_S = 0.005
"""Seconds in which the next request to score has to come for others to wait for it."""


@dataclass
class Scoring:
    """A continuation to score.

    Attributes:
        ids: Tokens of prompt and continuation.
        num_continuation: Of these, the continuation's.
        deliver: Called once from the engine's thread with the score or an error.
        abandoned: Set when nobody waits any more.
    """

    ids: list[int]
    num_continuation: int
    deliver: Callable[[Score | Exception], None]
    abandoned: bool = False


Job = Response | Scoring


class Worker:
    """Runs a decoder in a thread of its own.

    Args:
        open_decoder: Called in the thread, which the decoder then belongs to.
        name: The model's name, for errors.
        note: Told, from the thread, how many requests are worked on whenever that changes.
    """

    def __init__(
        self, open_decoder: Callable[[], SlotDecoder], name: str, note: Callable[[int], None]
    ) -> None:
        self._name = name
        self._note = note
        self._inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._scorings: list[Scoring] = []
        self._waiting: deque[Response] = deque()
        self._active: list[Response | None] = []
        self._prefills: OrderedDict[tuple[int, ...], Prefill] = OrderedDict()
        self._failure: EngineError | None = None
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._thread = threading.Thread(
            target=self._run, args=(open_decoder,), name="scalediff-engine", daemon=True
        )
        self._thread.start()

    def wait(self) -> None:
        """Return when the decoder is open.

        Raises:
            EngineError: It cannot be opened.
        """
        self._ready.wait()
        if self._failure is not None:
            raise self._failure

    def put(self, job: Job) -> None:
        """Give the thread something to do.

        Raises:
            EngineError: It has failed or was closed.
        """
        with self._lock:
            if self._failure is not None:
                raise EngineError(str(self._failure))
            self._inbox.put(job)

    def close(self) -> None:
        """End the thread; whoever still waits gets an EngineError."""
        self._inbox.put(None)
        self._thread.join()

    def _run(self, open_decoder: Callable[[], SlotDecoder]) -> None:
        import torch

        try:
            with torch.inference_mode():
                decoder = open_decoder()
                self._active = [None] * decoder.num_slots
                self._ready.set()
                while self._take(decoder):
                    self._admit(decoder)
                    self._note(sum(response is not None for response in self._active))
                    if any(self._active):
                        self._decode(decoder)
            self._fail(EngineError(f"the engine of {self._name} is closed"))
        except Exception as error:  # whatever it is, those who wait have to hear of it
            mend = "; lower the engine's slots" if "out of memory" in str(error) else ""
            failure = EngineError(f"{self._name} failed: {type(error).__name__}: {error}{mend}")
            failure.__cause__ = error
            self._fail(failure)
            self._ready.set()

    def _fail(self, failure: EngineError) -> None:
        with self._lock:
            self._failure = failure
        active = [response for response in self._active if response is not None]
        jobs: list[Job] = [*self._scorings, *self._waiting, *active]
        while not self._inbox.empty():
            job = self._inbox.get()
            if job is not None:
                jobs.append(job)
        for job in jobs:
            job.deliver(EngineError(str(failure)))

    def _take(self, decoder: SlotDecoder) -> bool:
        """Read the inbox, waiting only when idle, and score what there is; False at the end.

        The last batch is not full: it waits for what came while the others were scored.
        """
        idle = not self._scorings and not self._waiting and not any(self._active)
        if idle:
            self._note(0)
        if not self._drain(wait=idle) or (idle and not self._linger(decoder)):
            return False
        if STOPPING.signal:
            self._refuse_waiting()
        batches = self._score_batches(decoder)
        scored: set[int] = set()
        for batch in batches[:-1] or batches:
            jobs = [self._scorings[place] for place in batch]
            self._score(decoder, [job for job in jobs if not job.abandoned])
            scored |= set(batch)
        self._scorings = [job for n, job in enumerate(self._scorings) if n not in scored]
        return True

    def _refuse_waiting(self) -> None:
        """The run is to end: what is in a slot may finish, nothing else begins."""
        waiting: list[Job] = [*self._scorings, *self._waiting]
        self._scorings = []
        self._waiting.clear()
        for job in waiting:
            job.deliver(EngineError("it was not begun, since the run is to end"))

    def _drain(self, *, wait: bool) -> bool:
        """Read the inbox; False at the end."""
        while wait or not self._inbox.empty():
            job = self._inbox.get()
            wait = False
            if job is None:
                return False
            if isinstance(job, Scoring):
                self._scorings.append(job)
            else:
                self._waiting.append(job)
        return True

    def _linger(self, decoder: SlotDecoder) -> bool:
        """Wait while more to score comes and fills no batch: the first of a thousand is alone."""
        while len(self._score_batches(decoder)) == 1:
            time.sleep(_LINGER_S)
            if self._inbox.empty():
                break
            if not self._drain(wait=False):
                return False
        return True

    def _score_batches(self, decoder: SlotDecoder) -> list[list[int]]:
        return decoder.batches([job.ids for job in self._scorings], to_score=True)

    def _score(self, decoder: SlotDecoder, jobs: list[Scoring]) -> None:
        if jobs:
            self._note(min(len(jobs), len(self._active)))
            results = decoder.score([(job.ids, job.num_continuation) for job in jobs])
            for job, (logprob, is_greedy) in zip(jobs, results, strict=True):
                job.deliver(Score(logprob, is_greedy, len(job.ids) - job.num_continuation))

    def _admit(self, decoder: SlotDecoder) -> None:
        """Prefill waiting responses into the free slots."""
        import torch

        while self._waiting and self._waiting[0].abandoned:
            self._waiting.popleft()
        for slot, response in enumerate(self._active):
            if response is not None and response.abandoned:
                self._active[slot] = None
        free = [slot for slot, response in enumerate(self._active) if response is None]
        num = min(len(self._waiting), len(free))
        enough = num == len(self._waiting) or num * _TOGETHER >= len(self._active)
        if not num or not enough:
            return
        entering = [self._waiting.popleft() for _ in range(num)]
        entering = [response for response in entering if not response.abandoned]
        self._read(dict.fromkeys(tuple(response.ids) for response in entering), decoder)
        # the lowest slots first, so that few rows are decoded when few are active
        slots = free[: len(entering)]
        for slot, response in zip(slots, entering, strict=True):
            decoder.enter(slot, self._prefills[tuple(response.ids)])
            self._active[slot] = response
        if entering:
            first = [self._prefills[tuple(response.ids)].logits for response in entering]
            self._advance(slots, entering, torch.stack(first))
        while len(self._prefills) > _REMEMBERED:
            self._prefills.popitem(last=False)

    def _read(self, prompts: Iterable[tuple[int, ...]], decoder: SlotDecoder) -> None:
        """Prefill the prompts that are not remembered."""
        fresh = []
        for ids in prompts:
            if ids in self._prefills:
                self._prefills.move_to_end(ids)
            else:
                fresh.append(ids)
        for batch in decoder.batches(fresh):
            together = [fresh[place] for place in batch]
            self._prefills.update(zip(together, decoder.prefill(together), strict=True))

    def _decode(self, decoder: SlotDecoder) -> None:
        """One token for every active response."""
        if not self._waiting:
            self._close_ranks(decoder)
        used = max(slot for slot, response in enumerate(self._active) if response is not None) + 1
        tokens, positions = [0] * used, [0] * used
        slots, responses = [], []
        for slot, response in enumerate(self._active[:used]):
            if response is not None:
                tokens[slot], positions[slot] = response.tokens[-1], response.position
                slots.append(slot)
                responses.append(response)
        if slots:
            logits = decoder.step(tokens, positions)[:used]
            self._advance(slots, responses, logits if len(slots) == used else logits[slots])

    def _close_ranks(self, decoder: SlotDecoder) -> None:
        """Move the last responses down where that saves rows: the tail of a step is long."""
        slots = [slot for slot, response in enumerate(self._active) if response is not None]
        rows = decoder.shapes.rows_for(len(slots))
        if rows >= decoder.shapes.rows_for(slots[-1] + 1):
            return
        free = (slot for slot in range(rows) if self._active[slot] is None)
        for source in [slot for slot in slots if slot >= rows]:
            response, target = self._active[source], next(free)
            assert response is not None
            decoder.move(source, target, response.position)
            self._active[target], self._active[source] = response, None

    def _advance(self, slots: list[int], responses: list[Response], logits: Any) -> None:
        """Draw the next token of each response, in its slot, from its row of logits."""
        numbers = uniforms(
            [response.request.seed for response in responses],
            [response.index for response in responses],
        )
        sampling = responses[0].sampling
        if all(response.sampling is sampling for response in responses):
            tokens = draw(logits, sampling, numbers).tolist()
        else:
            tokens = _draw_by_sampling(responses, logits, numbers)
        _note_logprobs(responses, tokens, logits)
        for slot, response, token in zip(slots, responses, tokens, strict=True):
            self._append(slot, response, token)

    def _append(self, slot: int, response: Response, token: int) -> None:
        """Give a response its next token; free the slot when that ends it."""
        try:
            reason = response.append(token)
        except Exception as error:  # of the request's own stop_when
            self._active[slot] = None
            response.deliver(error)
            return
        if reason is not None:
            self._active[slot] = None
            response.deliver(response.completion(reason))


def _note_logprobs(responses: list[Response], tokens: list[int], logits: Any) -> None:
    """Log-probabilities of the tokens drawn, for the responses that want them."""
    import torch

    rows = [row for row, response in enumerate(responses) if response.request.logprobs]
    if rows:
        drawn = torch.tensor([tokens[row] for row in rows], device=logits.device)
        for row, found in zip(rows, logprob(logits[rows], drawn), strict=True):
            responses[row].logprobs.append(found)


def _draw_by_sampling(responses: list[Response], logits: Any, numbers: Any) -> list[int]:
    """A token for each response, drawn together with those that are drawn alike."""
    groups: dict[Sampling, list[int]] = {}
    for row, response in enumerate(responses):
        groups.setdefault(response.sampling, []).append(row)
    tokens = [0] * len(responses)
    for sampling, rows in groups.items():
        for row, token in zip(
            rows, draw(logits[rows], sampling, numbers[rows]).tolist(), strict=True
        ):
            tokens[row] = token
    return tokens
