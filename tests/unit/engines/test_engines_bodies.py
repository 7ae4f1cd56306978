"""Bodies are read in bounded memory, and JSON as far as it can be."""

import asyncio
import gzip
import math
import zlib
from types import SimpleNamespace

import pytest

from scalediff.engines import bodies
from scalediff.engines.bodies import Bodies, Bounds, count_of, load_json
from scalediff.engines.trying import TryError

SMALL = Bounds(body=1000, stream=5000, drip_s=0.2)


class Body:
    """A response whose body comes in these parts."""

    content_length = None

    def __init__(self, *parts, encoding="identity", pause=0.0):
        self.headers = {"Content-Encoding": encoding}
        self.content = SimpleNamespace(iter_any=self._iter, is_eof=lambda: False)
        self.parts, self.pause, self.num_read, self.closed = parts, pause, 0, False

    async def _iter(self):
        for part in self.parts:
            await asyncio.sleep(self.pause)
            self.num_read += 1
            yield part

    def close(self):
        self.closed = True


def whole(body, bounds=SMALL, reader=None):
    return asyncio.run((reader or Bodies()).whole(body, bounds))


def lines(body, bounds=SMALL):
    async def go():
        return [line async for line in Bodies().lines(body, bounds)]

    return asyncio.run(go())


def packed(data, encoding):
    if encoding == "deflate":
        return zlib.compress(data)
    return gzip.compress(data) if encoding == "gzip" else data


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
@pytest.mark.parametrize("size", [0, 1, 999, 1000])
def test_what_is_within_bounds_is_read_however_it_is_packed(encoding, size):
    data = packed(b"x" * size, encoding)
    parts = [data[i : i + 7] for i in range(0, len(data), 7)]
    assert whole(Body(*parts, encoding=encoding)) == b"x" * size
    assert lines(Body(*parts, encoding=encoding)) == [b"x" * size]


@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
def test_what_is_over_them_is_given_up_and_the_connection_closed(encoding):
    body = Body(packed(b"x" * 1001, encoding), b"", encoding=encoding)
    with pytest.raises(TryError, match="over 1 kB") as error:
        whole(body)
    assert error.value.is_whole
    assert body.closed


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
def test_what_is_packed_otherwise_is_none(encoding):
    with pytest.raises(TryError, match="was not asked for"):
        whole(Body(b"x", encoding=encoding))
    with pytest.raises(TryError, match="no valid gzip"):
        whole(Body(b"no gzip at all", encoding="gzip"))


def test_a_line_and_a_stream_have_an_end():
    assert lines(Body(b"a\nb", b"c\n", b"\nd")) == [b"a", b"bc", b"", b"d"]
    long = Body(*[b"x" * 100] * 100)
    with pytest.raises(TryError, match="a line of the stream"):
        lines(long)
    assert long.num_read == 11
    endless = Body(*[b"x\n" * 100] * 1000)
    with pytest.raises(TryError, match="the answer is over"):
        lines(endless)
    assert endless.num_read == 26


def test_blanks_keep_an_answer_alive_and_a_trickle_does_not():
    assert whole(Body(*[b"\n"] * 9, b"{}", pause=0.05)) == b"{}"
    with pytest.raises(TryError, match="trickles in"):
        whole(Body(*[b"x"] * 100, pause=0.02))


def test_all_under_way_together_are_bounded(monkeypatch):
    monkeypatch.setattr(bodies, "_FREE", 100)
    monkeypatch.setattr(bodies, "_MOST_HELD", 2000)
    reader = Bodies()
    many = [Body(*[b"x" * 50] * 20, pause=0.001) for _ in range(10)]

    async def go():
        todo = (reader.whole(body, SMALL) for body in many)
        return await asyncio.gather(*todo, return_exceptions=True)

    done = asyncio.run(go())
    assert any(isinstance(d, TryError) for d in done)
    assert reader._held == 0
    assert whole(Body(*[b"x" * 50] * 20), reader=reader) == b"x" * 1000  # there is room again


def test_an_error_holds_nothing_of_what_was_read():
    import tracemalloc

    tracemalloc.start()
    with pytest.raises(TryError) as error:
        whole(Body(*[bytes(2**20)] * 9), Bounds(body=2**23))
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert error.value.is_whole
    assert held < 2**21  # the body's own part apart


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b'{"a": "\\ud800 x"}', {"a": "\ufffd x"}),
        (b'{"\\udc00": "\\ud83d\\ude00"}', {"\ufffd": "\U0001f600"}),
        (b'["\xff"]', ["\ufffd"]),
        (b"[NaN]", [math.nan]),
        (b"[-Infinity, Infinity]", [-math.inf, math.inf]),
        (b"[" + b"9" * 5000 + b"]", ["9" * 5000]),
        (b'"\\u0000"', "\0"),
    ],
)
def test_nearly_json_is_read(text, value):
    assert repr(load_json(text)) == repr(value)


@pytest.mark.parametrize("text", [b"", b"{", b"<html>", b"[" * 100_000, b'{"a": 1} x', b"\x00\xff"])
def test_what_is_no_json_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\S"):
        load_json(text)


@pytest.mark.parametrize(
    ("value", "count"),
    [(0, 0), (7, 7), (7.0, 7), ("7", 7), (-1, None), (-0.5, None), (7.5, None), (True, None),
     (2**64 - 1, None), (1e300, None), (math.nan, None), (math.inf, None), ("-7", None),
     ("7x", None), ("9" * 5000, None), (None, None), ([7], None), ({}, None), ("²", None)],
)  # fmt: skip
def test_a_count_is_a_number_that_can_be(value, count):
    assert count_of(value) == count
