"""The words that a photo is learned with: templates around the trigger, or what somebody wrote for it."""

from __future__ import annotations

import random
from collections.abc import Sequence

from trainer.contract.requests import CaptionSource, Kind, Method

_TEMPLATES: dict[Kind, tuple[str, ...]] = {
    "subject": ("a photo of {}", "{}", "a picture of {}", "a portrait of {}"),
    "face": ("a photo of {}", "a portrait of {}", "{}"),
    "style": ("a picture in {} style", "{} style", "an image in {} style"),
}


def name_subject(trigger: str, class_word: str, kind: Kind, method: Method) -> str:
    """How captions and prompts call what is learned: ``thnos monster``; a style and vectors go by the trigger alone.

    Vectors begin as the class word's, so they say it themselves, and are used by their trigger alone, as in A1111.
    """
    if kind == "style" or method == "textual_inversion":
        return trigger
    return f"{trigger} {class_word}".strip()


def captions_for(
    trigger: str,
    subject: str,
    kind: Kind,
    own: str | None,
    source: CaptionSource | None = None,
    template: str | None = None,
) -> tuple[str, ...]:
    """All captions that a photo may be shown with.

    ``own`` was written for this photo; the trigger is put in front where it lacks it. ``source`` none means the subject
    alone, template the one ``template`` (with ``{}`` for the subject) or those of the kind; by default a photo's own
    caption where it has one.
    """
    if source == "none":
        return (subject,)
    if own and source != "template":
        return (own if trigger in own else f"{trigger} {own}",)
    if template:
        return (template.replace("{}", subject) if "{}" in template else f"{subject}, {template}",)
    return tuple(words.format(subject) for words in _TEMPLATES[kind])


def choose(options: Sequence[str], seed: int, place: int, row: int) -> str:
    """One of ``options``, the same for the same step whatever came before."""
    return random.Random(f"{seed}/{place}/{row}").choice(options)
