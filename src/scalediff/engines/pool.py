"""Several servers of one model as one: whose turn it is, who is set aside, and what is tried again.

Each request goes to the server with the most room; one that cannot be reached is set aside and
probed until it answers, and what it owed goes to the others. While none can be reached requests
wait, each of them silent, for a stated time. Waiting costs no try: an outage is followed by no
storm of retries.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TypeVar

from scalediff.core.engine import Usage
from scalediff.core.errors import EngineError, RequestError
from scalediff.core.stopping import STOPPING
from scalediff.engines.conditions import cause_of, conditions_of
from scalediff.engines.endpoint import Endpoint
from scalediff.engines.refusals import ENDPOINT
from scalediff.engines.trying import TryError

_FAILED_IN_A_ROW = 8
"""Failures without an answer in between after which a server is probed before it gets more."""
_FIRST_PROBE_S, _LONGEST_PROBE_S = 0.25, 15.0
_FIRST_BACKOFF_S, _LONGEST_BACKOFF_S = 0.25, 30.0
_BUSY_TRIES = 40
"""Times that a request is told to come back before it is put back: pauses grow in between, and the
whole server pauses where it says for how long."""
_LOOK_S = 0.5
_STOPPING = "it was not sent, since the run is to end"

T = TypeVar("T")
Send = Callable[[Endpoint], Awaitable[T]]


class Pool:
    """Hands requests to servers and tries again what may pass.

    Args:
        members: The servers.
        tries: Tries of a request at most, those that found no server left out.
        patience_s: Seconds that requests wait while no server can be reached.
        usage: Counts that are kept up to date.
        serves: Asks a server something that anybody may ask; whether it is answered.
    """

    def __init__(
        self,
        members: Sequence[Endpoint],
        tries: int,
        patience_s: float,
        usage: Usage,
        serves: Callable[[Endpoint], Awaitable[bool]],
    ) -> None:
        self.members = list(members)
        self._serves = serves
        self._tries = tries
        self._patience_s = patience_s
        self._usage = usage
        self._waiting: deque[asyncio.Future[Endpoint]] = deque()
        self._probes: dict[Endpoint, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._wake_at = float("inf")
        self._turn = 0
        self._ended: tuple[float, Callable[[], Exception]] | None = None
        self._under_way: dict[asyncio.Timeout, tuple[float, Endpoint, int, int]] = {}
        self._watch: asyncio.Task[None] | None = None
        self._stops = asyncio.Event()
        self._forget: Callable[[], None] | None = None
        self._tell_limit()

    async def run(self, send: Callable[[Endpoint], Awaitable[T]], cap: int) -> T:
        """Have a request answered.

        Args:
            send: One try at a server.
            cap: Tokens that the answer may have, for its deadline.

        Raises:
            TryError: The server refuses the request (``kind`` is ``refused``).
            RequestError: It failed try after try while others were answered.
            EngineError: No server answers.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        tries = busy = late = suspect = 0
        while True:
            again = tries + busy > 0
            member = await self._acquire(again=again)
            self._usage.retries += again
            sent = loop.time()
            try:
                return await self._one(member, send, cap, late)
            except TryError as error:
                self._usage.wasted_tokens += error.num_tokens
                if error.kind == "refused":
                    if not self._others_may(member, error):
                        raise
                    continue
                self._note_failure(member, error, sent)
                busy += error.kind == "busy"
                tries += error.kind != "busy"
                late += error.kind == "late"
                suspect += error.kind in ("broken", "late")
                if tries >= self._tries or busy >= _BUSY_TRIES:
                    text = f"{member.shown}: {error} (after {tries + busy} tries)"
                    is_own = 2 * suspect >= tries + busy and await self._fails_alone(member, began)
                    raise (RequestError if is_own else EngineError)(text) from None
                pause = 0.0 if error.is_unreachable else _backoff(max(tries, busy))
            finally:
                self._release(member)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stops.wait(), pause)
            if self._ended is not None and self._ended[0] >= began:
                raise self._ended[1]()

    def _others_may(self, member: Endpoint, error: TryError) -> bool:
        """Whether others are asked instead of one whose account or model is in trouble.

        It is set aside until it answers again, so that no row has to meet it.
        """
        others = [m for m in self.members if m is not member and not m.is_down]
        if error.trouble not in ENDPOINT or not others:
            return False
        self._set_aside(member, str(error), asks=True)
        return True

    async def _fails_alone(self, member: Endpoint, began: float) -> bool:
        """Whether the servers answer others: they did meanwhile, or do if asked a small thing."""
        return any(m.answered_at > began for m in self.members) or await self._serves(member)

    async def close(self) -> None:
        """End the probes and fail whoever still waits."""
        if self._forget is not None:
            self._forget()
            self._forget = None
        tasks = [*self._probes.values(), *([self._watch] if self._watch else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._timer is not None:
            self._timer.cancel()
        self._fail_waiting("the engine is closed")

    async def _one(
        self, member: Endpoint, send: Callable[[Endpoint], Awaitable[T]], cap: int, late: int
    ) -> T:
        """One try, ended when it is late: a watch looks at all of them, as speeds become known."""
        loop = asyncio.get_running_loop()
        if self._watch is None:
            self._watch = loop.create_task(self._watch_deadlines())
            end = partial(self._fail_waiting, _STOPPING)
            self._forget = STOPPING.hear(partial(loop.call_soon_threadsafe, end))
            self._usage.conditions = lambda: conditions_of(self.members, loop.time())
        sent = loop.time()
        self._usage.tries += 1
        try:
            async with asyncio.timeout(None) as deadline:
                self._under_way[deadline] = (sent, member, cap, late)
                try:
                    answer = await send(member)
                finally:
                    del self._under_way[deadline]
        except asyncio.CancelledError:
            self._usage.abandoned += 1
            raise
        except TimeoutError:
            seconds = loop.time() - sent
            raise TryError("late", f"no answer within {seconds:.0f} s") from None
        member.num_failed = member.num_pauses = 0
        member.answered_at = loop.time()
        member.failing_since = None
        return answer

    async def _watch_deadlines(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(_LOOK_S)
            now = loop.time()
            for deadline, (sent, member, cap, late) in [*self._under_way.items()]:
                if now - sent > member.speeds.deadline_s(cap, late):
                    with contextlib.suppress(RuntimeError):  # it ended in this very turn
                        deadline.reschedule(now)

    async def _acquire(self, *, again: bool) -> Endpoint:
        """A server with room; requests that come again go before new ones."""
        loop = asyncio.get_running_loop()
        if STOPPING.signal:
            raise EngineError(_STOPPING)
        if not self._waiting:
            member = self._best(loop.time())
            if member is not None:
                return self._enter(member)
        place: asyncio.Future[Endpoint] = loop.create_future()
        if again:
            self._waiting.appendleft(place)
        else:
            self._waiting.append(place)
        self._usage.waiting += 1
        self._arm(loop.time())
        try:
            return await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled() and place.exception() is None:
                self._release(place.result())
            raise
        finally:
            self._usage.waiting -= 1

    def _enter(self, member: Endpoint) -> Endpoint:
        member.in_flight += 1
        self._usage.in_flight += 1
        return member

    def _release(self, member: Endpoint) -> None:
        member.in_flight -= 1
        self._usage.in_flight -= 1
        if self._waiting:
            self._wake()

    def _best(self, now: float) -> Endpoint | None:
        """The member with the most room in proportion; equals take turns."""
        if len(self.members) == 1:
            return self.members[0] if self.members[0].has_room(now) else None
        self._turn += 1
        n = len(self.members)
        order = (self.members[(self._turn + i) % n] for i in range(n))
        free = [m for m in order if m.has_room(now)]
        return min(free, key=lambda m: m.in_flight / m.limit.value) if free else None

    def _wake(self) -> None:
        """Give waiting requests what room there is."""
        now = asyncio.get_running_loop().time()
        while self._waiting:
            if self._waiting[0].done():
                self._waiting.popleft()
                continue
            member = self._best(now)
            if member is None:
                break
            self._waiting.popleft().set_result(self._enter(member))
        if self._waiting:
            self._arm(now)

    def _arm(self, now: float) -> None:
        """Wake up when the next pause ends: nobody else may come by until then."""
        pauses = [m.paused_until for m in self.members if not m.is_down and m.paused_until > now]
        if not pauses or min(pauses) >= self._wake_at:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._wake_at = min(pauses)
        self._timer = asyncio.get_running_loop().call_at(self._wake_at, self._rise)

    def _rise(self) -> None:
        self._timer, self._wake_at = None, float("inf")
        self._wake()

    def note_answer(self, member: Endpoint, seconds: float, num_tokens: int) -> None:
        """An answer came: speeds and limits learn from it."""
        member.speeds.note(num_tokens, seconds)
        full = member.in_flight >= member.limit.value
        before = member.limit.value
        member.limit.succeeded(seconds, num_tokens, full=full)
        if member.limit.value != before:
            self._tell_limit()
            self._wake()

    def _note_failure(self, member: Endpoint, error: TryError, sent: float) -> None:
        now = asyncio.get_running_loop().time()
        self._usage.causes[cause_of(error)] += 1
        member.why = str(error)
        if member.failing_since is None:
            member.failing_since = now
        member.num_failed += sent >= member.fresh_since
        if error.kind in ("busy", "late"):
            member.limit.congested(sent, now)
            self._tell_limit()
        if error.kind == "busy":
            after_s = error.after_s or 0.0
            if member.num_failed >= _FAILED_IN_A_ROW and now >= member.paused_until:
                # nothing gets through: leave it alone, longer each time
                member.num_pauses += 1
                after_s = max(after_s, _backoff(member.num_pauses))
                member.num_failed = 0
                member.fresh_since = now + after_s
            member.paused_until = max(member.paused_until, now + after_s)
        elif error.is_unreachable or member.num_failed >= _FAILED_IN_A_ROW:
            self._set_aside(member, str(error))

    def _tell_limit(self) -> None:
        self._usage.limit = sum(m.limit.value for m in self.members)

    def _set_aside(self, member: Endpoint, why: str, *, asks: bool = False) -> None:
        """Leave a server alone until it answers a probe; with ``asks`` a question to the model."""
        if member.is_down:
            return
        member.is_down = True
        member.why = why
        task = asyncio.get_running_loop().create_task(self._probe(member, why, asks=asks))
        self._probes[member] = task

    async def _probe(self, member: Endpoint, why: str, *, asks: bool) -> None:
        """Ask until somebody answers; give up for whoever waits when patience ends."""
        loop = asyncio.get_running_loop()
        since, pause = loop.time(), _LONGEST_PROBE_S if asks else _FIRST_PROBE_S
        while True:
            await asyncio.sleep(random.uniform(0.5, 1.0) * pause)
            if asks:
                if await self._serves(member):
                    break
            else:
                status, _ = await member.get("/models", timeout_s=10.0)
                if 0 < status < 500 or status == 501:
                    break
            pause = min(2 * pause, _LONGEST_PROBE_S)
            nobody = all(m.is_down for m in self.members)
            if nobody and loop.time() - since > self._patience_s:
                self._fail_waiting(f"{member.shown} has not answered for {self._patience_s:.0f} s, "
                                   f"last: {why}")  # fmt: skip
        member.is_down = False
        member.failing_since = None
        member.num_failed = 0
        member.fresh_since = loop.time()  # what was sent before went down with it
        del self._probes[member]
        self._wake()

    def _fail_waiting(self, text: str) -> None:
        self.stop(lambda: EngineError(text))

    def stop(self, error: Callable[[], Exception]) -> None:
        """Fail what waits for a turn or would be tried again; what is under way may finish."""
        self._ended = (asyncio.get_running_loop().time(), error)
        self._stops.set()  # who pauses before another try wakes, and the next one pauses anew
        self._stops.clear()
        while self._waiting:
            place = self._waiting.popleft()
            if not place.done():
                place.set_exception(error())


def _backoff(n: int) -> float:
    """Seconds before try ``n + 1``: exponential, with full jitter so that nobody comes together."""
    longest = min(_LONGEST_BACKOFF_S, _FIRST_BACKOFF_S * 2.0 ** min(n, 16))
    return random.uniform(0.1, 1.0) * longest
