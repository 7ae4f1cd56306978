import re

import pytest

from scalediff.text.contamination import Benchmarks

EXAM = (
    "A spherical balloon with radius 6 inches is cut by a plane at distance 2 from its centre. "
    "The smaller piece is dipped in paint and rolled along a sheet of paper to the end. Let $m$ "
    "and $n$ be relatively prime positive integers such that the painted area is $m/n$. Find $m+n$."
)
SHORT = "How many positive integers less than 50 can be written as the sum of two cubes?"


def index_of(*texts, **settings):
    index = Benchmarks(**settings)
    for i, text in enumerate(texts, start=1):
        index.add(f"exam row {i}", text)
    return index


def test_equal_text_is_found_with_its_evidence():
    leak = index_of("Something else entirely.", EXAM).find(EXAM.lower().replace("$", ""))
    assert leak.name == "exam row 2"
    assert leak.share == 1.0
    assert "spherical balloon" in str(leak)


def test_a_problem_inside_a_longer_text_is_found():
    leak = index_of(EXAM).find("Consider the following old question. " + EXAM + " Show your work.")
    assert leak.n == 13
    assert leak.share == 1.0


def test_the_first_half_with_another_question_counts_by_its_share():
    half = EXAM[: EXAM.index("Let $m$")] + "How long does it take if the speed is constant and low?"
    assert 0.4 < index_of(EXAM, share=0.3).find(half).share < 0.6
    assert index_of(EXAM).find(half) is None


def test_short_problems_go_by_8_grams_and_tiny_ones_by_equality():
    index = index_of(SHORT, "Compute $5!+3$.")
    assert index.find("Quickly: " + SHORT + " Explain.").n == 8
    assert index.find("compute $5! + 3$").n == 0
    assert (
        index.find("First compute $5!+3$ and then double the result, if you can do that.") is None
    )


@pytest.mark.parametrize(("text", "old", "new"), [(EXAM, "6", "7"), (SHORT, "50", "80")])
def test_a_twin_with_other_numbers_is_told_apart(text, old, new):
    index = index_of(text)
    assert not index.find("In short. " + text).twin
    twin = index.find("In short. " + text.replace(old, new))
    assert twin.twin
    assert "other numbers" in str(twin)


def test_a_copy_without_the_drawing_is_found():
    drawn = EXAM + ' [asy] draw((0,0)--(6,2)); label("$A$",(0,0),W); draw(circle((3,1),2)); [/asy]'
    assert not index_of(drawn).find(EXAM).twin
    assert not index_of(drawn).find("Now: " + drawn.replace("6,2", "7,3")).twin


def test_a_copy_goes_before_a_twin():
    index = index_of(SHORT.replace("50", "80"), SHORT)
    leak = index.find("Quickly, please: " + SHORT)
    assert (leak.name, leak.twin) == ("exam row 2", False)


def test_a_problem_in_short_lines_or_in_a_story_is_found():
    lines = "\n".join(" ".join(EXAM.split()[i : i + 5]) for i in range(0, len(EXAM.split()), 5))
    story = "Ann found a note in her attic. It said this and no more. " + EXAM + " She went home."
    assert index_of(EXAM).find(lines).share == 1.0
    assert index_of(EXAM).find(story).share == 1.0


IDENTITY = "Recall that $x^3+y^3+z^3-3xyz=(x+y+z)(x^2+y^2+z^2-xy-yz-zx)$."
TANGENT = r"As is known, $\tan(u+v)=\frac{\tan u+\tan v}{1-\tan u\tan v}$."


@pytest.mark.parametrize(
    ("problem", "row"),
    [
        (
            "Using $a^3+b^3+c^3-3abc=(a+b+c)(a^2+b^2+c^2-ab-bc-ca)$ find $a^3+b^3+c^3$ if $a+b+c=0$"
            " and $abc=5$.",
            IDENTITY + " How many integer solutions has $x^3+y^3+z^3=3xyz$ with $|x|<4$?",
        ),
        (
            r"Use $\tan(a+b)=\frac{\tan a+\tan b}{1-\tan a\tan b}$ to find $\tan 75^\circ$.",
            TANGENT + " Three angles of a triangle have tangents in the ratio 1:2:3. Find them.",
        ),
        (
            "By $(1+x)^5=1+5x+10x^2+10x^3+5x^4+x^5$, what is the sum of the coefficients?",
            "Expand $(1+y)^5=1+5y+10y^2+10y^3+5y^4+y^5$ and integrate it from zero to one.",
        ),
        (
            r"The probability is $\frac{m}{n}$, where $m$ and $n$ are relatively prime positive "
            "integers. Find $m+n$ for three dice.",
            r"A frog jumps. The chance that it lands is $\frac{m}{n}$, where $m$ and $n$ are "
            "relatively prime positive integers. Find $m+n$.",
        ),
    ],
)
def test_identities_and_instructions_are_no_leak(problem, row):
    assert index_of(problem).find(row) is None
    assert index_of(problem).find("Now: " + problem) is not None


