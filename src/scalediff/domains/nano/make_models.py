"""Make the shipped nano models from nothing: ``python -m scalediff.domains.nano.make_models``.

The teacher, the student's base and the generator's base are trained side by side, one thread
each and two at a time; the identifier is made from the teacher. All seeds are fixed, so that
the same machine and versions give the same weights, and others the same in kind.
"""

import argparse
import dataclasses
import multiprocessing
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from scalediff.domains.nano import cards, identify
from scalediff.domains.nano.bases import BASES, Base
from scalediff.domains.nano.chat import QWEN3_STYLE, R1_STYLE
from scalediff.domains.nano.models import MODELS, model_folder, save_folder
from scalediff.domains.nano.pretrain import Model, Schedule, batches, new_model, train
from scalediff.domains.nano.tokenizer import build_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

LABELLED = 1800
"""Problems whose pass rates are sampled for the identifier; a sixth is held out."""

SCORED = 1600
"""Problems that the card of a base is scored on."""

_LABEL_SEED = 50
_WORKERS = 2


def scaled(schedule: Schedule, scale: float) -> Schedule:
    """The same schedule with fewer steps, for a trial of the whole script."""
    return dataclasses.replace(schedule, steps=max(2, round(schedule.steps * scale)))


def make_base(base: Base, folder: Path, scale: float = 1.0) -> None:
    """Train one base from random weights and write its folder.

    Args:
        base: What to train.
        folder: Where to write.
        scale: Factor on the steps; 1 makes the shipped model.
    """
    import torch

    torch.set_num_threads(1)
    tokenizer = build_tokenizer(QWEN3_STYLE)
    model = new_model(tokenizer, base.seed)
    phases = [scaled(phase, scale) for phase in base.phases]
    started, tokens = time.monotonic(), 0
    rows = batches(base.draw, tokenizer, phases[0].batch, base.seed + 1)
    for number, phase in enumerate(phases, 1):
        tell = _Teller(f"{base.name}, phase {number}", phase.steps)
        tokens += train(model, tokenizer, rows, phase, tell)
    record = describe_base(base, phases, tokens, time.monotonic() - started)
    finish_base(base, model, tokenizer, record, folder, max(32, round(SCORED * scale)))


def describe_base(
    base: Base, phases: Sequence[Schedule], tokens: int, seconds: float
) -> dict[str, object]:
    """What a base's card says of its making."""
    ways = [
        f"{p.steps} steps of {p.batch} rows, peak rate {p.lr}, {p.warmup} of warmup, "
        + (f"linear decay over the last {100 * p.decay:.0f} %" if p.decay else "no decay")
        for p in phases
    ]
    return {
        "data": f"{base.recipe}; drawn as it goes from the world, with its own solutions",
        "training": f"AdamW, {'; then, with a fresh optimiser, '.join(ways)}; {tokens:,} tokens",
        "seeds": f"weights {base.seed}, data {base.seed + 1}",
        "time": f"{seconds:,.0f} s on one thread of a shared two-core machine",
    }


def finish_base(
    base: Base,
    model: Model,
    tokenizer: "PreTrainedTokenizerFast",
    record: dict[str, object],
    folder: Path,
    scored: int,
) -> None:
    """Score a base with the weights as they are stored, and write its folder."""
    round_weights(model)
    score = cards.score_generator if base.name == "generator" else cards.score_solver
    card = cards.write_card(base.name, model, record, score(model, tokenizer, scored))
    save_folder(model, tokenizer, folder, card)


def make_identifier(teacher: Path, folder: Path, scale: float = 1.0) -> None:
    """Make the identifier from a teacher's folder, and write its folder."""
    import torch
    from transformers import AutoModelForCausalLM

    torch.set_num_threads(1)
    tokenizer = build_tokenizer(R1_STYLE)
    reference = AutoModelForCausalLM.from_pretrained(teacher)
    model = AutoModelForCausalLM.from_pretrained(teacher)
    started = time.monotonic()
    tokens = identify.learn_at_once(model, tokenizer, scaled(identify.AT_ONCE_SCHEDULE, scale))
    count = max(48, round(LABELLED * scale))
    labelled = identify.measure_pass_rates(reference, model, tokenizer, count, _LABEL_SEED)
    cut = len(labelled) * 5 // 6
    first = scaled(identify.FIRST_TOKEN_SCHEDULE, scale)
    tokens += identify.learn_first_token(model, tokenizer, labelled[:cut], first)
    round_weights(model)
    record: dict[str, object] = {
        "start": "nano:teacher",
        "at once": f"{scaled(identify.AT_ONCE_SCHEDULE, scale).steps} steps of mostly answers at "
        "once, mostly of level 1, so that simple problems need no thought",
        "labels": f"{count} problems, {identify.SAMPLES} samples each of the teacher thinking "
        f"and of its copy at once, at temperature {identify.TEMPERATURE}; simple where answering "
        f"at once is right at least as often as thinking, less {identify.DELTA}",
        "first token": f"{first.steps} steps of {first.batch} on five sixths of the labels",
        "seeds": f"data 41 and 42, labels {_LABEL_SEED}",
        "time": f"{time.monotonic() - started:,.0f} s, {tokens:,} tokens trained",
    }
    scores = cards.score_identifier(model, tokenizer, labelled[cut:])
    save_folder(model, tokenizer, folder, cards.write_card("identifier", model, record, scores))


def round_weights(model: Model) -> None:
    """Round weights to what float16 stores."""
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()


def make_all(out: Path | None = None, scale: float = 1.0) -> None:
    """Make every model; ``out`` takes the place of the package's own folder of weights."""
    folders = {name: out / name if out else model_folder(name) for name in MODELS}
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(_WORKERS, mp_context=spawn) as pool:
        making = {b.name: pool.submit(make_base, b, folders[b.name], scale) for b in BASES}
        making["teacher"].result()
        identifier = pool.submit(make_identifier, folders["teacher"], folders["identifier"], scale)
        for job in (*making.values(), identifier):
            job.result()


class _Teller:
    """Says a line of progress every hundred steps."""

    def __init__(self, name: str, steps: int) -> None:
        self._name, self._steps, self._sum = name, steps, 0.0

    def __call__(self, step: int, loss: float, tokens: int) -> None:
        self._sum += loss
        if step % 100 == 0:
            mean = self._sum / 100
            print(f"{self._name}: step {step} of {self._steps}, loss {mean:.4f}, {tokens:,} tokens")
            self._sum = 0.0


def main() -> None:
    """Read the arguments and make the models."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="folder to write to (default: the package's own)")
    parser.add_argument("--scale", type=float, default=1.0, help="factor on all steps, for trials")
    args = parser.parse_args()
    make_all(args.out, args.scale)


if __name__ == "__main__":
    main()
