import pytest

from scalediff.domains.math.grading.extract import extract, gold_answer

CASES = [
    # boxes
    (r"\boxed{4}", "4"),
    (r"a \boxed{3}. No, it is \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    (r"\fbox{7}", "7"),
    (r"\boxed{\{1,2\}}", r"\{1,2\}"),
    (r"\boxed {5}", "5"),
    (r"\boxed 5", "5"),
    (r"\boxed{\boxed{4}}", "4"),
    (r"\boxed{12\text{ cm}}", r"12\text{ cm}"),
    (r"Answer: $\boxed{12}$. I hope it is correct.", "12"),
    (r"\[\boxed{7}\] So \(\boxed{7}\)", "7"),
    # joined boxes are one answer
    (r"\boxed{2} and \boxed{3}", "2, 3"),
    (r"$\boxed{2}$ or $\boxed{3}$.", "2, 3"),
    (r"\boxed{x=1} and \boxed{y=2}", "x=1, y=2"),
    (r"\boxed{2}. No: \boxed{3}", "3"),
    # a last box that is empty or never closed is no answer, nor is an earlier one
    (r"\boxed{3} and then \boxed{", None),
    (r"\boxed{3} and then \boxed{}", None),
    (r"\boxed{3} and then \boxed", None),
    (r"\boxed{}", None),
    (r"\boxed{a\}", None),
    # GSM8K
    ("18 - 4 = 14\n#### 14", "14"),
    ("x\n#### 1,234\n", "1,234"),
    ("#### 5<|im_end|>", "5"),
    ("#### Step 1\nfoo", None),
    # sentences
    ("The answer is 4.", "4"),
    ("The answer is 3.5.", "3.5"),
    ("**Answer:** 4.", "4"),
    ("**Answer: 4**", "4"),
    ("answer = 9", "9"),
    (r"Answer: $\frac{1}{2}$.", r"\frac{1}{2}"),
    ("The final answer is $18.", "$18"),
    ("So the answer is $3.50 per day.", "$3.50"),
    ("The answer is:\n\n$$5$$", "5"),
    ("The answer is:\n$$\n\\frac{1}{2}\n$$\nDone.", r"\frac{1}{2}"),
    ("The answer to the problem is 42.", "42"),
    (r"The answer is \(x=3\).", "x=3"),
    ("The answer is (B).", "(B)"),
    ("The answer is 1,000 dollars. So we are done.", "1,000 dollars"),
    ("The answer is 5 because 2+3=5", "5"),
    # never a number out of nowhere
    ("I got 7 apples and then 8", None),
    ("The answer is not known", None),
    ("What is the answer?", None),
    ("", None),
    # a cut thought is never an answer
    ("<think> the answer is 4", None),
    (r"<think>\boxed{3}", None),
    (r"<think>\boxed{3}</think>", None),
    (r"<think>\boxed{3}</think> \boxed{4}", "4"),
]


@pytest.mark.parametrize(("content", "answer"), CASES)
def test_extract(content, answer):
    assert extract(content) == answer


def test_a_megabyte_of_braces_or_boxes_is_read_quickly():
    assert extract("\\boxed{" * 100_000) is None
    assert extract("{" * 1_000_000 + "\\boxed{3}") == "3"
    assert extract("The answer is " * 20_000) is None


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("24", "24"),
        ("48/2 = <<48/2=24>>24 clips.\n#### 24", "24"),
        (r"Thus $x = \boxed{\frac{3}{4}}$.", r"\frac{3}{4}"),
        (r"$\frac{3}{4}$", r"$\frac{3}{4}$"),
        ("the answer is out there", "the answer is out there"),
    ],
)
def test_gold_answer(gold, answer):
    assert gold_answer(gold) == answer
