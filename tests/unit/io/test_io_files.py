import gzip
import json
import os
import sys
import tracemalloc
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from scalediff.core.errors import InputError, PrerequisiteError
from scalediff.core.keys import problem_id
from scalediff.core.records import Row
from scalediff.io.exports import write_jsonl
from scalediff.io.files import Found, Identity, Reader, Rejected, read_rows
from scalediff.io.parquet import TableWriter
from scalediff.io.places import expand

DATA = Path(__file__).parents[4] / "shared" / "data"
ROWS = [{"problem": f"Find ${i}$.", "answer": str(i), "meta": {"n": [i]}} for i in range(7)]


def lines(rows=ROWS):
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def put(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def plain(rows):
    """Rows without identity."""
    return [{n: v for n, v in row.items() if n not in ("key", "problem_id")} for row in rows]


def both(path, **settings):
    rows = list(read_rows([str(path)], **settings))
    good = [row for row in rows if isinstance(row, dict)]
    return good, [(r.line, r.reason) for r in rows if isinstance(r, Rejected)]


def packed(name):
    if name.endswith(".gz"):
        return gzip.compress(lines())
    if name.endswith(".zst"):
        return zstandard.compress(lines())
    return json.dumps(ROWS) if name.endswith(".json") else lines()


# kinds of files


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst", "a.json"])
def test_every_kind_gives_the_same_rows(tmp_path, name):
    good, bad = both(put(tmp_path / name, packed(name)))
    assert plain(good) == ROWS
    assert bad == []
    assert good[0]["problem_id"] == problem_id("Find $0$.")


def test_parquet_gives_the_same_rows_and_keeps_null_columns(tmp_path):
    path = tmp_path / "a.parquet"
    rows = [*ROWS, {"problem": "Find $x$.", "answer": None, "meta": None}]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=3)
    good, bad = both(path)
    assert plain(good) == rows
    assert bad == []


@pytest.mark.parametrize("name", ["a.jsonl", "a.txt", "a"])
def test_packing_is_told_from_the_bytes(tmp_path, name):
    for content in (gzip.compress(lines()), zstandard.compress(lines())):
        assert plain(both(put(tmp_path / name, content))[0]) == ROWS


def test_packed_files_of_several_parts_are_read_whole(tmp_path):
    half = lines(ROWS[:3]), lines(ROWS[3:])
    for name, pack in (("a.jsonl.gz", gzip.compress), ("a.jsonl.zst", zstandard.compress)):
        path = put(tmp_path / name, b"".join(map(pack, half)))
        assert plain(both(path)[0]) == ROWS


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.jsonl.zst"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_packed_file_is_an_error_and_never_a_short_one(tmp_path, name, damage):
    rows = [{"problem": f"Find {os.urandom(30).hex()}."} for _ in range(2000)]
    pack = gzip.compress if name.endswith(".gz") else zstandard.compress
    content = bytearray(pack(lines(rows)))
    content[len(content) // 2 :] = b"" if damage == "cut" else b"\xff" * (len(content) // 2)
    with pytest.raises(InputError, match=name):
        both(put(tmp_path / name, bytes(content)))


@pytest.mark.parametrize(
    ("name", "indent"), [("a.json", None), ("a.json", 2), ("a.jsonl", 2), ("a", 0)]
)
def test_an_array_is_read_also_when_spread_over_lines(tmp_path, name, indent):
    assert plain(both(put(tmp_path / name, json.dumps(ROWS, indent=indent)))[0]) == ROWS


@pytest.mark.parametrize("content", [lines(), "\n".join(json.dumps(r, indent=1) for r in ROWS)])
def test_objects_one_after_another_under_json(tmp_path, content):
    assert plain(both(put(tmp_path / "a.json", content))[0]) == ROWS


def test_a_byte_order_mark_is_no_part_of_a_row(tmp_path):
    for name, content in (("a.jsonl", lines()), ("a.json", json.dumps(ROWS).encode())):
        assert plain(both(put(tmp_path / name, b"\xef\xbb\xbf" + content))[0]) == ROWS


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 50])
def test_an_array_reads_the_same_at_every_buffer_size(tmp_path, monkeypatch, chunk):
    monkeypatch.setattr("scalediff.io.elements._CHUNK", chunk)
    rows = [{"problem": 'π \\ " ] } , {', "a": [1.5e3, -7, True, None, {"b": "\U0001f600"}]}] * 3
    text = json.dumps(rows, ensure_ascii=chunk % 2 == 0)
    assert plain(both(put(tmp_path / "a.json", text))[0]) == rows


