"""The prompt language: what a member writes, taken apart as A1111 takes it apart. Pure text; no torch, no Discord.

The way of a prompt: :func:`resolve` chooses among ``{a|b}`` and ``__lists__``; :func:`parse` takes comments and tags
out; :func:`place_triggers` makes the text that is drawn. That text is read in A1111's order: :func:`compose` by AND,
:func:`schedule` by steps, :func:`read_emphasis` by weights and BREAK.
"""

from trainer.contract.prompt.choices import MAX_CHOICES, Resolved, check_lists, find_lists, resolve
from trainer.contract.prompt.composition import Subprompt, compose
from trainer.contract.prompt.emphasis import BREAK, Segment, emphasise, read_emphasis
from trainer.contract.prompt.errors import MAX_EMPHASIS, MAX_NETWORKS, MAX_PROMPT, MAX_WEIGHT, PromptError
from trainer.contract.prompt.parsing import Prompt, parse
from trainer.contract.prompt.schedules import index_at, schedule
from trainer.contract.prompt.tags import Network, strip_comments
from trainer.contract.prompt.triggers import find_words, place_triggers

__all__ = [
    "BREAK",
    "MAX_CHOICES",
    "MAX_EMPHASIS",
    "MAX_NETWORKS",
    "MAX_PROMPT",
    "MAX_WEIGHT",
    "Network",
    "Prompt",
    "PromptError",
    "Resolved",
    "Segment",
    "Subprompt",
    "check_lists",
    "compose",
    "emphasise",
    "find_lists",
    "find_words",
    "index_at",
    "parse",
    "place_triggers",
    "read_emphasis",
    "resolve",
    "schedule",
    "strip_comments",
]
