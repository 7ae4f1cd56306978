import json
import os
from pathlib import Path

import pytest
from fakes import FakeDomain, context
from pydantic import ValidationError

from scalediff.core.errors import InputError, RecipeError
from scalediff.core.keys import problem_id
from scalediff.core.stage import EXTENT, Kind
from scalediff.domains.math import MathDomain
from scalediff.domains.nano import NanoDomain
from scalediff.io.reading import Reading
from scalediff.stages.sources import Sources


def write(path, rows):
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in rows))
    return str(path)


@pytest.fixture
def file(tmp_path):
    rows = [{"problem": f"Find ${i}$.", "answer": str(i), "id": i} for i in range(20)]
    return write(tmp_path / "a.jsonl", rows)


def sources(folder, *paths, domain=None, ctx=None, **settings):
    stage = Sources(Sources.Config(paths=list(paths), **settings))
    outcomes = list(stage.run([], ctx or context(domain=domain, folder=Path(folder))))
    assert [key for key, _ in outcomes] == [row["key"] for _, row in outcomes]
    return [row for _, row in outcomes]


def rejected(folder):
    return [json.loads(line) for line in (folder / "rejected.jsonl").read_text().splitlines()]


def test_rows_come_in_order_with_every_column(tmp_path, file):
    rows = sources(tmp_path, file)
    assert [row["id"] for row in rows] == list(range(20))
    assert rows[3]["problem_id"] == problem_id("Find $3$.")
    assert rejected(tmp_path) == []


def test_the_stage_births_and_n_is_extent():
    assert Sources.births
    assert not Sources.pays
    assert Sources.Config(paths=["a"], n=3).of_kind(EXTENT) == {"n": 3}
    assert "paths" in Sources.Config(paths=["a"]).of_kind(Kind.MEANING)


@pytest.mark.parametrize("settings", [{"paths": []}, {"n": 0}, {"seed": -1}, {"path": "a"}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValidationError):
        Sources.Config(**{"paths": ["a"], **settings})


def test_n_takes_the_first_of_each_path(tmp_path, file):
    other = write(
        tmp_path / "b.jsonl", [{"problem": f"Show {i}.", "id": 100 + i} for i in range(3)]
    )
    assert [row["id"] for row in sources(tmp_path, file, other, n=2)] == [0, 1, 100, 101]


def test_shuffle_chooses_by_seed_and_growing_n_keeps_the_chosen(tmp_path, file):
    chosen = {n: [r["id"] for r in sources(tmp_path, file, n=n, shuffle=True)] for n in (5, 10)}
    assert chosen[5] == sorted(chosen[5])
    assert chosen[5] != list(range(5))
    assert set(chosen[5]) < set(chosen[10])
    other = [r["id"] for r in sources(tmp_path, file, n=5, shuffle=True, seed=1)]
    assert other != chosen[5]
    assert len(sources(tmp_path, file, n=99, shuffle=True)) == 20


def test_keys_are_unique_over_paths_and_do_not_depend_on_later_ones(tmp_path, file):
    other = write(tmp_path / "b.jsonl", [{"problem": "New."}, {"problem": "Find  $1$."}])
    rows = sources(tmp_path, file, other)
    keys = [row["key"] for row in rows]
    assert len(set(keys)) == 22
    assert keys[:20] == [row["key"] for row in sources(tmp_path, file)]
    assert keys[21] == f"{keys[1]}-1"


def test_rejected_rows_are_kept_with_line_and_reason(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"problem": "x"}, "{broken", {"problem": None}])
    assert len(sources(tmp_path, path)) == 1
    bad = rejected(tmp_path)
    assert [(r["line"], r["path"]) for r in bad] == [(2, path), (3, path)]
    assert bad[0]["reason"].startswith("broken JSON")
    assert bad[0]["text"] == "{broken"
    assert bad[1]["reason"] == "problem is null"


