"""Forms in which a picture's settings are changed and drawn again, and what is shown of a draft that was refused."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import discord
import msgspec

from bot.drafts import Draft, draft_of, order_of
from bot.grids import Sides
from bot.sources import submit
from bot.styles import Styles
from bot.ui.answers import DRAFT, accept, answer_fault, origin_of
from bot.ui.typed import TextField
from trainer.contract import looks
from trainer.contract.drawings import Source

if TYPE_CHECKING:
    from bot.client import DarkroomBot

LONGEST_FIELD = 4_000  # characters; Discord's limit


class DraftForm(discord.ui.Modal):
    """Base of the forms that make a draft, which is then drawn for whoever sent the form."""

    def draft(self) -> Draft:
        """What was filled in."""
        raise NotImplementedError

    async def on_submit(self, interaction: discord.Interaction[Any], /) -> None:
        """Draw it."""
        await draw(interaction.client, interaction, self.draft())

    async def on_error(  # type: ignore[override]  # a form's has no item
        self, interaction: discord.Interaction[Any], error: Exception, /
    ) -> None:
        """A fault goes to the one who sent the form."""
        await answer_fault(interaction, error)


class RemixForm(DraftForm):
    """One field with everything in it, as A1111 writes it."""

    def __init__(self, text: str, source: Source | None = None) -> None:
        super().__init__(title="Remix", timeout=15 * 60)
        self._source = source
        self._text = _field("text", text)
        words = "Prompt, negative prompt and settings, as A1111 writes them"
        self.add_item(discord.ui.Label(text="Settings", description=words, component=self._text))

    def draft(self) -> Draft:
        """Strict, as all that is pasted."""
        return draft_of(self._text.value, self._source)


class EditForm(DraftForm):
    """A draft with its prompts and its settings apart."""

    def __init__(self, draft: Draft, *, title: str = "Edit and try again") -> None:
        """With the sides of a grid, where it is one."""
        super().__init__(title=title[:45], timeout=15 * 60)
        self._draft = draft
        self._prompt = _field("prompt", draft.prompt)
        self._negative_prompt = _field("negative_prompt", draft.negative_prompt, required=False)
        self._settings = _field("settings", draft.settings, required=False)
        words = "Such as Steps: 20, CFG scale: 7, Seed: 42, Size: 512x512"
        self.add_item(discord.ui.Label(text="Prompt", component=self._prompt))
        self.add_item(discord.ui.Label(text="Negative prompt", component=self._negative_prompt))
        self.add_item(discord.ui.Label(text="Settings", description=words, component=self._settings))
        self._x = self._y = None
        if draft.sides is not None:
            self._x, self._y = _field("x", draft.sides.x), _field("y", draft.sides.y or "", required=False)
            self.add_item(discord.ui.Label(text="From left to right", component=self._x))
            self.add_item(discord.ui.Label(text="From top to bottom", component=self._y))

    def draft(self) -> Draft:
        """The rest as it was."""
        sides = None if self._x is None or self._y is None else Sides(x=self._x.value, y=self._y.value.strip() or None)
        return msgspec.structs.replace(
            self._draft,
            sides=sides,
            prompt=self._prompt.value,
            negative_prompt=self._negative_prompt.value,
            settings=" ".join(self._settings.value.split()),
        )


def _field(custom_id: str, text: str, *, required: bool = True) -> TextField:
    return TextField(
        custom_id=custom_id, style=discord.TextStyle.paragraph, default=text or None, max_length=LONGEST_FIELD,
        required=required,
    )  # fmt: skip


async def open_form(interaction: discord.Interaction[Any], text: str, source: Source | None = None) -> None:
    """The remix form with ``text`` in it; what is longer than a form holds comes as a file."""
    if looks.units(text) <= LONGEST_FIELD:
        await interaction.response.send_modal(RemixForm(text, source))
        return
    words = (
        f"These settings have {len(text):,} characters, and a form holds {LONGEST_FIELD:,}: change them in this file."
    )
    await interaction.response.send_message(words, file=as_file(text), ephemeral=True)


async def draw(bot: DarkroomBot, interaction: discord.Interaction[Any], draft: Draft) -> None:
    """Draw a draft for this member, with what they may use. Raises UserError, which then comes with the draft."""
    services = bot.services
    await give_back(interaction, draft, services.styles)
    bases = await services.jobs.bases()
    order = order_of(draft, origin_of(interaction), bases)
    if draft.sides is None:
        order = await services.templates.read(order, draft.styles)
    else:
        has_source = draft.source is not None or draft.wanted.image is not None
        names = [base.name for base in bases]
        order = await services.templates.read_grid(order, draft.sides, names, draft.styles, has_source=has_source)
    await accept(interaction, services.jobs, submit(services.photos, services.jobs, order, draft.wanted))


async def give_back(interaction: discord.Interaction[Any], draft: Draft, styles: Styles) -> None:
    """Have a refusal of this interaction bring the draft, to be edited: without styles that are not there."""
    names = await styles.known_of(draft.styles, member_id=interaction.user.id, guild_id=interaction.guild_id)
    interaction.extras[DRAFT] = msgspec.structs.replace(draft, styles=names)


def as_file(text: str) -> discord.File:
    """A text to be saved."""
    return discord.File(io.BytesIO(text.encode()), "settings.txt")
