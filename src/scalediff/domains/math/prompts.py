"""The user turn of each role for problems of mathematics."""

from __future__ import annotations

from difflib import get_close_matches

from scalediff.core.errors import RecipeError

PROMPTS_VERSION = "1"
"""Raised whenever a prompt changes; part of the domain's version and so of every step's key."""

STEP_BY_STEP = "Please reason step by step, and put your final answer within \\boxed{}.\n{problem}"
"""Released script ``solution_distill_vllm.py``: instruction, new line, problem, one user turn."""

LAST_LINE = (
    "Work out the answer to the problem below, one step after the other. Close with a line of the "
    "form\nAnswer: \\boxed{}\nin which the braces hold the final answer and nothing else.\n\n"
    "Problem: {problem}"
)
"""Ours. The paper evaluates with the MATH wording of simple-evals, which also asks for a last line
with a boxed answer."""

PROMPTS: dict[str, str] = {
    "identifier": "{problem}",
    "teacher": STEP_BY_STEP,
    "student": STEP_BY_STEP,
    "evaluation": LAST_LINE,
}
"""Role → prompt. Released script: the identifier reads the bare problem."""


def render(problem: str, role: str, prompts: dict[str, str] = PROMPTS) -> str:
    r"""The user turn for a role; the problem's text goes in as it is.

    Raises:
        RecipeError: There is no such role.

    Example:
        >>> render("Find $1+1$.", "identifier")
        'Find $1+1$.'
    """
    if role not in prompts:
        near = get_close_matches(role, prompts, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(prompts)}"
        raise RecipeError(f"no prompt for the role {role!r}; {hint}")
    # not str.format: problems and prompts are full of braces
    return prompts[role].replace("{problem}", problem)
