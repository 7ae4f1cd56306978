"""A dataset folder that ``datasets.load_dataset`` reads: Parquet shards, card, provenance."""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from scalediff import __version__
from scalediff.core.records import Row
from scalediff.io.exports import write_jsonl
from scalediff.io.run import write_json

FIRST = ("problem", "solution", "answer")
"""Columns of the published set; ours follow."""

_TYPED = {
    "key": pa.string(),
    "solution_from": pa.string(),
    "flagged": pa.bool_(),
    "confidence": pa.float64(),
    "p_think": pa.float64(),
    "problem_id": pa.string(),
}
SPLITS = ("generated", "original")


def write_dataset(
    folder: Path,
    rows: Sequence[Row],
    *,
    formats: Sequence[str],
    rows_per_shard: int,
    prompt: Callable[[str], str],
    about: Mapping[str, Any],
) -> None:
    """Write the folder, whole or not at all.

    Args:
        folder: Where it will be; an older one is replaced.
        rows: With ``split``, ``problem``, ``solution``, ``answer`` and more.
        formats: ``messages``, ``prompt-completion`` or ``sharegpt``, written beside the shards.
        rows_per_shard: Rows of one Parquet file.
        prompt: The user turn of a problem, for the further formats.
        about: What made it, for the card.
    """
    temporary = folder.with_name(folder.name + ".tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    (temporary / "data").mkdir(parents=True)
    present = []
    for split in SPLITS:
        mine = [row for row in rows if row["split"] == split]
        if mine:
            present.append(split)
            _write_shards(temporary / "data", split, mine, rows_per_shard)
        for name in formats:
            path = temporary / "formats" / name / f"{split}.jsonl"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_jsonl(path, (_shaped(row, name, prompt) for row in mine))
    (temporary / "README.md").write_text(_card(rows, present, about), encoding="utf-8")
    write_json(temporary / "provenance.json", _provenance(rows, about))
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(temporary, folder)


def _write_shards(folder: Path, split: str, rows: Sequence[Row], size: int) -> None:
    shards = -(-len(rows) // size)
    schema = pa.schema(
        [(name, pa.string()) for name in FIRST] + list(_TYPED.items()) + [("extra", pa.string())]
    )
    for number in range(shards):
        part = [_flat(row) for row in rows[number * size : (number + 1) * size]]
        table = pa.Table.from_pylist(part, schema=schema)
        path = folder / f"{split}-{number:05d}-of-{shards:05d}.parquet"
        pq.write_table(table, path, compression="zstd", row_group_size=2_000)


def _flat(row: Row) -> Row:
    """Our columns typed, the rest in one JSON column."""
    flat = {name: row.get(name) for name in (*FIRST, *_TYPED)}
    flat["answer"] = None if row.get("answer") is None else str(row["answer"])
    extra = {name: value for name, value in row.items() if name not in flat and name != "split"}
    flat["extra"] = orjson.dumps(extra, default=str).decode() if extra else None
    return flat


def _shaped(row: Row, name: str, prompt: Callable[[str], str]) -> Row:
    user, solution = prompt(row["problem"]), row["solution"]
    if name == "messages":
        turns = [("role", "content", "user", user), ("role", "content", "assistant", solution)]
        return {"key": row["key"], "messages": [{a: c, b: d} for a, b, c, d in turns]}
    if name == "sharegpt":
        turns = [("from", "value", "human", user), ("from", "value", "gpt", solution)]
        return {"key": row["key"], "conversations": [{a: c, b: d} for a, b, c, d in turns]}
    return {"key": row["key"], "prompt": user, "completion": solution}


def _provenance(rows: Sequence[Row], about: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **about,
        "scalediff": __version__,
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "rows": dict(Counter(row["split"] for row in rows)),
        "solutions": dict(Counter(row["solution_from"] for row in rows)),
        "flagged": sum(bool(row["flagged"]) for row in rows),
    }


def _card(rows: Sequence[Row], splits: Sequence[str], about: Mapping[str, Any]) -> str:
    """The card: a front matter that names the files of each split, and what the rows are."""
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in splits]
    front = yaml.safe_dump(
        {"configs": [{"config_name": "default", "data_files": files}]}, sort_keys=False
    )
    counts = Counter(row["split"] for row in rows)
    told = _provenance(rows, about)
    notice = (
        "\n**LABORATORY**: a small closed world; it says nothing about large models.\n"
        if about.get("laboratory")
        else ""
    )
    return f"""---
{front}---
# Difficult reasoning problems made with scalediff
{notice}
| split | rows |
|---|---|
| generated | {counts["generated"]:,} |
| original | {counts["original"]:,} |

`problem`, `solution` and `answer` are the columns to train on. A solution from a teacher holds its
thought between `<think>` and `</think>`; {told["flagged"]:,} originals keep a text of their own and
are `flagged`. `confidence` is the share of the teacher's attempts that agree with the answer.
Foreign columns travel as JSON in `extra`.

Made by scalediff {__version__}, step `{about.get("step")}`, domain `{about.get("domain")}`;
`provenance.json` has the rest. The licence of the sources and of the models' outputs applies.
"""
