"""A server that fails as real ones do: ``python tests/support/fault_server.py --help``.

It speaks the OpenAI API over the scripted ``fake`` engine: to rehearse a run against 429s, cut
streams, resets, garbage, half-open sockets and kills before a real server does it, as
``docs/rehearse.md`` says. It prints ``listening on URL#NAME`` when it is ready.
"""

from __future__ import annotations

import argparse
import asyncio
import ctypes
import os
import signal
import ssl
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import dialects
import faults
import logprobs
from aiohttp import web
from counting import Counts
from instant import Instant, Tally
from serving import Service, Settings

_PR_SET_PDEATHSIG = 1


def parser() -> argparse.ArgumentParser:
    """The options."""
    kinds = "; ".join(f"{kind}: {what}" for kind, what in faults.KINDS.items())
    made = argparse.ArgumentParser(description=__doc__)
    add = made.add_argument
    add("--port", type=int, default=0, help="0 takes a free one")
    add("--model", default="fake:teacher", help="script of the fake engine")
    add("--name", default="teacher", help="name under which it is served")
    add("--reasoning", choices=dialects.REASONING, default="field", help="where the thought is")
    add("--score", choices=[*logprobs.SCORES], default="prompt_logprobs", help="dialect of scores")
    add("--no-tokenize", action="store_true", help="no /tokenize and /detokenize")
    add("--strict-window", action="store_true", help="refuse caps that the window has no room for")
    add("--refuse", action="append", default=[], metavar="FIELD", help="answer 400 to this field")
    add("--api-key", default="", help="the key that requests have to bring")
    add("--latency", type=float, default=0.0, metavar="S", help="median of a log-normal latency")
    add("--sigma", type=float, default=0.0, help="its spread")
    add("--latency-cap", type=float, default=0.0, metavar="S", help="it is this at most")
    add("--latency-each-try", action="store_true", help="drawn anew at each try")
    add("--tokens-per-s", type=float, default=0.0, help="pace of one answer")
    add("--capacity", type=int, default=0, help="429 over so many in flight")
    add("--fault", default="", metavar="KIND=SHARE,...", help=f"shares of tries. {kinds}")
    add("--poison", type=float, default=0.0, help="share of requests that get 500 on every try")
    add("--retry-after", type=float, default=1.0, metavar="S", help="what Retry-After says")
    add("--drip", type=float, default=10.0, metavar="S", help="seconds of a slow-drip")
    add("--down-for", type=float, default=0.0, metavar="S", help="503 for everything, so long")
    add("--down-at", type=int, default=0, metavar="N", help="from the N-th try on; 0: at the start")
    add("--seed", type=int, default=0, help="of the lots")
    add("--counts", type=Path, help="file that outlives the server: one line a try")
    add("--instant", action="store_true", help="canned answers, next to no work: for benchmarks")
    add("--tls-garbage", action="store_true", help="answer TLS with garbage: for https URLs")
    add("--die-with-parent", action="store_true", help="end when the process that started it does")
    return made


def settings_of(args: argparse.Namespace) -> Settings:
    """The settings that the options ask for."""
    lots = faults.Lots(
        seed=args.seed,
        shares=faults.read_shares(args.fault),
        poison=args.poison,
        latency_s=args.latency,
        sigma=args.sigma,
        latency_cap_s=args.latency_cap,
        each_try=args.latency_each_try,
    )
    return Settings(
        model=args.model,
        name=args.name,
        reasoning=args.reasoning,
        score=args.score,
        tokenize=not args.no_tokenize,
        strict_window=args.strict_window,
        refuse=args.refuse,
        api_key=args.api_key,
        capacity=args.capacity,
        tokens_per_s=args.tokens_per_s,
        lots=lots,
        retry_after_s=args.retry_after,
        drip_s=args.drip,
        fail_until=0.0 if args.down_at else args.down_for,
        down_at=args.down_at,
        down_for=args.down_for,
    )


async def serve(args: argparse.Namespace) -> None:
    """Serve until SIGTERM."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    settings = settings_of(args)
    runner: web.AppRunner | None = None
    if args.tls_garbage:
        server = await asyncio.start_server(_garbage, "127.0.0.1", args.port)
        port = server.sockets[0].getsockname()[1]
    elif args.instant:
        tally = Tally()
        made = await loop.create_server(
            lambda: Instant(settings.name, settings.lots, tally), "127.0.0.1", args.port
        )
        port = made.sockets[0].getsockname()[1]
    else:
        service = Service(settings, Counts(args.counts))
        runner = web.AppRunner(service.app(), handler_cancellation=True, access_log=None,
                               shutdown_timeout=0.1)  # fmt: skip
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", args.port, reuse_address=True, backlog=1024)
        await site.start()
        port = runner.addresses[0][1]
    scheme = "https" if args.tls_garbage else "http"
    print(f"listening on {scheme}://127.0.0.1:{port}/v1#{settings.name}", flush=True)
    await ended.wait()
    if runner is not None:
        await runner.cleanup()


async def _garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """What a plain server says to a TLS hello."""
    with suppress(ConnectionError, ssl.SSLError):
        await reader.read(64)
        writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
    writer.close()


def main() -> None:
    """Read the options and serve."""
    options = parser()
    args = options.parse_args()
    if args.die_with_parent and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() == 1:
            return
    try:
        faults.read_shares(args.fault)
    except ValueError as error:
        options.error(str(error))
    loop_factory = None
    with suppress(ImportError):
        import uvloop

        loop_factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=loop_factory) as runner:
        runner.run(serve(args))


if __name__ == "__main__":
    main()
