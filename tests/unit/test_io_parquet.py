from scalediff.io.parquet import TableWriter, count_rows, read_table


def test_rows_come_back_as_they_went_in(tmp_path):
    rows = [
        {"key": "a", "problem": "Find $x$.", "level": 3, "mixed": [1, "two", None]},
        {"key": "b", "problem": "é\ud7ff", "answer": "4", "review": True, "mixed": {"x": 1.5}},
        {"key": "c", "answer": 4, "p_think": 0.25},
        {"key": "d", "p_think": 1, "foreign": None},
    ]
    path = tmp_path / "rows.parquet"
    writer = TableWriter(path, ["problem", "answer", "review", "p_think"])
    for row in rows:
        writer.write(row)
    writer.close()
    assert list(read_table(path)) == rows
    assert count_rows(path) == 4
    assert [p.name for p in tmp_path.iterdir()] == ["rows.parquet"]


def test_a_discarded_table_leaves_nothing(tmp_path):
    writer = TableWriter(tmp_path / "rows.parquet", ["problem"])
    writer.write({"key": "a"})
    writer.discard()
    assert list(tmp_path.iterdir()) == []
