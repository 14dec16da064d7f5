"""Prompt editing: which text is drawn at which step, as A1111 reads ``[from:to:when]`` and ``[a|b]``.

What brackets mean is decided by their content alone: round ones hold at most one colon, square ones hold none
(emphasis), two or one before a number (editing), or bars (turns). What is none of these, or is never closed, is text,
and so is every bracket around it. A bar or a backslash that can be no text either makes the whole prompt text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

_PIECE = re.compile(r"(?P<text> (?: [^\\\[\]():|] | \\. )+ ) | [\[\]():|] | (?P<stray> \\ )", re.VERBOSE)
_WHEN = re.compile(r"\s* (?P<number> [+-]? (?: [0-9]+\.?[0-9]* | \.[0-9]+ ) (?: [eE][+-]?[0-9]+ )? ) \s*", re.VERBOSE)
_CLOSES = {"]": "[", ")": "("}


class _Unreadable(Exception):
    """The whole prompt is text."""


@dataclass(frozen=True)
class _Edit:
    """``[before:after:when]``."""

    before: _Nodes
    after: _Nodes
    when: str


@dataclass(frozen=True)
class _Turns:
    """``[a|b]``."""

    options: tuple[_Nodes, ...]


_Node = str | _Edit | _Turns
_Nodes = tuple[_Node, ...]


@dataclass
class _Open:
    """A bracket that is still open: what stands between its colons and bars."""

    bracket: str
    separators: list[str] = field(default_factory=list)
    parts: list[list[_Node]] = field(default_factory=lambda: [[]])

    def written(self) -> Iterator[_Node]:
        """As text, but for what inside it means something."""
        yield self.bracket
        for separator, part in zip(["", *self.separators], self.parts, strict=True):
            yield separator
            yield from part


def schedule(
    text: str, steps: int, hires_steps: int | None = None, *, use_old_scheduling: bool = False
) -> list[tuple[int, str]]:
    """The texts of a prompt without tags, each with the last step that it is for; the last one's is the last step.

    Steps count from 1. ``when`` with a point is a fraction of the steps, without one a step. In a high-resolution pass
    of ``hires_steps`` steps, whose ``steps`` are those of the first pass, it goes on counting: 1.5 is half of the
    second pass. ``use_old_scheduling`` is A1111's option for pictures made before its version 1.6: what is below 1 is
    a fraction, anything else a step, and the second pass is read like the first.
    """
    try:
        tree = _read(text)
    except _Unreadable:
        return [(steps if hires_steps is None or use_old_scheduling else hires_steps, text)]
    clock = _Clock(steps, hires_steps, use_old_scheduling)
    ends = {clock.steps}
    for node in _walk(tree):
        if isinstance(node, _Turns):
            ends.update(range(1, clock.steps + 1))
        elif isinstance(node, _Edit) and clock.step(node.when) >= 1:
            ends.add(clock.step(node.when))
    return [(end, _text_at(tree, end, clock)) for end in sorted(ends)]


def index_at(ends: Sequence[int], call: int) -> int:
    """Which of the texts that last to ``ends`` is drawn in the ``call``-th call of the model, counted from 0.

    A1111 compares the two as they are, so the first text has one call more than it says. Its steps are calls, too: a
    sampler that calls the model twice a step is scheduled with twice the steps.
    """
    return next((index for index, end in enumerate(ends) if call <= end), len(ends) - 1)


def is_readable(text: str) -> bool:
    """Whether brackets can mean anything in a text; where not, :func:`schedule` gives it back as it is."""
    try:
        _read(text)
    except _Unreadable:
        return False
    return True


@dataclass(frozen=True)
class _Clock:
    """What ``when`` means in one pass."""

    base_steps: int
    hires_steps: int | None
    old: bool

    @property
    def steps(self) -> int:
        return self.base_steps if self.hires_steps is None or self.old else self.hires_steps

    def step(self, when: str) -> int:
        """The last step of what stands before; below 1 it is never drawn."""
        value = float(when)
        if self.old:
            value = value * self.steps if value < 1 else value
        elif "." in when:
            value = (value - (self.hires_steps is not None)) * self.steps
        elif self.hires_steps is not None:
            value -= self.base_steps
        return math.trunc(max(-1.0, min(float(self.steps), value)))


def _read(text: str) -> _Nodes:
    """One pass, each character looked at once."""
    done: list[_Node] = []
    opened: list[_Open] = []
    for match in _PIECE.finditer(text):
        piece = match[0]
        if match["stray"]:
            raise _Unreadable
        if piece in ("[", "("):
            opened.append(_Open(piece))
        elif piece in (":", "|") and opened:
            opened[-1].separators.append(piece)
            opened[-1].parts.append([])
        elif piece in _CLOSES:
            made = _close(opened[-1], piece) if opened else None
            if made is None:
                _give_up(opened, done)
                done.append(piece)
            else:
                opened.pop()
                (opened[-1].parts[-1] if opened else done).extend(made)
        elif piece == "|":
            raise _Unreadable
        else:
            (opened[-1].parts[-1] if opened else done).append(piece)
    _give_up(opened, done)
    return tuple(done)


def _give_up(opened: list[_Open], done: list[_Node]) -> None:
    """Brackets that mean nothing are text. Raises _Unreadable where a bar stands in them."""
    for bracket in opened:
        if "|" in bracket.separators:
            raise _Unreadable
        done.extend(bracket.written())
    opened.clear()


def _close(bracket: _Open, closing: str) -> list[_Node] | None:
    """What a pair of brackets means; None where it means nothing."""
    separators, parts = "".join(bracket.separators), bracket.parts
    if bracket.bracket != _CLOSES[closing]:
        return None
    if separators in ("", ":") and (bracket.bracket == "(" or not separators):
        return [*bracket.written(), closing]
    if bracket.bracket == "(":
        return None
    if set(separators) == {"|"}:
        return [_Turns(tuple(tuple(part) for part in parts))]
    last = parts[-1]
    when = _WHEN.fullmatch(last[0]) if len(last) == 1 and isinstance(last[0], str) else None
    if separators not in (":", "::") or when is None:
        return None
    return [_Edit(tuple(parts[0]) if len(parts) == 3 else (), tuple(parts[-2]), when["number"])]


def _walk(tree: _Nodes) -> Iterator[_Node]:
    waiting: list[_Node] = list(tree)
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, _Edit):
            waiting += (*node.before, *node.after)
        elif isinstance(node, _Turns):
            waiting += [inner for option in node.options for inner in option]


def _text_at(tree: _Nodes, step: int, clock: _Clock) -> str:
    """The text of one step. A stack of its own, as brackets may be nested deeper than Python calls."""
    texts: list[str] = []
    waiting: list[_Node] = list(reversed(tree))
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            texts.append(node)
        elif isinstance(node, _Turns):
            waiting += reversed(node.options[(step - 1) % len(node.options)])
        else:
            waiting += reversed(node.before if step <= clock.step(node.when) else node.after)
    return "".join(texts)
