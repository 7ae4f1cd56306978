"""Chat templates that loop or build gigabytes are found before they run in this process."""

import resource
import time
from types import SimpleNamespace

import pytest

from scalediff.core.engine import Request
from scalediff.core.errors import RecipeError
from scalediff.engines import chat
from scalediff.io.templates import check_template

LOOP = "{% for a in range(99999) %}"
DOUBLED = "{% set n = namespace(s='x') %}{% for i in range(50) %}"
BOMBS = {
    "loops": LOOP * 3 + "{% endfor %}" * 3,
    "a range": "{% for a in range(10**9) %}x{% endfor %}",
    "times": "{{ 'x' * 10**10 }}",
    "powers": "{{ 10 ** (10 ** 9) }}",
    "padding": "{{ 'x'|center(10**10) }}",
    "format": "{{ '%10000000000d' % 1 }}",
    "doubling": DOUBLED + "{% set n.s = n.s ~ n.s %}{% endfor %}",
    "replacing": "{{ ('x' * 10**6)|replace('x', 'y' * 10**6) }}",
    "output": LOOP + "{{ messages[0].content }}" * 9 + "{% endfor %}",
    "macro": "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
    "only at length": "{% if messages[0].content|length > 9000 %}" + LOOP * 3 + "{% endfor %}" * 3
                      + "{% endif %}",
    "only thinking": "{% if enable_thinking %}{{ 'x' * 10**10 }}{% endif %}",
    "not asked to speak": "{% if not add_generation_prompt %}{{ 'x' * 10**10 }}{% endif %}",
    "many names": "{{ namespace(**dict.fromkeys(range(10**8)|map('string'), 1)) }}",
    "lipsum": "{{ lipsum(n=10**7) }}",
    "long": "x" * (2**20 + 1),
}  # fmt: skip


@pytest.mark.parametrize("template", BOMBS.values(), ids=BOMBS)
def test_a_template_that_has_no_end_is_one_sentence(template):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()
    tokenizer = SimpleNamespace(chat_template=template, name_or_path="evil")
    with pytest.raises(RecipeError, match="the chat template of evil"):
        chat.render(tokenizer, Request(messages=({"role": "user", "content": "1+1?"},)))
    assert time.monotonic() - began < 60
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_one_of_several_templates_is_enough():
    tokenizer = SimpleNamespace(chat_template={"default": "x", "tool_use": BOMBS["times"]})
    with pytest.raises(RecipeError, match="memory"):
        check_template(tokenizer)


@pytest.mark.parametrize(
    "template",
    [
        "{{ raise_exception('no system turn') }}",
        "{% generation %}{{ messages[0].content }}{% endgeneration %}",
        "{% for m in messages %}{{ m|tojson(indent=2) }}{% if loop.last %}{% break %}{% endif %}"
        "{% endfor %}{{ strftime_now('%Y') }}{{ bos_token }}",
        "{{ undefined.name.name }}",
        "{% no such tag %}",
        "{{ messages[9].content }}",
    ],
)
def test_templates_that_people_have_pass_and_what_is_broken_is_said_by_whoever_renders(template):
    check_template(SimpleNamespace(chat_template=template, special_tokens_map={"bos_token": "<s>"}))
