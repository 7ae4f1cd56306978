"""The tokenizer of the nano models: bytes, and the world's own words as whole tokens.

A byte-level BPE without merges reads any text exactly; on top of it the phrases, LaTeX commands,
step numbers and indices of the world are tokens of their own. That keeps a problem at some 25
tokens and a response at some 60, and lets one token name the step that comes next.
"""

from typing import TYPE_CHECKING

from scalediff.domains.nano.families import VARIABLES

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

IM_START, IM_END, PAD = "<|im_start|>", "<|im_end|>", "<|endoftext|>"
THINK, END_THINK = "<think>", "</think>"

_PHRASES = (
    # chain
    "Start with $", "$ and work modulo $", "$: ", ". What is the result?",
    "Take the number $", "$. Modulo $", "$, do this: ", ". Which number do you get?",
    " add $", " subtract $", " multiply by $", "$, ", "$. What is the result?",
    "$. Which number do you get?",
    # secret
    "A secret number $x$ from $0$ to $", "$ is changed modulo $", "$. The result is $",
    "$. Find $", "I think of a number $x$ from $0$ to $", "$, I do this: ", "$. I get $",
    "$. What is $", "x$.", "x$?", "^{-1}=",
    # recurrence
    "Let $", "$ and $", "a_{n+1}", "a_n", "=(", ") \\bmod ", "A sequence has $", "$, and $",
    "$ is the remainder when $", "$ is divided by $",
    # system
    "Work modulo $", "$. Let $", "Modulo $", "$, suppose that $", "$, $",
    # solutions
    "\\cdot ", "\\equiv ", "$\n", " $", "$.", "$?", "\n\n", "The answer is $\\boxed{", "}$.",
    "user\n", "assistant\n",
)  # fmt: skip


def world_tokens() -> list[str]:
    """The tokens beyond bytes and chat marks, in a fixed order."""
    numbered = [f"({i})" for i in range(1, 10)] + [f"a_{i}" for i in range(1, 11)]
    variables = [f"{v}=" for v in VARIABLES] + [f"{v}\\equiv " for v in VARIABLES]
    return [*_PHRASES, *numbered, *variables]


def build_tokenizer(chat_template: str) -> "PreTrainedTokenizerFast":
    """Build the tokenizer.

    ``<think>`` and ``</think>`` are tokens but not special ones, as in Qwen3: they survive
    decoding with ``skip_special_tokens=True``.

    Args:
        chat_template: The Jinja template that is stored with it.
    """
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE(vocab={c: i for i, c in enumerate(alphabet)}, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens([AddedToken(t, normalized=False) for t in (PAD, IM_START, IM_END)])
    backend.add_tokens(
        [AddedToken(t, normalized=False) for t in (THINK, END_THINK, *world_tokens())]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        eos_token=IM_END,
        pad_token=PAD,
        chat_template=chat_template,
        clean_up_tokenization_spaces=False,
        model_max_length=512,
    )
