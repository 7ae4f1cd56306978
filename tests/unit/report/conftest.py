"""Made-up runs for the tests of the report: every figure is invented."""

import copy

import pytest

_PROBLEM = "Let $a_1=3$ and $a_{n+1} \\equiv 4a_n+5 \\pmod{10}$. Find $a_8$."


def _attempt(role, index, answer, verdict=None, rejected=None):
    reasoning = "(1) $4 \\cdot 3+5=17 \\equiv 7$.\n(2) $4 \\cdot 7+5=33 \\equiv 3$.\n(3) and so on."
    return {
        "role": role,
        "sample_index": index,
        "reasoning": reasoning,
        "content": f"The answer is $\\boxed{{{answer}}}$.",
        "answer": answer,
        "verdict": verdict,
        "rejected": rejected,
        "num_tokens": 61 + index,
    }


def _row(number=0, confidence=1.0):
    teacher = [_attempt("teacher", i, "7") for i in range(4)]
    return {
        "key": f"generate:{number}",
        "problem": _PROBLEM,
        "label": "7",
        "confidence": confidence,
        "p_think": 0.97,
        "solution_index": 0,
        "attempts": [*teacher, _attempt("student", 0, "3", "wrong")],
    }


def _score(mean, problems=160):
    return {
        "mean": mean,
        "low": max(0.0, mean - 0.04),
        "high": min(1.0, mean + 0.04),
        "problems": problems,
        "samples": problems,
    }


def _scores(difficult, levels):
    scores = {"all": _score(difficult + 0.1, 1280), "simple": _score(0.9, 320)}
    scores["difficult"] = {
        "mean": difficult,
        "low": difficult - 0.026,
        "high": difficult + 0.027,
        "problems": 960,
        "samples": 960,
    }
    return scores | {f"level_{i}": _score(mean) for i, mean in enumerate(levels, start=1)}


def _step(name, stage, model=None):
    return {"name": name, "stage": stage, "model": model, "pays": model is not None}


def _counts(stage, num_in, num_out, review=0, **dropped):
    return {"stage": stage, "in": num_in, "out": num_out, "review": review, "dropped": dropped}


def _share(share, n):
    return {"share": share, "low": share - 0.01, "high": share + 0.012, "n": n, "ill_posed": 0.03}