def test_a_large_array_is_streamed(tmp_path):
    path = tmp_path / "a.json"
    with open(path, "w") as file:
        file.write("[")
        for i in range(400):
            file.write(json.dumps({"problem": f"Find {i}.", "filler": "x" * 100_000}) + ",")
        file.write(json.dumps({"problem": "last"}) + "]")
    tracemalloc.start()
    assert sum(1 for _ in read_rows([str(path)])) == 401
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 12 << 20


# places


def test_folders_and_patterns_are_sorted_and_our_reports_left_out(tmp_path):
    for name in ("b.jsonl", "a.jsonl", "a.dropped.jsonl", "a.rejected.jsonl", ".c.jsonl", "n.txt"):
        put(tmp_path / name, lines())
    (tmp_path / "deep").mkdir()
    put(tmp_path / "deep" / "c.json", json.dumps(ROWS))
    (tmp_path / "a.jsonl.run").mkdir()
    put(tmp_path / "a.jsonl.run" / "d.jsonl", lines())
    names = [os.path.relpath(p, tmp_path) for p in expand([str(tmp_path)])]
    assert names == ["a.jsonl", "b.jsonl", os.path.join("deep", "c.json")]
    pattern = [os.path.relpath(p, tmp_path) for p in expand([str(tmp_path / "*.jsonl")])]
    assert pattern == ["a.jsonl", "b.jsonl"]
    assert expand(["hf://owner/name?split=test"]) == ["hf://owner/name?split=test"]


def test_a_name_with_brackets_that_exists_is_no_pattern(tmp_path):
    path = put(tmp_path / "a[1].jsonl", lines())
    assert expand([path]) == [path]


