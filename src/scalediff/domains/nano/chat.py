"""The chat templates of the nano models (Jinja), and their turns as plain text."""

QWEN3_STYLE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|im_start|>assistant\\n' }}"
    "{%- if enable_thinking is defined and enable_thinking is false %}"
    "{{- '<think>\\n\\n</think>\\n\\n' }}"
    "{%- endif %}"
    "{%- endif %}"
)
"""The model opens ``<think>`` itself; ``enable_thinking=false`` hands it an empty thought."""

R1_STYLE = (
    "{%- for message in messages %}"
    "{{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' }}"
    "{%- endfor %}"
    "{%- if add_generation_prompt %}"
    "{{- '<|im_start|>assistant\\n<think>\\n' }}"
    "{%- endif %}"
)
"""The prompt ends in an open ``<think>``: a first token ``</think>`` means *simple*."""


def user_turn(problem: str) -> str:
    """The user's turn and the assistant's header, as both templates write them."""
    return f"<|im_start|>user\n{problem}<|im_end|>\n<|im_start|>assistant\n"