def test_strict_makes_a_bad_row_an_error(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"problem": "x"}, "{broken"])
    with pytest.raises(InputError, match=r"a.jsonl line 2: broken JSON.*--strict"):
        sources(tmp_path, path, strict=True)
    assert not (tmp_path / "rejected.jsonl").exists()


def test_a_path_without_a_usable_row_is_an_error_beside_a_good_one(tmp_path, file):
    path = write(tmp_path / "b.jsonl", [{"text": "x"}])
    with pytest.raises(InputError, match=r"b.jsonl has no usable row \(line 1: no column"):
        sources(tmp_path, file, path)


def test_progress_is_told(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"problem": str(i)} for i in range(2500)])
    ctx, told = context(folder=tmp_path), []
    ctx.progress = lambda done, total=None: told.append((done, total))
    sources(tmp_path, path, ctx=ctx)
    assert told == [(1000, None), (2000, None), (2500, 2500)]


def test_settings_of_reading_are_passed_on(tmp_path):
    rows = [{"text": "Find x.", "response": "<think>a</think>\\boxed{4}"}, {"text": "y" * 99}]
    path = write(tmp_path / "a.jsonl", rows)
    settings = {"problem_column": "text", "max_problem_chars": 50, "attempts": True}
    (row,) = sources(tmp_path, path, **settings)
    assert row["attempts"][0]["reasoning"] == "a"
    assert row["attempts"][0]["answer"] == "4"
    assert "attempts" not in sources(tmp_path, path, **settings | {"attempts": False})[0]
    assert len(sources(tmp_path, path, need_problem=False)) == 2


# gold, and which rows


def reading(folder):
    return json.loads((folder / "reading.json").read_text())


def test_gold_is_read_once_and_what_was_read_is_kept(tmp_path):
    rows = [
        {"problem": "a", "final_answer": "4"},
        {"problem": "b", "final_answer": "N/A"},
        {"problem": "c", "answer": ["4", "four"]},
        {"problem": "d", "correct_answer": "5"},
        {"problem": "e"},
    ]
    path = write(tmp_path / "a.jsonl", rows)
    found = sources(tmp_path, path)
    assert [row.get("answer") for row in found] == ["4", None, None, None, None]
    told = reading(tmp_path)
    assert (told["rows"], told["none"], told["gold"]) == (5, 2, {"final_answer": 1})
    assert told["placeholders"] == {"N/A": 1}
    assert told["unread"] == {"a list of several in answer": 1}
    assert told["like_gold"] == {"correct_answer": 1}
    assert list(Reading.of(told).lines()) == [
        "gold: 1 of 5 rows, from final_answer; 1 placeholders (N/A), 1 not read, 2 none",
        "gold: not read: 1 rows with a list of several in answer",
        "gold: correct_answer looks like it in 1 rows without and was not read; "
        "--answer-column correct_answer reads it",
    ]
    found = sources(tmp_path, path, answer_column="correct_answer")
    assert [row.get("answer") for row in found] == [None, None, None, "5", None]


def test_only_rows_that_were_taken_are_counted(tmp_path, file):
    sources(tmp_path, file, n=5)
    assert reading(tmp_path)["gold"] == {"answer": 5}
    sources(tmp_path, file, n=5, shuffle=True)
    assert reading(tmp_path)["rows"] == 5


@pytest.mark.parametrize("where", [["kind=a", "kind=b"], {"kind": ["a", "b"]}])
def test_rows_that_are_not_wanted_are_counted_and_nothing_else(tmp_path, where):
    rows = [{"problem": kind, "kind": kind} for kind in "aabc"] + [{"problem": 7, "kind": "c"}]
    path = write(tmp_path / "a.jsonl", rows)
    assert [r["kind"] for r in sources(tmp_path, path, where=where)] == ["a", "a", "b"]
    assert rejected(tmp_path) == []
    told = reading(tmp_path)
    assert (told["left_out"], told["wanted"], told["rows"]) == (2, 3, 3)
    assert "left out: 2 of 5 rows by --where kind=a --where kind=b" in Reading.of(told).lines()


