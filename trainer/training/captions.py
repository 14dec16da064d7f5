"""The words that a photo is learned with: templates around the trigger, or what somebody wrote for it."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

from trainer.contract.requests import CaptionSource, Kind, Method

_TEMPLATES: dict[Kind, tuple[str, ...]] = {
    "subject": ("a photo of {}", "{}", "a picture of {}", "a portrait of {}"),
    "face": ("a photo of {}", "a portrait of {}", "{}"),
    "style": ("a picture in {} style", "{} style", "an image in {} style"),
}
LONGEST = 300  # characters of a caption


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
        return (own if _find(trigger, own) else f"{trigger} {own}",)
    if template:
        return (template.replace("{}", subject) if "{}" in template else f"{subject}, {template}",)
    return tuple(words.format(subject) for words in _TEMPLATES[kind])


def write_caption(described: str, trigger: str, class_word: str, kind: Kind, method: Method) -> str:
    """A caption to learn with from what a captioner saw, one line of at most :data:`LONGEST` characters.

    ``a purple monster at a table`` becomes ``a purple thnos monster at a table``: the subject takes the place of its
    class word, or stands in front. A style is named behind what is in the picture.
    """
    subject = name_subject(trigger, class_word, kind, method)
    text = " ".join(described.split())[: LONGEST - len(f"{subject}, in  style")].strip(" ,.")
    if not text:
        return captions_for(trigger, subject, kind, None)[0]
    if kind == "style":
        return f"{text}, in {subject} style"
    found = _find(class_word, text)
    if found is None:
        return f"{subject}, {text}"
    return f"{text[: found.start()]}{subject}{text[found.end() :]}"


def _find(word: str, text: str) -> re.Match[str] | None:
    """Where ``word`` first stands in ``text``, as a whole word, large or small; CLIP reads both alike."""
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) if word else None


def choose(options: Sequence[str], seed: int, place: int, row: int) -> str:
    """One of ``options``, the same for the same step whatever came before."""
    return random.Random(f"{seed}/{place}/{row}").choice(options)