def test_a_long_formula_alone_is_not_the_problem():
    formula = r"$\frac{x^7-3x^5+11x^2-8}{x^4+6x-13}+\sqrt{x^9+17x-2}$"
    problem = (
        f"Anna draws the graph of {formula} on squared paper. How often does it cross the axis?"
    )
    row = f"Differentiate {formula} with respect to the variable and simplify as far as you can."
    assert index_of(problem).find(row) is None


def test_an_instruction_that_many_share_counts_for_nothing():
    ask = "Express your final answer as a common fraction in lowest terms without any spaces inside"
    exams = [f"{ask}. {word} pieces." for word in ("red", "green", "blue", "black", "white")]
    row = f"A wholly different matter of boats and rivers. {ask}, please."
    assert index_of(*exams).find(row) is None
    assert index_of(*exams[:2]).find(row) is not None


TYPED = {
    "upper case": str.upper,
    "title case": str.title,
    "other case": str.swapcase,
    "invisible": lambda text: "".join(
        c + "\u200b\u00ad\u2060\ufe0f"[i % 4] for i, c in enumerate(text)
    ),
    "HTML": lambda text: "<p>" + text.replace(" ", "&nbsp;").replace(".", ".<br>") + "</p>",
    "spaces": lambda text: text.replace(" ", "\u2009"),
    "full width": lambda text: "".join(
        chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text
    ),
    "Cyrillic": lambda text: text.translate(str.maketrans("aeopcxAEO", "аеорсхАЕО")),
    "Markdown": lambda text: text.replace("number", "**number**"),
    "all of these": lambda text: text.upper().replace("A", "А").replace(" ", "&#160;\u200b"),
}
EQUATION = r"Find all $x$ such that $\frac{x}{2}+\sqrt{x}=12$."


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize("text", [EXAM, SHORT, EQUATION, "Compute $5!+3$."])
def test_a_copy_in_other_typing_is_a_copy(typed, text):
    leak = index_of("Something else.", text).find(TYPED[typed](text))
    assert (leak.name, leak.share, leak.twin) == ("exam row 2", 1.0, False)


GEOMETRY = (
    r"In triangle $ABC$, point $D$ lies on $\overline{BC}$ with $BD = 3$ and $DC = 5$. If $AD = 7$"
    r" and $\angle ADB = 60^\circ$, find $AB^2 + AC^2$."
)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (EQUATION, {"x": "t"}),
        (EQUATION, {"x": "\\theta "}),
        (GEOMETRY, dict(zip("ABCD", "PQRS", strict=True))),
        ("Compute $n!$ if $n=3$.", {"n": "m"}),
        ("Let $f(x)=3x+2$ and $g(x)=f(f(x))$. Find $g(1)$.", {"f": "p", "g": "q", "x": "t"}),
        ("So Jan has 3 cats and Bo 5. How many has Jan?", {"Jan": "Maria", "Bo": "Yusuf"}),
    ],
)
def test_a_problem_with_its_names_replaced_throughout_is_a_twin(text, changes):
    names = "|".join(changes)
    pattern = rf"(?<![\\A-Za-z])(?:{names})(?![a-z])|(?<=[A-Z])(?:{names})(?![a-z])"
    other = re.sub(pattern, lambda match: changes[match[0]], text)
    assert other != text
    leak = index_of("Something else.", text).find(other)
    assert (leak.name, leak.twin) == ("exam row 2", True)
    assert "other names" in str(leak)


def test_a_renamed_problem_in_a_story_is_a_twin():
    renamed = GEOMETRY.translate(str.maketrans("ABCD", "PQRS")).replace("In ", "in ", 1)
    leak = index_of(GEOMETRY).find("An old note of hers asked this: " + renamed + " She left it.")
    assert (leak.twin, leak.differs) == (True, "names")


def test_letters_in_other_places_are_no_renaming():
    assert index_of("Let $x+y=3$. Find $x$.").find("Let $t+s=3$. Find $s$.") is None


def test_a_masked_formula_within_a_longer_one_is_no_twin():
    short = r"Compute $\sin^3 18^\circ + \sin^2 18^\circ.$"
    longer = r"Compute $\sin^2 4^\circ+\sin^2 8^\circ+\sin^2 12^\circ+\cdots+\sin^2 176^\circ$."
    assert index_of(short).find(longer) is None
    assert index_of(short).find(short.replace("18", "19")).differs == "numbers"


def test_a_twin_never_outranks_a_copy():
    """Of a text that holds one problem and a version of another, the copy is what counts."""
    twin = "How many positive integers less than 80 can be written as the sum of two cubes?"
    for order in ((twin, EXAM), (EXAM, twin)):
        index = index_of(*order)
        name = f"exam row {order.index(EXAM) + 1}"
        part = EXAM[: int(0.8 * len(EXAM))]  # a share under 1, where the twin's is 1
        leak = index.find(f"{SHORT} {part}")
        assert (leak.name, leak.twin) == (name, False)
        assert leak.share < 1


def test_a_problem_listed_twice_is_one_problem():
    index = index_of(EXAM, EXAM, EXAM, EXAM, EXAM)
    assert len(index) == 1
    assert index.find("Now: " + EXAM).name == "exam row 1"


def test_empty_texts_match_nothing():
    index = index_of("", EXAM)
    assert len(index) == 1
    assert index.find("") is None
