"""Grading: what answer a response gives, and whether it is the gold. ``answers`` is the door.

What is decided where, in this order:

1. The answer of a response: ``extract`` asks ``boxes`` (with ``surroundings`` before a box and
   ``factors`` behind it), and where there is none ``said``. What is not read for certain is
   unread, and the verdict undecided.
2. Its form: ``latex`` gives one spelling; ``forms`` says what it is (a scalar with its unit, a
   tuple, a set, a list) with the help of ``units``, ``words``, ``regions`` (intervals and
   inequalities) and ``notations`` (times, ratios, bases, residues).
3. The verdict: ``compare`` goes by the kinds of the two forms, element by element: ``records`` for
   values under names, ``regions`` and ``notations`` for their own, ``scalars`` for two scalars
   (text, ``arithmetic`` with exact fractions, units, words). ``verdicts`` joins several into one.
4. Two scalars that exact rules leave open go to ``numeric``: ``expression`` reads both wholly,
   ``evaluate`` works out their values, ``families`` compares what stands for many values.
5. All of it within ``budget``'s steps. What needs more, and what is still open, ``grader`` gives to
   ``processes`` that can be killed; ``opinion`` is what they do: the same with more steps, and
   math-verify for relations that our grammar read wholly.

A new rule goes where its kind is decided, with its examples beside it, and its pairs of answers
into ``tests/unit/domains/math/grading/test_faults_b.py``: one line each, right, wrong and
undecided. A new spelling goes into ``latex``, a new unit or thing counted into ``units``, a
synonym, or words that exclude each other, into ``words``. Whoever changes a verdict raises
``GRADER_VERSION``, and ``EXTRACT_VERSION`` where another answer is read.
"""
