import json
import sys
from pathlib import Path

import pytest

from scalediff.core.errors import InputError, PrerequisiteError, RecipeError
from scalediff.look import Look, Spread, look, render
from scalediff.text.phrases import Phrase, shared_phrases

DATA = Path(__file__).parents[3] / "shared" / "data"
BOX = "Please reason step by step, and put your final answer within \\boxed{}."


def write(path, rows):
    path.write_text("".join(f"{r if isinstance(r, str) else json.dumps(r)}\n" for r in rows))
    return str(path)


@pytest.fixture
def mixed(tmp_path):
    def turns(user, assistant):
        return [{"from": "human", "value": user}, {"from": "gpt", "value": assistant}]

    return write(
        tmp_path / "a.jsonl",
        [
            {"problem": "Find $x$ if $x = 4$.", "answer": "4", "solution": "It is 4."},
            {"problem": "Find  $x$ if $x = 4$.", "answer": " "},
            {"question": "How many?", "answer": "2+2\n#### 4"},
            {"conversations": turns("What is 1+1?", "<think>a</think>2")},
            {"conversations": turns("What is 1+2?", "<think>cut")},
            {"problem": "Show that.", "generations": ["<think>a</think>1", "<think>b"]},
            "{broken",
            {"problem": None},
            {"problem": "x" * 20_001},
            {"problem": "x" * 20_002},
        ],
    )


def test_counts(mixed):
    found = look([mixed])
    assert found.rows == 6
    assert found.layouts == {"problem": 3, "question": 1, "conversations": 2}
    assert (found.gold, found.solutions, found.duplicates) == (2, 4, 1)
    assert (found.closed, found.open) == (2, 2)
    assert found.attempts == {"teacher": 3}
    assert found.roles == {"human": 2, "gpt": 2}
    assert found.columns["problem"] == 6
    assert found.columns["conversations"] == 2
    assert found.words == Spread(3, 6, 6)
    assert found.tokens is None
    assert found.files == {mixed: 6}
    assert [row["problem"] for row in found.first][2] == "How many?"


def test_rejected_rows_are_grouped_and_shown(mixed):
    found = look([mixed])
    assert found.rejected == {
        "broken JSON": 1,
        "problem is null": 1,
        "the problem has # characters, over #": 2,
    }
    assert [bad.line for bad in found.examples] == [7, 8, 9]
    text = render(found)
    assert "rows        6 usable, 4 set aside" in text
    assert "2 the problem has # characters" in text
    assert f"{mixed} line 7: broken JSON" in text


def test_the_text_says_what_was_found(mixed):
    text = render(look([mixed]))
    for line in (
        "layout      problem 3, conversations 2, question 1",
        "gold        2 of 6 rows, from answer; 4 none",
        "duplicates  1 rows repeat an earlier problem (16.7%; `scalediff screen` finds near ones as"
        " well)",
        "row 3",
    ):
        assert line in text.splitlines()
    assert all(len(line) < 250 for line in text.splitlines())


def test_benchmark_hits_are_by_normalised_equality(tmp_path, mixed):
    exam = write(
        tmp_path / "exam.jsonl", [{"problem": "find \\(x\\) if $x=4$"}, {"problem": "No."}]
    )
    same = write(tmp_path / "same.jsonl", [{"problem": "Find $x$ if $x = 4$."}])
    found = look([mixed], benchmarks={"exam": exam, "same": same})
    assert found.hits["same"] == 2
    assert found.hit_examples["same"] == f"{mixed} line 1"
    assert "2 rows have a problem of same" in render(found)
    assert (
        look([mixed], benchmarks={"none": write(tmp_path / "n.jsonl", [{"problem": "N"}])}).hits
        == {}
    )


def test_phrases_that_most_rows_share(tmp_path):
    rows = [{"problem": f"Solve the following problem. Find ${i}$.\n{BOX}"} for i in range(8)]
    rows += [{"problem": f"Plain {i}"} for i in range(2)]
    found = look([write(tmp_path / "a.jsonl", rows)])
    assert found.phrases == [
        Phrase("begin", "Solve the following problem. Find", 0.8),
        Phrase("end", BOX, 0.8),
    ]
    assert f"80% end with: {BOX}" in render(found)
    assert found.first[0]["problem"].endswith(BOX)


@pytest.mark.parametrize(
    "problems",
    [
        ["a b c d e"] * 3,
        ["Find the value of x"] * 2 + ["Show that"] * 2,
        ["one two three x"] * 3 + ["one two three y"] * 3,
        [],
        [""] * 9,
    ],
)
def test_no_phrase_without_four_words_and_a_majority(problems):
    assert shared_phrases(problems) == []


