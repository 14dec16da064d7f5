"""The forms for a training: what is not known yet of its order, and captions for its photos."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import discord
import msgspec

from bot.captions import captions_form, read_captions
from bot.orders import CONSENT_STATEMENT, TrainOrder, Upload
from bot.photos import LEAST_PHOTOS, MOST_PHOTOS
from bot.store.records import Likeness
from bot.ui.answers import answer_fault, origin_of, uploads_of
from bot.ui.typed import TextField
from trainer.contract.requests import Kind

_PHOTOS = f"{LEAST_PHOTOS} to {MOST_PHOTOS} photos, or one zip of up to 100"
OnFilled = Callable[[discord.Interaction[Any], TrainOrder], Awaitable[None]]

# what is to be learned, and whose likeness that makes it; of None nothing is said
KINDS: tuple[tuple[str, str, Kind, Likeness | None], ...] = (
    ("Subject", "A character, an animal, a thing", "subject", None),
    ("My face", "Slower, keeps other people as they are", "face", "self"),
    ("Somebody else's face", "A server can have it once they agree", "face", "other"),
    ("A face of nobody real", "Slower, keeps other people as they are", "face", "none"),
    ("Style", "The look of the pictures, not what is in them", "style", None),
)


class Form(discord.ui.Modal):
    """Base of the forms: what was filled in completes ``order``, which ``on_filled`` gets."""

    def __init__(self, title: str, order: TrainOrder, on_filled: OnFilled) -> None:
        super().__init__(title=title, timeout=15 * 60)
        self._order, self._on_filled = order, on_filled

    def fill(self) -> TrainOrder:
        """The order with what was filled in. Raises UserError."""
        raise NotImplementedError

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Hand over the order, which now comes with the interaction of the form."""
        order = msgspec.structs.replace(self.fill(), origin=origin_of(interaction))
        await self._on_filled(interaction, order)

    async def on_error(  # type: ignore[override]  # a form's has no item
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """A fault goes to the one who sent the form."""
        await answer_fault(interaction, error)


class TrainForm(Form):
    """Name, photos (unless the order has them), kind, class word and consent: the five parts that a form may have."""

    def __init__(self, order: TrainOrder, on_filled: OnFilled) -> None:
        title = f"Train on {len(order.uploads)} photos" if order.uploads else "Train on your photos"
        super().__init__(title, order, on_filled)
        self._name = TextField(custom_id="name", default=order.name[:200] or None, placeholder="thnos", max_length=200)
        self._files: discord.ui.FileUpload[Any] = discord.ui.FileUpload(
            custom_id="photos", min_values=1, max_values=MOST_PHOTOS
        )
        self._kind: discord.ui.Select[Any] = discord.ui.Select(
            custom_id="kind",
            options=[
                discord.SelectOption(
                    label=label,
                    value=str(place),
                    description=words,
                    default=kind == order.kind and (kind != "face" or likeness == order.likeness),
                )
                for place, (label, words, kind, likeness) in enumerate(KINDS)
            ],
        )
        self._class_word = TextField(
            custom_id="class_word", default=order.class_word or None, placeholder="dog, monster, mug …", required=False
        )
        self._consent: discord.ui.Checkbox[Any] = discord.ui.Checkbox(custom_id="consent", default=order.consent)
        self.add_item(_label("Name", "What you will write in prompts: a word that means nothing else", self._name))
        if not order.uploads:
            self.add_item(_label("Photos", _PHOTOS, self._files))
        self.add_item(_label("Kind", "What is to be learned", self._kind))
        self.add_item(_label("Class word", "What it is, in one to three words", self._class_word))
        self.add_item(_label("Consent", CONSENT_STATEMENT, self._consent))

    def fill(self) -> TrainOrder:
        """With all five."""
        _, _, kind, likeness = KINDS[int(self._kind.values[0])]
        return msgspec.structs.replace(
            self._order,
            name=self._name.value,
            uploads=self._order.uploads or uploads_of(self._files.values),
            kind=kind,
            likeness=likeness or self._order.likeness,
            class_word=self._class_word.value.strip() or None,
            consent=bool(self._consent.value),
        )


class CaptionsForm(Form):
    """One field with a line a photo, for its caption."""

    def __init__(self, order: TrainOrder, on_filled: OnFilled) -> None:
        super().__init__("What is in each photo?", order, on_filled)
        self._filenames = [upload.filename for upload in order.uploads]
        self._captions = TextField(
            custom_id="captions", style=discord.TextStyle.paragraph, default=captions_form(self._filenames),
            max_length=4_000, required=False,
        )  # fmt: skip
        words = "Behind each number all but what is to be learned; a photo without words gets the usual ones"
        self.add_item(_label("Captions", words, self._captions))

    def fill(self) -> TrainOrder:
        """With the captions."""
        return msgspec.structs.replace(self._order, captions=read_captions(self._captions.value, self._filenames))


class CheckForm(discord.ui.Modal):
    """Photos that are to be looked through, and no more."""

    def __init__(self, on_filled: Callable[[discord.Interaction[Any], tuple[Upload, ...]], Awaitable[None]]) -> None:
        super().__init__(title="Check your photos", timeout=15 * 60)
        self._on_filled = on_filled
        self._files: discord.ui.FileUpload[Any] = discord.ui.FileUpload(
            custom_id="photos", min_values=1, max_values=MOST_PHOTOS
        )
        self.add_item(_label("Photos", _PHOTOS, self._files))

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Hand over the photos."""
        await self._on_filled(interaction, uploads_of(self._files.values))

    async def on_error(  # type: ignore[override]  # a form's has no item
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """A fault goes to the one who sent the form."""
        await answer_fault(interaction, error)


def _label(text: str, description: str, component: discord.ui.Item[Any]) -> discord.ui.Label[Any]:
    return discord.ui.Label(text=text, description=description, component=component)
