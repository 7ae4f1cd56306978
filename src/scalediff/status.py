"""``scalediff status RUN``: how a run is, seen from elsewhere; nothing is written.

All is read from what the run writes anyway: the manifest, the steps' seals, and ``events.jsonl``.
"""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from scalediff.core.errors import DamagedError, RunStateError
from scalediff.core.secrets import mask
from scalediff.io.lock import holder_of
from scalediff.io.run import Run, read_json
from scalediff.notices import clock
from scalediff.report.words import amount, duration

_SILENT_S = 60.0
"""Seconds without an event after which a run elsewhere is not called alive: it writes one every
ten."""
_WARNINGS = 5


@dataclass
class StepStatus:
    """How one step is.

    Attributes:
        name: Its name.
        state: ``done``, ``working``, ``stopped`` (begun, and nobody works on it) or ``waiting``.
        done: Units finished; None where that is not known.
        total: Units in all; None where that is not known.
        rate: Units a second, in this invocation.
        seconds_left: At this rate; None where nothing moves.
        tokens: Prompt and sampled tokens so far.
        cost: Money so far.
        in_flight: Requests under way.
        retries: Tries after the first, by cause.
    """

    name: str
    state: str = "waiting"
    done: int | None = None
    total: int | None = None
    rate: float | None = None
    seconds_left: float | None = None
    tokens: int = 0
    cost: float = 0.0
    in_flight: int | None = None
    retries: dict[str, int] = field(default_factory=dict)

    @property
    def remaining(self) -> int | None:
        """Units that are left; None where that is not known."""
        known = self.total is not None and self.done is not None
        return max(0, (self.total or 0) - (self.done or 0)) if known else None


@dataclass
class Status:
    """How a run is.

    Attributes:
        run: Its directory.
        name: Of its recipe or command.
        alive: Whether a process works on it; None where that cannot be told from here.
        pid: That process, or the last one.
        host: Where it is, or was.
        last_event: Seconds since the epoch of the last event; None without any.
        steps: Its steps in order.
        held: What holds it up now, as events say it.
        warnings: The last ones.
        last_error: The sentence that the last invocation ended with; empty where it did not.
    """

    run: str
    name: str = ""
    alive: bool | None = False
    pid: int | None = None
    host: str = ""
    last_event: float | None = None
    steps: list[StepStatus] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    last_error: str = ""

    def as_json(self) -> str:
        """The same for programs."""
        steps = [{**asdict(step), "remaining": step.remaining} for step in self.steps]
        return mask(json.dumps({**asdict(self), "steps": steps}, indent=2, ensure_ascii=False))


def status_of(folder: Path) -> Status:
    """How the run in a folder is.

    Raises:
        RunStateError: It is no run directory.
    """
    if not folder.exists() and folder.with_name(folder.name + ".run").is_dir():
        folder = folder.with_name(folder.name + ".run")
    run = Run(folder, create=False)
    manifest = run.manifest
    events = list(run.events())
    found = Status(str(folder), str(manifest.get("recipe") or manifest.get("command") or ""))
    found.last_event = events[-1]["time"] if events else None
    starts = [event for event in events if event["event"] == "go"]
    begun: dict[str, Any] = starts[-1] if starts else {}
    holder = holder_of(folder)
    found.pid = (holder and holder.pid) or begun.get("pid")
    found.host = (holder and holder.host) or str(begun.get("host") or "")
    found.alive = holder is not None or _seems_alive(found, events)
    last = _last_invocation(events)
    names = [*manifest.get("order", [])] or [*manifest.get("steps", {})]
    found.steps = [_step(run, name, events, last, alive=found.alive is not False) for name in names]
    if found.alive is not False:
        found.held = _held(last)
    found.last_error = next(
        (str(e["message"]) for e in reversed(last) if e["event"] == "error"), ""
    )
    found.warnings = _warnings(run, events)
    return found


