import asyncio
import json
from itertools import pairwise
from pathlib import Path

import pytest

from scalediff.core.errors import RecipeError
from scalediff.domains import open_domain
from scalediff.domains.math import MathDomain, benchmarks
from scalediff.domains.math.checks import check_problem
from scalediff.domains.math.prompts import PROMPTS

DATA = Path(__file__).parents[5] / "shared" / "data"

needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the folder ../shared/data is absent")


def rows(name):
    with (DATA / f"{name}.jsonl").open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def verify(answer, gold):
    return asyncio.run(MathDomain().verify("Find it.", answer, gold))


def test_prompts_leave_braces_of_the_problem_alone():
    problem = r"Find $\frac{1}{2}$ of {problem} {0}."
    domain = MathDomain()
    assert domain.prompt(problem, "identifier") == problem
    assert domain.prompt(problem, "teacher") == (
        "Please reason step by step, and put your final answer within \\boxed{}.\n" + problem
    )
    for role in PROMPTS:
        assert domain.prompt(problem, role).endswith(problem)
    with pytest.raises(RecipeError, match="did you mean 'teacher'"):
        domain.prompt(problem, "teecher")


def test_gold_may_be_a_solution_and_no_answer_is_told_apart():
    assert verify("24", "48/2 = <<48/2=24>>24 clips.\n#### 24").value == "right"
    assert verify(r"\frac34", r"So $\boxed{0.75}$.").value == "right"
    assert verify("3", "$3$").value == "right"
    assert verify("4", "$3$").value == "wrong"
    missing = verify(None, "3")
    assert (missing.value, missing.rule) == ("wrong", "no_answer")


def test_mathematics_embeds_nothing_and_has_no_oracle():
    domain = MathDomain()
    assert domain.audit("Find $1+1$.") is None
    with pytest.raises(RecipeError, match="embeds no problems"):
        list(domain.sources("math:sources", 3, 0))


def test_benchmarks_are_local_where_a_folder_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(benchmarks.VARIABLE, raising=False)
    assert benchmarks.locations()["math500"] == "hf://HuggingFaceH4/MATH-500"
    file = tmp_path / "elsewhere" / "benchmarks" / "math500.jsonl"
    file.parent.mkdir(parents=True)
    file.write_text("{}")
    monkeypatch.setenv(benchmarks.VARIABLE, str(tmp_path / "elsewhere"))
    found = benchmarks.locations()
    assert found["math500"] == str(file)
    assert found["aime24"] == "hf://math-ai/aime24"


@pytest.mark.parametrize(
    ("name", "message"), [("maths", "did you mean math"), ("zzz", "there are math, nano")]
)
def test_an_unknown_domain_is_named_with_the_nearest(name, message):
    with pytest.raises(RecipeError, match=message):
        open_domain(name)


def test_domains_have_their_names_and_versions():
    assert [open_domain(name).name for name in ("math", "nano")] == ["math", "nano"]
    assert open_domain("nano").version.startswith(open_domain("math").version)


@pytest.mark.parametrize(
    ("problem", "evidence"),
    [
        ("   ", "no words"),
        ("$1+1$", "no words"),
        ("The cat sat on the mat.", "asks nothing"),
        ("Let $x=3$. Then $y=4$.", "asks nothing"),
        ("Take the number $0$. Modulo $8$, do this: (1) subtract $8$.", "asks nothing"),
        (r"Find $\frac{1}{2$.", "braces"),
        (r"Find $x if $\sqrt{2}=x$.", "dollar signs"),
        (r"Solve \begin{align*}x=1\end{align}.", "environments"),
        ("Find the value of the", "ends in the middle"),
        ("Find $x$ if $x+1=2$ and", "ends in the middle"),
        ("Work modulo $9$. Let $a=5$. Find $", "dollar signs"),
        ("Find $x$.<|im_end|>", "leftover"),
        ("Find $x$.\nassistant\nOk.", "leftover"),
        ("Find $x$ if $x+1=2$.\n\nSolution: $x=1$.", "leftover"),
        ("<think>What is 2?", "leftover"),
        ("[THINK]What is 2?[/THINK]", "leftover"),
        ("What is 2?</reasoning>", "leftover"),
        ("◁think▷What is 2?", "leftover"),
    ],
)
def test_malformed_problems_and_their_evidence(problem, evidence):
    drop = check_problem(problem)
    assert drop is not None
    assert drop.reason == "malformed"
    assert evidence in drop.evidence