def test_a_data_set_folder_of_ours_is_read_once(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "formats").mkdir()
    put(tmp_path / "provenance.json", "{}")
    put(tmp_path / "formats" / "generated.jsonl", lines())
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "data" / "generated-0.parquet")
    assert len(both(tmp_path)[0]) == len(ROWS)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda p: p / "no.jsonl", "does not exist; check the path"),
        (lambda p: p / "*.jsonl", "no data file matches"),
        (lambda p: p, "holds no data file"),
        (lambda p: put(p / "a.jsonl", ""), "a.jsonl is empty"),
        (lambda p: put(p / "a.parquet", ""), "a.parquet is empty"),
        (lambda p: put(p / "a.jsonl.gz", gzip.compress(b"")), "a.jsonl.gz is empty"),
        (lambda p: put(p / "a.jsonl", "\n\n"), "holds no rows"),
        (lambda p: put(p / "a.json", "[]"), "holds no rows"),
        (lambda p: put(p / "a.jsonl", bytes(range(256)) * 9), "a.jsonl is a binary file"),
        (lambda p: put(p / "a.jsonl", b"\x89PNG\r\n\x1a\n" + b"\x00" * 99), "is a binary file"),
        (lambda p: put(p / "a.jsonl", json.dumps(ROWS).encode("utf-16")), "UTF-16 text; save it"),
        (lambda p: put(p / "a.parquet", b"PAR1 and not more"), "no readable Parquet file"),
        (lambda p: put(p / "a.parquet", lines()), "no readable Parquet file"),
        (lambda p: put(p / "a.csv", "problem,answer\nFind x.,4\n"), "a.csv is of an unknown kind"),
        (lambda p: put(p / "a.jsonl", "problem,answer\nx,4\n"), "no usable row (line 1: broken"),
        (lambda p: put(p / "a.jsonl", '{"text": "x"}'), "--problem-column"),
        (lambda p: put(p / "a.json", '{"a": 1}'), "no usable row (line 1: no column problem"),
        (lambda p: put(p / "a.json", "7"), "no usable row (line 1: not an object"),
        (lambda p: "a\x00b", "does not exist"),
        (lambda p: "x" * 5000, "does not exist"),
        (lambda p: "", "an input is the empty text"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_sentence(tmp_path, make, why):
    with pytest.raises(InputError) as raised:
        list(read_rows([str(make(tmp_path))]))
    assert why in str(raised.value)
    assert "\n" not in str(raised.value)


def test_no_paths_is_an_error():
    with pytest.raises(InputError, match="no input is given"):
        list(read_rows([]))


@pytest.mark.skipif(os.geteuid() == 0, reason="everything is readable to this user")
def test_an_unreadable_file_is_one_sentence(tmp_path):
    path = put(tmp_path / "a.jsonl", lines())
    os.chmod(path, 0)
    with pytest.raises(InputError, match=r"cannot be read \(Permission denied\)"):
        both(path)


def test_what_is_no_regular_file_is_one_sentence(tmp_path):
    os.mkfifo(tmp_path / "a.jsonl")
    with pytest.raises(InputError, match="no regular file"):
        both(tmp_path / "a.jsonl")


# bad rows


BAD = [
    ('{"problem": "x", "answer": ', "broken JSON"),
    ('{"problem": "x"} {"problem": "y"}', "broken JSON"),
    ("[1, 2]", "not an object but an array"),
    ("null", "not an object but null"),
    ("17", "not an object but a number"),
    ('"text"', "not an object but text"),
    ("{}", "no column problem"),
    ('{"problem": null}', "problem is null"),
    ('{"problem": 7}', "problem is not text but int"),
    ('{"problem": ""}', "problem is empty"),
    ('{"problem": "a\\u0000b"}', "problem holds a null byte"),
    ('{"problem": "half \\ud83d"}', "invalid UTF-8"),
    ('{"problem": "x", "deep": ' + "[" * 400 + "]" * 400 + "}", "nested too deep"),
    ('{"problem": "x", "deep": ' + "[" * 99_999 + "]" * 99_999 + "}", "broken JSON"),
    (b'{"problem": "\xff\xfe"}', "invalid UTF-8"),
    (b'{"problem": "a\x00b"}', "broken JSON"),
    ('{"conversations": [{"from": "human", "value": "x"}, 7]}', "turn 2 of conversations is no"),
    ('{"conversations": [{"from": "human", "value": null}]}', "turn 1 of conversations is null"),
    (json.dumps({"problem": "x" * 10_000_000}), "10,000,000 characters, over 20,000"),
]


@pytest.mark.parametrize(("line", "why"), BAD, ids=range(len(BAD)))
def test_a_bad_line_is_set_aside_and_the_rest_goes_on(tmp_path, line, why):
    line = line if isinstance(line, bytes) else line.encode()
    path = put(tmp_path / "a.jsonl", lines(ROWS[:2]) + line + b"\n\n" + lines(ROWS[2:]))
    good, bad = both(path)
    assert plain(good) == ROWS
    assert [number for number, _ in bad] == [3]
    assert why in bad[0][1]


def test_the_text_of_a_bad_row_is_short(tmp_path):
    path = put(tmp_path / "a.jsonl", lines() + b'{"problem": "' + b"x" * 99_999 + b"\n")
    bad = [r for r in read_rows([path]) if isinstance(r, Rejected)]
    assert bad[0].path == path
    assert bad[0].text.startswith('{"problem": "xxx')
    assert len(bad[0].text) <= 200


def test_a_line_without_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("scalediff.io.raw.MAX_LINE", 1 << 20)
    path = put(tmp_path / "a.jsonl", lines(ROWS[:1]) + b"x" * (40 << 20) + b"\n" + lines(ROWS[1:]))
    tracemalloc.start()
    good, bad = both(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert plain(good) == ROWS
    assert bad == [(2, "the line is over 1 MB")]
    assert peak < 12 << 20


BROKEN = ['{"problem": "a" "b": 1}', '{"problem": }', '{"problem": "a\nb"}', '{"problem": "\\x"}']


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("chunk", [5, 1 << 20])
def test_an_array_goes_on_after_a_broken_element(tmp_path, monkeypatch, broken, chunk):
    monkeypatch.setattr("scalediff.io.elements._CHUNK", chunk)
    rows = [json.dumps(row) for row in ROWS]
    path = put(tmp_path / "a.json", "[" + ",\n".join([*rows[:3], broken, *rows[3:]]) + "]")
    good, bad = both(path)
    assert plain(good) == ROWS
    assert [number for number, _ in bad] == [4]


@pytest.mark.parametrize("cut", [1, 2, 10, 30])
def test_a_cut_array_keeps_what_is_whole_and_says_so(tmp_path, cut):
    good, bad = both(put(tmp_path / "a.json", json.dumps(ROWS)[:-cut]))
    assert plain(good) == ROWS[: len(good)]
    assert len(good) == (len(ROWS) if cut == 1 else len(ROWS) - 1)
    assert len(bad) == 1
    assert "broken JSON" in bad[0][1]


def test_bad_elements_of_an_array(tmp_path):
    text = '[{"problem": "x"}, null, 7, [1], {"problem": "half \\ud83d"}] trailing'
    good, bad = both(put(tmp_path / "a.json", text))
    assert plain(good) == [{"problem": "x"}]
    assert [number for number, _ in bad] == [2, 3, 4, 5, 6]
    assert "after the end of the array" in bad[-1][1]
    good, bad = both(put(tmp_path / "b.json", b'[{"problem": "x"}, {"problem": "\xff"}]'))
    assert (len(good), bad) == (1, [(2, "invalid UTF-8")])


def test_bad_rows_of_parquet_have_their_row_number(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"problem": ["x", None, "", "y"]}), path)
    good, bad = both(path)
    assert [row["problem"] for row in good] == ["x", "y"]
    assert bad == [(2, "problem is null"), (3, "problem is empty")]