def _last_invocation(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    starts = [n for n, event in enumerate(events) if event["event"] == "go"]
    return events[starts[-1] :] if starts else events


def _seems_alive(found: Status, events: list[dict[str, Any]]) -> bool | None:
    """None where another machine, whose lock may not be seen here, was at work a moment ago."""
    elsewhere = found.host not in ("", socket.gethostname())
    ended = bool(events) and events[-1]["event"] == "stop"
    if not elsewhere or ended or found.last_event is None:
        return False
    return None if time.time() - found.last_event < _SILENT_S else False


def _step(
    run: Run, name: str, events: list[dict[str, Any]], last: list[dict[str, Any]], *, alive: bool
) -> StepStatus:
    step = StepStatus(name)
    mine = [event for event in events if event.get("step") == name]
    begun = next((e for e in reversed(mine) if e["event"] == "begin"), None)
    ended = next((e for e in reversed(mine) if e["event"] == "end"), None)
    if begun is not None:
        folder = run.step(name, str(begun["key"]))
        _add_spent(step, folder.spent)
    entry = run.manifest.get("steps", {}).get(name)
    if (ended is not None and (begun is None or ended["time"] >= begun["time"])) or (
        entry and not begun
    ):
        step.state = "done"
        step.done = step.total = int((ended or {}).get("in", 0)) or None
        return step
    if begun is None:
        return step
    is_now = alive and begun in last
    step.state = "working" if is_now else "stopped"
    moves = [e for e in mine if e["event"] == "progress" and e["time"] >= begun["time"]]
    if moves:
        _add_progress(step, moves, is_now=is_now)
    return step


def _add_spent(step: StepStatus, spent: dict[str, Any]) -> None:
    step.tokens += int(spent.get("new", 0) + spent.get("prompt", 0))
    step.cost += float(spent.get("cost", 0.0))


def _add_progress(step: StepStatus, moves: list[dict[str, Any]], *, is_now: bool) -> None:
    first, now = moves[0], moves[-1]
    step.done, step.total = now.get("done"), now.get("total")
    if not is_now:
        return
    _add_spent(step, now)  # of this invocation, which has not ended and entered its sum
    step.in_flight = now.get("in_flight")
    step.retries = dict(now.get("causes") or {})
    seconds = now["time"] - first["time"]
    if seconds > 0:
        step.rate = (now["done"] - first["done"]) / seconds
        if step.rate > 0 and step.remaining is not None:
            step.seconds_left = step.remaining / step.rate


def _held(last: list[dict[str, Any]]) -> list[dict[str, Any]]:
    now: dict[tuple[str, str], dict[str, Any]] = {}
    for event in last:
        if event["event"] == "held":
            now[event["held"], event["who"]] = event
        elif event["event"] == "free":
            now.pop((event["held"], event["who"]), None)
    return [*now.values()]


def _warnings(run: Run, events: list[dict[str, Any]]) -> list[str]:
    summary: dict[str, Any] = {}
    with suppress(DamagedError):
        summary = read_json(run.path / "summary.json") or {}
    told = [
        str(w.get("text") or w.get("name"))
        for w in summary.get("warnings", [])
        if isinstance(w, dict)
    ]
    told += [str(e.get("message", "")) for e in events if e["event"] in ("note", "damage")]
    return told[-_WARNINGS:]


def render(status: Status) -> str:
    """How a run is, for people."""
    lines = [f"{status.run}: {status.name or 'a run'}, {_life(status)}"]
    width = max((len(step.name) for step in status.steps), default=0)
    lines += [f"  {step.name:<{width}}  {_text(step)}" for step in status.steps]
    for held in status.held:
        until = f", asked again at {clock(held['until'])}" if held.get("until") else ""
        lines.append(f"HELD UP ({held['held']}): {held['who']}: {held['why']}{until}")
    lines += [f"WARNING {text}" for text in status.warnings]
    if status.last_error:
        lines.append(f"last error: {status.last_error}")
    return mask("\n".join(lines))


def _life(status: Status) -> str:
    seen = ""
    if status.last_event is not None:
        seen = f", last event {duration(max(0.0, time.time() - status.last_event))} ago"
    where = f"process {status.pid}" if status.pid else "a process"
    where += f" on {status.host}" if status.host else ""
    if status.alive:
        return f"AT WORK ({where}{seen})"
    if status.alive is None:
        return f"seems at work elsewhere ({where}{seen})"
    whole = status.steps and all(step.state == "done" for step in status.steps)
    return f"{'done' if whole else 'not at work'}{seen}"


def _text(step: StepStatus) -> str:
    parts = [step.state]
    if step.done is not None and step.state != "done":
        of = f" of {step.total:,}, {step.remaining:,} remaining" if step.total else ""
        parts.append(f"{step.done:,}{of}")
    elif step.total:
        parts.append(f"{step.total:,}")
    if step.rate:
        parts.append(f"{step.rate:,.1f}/s")
    if step.seconds_left is not None:
        parts.append(f"{duration(step.seconds_left)} left")
    if step.tokens:
        parts.append(f"{amount(step.tokens)} tokens")
    if step.cost:
        parts.append(f"cost {step.cost:,.2f}")
    if step.in_flight:
        parts.append(f"{step.in_flight:,} in flight")
    if step.retries:
        parts.append("retried: " + " ".join(f"{why} {n:,}" for why, n in step.retries.items()))
    return ", ".join(parts)


def show(folder: Path, *, as_json: bool, watch: float | None) -> None:
    """Print how a run is; with ``watch`` again every so many seconds, until a signal comes."""
    while True:
        try:
            found = status_of(folder)
        except RunStateError:
            if watch is None or folder.exists():
                raise
            found = Status(str(folder))
        text = found.as_json() if as_json else render(found)
        print(text if watch is None or as_json else f"\x1b[H\x1b[2J{text}", flush=True)
        if watch is None:
            return
        with suppress(InterruptedError):
            time.sleep(watch)