@pytest.mark.parametrize(
    ("problem", "reason", "evidence"),
    [
        (r"Prove that $\sqrt2$ is irrational.", "proof", "Prove that"),
        ("Let $ABC$ be a triangle with $AB=AC$. Show that its base angles agree.", "proof", "Show"),
        ("Let $x+y=3$. (a) Find $x-y$. (b) Find $xy$.", "multi_part", "2 questions"),
        ("Let $f(x)=x^2$. 1) Find $f(2)$. 2) Compute $f(3)$.", "multi_part", "2 questions"),
        ("Part A: What is $1+1$? Part B: What is $1+2$?", "multi_part", "2 questions"),
        ("What is $2+2$? Answer: 4", "answer_given", "Answer: 4"),
        (r"Find the area of the square of side 2. \boxed{4}", "answer_given", "boxed"),
        ("A fair die is thrown twice. Find $m+n$.", "ill_posed", "never introduced"),
        ("In the figure shown, $AB=3$. Find the area.", "ill_posed", "figure"),
        ("A triangle has sides of length 1, 2 and 5. Find its area.", "ill_posed", "sides 1, 2, 5"),
        ("The angles of a triangle are 90, 80 and 30 degrees. Find x.", "ill_posed", "angles"),
        ("The probability of rain is 1.3. What is that of none?", "ill_posed", "probability"),
    ],
)
def test_problems_that_cannot_be_answered_as_they_stand(problem, reason, evidence):
    drop = check_problem(problem)
    assert (drop.reason, evidence in drop.evidence) == (reason, True)


@pytest.mark.parametrize(
    "problem",
    [
        "A pen costs $5 and a book costs $12 more. How much do both cost?",
        "If eggs cost $.50 each, what do 3 cost in $?",
        "Find all $x$ such that $x^2=4$",
        "Subtract $5$ from $8$.",
        "How many of these hold? (A) 1 (B) 2 (C) 3",
        "Show that $n$ is even and find its smallest value.",
        "A triangle has sides of length 3, 4 and 5. Find its area.",
        "Given $a_1=3$ and $a_{n+1}=2a_n$, find $a_4$.",
        "The chance is $m/n$ in lowest terms for a fair die. Find $m+n$.",
        r"In the figure, $ABC$ is right. [asy] draw((0,0)--(1,1)); [/asy] Find $\angle A$.",
        "Evaluate $x^2-1$ at $x=3$.",
        "Berechne die Summe der Zahlen von 1 bis 100.",
        "Encuentra el valor de $x$ si $2x=10$.",
        "Wie viele Primzahlen gibt es unter 100",
        "The probability of rain is 12.5%. What is that of none?",
        "The probability of heads is $\\frac{3}{2}$ times the probability of tails. Find it.",
        "How many triangles with sides 2, 3, 6 exist?",
        "A triangle has sides 2, 3, 7/2. Find its area.",
        "A triangle has sides 13, 14, 15. Find $R$.",
        "In an AP with first term 2 and difference 3, find $S_{20}$.",
        "What digit is $A$ if $3+\\boxed{A}=10$?",
        "Sam's answer is 12. So the answer is off by 3. What is the correct answer?",
        "Find the derivative of sin x",
        "Work out $16 - 90 - 20$.",
        r"Evaluate $\left\{ 1, 2 \right\}$ elementwise: \[x+1\]",
        "求方程 $x^2=4$ 的解。",
        "Найдите $x$, если $x+1=2$.",
    ],
)
def test_sound_problems_pass(problem):
    assert check_problem(problem) is None


@needs_data
def test_real_problems_are_not_malformed():
    names = ["gsm8k_train", "olympiadbench"]
    names += [f"benchmarks/{name}" for name in benchmarks.HUB]
    for name in names:
        problems = [row["problem"] for row in rows(name)]
        bad = [drop.evidence for p in problems if (drop := check_problem(p))]
        assert len(bad) <= 0.01 * len(problems), (name, bad[:5])


@needs_data
def test_real_solutions_match_their_gold_without_a_process():
    async def grade(domain, row):
        return (await domain.verify("", domain.answer(row["solution"]), str(row["answer"]))).value

    async def share(name):
        domain = MathDomain()
        try:
            values = [await grade(domain, row) for row in rows(name)]
        finally:
            await domain.close()
        return values.count("right") / len(values)

    assert asyncio.run(share("gsm8k_train")) == 1.0
    assert asyncio.run(share("benchmarks/math500")) >= 0.998  # one solution boxes two forms


@needs_data
def test_the_answer_of_another_problem_is_hardly_ever_right():
    from scalediff.domains.math.grading.compare import compare

    golds = [str(row["answer"]) for row in rows("benchmarks/math500")]
    pairs = [(a, b) for a, b in pairwise(golds) if a.strip() != b.strip()]
    right = [(a, b) for a, b in pairs if (v := compare(a, b)) and v.value == "right"]
    assert right == [("5", "x=5")]
