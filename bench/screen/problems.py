"""Short problems for benchmarks of the screen, with planted copies, near copies and twins.

Half are stories (names, things, numbers in a few hundred thousand sentences), half are runs of
words with a formula in them; none is of any data set. What was planted is known, so recall and
precision are too.
"""

import random

from scalediff.text.ngrams import asked, mathematics, tokens

NAMES = "Ana Bo Carl Dina Edu Fay Gus Hana Ivo Jo Kai Lena Max Nora Omar Pia Rosa Sam".split()
THINGS = "apples pencils marbles stamps tickets bricks coins shells cards plates ropes".split()
PLACES = "market garden station library harbour school bakery museum stadium village farm".split()
ACTS = "buys finds sells carries counts trades packs paints repairs loses hides collects".split()
VOCABULARY = None


def words(rng):
    """Five thousand made-up words, the same for every call."""
    global VOCABULARY
    if VOCABULARY is None:
        own = random.Random(11)
        syllables = [c + v for c in "bcdfghklmnprstvz" for v in "aeiou"]
        VOCABULARY = ["".join(own.choices(syllables, k=own.randint(2, 4))) for _ in range(5_000)]
    return VOCABULARY


def story(rng):
    a, b = rng.sample(NAMES, 2)
    x, y, z = (rng.randint(2, 997) for _ in range(3))
    thing, other = rng.sample(THINGS, 2)
    return (
        f"{a} {rng.choice(ACTS)} {x} {thing} at the {rng.choice(PLACES)}, and {b} "
        f"{rng.choice(ACTS)} {y} {other} on the way to the {rng.choice(PLACES)}. Each gives "
        f"${z}$ of these to a friend who {rng.choice(ACTS)} {rng.choice(THINGS)}. How many "
        f"{rng.choice([thing, other])} does {rng.choice([a, b])} have left at the end of the day?"
    )


def formula(rng):
    vocabulary = words(rng)
    text = " ".join(rng.choices(vocabulary, k=rng.randint(18, 30)))
    a, b, c = (rng.randint(2, 997) for _ in range(3))
    kind = rng.choice(vocabulary)
    return f"Let {text} satisfy ${a}x^2+{b}x={c}$. Find the sum of all {kind} values of $x$."


def without_numbers(rng):
    vocabulary = words(rng)
    text = " ".join(rng.choices(vocabulary, k=rng.randint(24, 40)))
    return f"Suppose that {text}. Which of these does it follow from?"


def reworded(text, rng, anywhere=False):
    """A near copy: one word of many is another; the mathematics (and the question) are the same."""
    parts = text.split(" ")
    places = [i for i, p in enumerate(parts) if p.isalpha() and len(p) > 2 and p.islower()]
    places = [i for i in places if not mathematics([parts[i]])]  # "sum" for "lose" is no wording
    words_of = tokens(text)
    question = len(asked(words_of)) / len(words_of)
    if not anywhere:  # the question stays
        places = [i for i in places if i < (1 - question) * len(parts) - 2]
    at = rng.choice(places[1:-1])
    parts[at] = rng.choice(words(rng))
    return " ".join(parts)


def renumbered(text, rng):
    """A twin: one number is another."""
    places = [i for i, c in enumerate(text) if c.isdigit() and not text[i - 1].isdigit()]
    at = rng.choice(places)
    end = at
    while end < len(text) and text[end].isdigit():
        end += 1
    return text[:at] + str(int(text[at:end]) + rng.randint(1, 9)) + text[end:]


def respaced(text, rng):
    """An exact copy, otherwise typed."""
    return "Problem 7. " + text.replace(" ", "  ", 3).replace("$", "\\(", 1).replace("$", "\\)", 1)


def problems(n, seed=1, kind="mixed"):
    """Rows (key, text) and what was planted: key → (``exact``, ``near`` or ``twin``, of which)."""
    rng = random.Random(seed)
    rows, planted = [], {}
    planted_of = {"exact": respaced, "near": reworded, "twin": renumbered}
    if kind == "none":
        planted_of = {"exact": respaced, "near": reworded}
    for i in range(n):
        key = f"r{i}"
        if i > 100 and rng.random() < 0.03:
            name = rng.choice(list(planted_of))
            of = rng.randrange(len(rows))
            while rows[of][0] in planted:
                of = rng.randrange(len(rows))
            planted[key] = (name, rows[of][0])
            rows.append((key, planted_of[name](rows[of][1], rng)))
        elif kind == "none":
            rows.append((key, without_numbers(rng)))
        else:
            rows.append((key, story(rng) if rng.random() < 0.5 else formula(rng)))
    return rows, planted
