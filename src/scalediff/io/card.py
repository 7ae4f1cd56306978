"""The card of a dataset: a front matter that names the files of each split, and what rows are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

_LABORATORY = """
**LABORATORY**: a small closed world with models of under a million parameters; what it shows does
not prove the same of large models.
"""


def write_card(path: Path, told: Mapping[str, Any]) -> None:
    """Write ``README.md``.

    Args:
        path: Where.
        told: What ``provenance.json`` holds: ``rows`` by split, ``solutions`` by origin,
            ``flagged``, ``step``, ``domain``, ``scalediff`` (version), ``laboratory``.
    """
    rows = told["rows"]
    files = [{"split": split, "path": f"data/{split}-*.parquet"} for split in rows if rows[split]]
    front: dict[str, Any] = {"tags": ["scalediff", "synthetic", "reasoning"]}
    if files:
        front["configs"] = [{"config_name": "default", "data_files": files}]
    notice = _LABORATORY if told.get("laboratory") else ""
    table = "\n".join(f"| {split} | {count:,} |" for split, count in rows.items())
    path.write_text(
        f"""---
{yaml.safe_dump(front, sort_keys=False)}---
# Difficult reasoning problems made with scalediff
{notice}
| split | rows |
|---|---|
{table}

```python
from datasets import load_dataset

dataset = load_dataset("path/of/this/folder")
```

## Columns

- `problem`, `solution`, `answer`: what to train on. A teacher's solution holds its thought between
  `<think>` and `</think>`, and the answer after it.
- `key` is unique; `problem_id` is the identity of the text (SHA-256) and may repeat.
- `solution_from` is `teacher` or `source`. {told["flagged"]:,} originals kept a text of their own,
  without tags, and are `flagged`.
- `confidence` is `num_agree` over `num_graded`: the share of the teacher's graded answers that
  agree with the answer. `num_counted` are all its attempts, also those that were cut off, that a
  rule rejected or that could not be compared, which are no vote.
- `p_think` is the identifier's probability of thinking.
- `extra` is JSON: every other column that came in. What a source called `solution` or `answer` and
  ours replaced is there as `source_solution` and `source_answer`.

## How it was made

By scalediff {told["scalediff"]} (ScaleDiff, arXiv 2509.21070), domain `{told.get("domain")}`, step
`{told.get("step")}`: problems from a generator trained on difficult sources, identified, solved
by a teacher and filtered. `provenance.json` has the counts. Generated problems and their answers
come from models and may be wrong or ill-posed; `confidence` says how much the teacher's graded
answers agreed with one another.

## Licence

The licences of the sources and of the models whose outputs these are apply.
""",
        encoding="utf-8",
    )
