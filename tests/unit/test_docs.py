"""What the documents promise and the code has to keep."""

from pathlib import Path

from scalediff.core.records import REASONS

DOCS = Path(__file__).parents[2] / "docs"


def test_every_reason_code_is_in_the_documented_table():
    table = (DOCS / "formats.md").read_text("utf-8")
    missing = [f"| `{code}` | {text} |" for code, text in REASONS.items()]
    assert [line for line in missing if line not in table] == []
