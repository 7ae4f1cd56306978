"""Opening a log of a million attempts: ``python bench/ledger.py``.

Writes an index of so many records of 42 kB beside a payload file that is all hole but for the last
headers (``ftruncate``; its 42 GB take no room, and its checksums are those of zeros), then opens it
in a process of its own and prints seconds, growth of memory and lookups a second. Prints Markdown.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
import zlib
from pathlib import Path

from scalediff.io.log import KeyedLog
from scalediff.io.log_records import HEADER, Place, header

PAYLOAD = 42_000
CHECKED = 1000
"""Records whose headers are there: more than are looked at when a log is opened."""


def make(path: Path, records: int) -> None:
    """The two files, as that many appends would leave them."""
    crc, size = zlib.crc32(bytes(PAYLOAD)), HEADER.size + PAYLOAD
    with open(path.with_suffix(".idx"), "wb") as index, open(path.with_suffix(".log"), "wb") as log:
        os.ftruncate(log.fileno(), records * size)
        for i in range(records):
            key = hashlib.sha256(b"%d" % i).digest()[:16]
            place = Place(key, i, i * size + HEADER.size, PAYLOAD, 0, crc)
            index.write(place.pack())
            if i >= records - CHECKED:
                os.pwrite(log.fileno(), header(place), i * size)


def resident() -> int:
    """Bytes of memory that this process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def open_once(path: Path, records: int) -> None:
    """Open, look up, and print a row of the table."""
    import numpy as np

    np.arange(10).argsort(kind="stable")  # the library itself is not the log's
    before, began = resident(), time.perf_counter()
    log = KeyedLog(path)
    seconds, grown = time.perf_counter() - began, resident() - before
    began = time.perf_counter()
    found = sum(str(i) in log for i in range(0, records, max(1, records // 20_000)))
    num = len(range(0, records, max(1, records // 20_000)))
    assert found == num
    rate = num / (time.perf_counter() - began)
    print(f"| {records:,} | {seconds:.2f} | {grown / 1e6:.0f} MB | {grown / records:.0f} "
          f"| {rate:,.0f} |", flush=True)  # fmt: skip


def main() -> None:
    """Make and open logs of several sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, nargs="*", default=[100_000, 1_000_000])
    parser.add_argument("--open", type=Path, help="(the child process)")
    args = parser.parse_args()
    if args.open:
        open_once(args.open, args.records[0])
        return
    print("| records of 42 kB | open, s | memory | bytes a record | lookups a second |")
    print("|---|---|---|---|---|", flush=True)
    for records in args.records:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "attempts"
            make(path, records)
            options = ["--open", str(path), "--records", str(records)]
            subprocess.run([sys.executable, __file__, *options], check=True)


if __name__ == "__main__":
    main()
