"""A prompt, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

from trainer.contract.prompt.composition import Subprompt, compose
from trainer.contract.prompt.emphasis import BREAK, Segment, find_repairs, read_emphasis
from trainer.contract.prompt.errors import check_length, short
from trainer.contract.prompt.schedules import is_readable
from trainer.contract.prompt.tags import Network, read_tags, strip_comments, take_tags_out


@dataclass(frozen=True)
class Prompt:
    """What a member wrote, by its parts.

    ``text`` has neither tags nor comments; ``segments`` are its words by emphasis, BREAK among them, as if it were not
    edited by steps; ``subprompts`` are what AND puts together. ``ignored`` says what was repaired or left out, a
    sentence each, for the card. ``written`` is what was parsed.
    """

    text: str
    segments: tuple[Segment, ...]
    networks: tuple[Network, ...]
    written: str
    subprompts: tuple[Subprompt, ...] = ()
    ignored: tuple[str, ...] = ()

    @property
    def breaks(self) -> tuple[int, ...]:
        """Where among the segments a new chunk begins: the places of :data:`BREAK`."""
        return tuple(index for index, segment in enumerate(self.segments) if segment == BREAK)


def parse(prompt: str) -> Prompt:
    """Take a prompt apart; choices and wildcards are text to it. Raises :class:`PromptError`."""
    check_length(prompt)
    uncommented = strip_comments(prompt)
    networks, ignored = read_tags(uncommented)
    text = " ".join(take_tags_out(uncommented).split())
    subprompts = compose(text)
    comments = ("What stands behind `#` is a comment.",) if uncommented != prompt else ()
    return Prompt(
        text=text,
        segments=read_emphasis(text),
        networks=networks,
        written=prompt,
        subprompts=subprompts,
        ignored=(*comments, *ignored, *_find_oddities(text, subprompts), *find_repairs(text)),
    )


def _find_oddities(text: str, subprompts: tuple[Subprompt, ...]) -> list[str]:
    """What a schedule or a composition may not have been meant to be."""
    whole = [
        f"The number at the end weighs the whole prompt {subprompt.weight:g} times; end with a comma to keep it text."
        for subprompt in subprompts
        if len(subprompts) == 1 and subprompt.weight != 1
    ]
    unread = [
        f"Steps and turns in `{short(subprompt.text)}` were not read:"
        " a `|` stands outside of `[a|b]`, or a `\\` at the end."
        for subprompt in subprompts
        if "[" in subprompt.text and not is_readable(subprompt.text)
    ]
    return whole + unread