def test_where_and_answer_column_are_meaning():
    config = Sources.Config(paths=["a"], where={"a.b": [1, True], "c": "x"}, answer_column="d")
    meaning = config.of_kind(Kind.MEANING)
    assert meaning["where"] == ["a.b=1", "a.b=true", "c=x"]
    assert meaning["answer_column"] == "d"
    with pytest.raises(ValidationError, match="COLUMN=VALUE"):
        Sources.Config(paths=["a"], where=["math"])


def test_a_file_of_several_may_hold_nothing_that_is_wanted(tmp_path):
    one = write(tmp_path / "a.jsonl", [{"problem": "x", "kind": "a"}])
    two = write(tmp_path / "b.jsonl", [{"problem": "y", "kind": "b"}])
    assert len(sources(tmp_path, one, two, where=["kind=b"])) == 1
    with pytest.raises(InputError, match=r"no row has kind=c .*kind is [ab] \(1\), [ab] \(1\)"):
        sources(tmp_path, one, two, where=["kind=c"])
    other = write(tmp_path / "c.jsonl", [{"problem": "x", "golds": {"a": 1}}])
    with pytest.raises(InputError, match=r"has a column gold .*near it is golds"):
        sources(tmp_path, other, answer_column="gold")


def test_a_benchmark_without_gold_says_what_looks_like_it(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"problem": "x", "correct_answer": "4"}])
    with pytest.raises(InputError, match=r"no answer .*--answer-column correct_answer"):
        sources(tmp_path, path, need_answer=True)
    (row,) = sources(tmp_path, path, need_answer=True, answer_column="correct_answer")
    assert row["answer"] == "4"
    bad = write(
        tmp_path / "b.jsonl", [{"problem": "x", "answer": "N/A"}, {"problem": "y", "answer": 4}]
    )
    assert len(sources(tmp_path, bad, need_answer=True)) == 1
    assert rejected(tmp_path)[0]["reason"] == "no answer to grade against (answer is N/A)"


def test_an_embedded_set_is_asked_for_what_is_wanted_and_says_nothing(tmp_path):
    rows = sources(tmp_path, "nano:sources", domain=NanoDomain(), n=40, where=["level=1"])
    assert {row["level"] for row in rows} == {1}
    assert 0 < len(rows) < 40
    assert not any(line.startswith("gold") for line in Reading.of(reading(tmp_path)).lines())


# benchmarks


def test_a_known_benchmark_is_read_from_where_the_domain_says(tmp_path, file):
    rows = sources(tmp_path, "exam", domain=FakeDomain({"exam": file}), benchmark="auto", n=2)
    assert [row["benchmark"] for row in rows] == ["exam", "exam"]


def test_the_benchmark_column(tmp_path, file):
    assert "benchmark" not in sources(tmp_path, file, n=1)[0]
    assert sources(tmp_path, file, n=1, benchmark="auto")[0]["benchmark"] == "a"
    pattern = str(tmp_path / "*.jsonl")
    assert sources(tmp_path, pattern, n=1, benchmark="auto")[0]["benchmark"] == "a"
    own = write(tmp_path / "b.jsonl", [{"problem": "x", "benchmark": "aime24"}])
    assert sources(tmp_path, own, benchmark="auto")[0]["benchmark"] == "aime24"
    (row,) = sources(tmp_path, own, benchmark="mine")
    assert (row["benchmark"], row["source_benchmark"]) == ("mine", "aime24")


def test_an_unknown_name_is_an_error(tmp_path):
    with pytest.raises(InputError, match="aime99 does not exist"):
        sources(tmp_path, "aime99", domain=FakeDomain({"aime24": "x"}))


# embedded worlds


