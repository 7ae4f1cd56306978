import json

import pytest
from fakes import FakeDomain, FakeTable, context, table_of

from scalediff.core.errors import InputError, RecipeError
from scalediff.core.records import Drop
from scalediff.domains import open_domain
from scalediff.stages.screen import Screen

TALE = (
    "A farmer keeps geese and rabbits in one yard behind the barn. Together the animals have "
    "35 heads and 94 feet. How many of the animals in the yard are rabbits, and how many geese?"
)
NEAR = TALE.replace("farmer", "peasant")
TWIN = TALE.replace("94", "92")
EXAM = "How many positive integers less than 50 can be written as the sum of two cubes?"


def screen(*tables, domain=None, **settings):
    stage = Screen(Screen.Config(**settings))
    return list(stage.run(list(tables), context(domain=domain)))


def reasons(*tables, **settings):
    return [o.reason if isinstance(o, Drop) else None for _, o in screen(*tables, **settings)]


def test_rows_that_stay_gain_nothing_and_keep_their_order():
    rows = table_of(TALE, TWIN, "Find $x$.")
    assert screen(rows) == [("k0", {}), ("k1", {}), ("k2", {})]


def test_the_earlier_of_two_equal_rows_stays():
    outcomes = screen(table_of(TALE, "Find $x$.", NEAR, TALE))
    assert [o.reason if isinstance(o, Drop) else None for _, o in outcomes] == [
        None,
        None,
        "duplicate",
        "duplicate",
    ]
    assert outcomes[2][1].evidence.startswith("k0 (similarity 0.")
    assert outcomes[3][1].evidence.startswith("k0 (same text): A farmer keeps geese")


def test_there_are_no_chains():
    chain = [TALE]
    for old, new in [
        ("farmer", "peasant"),
        ("geese", "ducks"),
        ("barn", "house"),
        ("feet", "legs"),
    ]:
        chain.append(chain[-1].replace(old, new))
    outcomes = [o for _, o in screen(table_of(*chain), near_duplicate_jaccard=0.75)]
    kept = [f"k{i}" for i, o in enumerate(outcomes) if o == {}]
    assert len(kept) > 1
    for drop in outcomes:
        assert drop == {} or drop.evidence.split(" ")[0] in kept


def test_copies_of_sources_are_told_from_duplicates():
    sources = table_of("Other.", TALE, prefix="s")
    outcomes = screen(table_of(NEAR, NEAR, TWIN, TWIN), sources)
    assert [o.reason if isinstance(o, Drop) else None for _, o in outcomes] == [
        "copy_of_source",
        "copy_of_source",
        None,
        "duplicate",
    ]
    assert outcomes[0][1].evidence.startswith("s1 ")


def test_languages_that_are_not_allowed_leave():
    rows = table_of(TALE, "求所有满足条件的正整数的和，并说明理由，其中每个数都小于一百。")
    assert reasons(rows, languages=["en"]) == [None, "wrong_language"]
    assert reasons(rows) == [None, None]
    with pytest.raises(ValueError, match="did you mean en"):
        Screen.Config(languages=["eng"])


def test_many_versions_of_one_text_are_still_compared_truly():
    """A crowded shelf has a MinHash index, whose every candidate is confirmed."""
    words = "river stone cloud table window garden letter market bridge candle mirror".split()
    texts = [f"Suppose that the {a} and the {b} stand by the {c} of the old town. Why is it so?"
             for a in words for b in words for c in words if len({a, b, c}) == 3]  # fmt: skip
    kept = [o for _, o in screen(table_of(*texts), near_duplicate_jaccard=0.99)]
    assert kept == [{}] * len(texts)
    again = screen(table_of(*texts[:300], *texts[:300]))
    assert all(o.reason == "duplicate" for _, o in again[300:])


def test_malformed_rows():
    rows = FakeTable(
        [
            {"key": "a", "problem": " \n"},
            {"key": "b", "problem": None},
            {"key": "c"},
            {"key": "d", "problem": "Find the...", "slot": 1, "finish_reason": "stop"},
            {"key": "e", "problem": "Let it be", "slot": 2, "finish_reason": "length"},
            {"key": "f", "problem": "Find the sum", "finish_reason": "length"},
        ]
    )
    outcomes = screen(rows)
    assert [o.reason if isinstance(o, Drop) else None for _, o in outcomes] == [
        *["malformed"] * 5,
        None,
    ]
    assert outcomes[3][1].evidence == "it breaks off"
    assert outcomes[4][1].evidence == "cut at the token cap, ends: Let it be"
    unchecked = [o for _, o in screen(rows, check=False)]
    assert [isinstance(o, Drop) for o in unchecked] == [True, True, True, False, False, False]


def test_the_first_reason_that_applies_is_the_reason():
    domain = FakeDomain(embedded=[TALE])
    settings = {"domain": domain, "benchmarks": ["fake:test"]}
    sources = table_of(TALE, prefix="s")
    assert reasons(table_of(TALE), sources, **settings) == ["copy_of_source"]
    assert reasons(table_of(TALE), **settings) == ["contaminated"]


