"""A server that fails on purpose: rehearse a run against it before paying for a real one.

It speaks the OpenAI API over the scripted ``fake`` models. ``docs/rehearse.md`` tells how:

    python tests/support/fault_server.py --model 'fake:teacher' --fault 429=0.05,cut=0.02

Tests start it with ``Server``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import dialects
import faults
import hostile
import logprobs
from aiohttp import web
from answers import Settings
from counting import Counts
from instant import Canned, Connection
from serving import Service
from starting import Server

from scalediff.core.errors import RecipeError
from scalediff.engines.fake import read_script

__all__ = ["Server", "main"]

_SET_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of Linux


def parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    kinds = "\n".join(f"  {kind:<14}{text}" for kind, text in faults.KINDS.items())
    scores = "\n".join(f"  {kind:<16}{text}" for kind, text in logprobs.SCORES.items())
    p = argparse.ArgumentParser(
        description="An OpenAI-compatible server over a scripted model, with faults on purpose.",
        epilog=f"faults:\n{kinds}\n\nscores:\n{scores}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = p.add_argument
    add("--model", default="fake:teacher", help="script of the model: fake:teacher?accuracy=0.9")
    add("--name", default="", help="served name (that of the script)")
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--seed", type=int, default=0, help="another seed, other faults and latencies")
    add("--api-key", default="", help="refuse calls without this key (401)")
    add("--instant", action="store_true", help="canned answers at full speed, without faults")
    d = p.add_argument_group("dialect").add_argument
    d("--reasoning", choices=dialects.REASONING, default="field", help="where the thought is")
    d("--score", choices=list(logprobs.SCORES), default="prompt_logprobs", help="see below")
    d("--no-tokenize", action="store_true", help="without /tokenize and /detokenize")
    d("--refuse", default="", metavar="FIELDS", help="answer 400 to these: top_k,min_p,seed")
    d("--strict-window", action="store_true", help="400 where prompt + max_tokens pass the window")
    t = p.add_argument_group("time").add_argument
    t("--latency", type=float, default=0.0, metavar="S", help="median seconds to the first byte")
    t("--sigma", type=float, default=0.0, help="its log-normal spread")
    t("--latency-cap", type=float, default=0.0, metavar="S", help="its most; 0 is no cap")
    t("--latency-each-try", action="store_true", help="drawn anew at each try of a request")
    t("--tokens-per-s", type=float, default=0.0, metavar="N", help="pace of a response; 0 is none")
    t("--capacity", type=int, default=0, metavar="N", help="429 over N in flight; 0 is no limit")
    f = p.add_argument_group("faults").add_argument
    f("--fault", default="", metavar="KIND=SHARE,...", help="shares of tries; kinds below")
    f("--poison", type=float, default=0.0, metavar="SHARE", help="requests that always get 500")
    f("--retry-after", type=float, default=1.0, metavar="S", help="what 429-after and -date ask")
    f("--drip-s", type=float, default=10.0, metavar="S", help="seconds of a slow-drip answer")
    f("--fail-until", type=float, default=0.0, metavar="S", help="503 for the first S seconds")
    f("--down-at", type=int, default=1, metavar="N", help="the try at which --down-for begins")
    f("--down-for", type=float, default=0.0, metavar="S", help="503 for S seconds, once")
    f("--tls-garbage-port", type=int, metavar="PORT", help="answers garbage to a TLS hello")
    h = p.add_argument_group("for good").add_argument
    modes = (*hostile.MODES, *hostile.MODELS)
    h("--mode", choices=modes, default="", metavar="MODE", help=f"one of {', '.join(modes)}")
    h("--mode-at", type=int, default=1, metavar="N", help="the call from which on it is met")
    h("--elsewhere", default="", metavar="URL", help="where the modes redirect-* lead")
    c = p.add_argument_group("counting").add_argument
    c("--counts", type=Path, metavar="FILE", help="a line for each try; kept over restarts")
    c("--parent", type=int, default=0, metavar="PID", help="end when this parent process ends")
    return p


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings that the arguments ask for.

    Raises:
        ValueError: Arguments that do not go together, or a value out of range.
    """
    if not args.model.startswith("fake:"):
        raise ValueError(f"--model {args.model}: give a script, such as fake:teacher")
    try:
        read_script(args.model.removeprefix("fake:"))
    except RecipeError as wrong:
        raise ValueError(str(wrong)) from None
    if args.instant and (args.fault or args.poison or args.capacity or args.down_for):
        raise ValueError("--instant knows no faults; leave --fault and the like out")
    return Settings(
        model=args.model,
        name=args.name or args.model.removeprefix("fake:").partition("?")[0],
        reasoning=args.reasoning,
        score=args.score,
        tokenize=not args.no_tokenize,
        strict_window=args.strict_window,
        refuse=tuple(filter(None, args.refuse.split(","))),
        api_key=args.api_key,
        capacity=args.capacity,
        tokens_per_s=args.tokens_per_s,
        lots=faults.Lots(
            seed=args.seed,
            shares=faults.read_shares(args.fault),
            poison=args.poison,
            latency_s=args.latency,
            sigma=args.sigma,
            latency_cap_s=args.latency_cap,
            each_try=args.latency_each_try,
        ),
        retry_after_s=args.retry_after,
        drip_s=args.drip_s,
        fail_until=args.fail_until,
        down_at=args.down_at,
        down_for=args.down_for,
        mode=args.mode,
        mode_at=args.mode_at,
        elsewhere=args.elsewhere,
    )


async def serve(args: argparse.Namespace, settings: Settings) -> None:
    """Serve until cancelled; the ready line is printed when calls are taken."""
    counts = Counts(args.counts)
    if args.instant:
        canned = Canned(settings)
        server = await asyncio.get_running_loop().create_server(
            lambda: Connection(canned, settings, counts), "127.0.0.1", args.port, backlog=4096
        )
        port = server.sockets[0].getsockname()[1]
    else:
        # a client that goes away ends the work on its request, as on a real server
        service = Service(settings, counts)
        runner = web.AppRunner(service.app(), access_log=None, handler_cancellation=True)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", args.port, backlog=4096)
        await site.start()
        port = runner.addresses[0][1]
    if args.tls_garbage_port is not None:
        await asyncio.start_server(_garbage, "127.0.0.1", args.tls_garbage_port)
    print(f"listening on http://127.0.0.1:{port}/v1#{settings.name}", flush=True)
    await asyncio.Event().wait()


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        await reader.read(64)
        writer.write(faults.GARBAGE)
        await writer.drain()
    writer.close()


def die_with(parent: int) -> None:
    """End this process as soon as its parent is gone, however that ended."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL) == 0
    except (OSError, AttributeError, TypeError):
        done = False
    if done and os.getppid() != parent:
        os._exit(0)  # it ended before it could be watched
    if not done:
        threading.Thread(target=_watch_stdin, daemon=True).start()


def _watch_stdin() -> None:
    # the parent holds the other end of the pipe and never writes: it reads empty when that closes
    sys.stdin.buffer.read()
    os._exit(0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve as the command line says, until interrupted."""
    p = parser()
    args = p.parse_args(arguments)
    try:
        settings = settings_of(args)
    except ValueError as wrong:
        p.error(str(wrong))
    if args.parent:
        die_with(args.parent)
    with contextlib.suppress(ImportError):
        import uvloop

        uvloop.install()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(args, settings))


if __name__ == "__main__":
    main()