def test_an_embedded_set_comes_from_the_domain(tmp_path):
    domain = FakeDomain(embedded=["one", "two", "two"])
    rows = sources(tmp_path, "fake:sources", domain=domain, n=3, seed=5)
    assert domain.asked == [("fake:sources", 3, 5)]
    assert [row["problem"] for row in rows] == ["one", "two", "two"]
    assert len({row["key"] for row in rows}) == 3
    sources(tmp_path, "fake:sources", domain=domain)
    assert domain.asked[-1] == ("fake:sources", 1000, 0)


def test_a_benchmark_kept_in_the_domain(tmp_path):
    domain = FakeDomain({"exam": "domain:"}, embedded=["one"])
    (row,) = sources(tmp_path, "exam", domain=domain, benchmark="auto")
    assert domain.asked == [("fake:exam", 1000, 0)]
    assert row["benchmark"] == "exam"


def test_the_laboratory_s_sources(tmp_path):
    rows = sources(tmp_path, "nano:sources", domain=NanoDomain(), n=20, seed=3)
    assert len(rows) == 20
    assert all(row["answer"] and row["problem_id"] == problem_id(row["problem"]) for row in rows)
    (test,) = sources(tmp_path, "nano:test", domain=NanoDomain(), n=1, benchmark="auto")
    assert test["benchmark"] == "nano:test"


def test_an_embedded_set_that_the_domain_lacks_is_an_error(tmp_path):
    with pytest.raises(RecipeError, match="nano:sources is no file"):
        sources(tmp_path, "nano:sources", domain=MathDomain())


# fingerprint


def fingerprint(*paths):
    return Sources(Sources.Config(paths=list(paths))).fingerprint(MathDomain())


def test_the_fingerprint_follows_the_content_and_not_the_name(tmp_path, file):
    before = fingerprint(file)
    assert fingerprint(file) == before
    copy = write(tmp_path / "copy.jsonl", Path(file).read_text().splitlines())
    assert fingerprint(copy) == before
    with open(file, "a") as more:
        more.write('{"problem": "new"}\n')
    assert fingerprint(file) != before


def test_the_fingerprint_sees_a_change_of_the_same_size(tmp_path, file):
    before = fingerprint(file)
    text = Path(file).read_text()
    Path(file).write_text(text.replace("Find $3$", "Find $4$"))
    stat = os.stat(file)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1_000_000))
    assert fingerprint(file) != before


def test_the_fingerprint_of_folders_and_patterns(tmp_path, file):
    folder, pattern = fingerprint(str(tmp_path)), fingerprint(str(tmp_path / "*.jsonl"))
    assert folder == pattern == fingerprint(file)
    write(tmp_path / "b.jsonl", [{"problem": "x"}])
    assert fingerprint(str(tmp_path)) == fingerprint(str(tmp_path / "*.jsonl")) != folder


def test_the_fingerprint_of_what_is_no_file_is_its_name():
    assert fingerprint("nano:sources") != fingerprint("nano:test")
    assert fingerprint("aime24") == fingerprint("aime24") != fingerprint("hf://a/b")


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    os.symlink(tmp_path / "loop", tmp_path / "loop")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no data file"):
        fingerprint(str(tmp_path / "empty"))
    with pytest.raises(InputError, match="no data file matches"):
        fingerprint(str(tmp_path / "*.parquet"))


def test_a_response_that_was_cut_before_its_thought_ended_has_no_answer(tmp_path):
    made = {"problem": "Find $2+2$.", "finish_reason": "length"}
    texts = ["So \\boxed{4}. Wait", "<think>So \\boxed{4}. Wait", "hm</think>So \\boxed{4}. And"]
    path = write(tmp_path / "b.jsonl", [{**made, "response": text} for text in texts])
    rows = sources(tmp_path, path, attempts=True)
    assert [row["attempts"][0].get("answer") for row in rows] == [None, None, "4"]