def test_text_in_parquet_that_is_no_utf8_is_one_bad_row(tmp_path):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"problem": pa.array([b"x", b"\xff", b"y"]).view(pa.string())}), path)
    good, bad = both(path)
    assert [row["problem"] for row in good] == ["x", "y"]
    assert bad == [(2, "invalid UTF-8")]


def test_two_columns_of_one_name_in_parquet(tmp_path):
    table = pa.Table.from_arrays([pa.array(["x"]), pa.array(["y"])], ["problem", "problem"])
    pq.write_table(table, tmp_path / "a.parquet")
    with pytest.raises(InputError, match="two columns problem"):
        both(tmp_path / "a.parquet")


def test_dates_and_bytes_in_parquet_can_be_exported(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {"problem": ["x"], "at": pa.array([1], pa.timestamp("ns")), "raw": [b"\xff"]}
    pq.write_table(pa.table(columns), path)
    good, _ = both(path)
    assert write_jsonl(tmp_path / "out.jsonl", good) == 1


# numbers


def test_a_large_whole_number_is_not_rounded(tmp_path):
    large = 2**100 + 1
    for name, content in (
        ("a.jsonl", f'{{"problem": "x", "answer": {large}, "far": 1e30}}\n'),
        ("a.json", f'[{{"problem": "x", "answer": {large}, "far": 1e30}}]'),
        ("b.jsonl", f'{{"problem": "x", "answer": {"9" * 9000}, "far": 1e30}}\n'),
    ):
        row = both(put(tmp_path / name, content))[0][0]
        assert row["answer"] == (str(large) if name[0] == "a" else "9" * 9000)
        assert row["far"] == 1e30
    assert sys.get_int_max_str_digits() < 9000


def test_nan_is_null(tmp_path):
    row = both(put(tmp_path / "a.jsonl", '{"problem": "x", "score_a": NaN}\n'))[0][0]
    assert row["score_a"] is None


# identity


def test_keys_are_unique_over_all_files_and_adding_a_file_moves_none(tmp_path):
    a = put(tmp_path / "a.jsonl", lines([ROWS[0], ROWS[1], ROWS[0]]))
    b = put(tmp_path / "b.jsonl", lines([ROWS[2], ROWS[0]]))
    alone = [row["key"] for row in both(a)[0]]
    assert alone[2] == f"{alone[0]}-1"
    together = [row["key"] for row in read_rows([a, b])]
    assert together[:3] == alone
    assert together[4] == f"{alone[0]}-2"
    assert len(set(together)) == 5


def test_a_row_of_ours_keeps_its_key_where_it_is_unique(tmp_path):
    good = both(put(tmp_path / "a.jsonl", lines([ROWS[0], ROWS[0], ROWS[1]])))[0]
    for row in good:
        row["difficult"] = True
    write_jsonl(tmp_path / "b.jsonl", [good[1], good[2]])
    again = both(tmp_path / "b.jsonl")[0]
    assert again == [good[1], good[2]]
    write_jsonl(tmp_path / "c.jsonl", [good[1], good[1], good[0]])
    twice = both(tmp_path / "c.jsonl")[0]
    assert twice[0] == good[1]
    assert twice[1]["source_key"] == good[1]["key"]
    assert len({row["key"] for row in twice}) == 3


def test_foreign_columns_with_our_names_are_kept_under_another(tmp_path):
    row = {"problem": "x", "key": "B", "problem_id": "AIME-1", "review": True, "attempts": 2}
    found = both(put(tmp_path / "a.jsonl", lines([row, {"problem": "y", "key": 7}])))[0]
    assert found[0]["source_key"] == "B"
    assert found[0]["source_problem_id"] == "AIME-1"
    assert (found[0]["source_review"], found[0]["source_attempts"]) == (True, 2)
    assert "review" not in found[0]
    assert found[1]["source_key"] == 7


def test_a_table_of_ours_comes_back_as_it_was(tmp_path):
    rows = [{"problem": "x", "key": "k", "problem_id": problem_id("x"), "meta": {"a": 1}}]
    writer = TableWriter(tmp_path / "a.parquet", ("problem", "problem_id", "answer"))
    writer.write(rows[0])
    writer.close()
    assert both(tmp_path / "a.parquet")[0] == rows


def test_a_broken_extra_column_of_somebody_else_is_no_error(tmp_path):
    path = tmp_path / "a.parquet"
    columns = {"problem": ["x", "y"], "key": ["1", "2"], "extra": ["{broken", None]}
    pq.write_table(pa.table(columns), path)
    good, bad = both(path)
    assert [row.get("extra") for row in good] == ["{broken", None]
    assert bad == []


def test_identity_is_shared_between_calls():
    identity = Identity()
    keys = [identity.settle({"problem": "x"})["key"] for _ in range(2)]
    assert keys[1] == f"{keys[0]}-1"


# settings


def test_settings(tmp_path):
    path = put(
        tmp_path / "a.jsonl", lines([{"text": "long " * 9, "response": "<think>a</think>4"}])
    )
    row: Row = both(path, problem_column="text", attempts=True)[0][0]
    assert row["problem"] == "long " * 9
    assert row["attempts"][0]["content"] == "4"
    with pytest.raises(InputError, match="45 characters, over 44"):
        both(path, problem_column="text", max_problem_chars=44)
    row = both(path, need_problem=False)[0][0]
    assert "problem" not in row
    assert row["response"] == "<think>a</think>4"


def test_rows_that_are_only_graded_have_keys_of_their_own(tmp_path):
    rows = [{"response": "4", "answer": "4"}, {"response": "5", "answer": "4"}, {"problem": 3}]
    good, bad = both(put(tmp_path / "a.jsonl", lines([*rows, rows[0]])), need_problem=False)
    assert len({row["key"] for row in good}) == 4
    assert good[2]["source_problem"] == 3
    assert bad == []


def test_a_scan_says_where_and_which_layout(tmp_path):
    path = put(tmp_path / "a.jsonl", lines([{"question": "x", "answer": "#### 4"}]))
    found = next(iter(Reader().scan([path])))
    assert isinstance(found, Found)
    assert (found.path, found.line, found.layout) == (path, 1, "question")


# the hub


def test_the_hub_needs_a_package(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(PrerequisiteError, match=r'pip install "scalediff\[hub\]"'):
        list(read_rows(["hf://owner/name"]))


@pytest.fixture
def hub(monkeypatch):
    """A hub in memory: split → rows, and what was asked of it."""
    import types

    asked = []
    splits = {"test": ROWS[:2], "dev": ROWS[2:3]}

    def load_dataset(name, config, *, split, revision, streaming):
        asked.append((name, config, split, revision, streaming))
        if name == "owner/none":
            raise FileNotFoundError("")
        return splits if split is None else splits[split]

    module = types.ModuleType("datasets")
    module.load_dataset = load_dataset
    errors = types.ModuleType("datasets.exceptions")
    errors.DatasetsError = type("DatasetsError", (Exception,), {})
    monkeypatch.setitem(sys.modules, "datasets", module)
    monkeypatch.setitem(sys.modules, "datasets.exceptions", errors)
    return asked, splits


def test_the_hub_is_asked_for_split_and_config(hub):
    asked, splits = hub
    path = "hf://owner/name?split=test&config=main&revision=abc"
    assert plain(both(path)[0]) == ROWS[:2]
    assert asked == [("owner/name", "main", "test", "abc", True)]
    with pytest.raises(InputError, match=r"the splits test, dev; add \?split=NAME"):
        both("hf://owner/name")
    del splits["dev"]
    assert len(both("hf://owner/name")[0]) == 2


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("hf://owner/none", r"cannot be fetched from the hub \(FileNotFoundError\)"),
        ("hf://", "names no data set"),
        ("hf://owner/name?slpit=test", "slpit is not understood"),
    ],
)
def test_what_the_hub_has_not_is_one_sentence(hub, path, why):
    with pytest.raises(InputError, match=why):
        both(path)


# real files


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("gsm8k_train.jsonl", 7473),
        ("olympiadbench.jsonl", 675),
        ("benchmarks/aime24.jsonl", 30),
        ("benchmarks/aime25.jsonl", 30),
        ("benchmarks/hmmt_feb25.jsonl", 30),
        ("benchmarks/amc23.jsonl", 40),
        ("benchmarks/math500.jsonl", 500),
    ],
)
def test_real_files_are_read_whole(name, count):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this checkout")
    good, bad = both(path)
    assert (len(good), bad) == (count, [])
    assert len({row["key"] for row in good}) == count
    assert all(isinstance(row["answer"], str) and row["answer"] for row in good)