EXAMPLE = {
    "name": "nano",
    "recipe": "nano",
    "scalediff_version": "0.1.0",
    "started": "2025-09-25T14:03:00Z",
    "finished": "2025-09-25T14:09:21Z",
    "machine": "x86_64, 2 cores",
    "laboratory": True,
    "command": "scalediff run recipes/nano.yaml --out runs/nano",
    "rows_lost": 0,
    "steps": [
        _step("sources", "sources"),
        _step("screen_sources", "screen"),
        _step("identify_sources.score", "score", "nano:identifier"),
        _step("identify_sources.select", "select"),
        _step("generator", "train", "nano:generator"),
        _step("generate", "generate", "@generator"),
        _step("screen", "screen"),
        _step("identify.score", "score", "nano:identifier"),
        _step("identify.select", "select"),
        _step("distill", "solve", "nano:teacher"),
        _step("filter.rules", "rules"),
        _step("filter.student", "solve", "nano:student"),
        _step("filter.grade", "grade"),
        _step("filter.easy", "decide"),
        _step("filter.more", "solve", "nano:teacher"),
        _step("filter.agree", "agree"),
        _step("filter.decide", "decide"),
        _step("assemble", "assemble"),
        _step("student_sources", "train", "nano:student"),
        _step("student_control", "train", "nano:student"),
        _step("student", "train", "nano:student"),
        _step("evaluate.attempts", "solve", "@student"),
        _step("evaluate.tally", "tally"),
    ],
    "seconds": {
        "sources": 0.4,
        "screen_sources": 0.6,
        "identify_sources.score": 3.1,
        "generator": 2.2,
        "generate": 7.4,
        "screen": 2.0,
        "identify.score": 5.0,
        "distill": 22.3,
        "filter.student": 11.9,
        "filter.more": 22.4,
        "assemble": 0.7,
        "student_sources": 13.0,
        "student_control": 101.0,
        "student": 113.0,
        "evaluate.attempts": 27.0,
    },
    "seconds_total": 332.0,
    "tokens": {
        "generate": {"sampled": 10000, "served": 0, "new": 290000},
        "distill": {"sampled": 5192, "served": 0, "new": 296000},
        "filter.student": {"sampled": 5190, "served": 0, "new": 140000},
        "filter.more": {"sampled": 7485, "served": 2495, "new": 430000},
        "evaluate.attempts": {"sampled": 3840, "served": 0, "new": 200000},
    },
    "tokens_total": 1356000,
    "cost": {
        "teacher_tokens": 726000,
        "all_tokens": 866000,
        "per_kept_row": 388.5,
        "left_share": 0.34,
        "left_by_reason": {"too_easy": 226000, "truncated": 900},
    },
    "counts": {
        "sources": _counts("sources", 0, 600),
        "screen_sources": _counts("screen", 600, 600),
        "identify_sources.score": _counts("score", 600, 600),
        "identify_sources.select": _counts("select", 600, 228, simple=372),
        "generate": _counts("generate", 10000, 10000),
        "screen": _counts("screen", 10000, 6332, malformed=668, duplicate=2550, copy_of_source=450),
        "identify": _counts("identify", 6332, 5192, simple=1140),
        "identify.select": _counts("select", 6332, 5192, simple=1140),
        "distill": _counts("distill", 5192, 5192),
        "filter": _counts("filter", 5192, 2229, 266, truncated=2, too_easy=2695),
        "filter.rules": _counts("rules", 5192, 5190, truncated=2),
        "filter.easy": _counts("decide", 5190, 2495, too_easy=2695),
        "filter.decide": _counts("decide", 2495, 2229, 266),
        "assemble": _counts("assemble", 2829, 2829),
    },
    "waterfall": {
        "generated": 10000,
        "kept": 2229,
        "review": 266,
        "dropped": {
            "too_easy": 2695,
            "duplicate": 2550,
            "simple": 1140,
            "malformed": 668,
            "copy_of_source": 450,
            "truncated": 2,
        },
    },
    "difficult_share": {"sources": 0.38, "generated": 0.82},
    "difficulty": {
        "sources": {"p_think_share": 0.38, "teacher_tokens": 41.2},
        "generated": {"p_think_share": 0.82, "student_pass_rate": 0.52, "teacher_tokens": 57.0},
    },
    "oracle": {
        "well_posed_share": 0.965,
        "wrong_label_share": {
            "before": _share(0.10, 5192),
            "after_rules": _share(0.099, 5190),
            "after_student": _share(0.18, 2495),
            "dataset": _share(0.09, 2229),
        },
    },
    "scores": {
        "student_sources": _scores(0.238, [0.98, 0.9, 0.62, 0.35, 0.2, 0.12, 0.08, 0.05]),
        "student_control": _scores(0.249, [0.98, 0.92, 0.64, 0.36, 0.22, 0.13, 0.09, 0.06]),
        "student": _scores(0.619, [0.99, 0.97, 0.93, 0.85, 0.72, 0.55, 0.41, 0.25]),
    },
    "gain": {"mean": 0.381, "low": 0.342, "high": 0.42},
    "gain_over_control": {"mean": 0.37, "low": 0.331, "high": 0.409},
    "training": {
        "generator": {"rows": 228, "steps": 57, "epochs": 2, "seconds": 2.2},
        "student": {"rows": 2829, "steps": 1416, "epochs": 4, "seconds": 113.0},
    },
    "warnings": [],
    "settings": {
        "generate": {"n": 10000, "temperature": 1.0},
        "distill": {"k": 1, "max_new_tokens": 256},
        "evaluate.tally": {"difficult_from": 3, "role": "evaluation"},
    },
    "versions": {"scalediff": "0.1.0", "python": "3.11.9", "torch": "2.13.0"},
}

SAMPLES = {
    "life": _row(),
    "kept": [_row(i) for i in range(10)],
    "review": [_row(20 + i, confidence=0.5) for i in range(4)],
    "dropped": {
        "too_easy": [
            {
                "key": "generate:30",
                "problem": "Let $a_1=1$. Find $a_2$.",
                "step": "filter.easy",
                "reason": "too_easy",
                "evidence": "student 4, teacher 4",
            }
        ],
        "duplicate": [
            {
                "key": "generate:31",
                "problem": _PROBLEM,
                "step": "screen",
                "reason": "duplicate",
                "evidence": "same text as generate:2",
            }
        ],
    },
}


@pytest.fixture
def summary():
    """A complete summary, to be changed at will."""
    return copy.deepcopy(EXAMPLE)


@pytest.fixture
def samples():
    """Its samples."""
    return copy.deepcopy(SAMPLES)