def test_a_benchmark_file_and_a_known_name(tmp_path):
    pytest.importorskip("scalediff.io.files")
    path = tmp_path / "exam.jsonl"
    lines = [{"problem": "Unrelated matter.", "answer": "1"}, {"problem": EXAM, "answer": "2"}]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + "{broken\n")
    rows = table_of("Now: " + EXAM, EXAM.replace("50", "60"))
    for domain, name in [(FakeDomain(), str(path)), (FakeDomain({"exam": str(path)}), "exam")]:
        outcomes = screen(rows, domain=domain, benchmarks=[name])
        assert outcomes[0][1].reason == "contaminated"
        assert "row 2" in outcomes[0][1].evidence
        assert EXAM in outcomes[0][1].evidence
        assert "other numbers" in outcomes[1][1]["twin_of"]
        twins = screen(rows, domain=domain, benchmarks=[name], drop_twins=True)
        assert [o.reason for _, o in twins] == ["contaminated"] * 2


@pytest.mark.parametrize(
    ("known", "name", "asked"),
    [
        ({}, "fake:test", ("fake:test", 1000, 0)),
        ({}, "fake:test?n=5&seed=9", ("fake:test", 5, 9)),
        ({"fake:test": "domain:test"}, "fake:test?seed=9", ("fake:test", 1000, 9)),
        ({"fake:test": "domain:"}, "fake:test", ("fake:test", 1000, 0)),
        ({"small": "fake:test?n=2&seed=3"}, "small", ("fake:test", 2, 3)),
        ({"small": "fake:test?n=2&seed=3"}, "small?n=4", ("fake:test", 4, 3)),
    ],
)
def test_embedded_benchmarks(known, name, asked):
    domain = FakeDomain(known, embedded=[EXAM])
    assert reasons(table_of(EXAM), domain=domain, benchmarks=[name]) == ["contaminated"]
    assert domain.asked == [asked]


@pytest.mark.parametrize(
    ("name", "error", "message"),
    [
        ("no_such_exam", InputError, "neither a file nor known to the domain fake"),
        ("fake:test?m=3", RecipeError, "m=3 is not understood"),
        ("fake:test?n=many", RecipeError, "n=many is not understood"),
        ("fake:test", InputError, "holds no problem"),
    ],
)
def test_benchmarks_that_cannot_be_read(name, error, message):
    with pytest.raises(error, match=message):
        screen(table_of(EXAM), benchmarks=[name])


def test_nothing_is_dropped_of_an_empty_table():
    assert screen(table_of(), table_of(TALE, prefix="s")) == []


def test_the_same_text_that_asks_for_something_else_is_another_problem():
    text = "A system of two equations holds: $3x+4y=25$ and $5x-2y=7$, for $x$ and $y$. Find ${}$."
    assert reasons(table_of(text.replace("{}", "x"), text.replace("{}", "y"))) == [None, None]


def test_another_embedding_model_is_another_input(tmp_path):
    (tmp_path / "weights").write_text("one")
    stage = Screen(Screen.Config(embedding_model=str(tmp_path)))
    before = stage.fingerprint(FakeDomain())
    (tmp_path / "weights").write_text("other")
    assert stage.fingerprint(FakeDomain()) != before


def test_a_changed_benchmark_is_another_input(tmp_path):
    path = tmp_path / "bench.jsonl"
    path.write_text('{"problem": "How many primes are below 100?"}\n')
    stage = Screen(Screen.Config(benchmarks=[str(path)]))
    before = stage.fingerprint(FakeDomain())
    assert stage.fingerprint(FakeDomain()) == before
    with path.open("a") as more:
        more.write('{"problem": "How many primes are below 200?"}\n')
    assert stage.fingerprint(FakeDomain()) != before


TYPED = {
    "upper": str.upper,
    "title": str.title,
    "unseen": "\u200b".join,
    "html": lambda text: text.replace(" ", "&nbsp;"),
    "cyrillic": lambda text: text.translate(str.maketrans("aeocp", "аеоср")),
}


@pytest.mark.parametrize("typed", TYPED)
def test_a_copy_leaves_however_it_is_typed(tmp_path, typed):
    other = TYPED[typed]
    bench = tmp_path / "exam.jsonl"
    bench.write_text(json.dumps({"problem": EXAM}) + "\n")
    rows = table_of("Find $x$.", TALE, other(TALE), other("Find $x$."), other(EXAM))
    told = reasons(rows, benchmarks=[str(bench)], domain=open_domain("math"))
    assert told == [None, None, "duplicate", "duplicate", "contaminated"]
    sources = table_of(TALE, "Find $x$.", prefix="s")
    rows = table_of(other(TALE), other("Find $x$."))
    assert reasons(rows, sources) == ["copy_of_source", "copy_of_source"]


def test_a_benchmark_problem_with_its_variables_renamed_is_noted_or_dropped(tmp_path):
    bench = tmp_path / "exam.jsonl"
    problem = r"Find all $x$ with $\frac{x}{2}+\sqrt{x}=12$ and $x^2+x>3$."
    bench.write_text(json.dumps({"problem": problem}) + "\n")
    rows = table_of(r"Find all $t$ with $\frac{t}{2}+\sqrt{t}=12$ and $t^2+t>3$.")
    ((_, noted),) = screen(rows, benchmarks=[str(bench)])
    assert noted["twin_of"].startswith("exam.jsonl row 1 (")
    assert "other names" in noted["twin_of"]
    assert reasons(rows, benchmarks=[str(bench)], drop_twins=True) == ["contaminated"]
