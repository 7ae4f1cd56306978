import pytest

from scalediff.core.engine import Request
from scalediff.core.errors import RecipeError
from scalediff.domains.nano.tokenizer import build_tokenizer
from scalediff.engines.chat import encode
from scalediff.training.examples import IGNORED, end_of_turn, examples, open_once, write_examples

PLAIN = (
    "{%- for m in messages %}{{- '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"
)
OPENS = PLAIN.replace("assistant\\n'", "assistant\\n<think>\\n'")
SOLUTION = "<think>\nhm\n</think>\n\nIt is 4."


def student_example(template, response=SOLUTION, prompt="What is $2+2$?"):
    tokenizer = build_tokenizer(template)
    (example,) = examples([{"prompt": prompt, "response": response}], tokenizer, "student")
    messages = ({"role": "user", "content": prompt},)
    asked = {
        thinking: encode(tokenizer, Request(messages=messages, thinking=thinking))[1]
        for thinking in (None, True)
    }
    return tokenizer, example, asked


@pytest.mark.parametrize("template", [PLAIN, OPENS], ids=["opens nothing", "opens a thought"])
def test_the_students_prompt_is_what_the_engine_will_send_and_has_no_loss(template):
    tokenizer, example, asked = student_example(template)
    prompt = asked[None]
    assert asked[True] == prompt
    assert example.input_ids[: len(prompt)] == prompt
    assert example.labels[: len(prompt)] == [IGNORED] * len(prompt)
    assert example.labels[len(prompt) :] == example.input_ids[len(prompt) :]
    assert example.input_ids[-1] == tokenizer.eos_token_id
    whole = tokenizer.decode(example.input_ids)
    assert whole.endswith("<|im_start|>assistant\n" + SOLUTION + "<|im_end|>")


def test_a_thought_that_the_template_opens_is_opened_once():
    tokenizer, example, asked = student_example(OPENS)
    learnt = [label for label in example.labels if label != IGNORED]
    assert tokenizer.decode(learnt) == SOLUTION.removeprefix("<think>\n") + "<|im_end|>"
    assert tokenizer.decode(asked[None]).endswith("<think>\n")


def test_a_solution_without_tags_is_learnt_as_it_is():
    for template in (PLAIN, OPENS):
        tokenizer, example, _ = student_example(template, response="It is 4.")
        assert tokenizer.decode(example.input_ids).endswith("assistant\nIt is 4.<|im_end|>")


@pytest.mark.parametrize(
    ("prompt", "response", "expected"),
    [
        ("a<think>", "<think>\nhm", ("a<think>", "\nhm")),
        ("a<think>\n", "<think>\nhm", ("a<think>\n", "hm")),
        ("a<think>\n", "<think>\n\n</think>\n\n4", ("a<think>\n", "\n</think>\n\n4")),
        ("a<think>\n\n</think>\n\n", "<think>\nhm", ("a<think>\n\n</think>\n\n", "<think>\nhm")),
        ("say <think> twice", "<think>\nhm", ("say <think> twice", "<think>\nhm")),
    ],
)
def test_the_thought_is_opened_once(prompt, response, expected):
    assert open_once(prompt, response) == expected


def test_the_generator_learns_the_problem_and_its_end_after_the_bare_user_turn():
    tokenizer = build_tokenizer(PLAIN)
    row = {"prompt": "<|im_start|>user\n", "response": "Find $x$."}
    (example,) = examples([row], tokenizer, "generator")
    _, asked = encode(tokenizer, Request(raw="<|im_start|>user\n"))
    assert example.input_ids[: len(asked)] == asked
    assert set(example.labels[: len(asked)]) == {IGNORED}
    learnt = [label for label in example.labels if label != IGNORED]
    assert tokenizer.decode(learnt) == "Find $x$.<|im_end|>\n"


def test_the_end_is_the_templates_own_mark_and_not_a_base_models_eos():
    tokenizer = build_tokenizer(PLAIN)
    tokenizer.eos_token = "<|endoftext|>"
    im_end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert tokenizer.eos_token_id != im_end
    assert end_of_turn(tokenizer, "student") == [im_end]
    assert end_of_turn(tokenizer, "generator")[0] == im_end


def test_a_template_that_writes_no_mark_ends_with_eos():
    tokenizer = build_tokenizer("{%- for m in messages %}{{- m.content }}{%- endfor %}")
    assert end_of_turn(tokenizer, "student") == [tokenizer.eos_token_id]


@pytest.mark.parametrize(
    ("template", "said"),
    [(None, "no chat template"), ("{{ raise_exception('no system turn') }}", "no system turn")],
)
def test_a_tokenizer_without_a_usable_template_is_an_error_with_the_mend(template, said):
    tokenizer = build_tokenizer(PLAIN)
    tokenizer.chat_template = template
    with pytest.raises(RecipeError, match=said):
        list(examples([{"prompt": "a", "response": "b"}], tokenizer, "student"))


def test_over_length_rows_are_left_out_whole_and_counted(tmp_path):
    from datasets import Dataset

    tokenizer = build_tokenizer(PLAIN)
    rows = [{"prompt": "p", "response": "x" * size} for size in (5, 400, 50, 600)]
    found = list(examples(rows, tokenizer, "generator"))
    counts = write_examples(iter(found), 100, tmp_path / "tokens.arrow")
    assert (counts.rows, counts.over_length) == (2, 2)
    assert counts.longest == len(found[3].input_ids)
    assert counts.tokens == len(found[0].input_ids) + len(found[2].input_ids)
    # the prompt "p" is one token without a loss in each row
    assert counts.loss_tokens == counts.tokens - 2
    written = Dataset.from_file(str(tmp_path / "tokens.arrow"))
    assert written["input_ids"][:] == [found[0].input_ids, found[2].input_ids]
    assert written["labels"][:] == [found[0].labels, found[2].labels]


def test_more_rows_than_one_batch_keep_their_order(tmp_path):
    tokenizer = build_tokenizer(PLAIN)
    rows = [{"prompt": "p", "response": str(i)} for i in range(600)]
    found = list(examples(iter(rows), tokenizer, "generator"))
    texts = [tokenizer.decode(example.input_ids) for example in found]
    assert texts == [f"p{i}<|im_end|>\n" for i in range(600)]
    assert write_examples(found, 100, tmp_path / "tokens.arrow").rows == 600
