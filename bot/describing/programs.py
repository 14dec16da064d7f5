"""From the text fields of a picture to its settings, whichever program wrote them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bot.describing import comfyui, invokeai, others
from bot.describing.values import read_json
from trainer.contract import infotext
from trainer.contract.infotext import Infotext

_TEXTS = ("parameters", "UserComment", "ImageDescription", "Comment")  # in the order in which they are believed


def read_settings(fields: Mapping[str, str]) -> Infotext | None:
    """The settings, under A1111's names; None where no program's are found. Nothing in ``fields`` makes it raise."""
    return next((found for read in READERS if (found := read(fields)) is not None), None)


def _read_text_form(fields: Mapping[str, str]) -> Infotext | None:
    """A1111's text form, which Civitai and many others write, too. Elsewhere than in ``parameters`` it has steps."""
    for name in _TEXTS:
        text = fields.get(name, "")
        if read_json(text) is None:
            found = infotext.read(text)
            if "Steps" in found.settings or (name == "parameters" and found.text):
                return found
    return None


def _read_comfyui(fields: Mapping[str, str]) -> Infotext | None:
    """In a PNG under its own names; Civitai puts the graph into EXIF's comment."""
    if found := comfyui.read(fields):
        return found
    return comfyui.read({"prompt": fields.get("UserComment", "")})


READERS: tuple[Callable[[Mapping[str, str]], Infotext | None], ...] = (
    # each by what no other writes; the text form before ComfyUI, for its extensions write both and the text is exact
    invokeai.read, others.read_swarmui, others.read_fooocus, others.read_novelai, others.read_easy_diffusion,
    others.read_draw_things, _read_text_form, _read_comfyui,
)  # fmt: skip