def test_the_phrase_may_be_the_whole_problem():
    assert shared_phrases(["a b c d"] * 4) == [
        Phrase("begin", "a b c d", 1.0),
        Phrase("end", "a b c d", 1.0),
    ]


def test_spread():
    assert Spread.of(range(1, 101)) == Spread(50, 90, 100)
    assert Spread.of([7]) == Spread(7, 7, 7)


def test_several_files(tmp_path, mixed):
    other = write(tmp_path / "b.jsonl", [{"problem": "y"}])
    found = look([mixed, other])
    assert found.files == {mixed: 6, other: 1}
    assert look([str(tmp_path / "*.jsonl")]).files == found.files
    assert "files       2" in render(found)


def test_memory_is_bounded_by_samples(tmp_path, monkeypatch):
    monkeypatch.setattr("scalediff.look._SAMPLE", 10)
    monkeypatch.setattr("scalediff.io.reading._MOST", 5)
    rows = [{"problem": f"Compute the sum of {i}.", f"column {i}": 1} for i in range(300)]
    found = look([write(tmp_path / "a.jsonl", rows)])
    assert (found.rows, found.sampled) == (300, 10)
    assert found.columns["(others)"] == 296
    assert found.phrases == [Phrase("begin", "Compute the sum of", 1.0)]


def test_control_characters_do_not_reach_the_terminal(tmp_path):
    found = look([write(tmp_path / "a.jsonl", [{"problem": "\x1b[31mred", "\x1b]0;": "\x07"}])])
    assert "\x1b" not in render(found)
    assert "\x07" not in render(found)


def test_a_named_column(tmp_path):
    path = write(tmp_path / "a.jsonl", [{"body": "x"}])
    assert look([path], problem_column="body").layouts == {"body": 1}


def test_an_embedded_set():
    found = look(["nano:sources"])
    assert found.rows == 1000
    assert found.gold == 1000
    with pytest.raises(RecipeError, match="there is no domain 'nanoo', did you mean nano"):
        look(["nanoo:sources"])


@pytest.mark.parametrize("rows", [[], ["{broken"], [{"text": "x"}]])
def test_nothing_usable_is_an_error(tmp_path, rows):
    with pytest.raises(InputError):
        look([write(tmp_path / "a.jsonl", rows)])


def test_no_input_is_an_error():
    with pytest.raises(InputError, match="no input is given"):
        look([])


def test_render_of_nothing_found():
    assert "rows        0 usable, 0 set aside" in render(Look())


# tokens


@pytest.fixture
def tokenizer(tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0}, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    (tmp_path / "model").mkdir()
    made.save(str(tmp_path / "model" / "tokenizer.json"))
    return str(tmp_path / "model")


def test_tokens_are_counted_with_a_model_folder(mixed, tokenizer):
    found = look([mixed], model=tokenizer)
    assert found.tokens == found.words
    assert "tokens      median 3" in render(found)


def test_a_model_without_a_tokenizer_is_one_sentence(tmp_path, mixed, tokenizer):
    for folder in (tmp_path, tmp_path / "no", mixed):
        with pytest.raises(InputError, match=r"holds no tokenizer\.json"):
            look([mixed], model=str(folder))
    (Path(tokenizer) / "tokenizer.json").write_text("{}")
    with pytest.raises(InputError, match="is no tokenizer"):
        look([mixed], model=tokenizer)


def test_counting_tokens_needs_a_package(mixed, tokenizer, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(PrerequisiteError, match=r'pip install "scalediff\[local\]"'):
        look([mixed], model=tokenizer)


def test_a_real_file():
    path = DATA / "gsm8k_train.jsonl"
    if not path.exists():
        pytest.skip("gsm8k_train.jsonl is not beside this checkout")
    found = look([str(path)])
    assert (found.rows, found.gold, found.duplicates, found.rejected.total()) == (7473, 7473, 0, 0)
    assert found.sampled == 2000


def test_why_attempts_ended_is_said_where_not_all_did_by_themselves(tmp_path):
    rows = [
        {"problem": f"Find ${n}$.", "response": "[THINK]a[/THINK]4", "finish_reason": reason}
        for n, reason in enumerate(["stop", "MAX_TOKENS", "tired", "tired", "SAFETY", None])
    ]
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = look([str(path)])
    assert found.endings == {"stop": 2, "length": 1, "unknown (tired)": 2, "refused": 1}
    assert (found.closed, found.open) == (6, 0)
    text = render(found)
    assert "unknown (tired) 2" in text
    assert "2 attempts end for a reason that is not known and count as cut" in text
    path.write_text(json.dumps(rows[0]) + "\n")
    assert "endings" not in render(look([str(path)]))
