"""What answer a response gives, and what is left unread."""

import pytest

from scalediff import answer_of, grade
from scalediff.core.errors import InputError
from scalediff.domains.math.grading.extract import gold_answer, read_answer

BOXES = [
    (r"\boxed{4}", "4"),
    (r"a \boxed{3}. No, it is \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
    (r"\fbox{7}", "7"),
    (r"\boxed{\{1,2\}}", r"\{1,2\}"),
    (r"\boxed {5}", "5"),
    (r"\boxed 5", "5"),
    (r"\boxed\frac12", r"\frac12"),
    (r"\boxed{\boxed{4}}", "4"),
    (r"\boxed{\frac{\boxed{3}}{4}}", r"\frac{\boxed{3}}{4}"),
    (r"\boxed{12\text{ cm}}", r"12\text{ cm}"),
    (r"Answer: $\boxed{12}$. I hope it is correct.", "12"),
    (r"{\color{red}\boxed{5}} \blacksquare", "5"),
    (r"1. \boxed{5}", "5"),
    (r"Step 3: \boxed{25}", "25"),
    (r"x \equiv \boxed{3} \pmod 7", "3"),
    (r"so $x = \boxed{3} = \frac{6}{2}$", "3"),
    (r"$\boxed{C}$: 12 apples", "C"),
    (r"so $b=7\cdot 41$ and $a=\boxed{41}$", "41"),
    (r"the $\boxed{3}$ factors 10, 25 and 50", "3"),
    (r"\boxed{\frac{1}{8}} of 2 feet", r"\frac{1}{8}"),
]
JOINED = [
    (r"\boxed{5}\quad\text{and}\quad\boxed{8}", "5, 8"),
    (r"\boxed{5}, \quad \boxed{8}", "5, 8"),
    (r"$x_1=\boxed5$, $x_2=\boxed8$", "5, 8"),
    (r"$x=\boxed{5}$ or $x=\boxed{8}$", "5, 8"),
    (r"\boxed{5}\;\text{or}\;\boxed{8}", "5, 8"),
    (r"\boxed{a}\ \&\ \boxed{b}", "a, b"),
    ("\\boxed{5}\n\nand\n\n\\boxed{8}", "5, 8"),
    (r"\boxed{5}; \boxed{6} as well as \boxed{8}", "5, 6, 8"),
    (r"\boxed{5}\text{ cm} and \boxed{8}\text{ cm}", "5, 8"),
    (r"both \boxed{7} and -\boxed{9}", "7, -9"),
    (r"$\boxed{2}\sqrt{3}\text{ and }\boxed{5}\sqrt{3}$", r"2\sqrt{3}, 5\sqrt{3}"),
    (r"\boxed{7} и \boxed{9}", "7, 9"),
    (r"\boxed{7}和\boxed{9}", "7, 9"),
    # names stay where each is another's
    (r"$$\boxed{x=1}$$ and $$\boxed{y=2}$$", "x=1, y=2"),
    (r"$x=\boxed{1}$ and $y=\boxed{2}$", "x=1, y=2"),
    (r"$x=\boxed{1}$ and $y=\boxed{1}$", "x=1, y=1"),
    (r"$f(1)=\boxed{2}, f(2)=\boxed{3}$", "f(1)=2, f(2)=3"),
    (r"\begin{aligned} x&=\boxed{1},\\ y&=\boxed{2}\end{aligned}", "x=1, y=2"),
    ("x = \\boxed{1}\ny = \\boxed{2}\nz = \\boxed{3}", "x=1, y=2, z=3"),
    # lists, and brackets around all of them
    ("- $\\boxed{5}$\n- $\\boxed{8}$", "5, 8"),
    ("1. \\boxed{5}\n2. \\boxed{8}", "5, 8"),
    (r"\begin{itemize}\item $\boxed{7}$ \item $\boxed{9}$\end{itemize}", "7, 9"),
    (r"$(x,y)=(\boxed{1},\boxed{2})$", "(1, 2)"),
    (r"$S=\{\boxed{1},\boxed{2}\}$", r"\{1, 2\}"),
]
LAST = [
    (r"\[\boxed{7}\] So \(\boxed{7}\)", "7"),
    (r"\boxed{81}\boxed{81}", "81"),
    (r"\boxed{\frac12} or \boxed{0.5}", "0.5"),
    (r"\boxed{2}. No: \boxed{3}", "3"),
    (r"\boxed{3}, or rather \boxed{4}", "4"),
    (r"\boxed{3}, no wait, \boxed{4}", "4"),
    (r"So $x=\boxed{1}$, then $y=\boxed{2}$.", "2"),
    (r"$\boxed{7}$ and $\boxed{9}$, so the sum is $\boxed{16}$", "16"),
    (r"x &= \boxed{3+1} \\ &= \boxed{4}", "4"),
    ("(a) The speed is $\\boxed{12}$.\n\n(b) The time is $\\boxed{5}$.", "5"),
    (r"(a) \boxed{3} (b) \boxed{4}", "4"),
]
FACTORS = [
    (r"\boxed8\sqrt3", r"8\sqrt3"),
    (r"\boxed3\times10^5", r"3\times10^5"),
    (r"$\boxed{3}\times 10^{5}$", r"3\times 10^{5}"),
    (r"\boxed{4}×10^5", "4×10^5"),
    (r"\boxed{3}\pi", r"3\pi"),
    (r"\boxed{3} trillion", "3 trillion"),
    (r"$\boxed{3}$ million dollars", "3 million"),
    (r"\boxed{50}\%", r"50 \%"),
    (r"\boxed{50}\text{ percent}", r"50 \%"),
    (r"\boxed{2}i", "2i"),
    (r"\boxed{4}x^2", "4x^2"),
    (r"$\boxed{a+b}x$", "(a+b)x"),
    (r"$\boxed{-3}^2$", "(-3)^2"),
    (r"$\int = \boxed{x^2}+C$", "x^2+C"),
    (r"$\boxed{5}!$", "5!"),
    (r"The answer is \boxed{5}!", "5"),
    (r"$\boxed{101}_2$", "101_2"),
    (r"\boxed{90}^\circ", r"90^\circ"),
    (r"$x=-\boxed{3}$", "-3"),
    (r"$x=\pm\boxed{3}$", r"\pm 3"),
    ("- \\boxed{5}", "5"),
    # units and comments are none
    (r"\boxed{5}\text{ cm}", "5"),
    (r"$\boxed{5}\,\mathrm{m/s}$", "5"),
    (r"\boxed{12}th", "12"),
    (r"$\boxed{12}^{\text{th}}$", "12"),
    (r"\boxed{7} a day", "7"),
    (r"\boxed{25}</answer>", "25"),
    (r"\boxed{4}\quad(\text{for }x>0)", "4"),
]
SAID = [
    ("18 - 4 = 14\n#### 14", "14"),
    ("x\n#### 1,234\n", "1,234"),
    ("#### 5<|im_end|>", "5"),
    ("The answer is 4.", "4"),
    ("The answer is 3.5.", "3.5"),
    ("**Answer:** 4.", "4"),
    ("**Answer: 4**", "4"),
    ("answer = 9", "9"),
    ("Ans: 5", "5"),
    ("The answer must be 5.", "5"),
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
    ("The answer is D, it cannot be A or B.", "D"),
    ("The answer is 5, not 7.", "5"),
    ("The answer is 5 (see above).", "5"),
    ("<answer>5</answer>", "5"),
    ('{"answer": 5, "sure": true}', "5"),
    # a response that is a value and nothing else
    ("21", "21"),
    ("$x=5$", "x=5"),
    # other languages
    ("정답은 5입니다.", "5"),
    ("답: $x+1$", "x+1"),
    ("答えは 5 です。", "5"),
    ("答案是36。", "36"),
    ("答案：B", "B"),
    ("Ответ: 5", "5"),
    ("الجواب هو 5", "5"),
    ("उत्तर 5 है", "5"),
    ("La réponse est 5.", "5"),
    ("Respuesta: 5", "5"),
    ("Das Ergebnis ist 5.", "5"),
    ("Cevap: 5", "5"),
]
NONE = [
    # a last box that is empty or never closed is no answer, nor is an earlier one
    r"\boxed{3} and then \boxed{",
    r"\boxed{3} and then \boxed{}",
    r"\boxed{3} and then \boxed",
    r"We have $p = \boxed{2}$ and $q = \boxed{}$.",
    r"\boxed{}",
    r"\boxed{a\}",
    "#### Step 1\nfoo",
    # never a number out of nowhere
    "I got 7 apples and then 8 from my good old aunt",
    "The answer is not known",
    "What is the answer?",
    "Answer: I don't know.",
    "The answer is easy to find: count the red ones first, and so on.",
    "Option A is too small and option B is too large.",
    "",
]
UNREAD = [
    # boxes that may be one answer or several
    "\\boxed{5}\n\n\\boxed{8}",
    r"The length is \boxed{5} and the width is \boxed{8}.",
    "Length: \\boxed{5}\nWidth: \\boxed{8}",
    r"\boxed{2} hours \boxed{30} minutes",
    r"$\boxed{1} < x < \boxed{3}$",
    r"\boxed{3}:\boxed{4}",
    r"\boxed{3}/\boxed{4}",
    r"$\boxed{3}+\boxed{4}i$",
    r"\begin{pmatrix}\boxed{1}\\\boxed{2}\end{pmatrix}",
    # boxes in expressions
    r"2\cdot\boxed{3}",
    r"$3x+\boxed{25}$",
    r"$\sqrt{2}\boxed{3}$",
    r"$\sqrt{\boxed{2}}$",
    r"$\frac{\boxed{2}}{3}$",
    r"$\cancel{\boxed{4}}$",
    r"$x \neq \boxed{3}$",
    r"$(3, \boxed{2})$",
    r"$x=5$ or $\boxed{8}$",
    # what stands behind a box
    r"$\boxed{3}$ ninths",
    r"\boxed{3} and a half",
    r"\boxed{3} lakh",
    r"\boxed{3} or 4",
    r"$(\boxed{3}, 2)$",
    r"$\boxed{3}\frac{1}{2}$",
    r"\boxed{3}.5",
    r"\boxed{3},000",
    r"$\boxed{4}$ × 10^5",
    r"\boxed{4} x 10^5",
    r"\boxed{2} hours and 30 minutes",
    # without a box
    r"\framebox{5}",
    "boxed{17}",
    "D is the correct answer.",
    "Option D is correct.",
    "5가 정답입니다.",
    "정답은 5개입니다.",
    "Отже, маємо 5 яблук.",
    "Por lo tanto, la suma de las edades de los dos es 12.",
    "Therefore, x = 5.",
    "We add both numbers of the list.\nShe has **12** of them.",
    "17 * 3 = 51\n51 - 9 = 42",
    "Using the notation: 45 students. #### 45",
    "Yes",
]
DOUBTED = [
    # denied, bounded, supposed, limited to a case or taken back; one of several; a step's
    r"The answer is not \boxed{3}.",
    r"It cannot be \boxed{3}.",
    r"\boxed{3} is wrong",
    r"\boxed{3} (incorrect)",
    r"\boxed{3}. No wait, that is wrong.",
    r"\boxed{3}. Hmm, actually it should be 4.",
    r"I would guess \boxed{3} but the answer is 4",
    r"\boxed{3} \to 4",
    r"\boxed{3} = 4",
    r"x < \boxed{3}",
    r"\boxed{3} or more",
    r"(\boxed{3}, 4)",
    r"5, \boxed{3}",
    r"\boxed{3}, 8",
    r"$\boxed{3}\ldots$",
    r"|\boxed{-3}|",
    r"$\boxed{3}$ if n is even, 4 otherwise",
    r"\boxed{x} = 4",
    r"The solutions: $\boxed{5}$. The other one is $\boxed{8}$.",
    r"First solution: \boxed{5}. Second solution: \boxed{8}.",
    r"We get $x=\boxed{5}$. Similarly, $x=\boxed{8}$.",
    r"$\boxed{5}$ is one solution. Another solution is $\boxed{8}$.",
    r"Case 1: $\boxed{5}$. Case 2: $\boxed{8}$.",
    "Minimum: $\\boxed{5}$\n\nMaximum: $\\boxed{8}$",
    "The answer is at least 5",
    "The answer is greater than 5 apples.",
    "The answer is an integer below 5",
    "The answer is all but 5.",
    "The answer is in Theorem 5.",
    "The answer is given in step 5.",
    "The answer is: see equation (5)",
    "The answer is 5 when n is even",
    "The wrong answer is 5.",
    "One might think the answer is 5.",
    "Suppose the answer is 5.\nThen we get a contradiction, hence 6.",
    "The answer is 5.\nWait, that's not right. It should be 6.",
    "The result is 5. Then the total is 10.",
    "result = 5\ntotal = 10",
    "The result of step 1 is 5.\nStep 2: double it.\n10",
    "#### 5\nso #### 6",
    r"The answer isn't $\boxed{3}$.",
    r"Surely $x \neq 4$, and it is never \boxed{3}",
    r"\boxed{3} is too small.",
    r"It is at most $\boxed{3}$ apples",
    r"The answer is less than $\boxed{3}$.",
    r"x \ge \boxed{3}",
    r"$\lfloor\boxed{3.5}\rfloor$",
    r"$\boxed{3}$ or fewer",
    r"One may think it is \boxed{3}.",
    r"$\boxed{3}$, when $n$ is odd.",
    r"Suppose the answer is \boxed{3}.",
    r"\boxed{3}. Oops, I made a mistake.",
    r"\boxed{3}. The answer is 4.",
    r"\boxed{3}, $4$ and $5$",
    r"The minimum is \boxed{5}. The maximum is \boxed{8}.",
    r"So \boxed{5}. There is also \boxed{8}.",
    r"If n is even, $\boxed{5}$. Otherwise, $\boxed{8}$.",
    "\\boxed{3}\nWait, this isn't correct.",
    "The answer is $5$ if n is even.",
    "The answer is at most $5$.",
    "The answer isn't 5.",
    "The answer is no more than 5.",
    "The answer is any integer above 5.",
    "The answer is not 5.",
    "The incorrect answer is 5.",
    "People would say the answer is 5.",
    "<answer>5</answer> Wait, that is wrong: 6.",
    "#### 5\nOops, I made a mistake. 6",
    "The answer is 5 or more.",
    "The answer is 5. Sorry, it should be 6.",
    "The answer is shown in figure 5.",
    r"$\boxed{3}$ --- no, $4$.",
    r"\boxed{3}, or 4 if n is odd",
    r"\boxed{3}+",
    r"We get \boxed{3}. Then there is \boxed{4} too.",
    "answer = 3\nanswer = answer + 1",
    r"-(\boxed{3})",
    r"\boxed{3} is just an upper bound",
    r"Ignoring \boxed{3}, we get 4.",
]
STANDING = [
    # words like those that leave the answer as it is
    (r"We can say that the answer is $\boxed{3}$.", "3"),
    (r"Hence we may conclude that the answer is $\boxed{3}$.", "3"),
    (r"There are at most \boxed{3} pencils left.", "3"),
    (r"| Answer | $\boxed{3}$ |", "3"),
    (r"Step 1: \boxed{2}. Step 2: \boxed{3}.", "3"),
    ("So, the answer is 3. Therefore, Tom has 3 left.", "3"),
    ("Final answer: John needs 3 apples", "3"),
    ("so the answer is 5. Wait time is not important.", "5"),
    ("The answer is 5, not 7.", "5"),
    (r"\boxed{5}, not 7", "5"),
    (r"\boxed{3} = \frac{6}{2}", "3"),
    ("The answer is therefore 5 apples.", "5 apples"),
    ("I think the answer is 5.", "5"),
    (r"I guess it is \boxed{3}", "3"),
    (r"Since 4 is not prime, the answer is \boxed{3}.", "3"),
    (r"We do not count 0, so \boxed{3}", "3"),
    (r"$\boxed{3}$. The answer is 3.", "3"),
    (r"It is not 4 but \boxed{3}.", "3"),
    ("The result is 5.", "5"),
    (r"Therefore, $x=\boxed{\frac{1}{2}}$. This is correct.", r"\frac{1}{2}"),
    (r"\boxed{\pi} \approx 3.14", r"\pi"),
    (r"Case 1: \boxed{5}. Case 2: 8. So the final answer is \boxed{13}.", "13"),
    ("If she has 3 left, then the answer is 5.", "5"),
    (r"If she sells 3, she is left with \boxed{5}.", "5"),
    (r"Therefore the least value is at least 3, so it is \boxed{3}.", "3"),
    (r"> \boxed{5}", "5"),
    (r"x = 4 -> \boxed{5}", "5"),
    (r"</a></a>\boxed{5}", "5"),
    ("The answer is D, it cannot be A or B.", "D"),
]


@pytest.mark.parametrize(
    ("content", "answer"), [*BOXES, *JOINED, *LAST, *FACTORS, *SAID, *STANDING]
)
def test_what_is_read(content, answer):
    assert read_answer(content).answer == answer


@pytest.mark.parametrize("content", NONE)
def test_what_plainly_gives_no_answer(content):
    assert grade(content, "12").rule == "no_answer"


@pytest.mark.parametrize("content", UNREAD)
def test_what_may_be_an_answer_and_was_not_read_is_undecided(content):
    verdict = grade(content, "12")
    assert (verdict.value, verdict.rule) == ("undecided", "not_read")
    assert grade(content + " and", "12", finish_reason="length").value == "wrong"


@pytest.mark.parametrize(
    ("response", "answer"),
    [
        ("<think> the answer is 4", None),
        (r"<think>\boxed{3}", None),
        (r"<think>\boxed{3}</think>", None),
        (r"<think>\boxed{3}</think> \boxed{4}", "4"),
        (r"a</think>b<think>c \boxed{1}", None),
    ],
)
def test_a_thought_is_never_an_answer(response, answer):
    assert answer_of(response) == answer
    assert answer_of(response, "length") == answer


def test_a_megabyte_of_braces_or_boxes_is_read_quickly():
    assert answer_of("\\boxed{" * 100_000) is None
    assert answer_of("{" * 1_000_000 + "\\boxed{3}") == "3"
    assert answer_of("The answer is " * 20_000) is None


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


@pytest.mark.parametrize("content", DOUBTED)
def test_what_is_denied_bounded_or_taken_back_is_undecided(content):
    for gold in ("3", "4", "5", "8", "-3"):
        verdict = grade(content, gold)
        assert (verdict.value, verdict.rule) == ("undecided", "not_read")


def test_a_response_that_is_no_text():
    assert grade(None, "7").rule == "no_answer"
    assert grade(7, "7").value == grade(7.0, "7").value == "right"
    assert grade(8, "7").value == "wrong"
    for response in ({"content": "7"}, b"7", ["7"], True):
        with pytest.raises(InputError, match="a response is the text that a model wrote"):
            grade(response, "7")
    assert grade(10**5000, "7").value in ("undecided", "wrong")


def test_a_gold_of_thousands_of_digits_is_undecided():
    for gold in (10**5000, -(10**5000), 10**400):
        assert grade(r"\boxed{7}", gold).value in ("undecided", "wrong")
    assert grade(r"\boxed{7}", 10**5000).rule == "too_long"
