"""Untrusted text in a prompt: fenced, labelled, and without anything a chat template would read as its own marks.

The text of a file may try to speak to the model. That cannot be prevented (SECURITY: the exits are closed instead), but
it can be kept from ending its quotation or from opening a turn of its own: llama-server parses the marks of a chat
template wherever they stand in a message.
"""

from __future__ import annotations

import re

_BACKTICKS = re.compile(r"`{3,}")
# <|im_start|>, <｜User｜>, <|turn>, <start_of_turn>, <seed:bos>, [INST], [|user|], <<SYS>>, </s>, <think>, … of known
# templates, and llama-server's own mark for a picture.
_MARKS = re.compile(
    r"<(?=[|｜][^<>\n]{1,60}[|｜]>)"
    r"|<(?=\|[a-z_\"]{1,20}>|[a-z_]{1,20}\|>|__media__>|seed:[a-z_:]{1,20}>)"
    r"|\[(?=\|[a-z]{1,20}\|\]|gMASK\])"
    r"|<(?=/?(?:s|bos|eos|pad|unk|mask|think|tool_call|tool_response|start_of_turn|end_of_turn|end_of_utterance)>)"
    r"|<(?=</?SYS>>)"
    r"|\[(?=/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\])",
    re.IGNORECASE,
)
_WORD_JOINER = "\u2060"  # of no width: the text reads as before, to people and to models


def fenced(text: str) -> str:
    """`text` between backticks, more of them than it has in a row, with marks of chat templates broken."""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{without_marks(text).strip()}\n{fence}"


def without_marks(text: str) -> str:
    """`text` with what a chat template would take for its own broken by a character of no width."""
    return _MARKS.sub(lambda mark: mark.group() + _WORD_JOINER, text)
