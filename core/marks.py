"""Marks of chat templates in text from outside, broken so that no text opens a turn, a call or a result.

Knows the marks that families of models use; nothing of who sends a text, nor of prompts.
"""

import re

_TURNS = re.compile(r"<\|(\w+)\|>")
_OTHERS = re.compile(
    r"<(?=/?(?:tool_call|tool_response|tools)>"  # how Hermes' form, which many bases share, writes calls
    r"|/?(?:s|bos|eos|pad|unk)>|(?:start|end)_of_turn>|/?SYS>>|｜[^<>｜]{1,60}｜>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS|gMASK)\])"
)
"""Those that are not written as `<|…|>`: of Hermes, Llama 2, Mistral, Gemma, DeepSeek, GLM."""


def unmarked(text: str) -> str:
    """Break marks such as `<|im_end|>`, `</tool_response>` or `[INST]` by a space; leave everything else alone."""
    return _OTHERS.sub(r"\g<0> ", _TURNS.sub(r"< |\1| >", text))
