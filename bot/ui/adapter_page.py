"""An adapter's page: what it is, how it is used, a picture of it, and the buttons below."""

from __future__ import annotations

import io
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import discord
import structlog

from bot.library import AdapterPage
from bot.store.records import Adapter, Picture
from bot.ui import cards, reach
from bot.ui.answers import tell, think_privately
from bot.ui.views import button, view_of
from trainer.contract import looks
from trainer.contract.blobs import BlobMissing, Blobs

if TYPE_CHECKING:
    from bot.client import DarkroomBot

log = structlog.get_logger(__name__)

LIKE, LIKED = "Favourite", "No favourite any more"
_KINDS = {"lora": "LoRA", "textual_inversion": "Textual inversion", "checkpoint": "Whole model"}
_ORIGINS = {"trained": "trained here", "imported": "brought in", "merged": "merged"}
_WIDE = {"Trigger words", "Tags", "Made of", "Came from", "Who can use it", "Licence"}
_LONGEST_FIELD = 1_024  # Discord's limit


def embed(page: AdapterPage, viewer_id: int, guild_id: int | None, cover: str | None) -> discord.Embed:
    """All there is to know of it; ``cover`` is the name of the attached picture."""
    adapter = page.adapter
    title = adapter.name if not page.others and adapter.version == 1 else f"{adapter.name}, version {adapter.version}"
    shown = discord.Embed(title=title, description=cards.how_to_use(adapter, viewer_id), colour=looks.DONE)
    if adapter.description:
        shown.add_field(
            name="About it", value=f"> {looks.one_line(adapter.description, _LONGEST_FIELD - 2)}", inline=False
        )
    for name, value in _facts(page, viewer_id, guild_id):
        shown.add_field(name=name, value=looks.cut(value, _LONGEST_FIELD), inline=name not in _WIDE)
    if cover is not None:
        shown.set_image(url=f"attachment://{cover}")
    uses = f"used {adapter.uses:,} time{'' if adapter.uses == 1 else 's'}"
    likes = f"{adapter.likes:,} favourite{'' if adapter.likes == 1 else 's'}"
    return shown.set_footer(text=f"{uses} · {likes}")


def _facts(page: AdapterPage, viewer_id: int, guild_id: int | None) -> list[tuple[str, str]]:
    """What is known of it, by name; of what was not trained here nothing is said of a training."""
    adapter, own = page.adapter, page.adapter.owner_id == viewer_id
    shared = reach.who_can_use(adapter, guild_id) if own else reach.shared_how(adapter, viewer_id, guild_id)
    trained = f"{adapter.photos} photos, {adapter.steps:,} steps, {looks.duration(adapter.seconds)}"
    parents = [f"{each.name} × {each.weight:g}" if each.weight is not None else each.name for each in page.parents]
    found = {
        "By": f"<@{adapter.owner_id}>",
        "Kind": f"{_KINDS[adapter.kind]}, {_ORIGINS[adapter.origin]}",
        "Base": f"{adapter.base} ({adapter.base_hash})" if adapter.base else "",
        "Weights": cards.weights(adapter),
        "Method": f"{adapter.method}, of a {adapter.subject_kind}" if adapter.origin == "trained" else "",
        "Trained on": trained if adapter.origin == "trained" else "",
        "Rank": str(adapter.rank) if adapter.rank else "",  # a textual inversion and a whole model have none
        "File": looks.size(adapter.size_bytes),
        "Photos": cards.photos_kept(adapter) if adapter.origin == "trained" else "",
        "Made": f"<t:{int(adapter.created_at)}:R>",
        "Other versions": ", ".join(f"`{adapter.name}@{each.version}`" for each in page.others),
        "Trigger words": ", ".join(looks.plain(word) for word in adapter.trigger_words),
        "Made of": ", ".join(looks.plain(name) for name in parents),
        "Came from": looks.plain(adapter.source or ""),
        "Tags": ", ".join(looks.plain(tag) for tag in page.tags),
        "Licence": _licence(adapter),
        "Who can use it": shared,
    }
    return [(name, value) for name, value in found.items() if value]


def _licence(adapter: Adapter) -> str:
    credit = "name its maker" if adapter.credit else "no need to name its maker"
    sold = "pictures may be sold" if adapter.commercial else "pictures may not be sold"
    merged = "it may be merged" if adapter.derivatives else "it may not be merged"
    return f"{credit}; {sold}; {merged}"


def under(page: AdapterPage, viewer_id: int) -> discord.ui.View:
    """What everybody can do who may use it, and in two further rows what is its owner's."""
    adapter_id = page.adapter.id
    items = [
        button("use", adapter_id, "Use it", emoji="🎨", style=discord.ButtonStyle.primary, row=0),
        button("like", adapter_id, LIKED if page.liked else LIKE, emoji="⭐", row=0),
        button("examples", adapter_id, "Examples", emoji="🖼️", row=0),
        button("recipe", adapter_id, "Settings", emoji="⚙️", row=0),
    ]
    if page.adapter.owner_id != viewer_id:
        return view_of(*items, button("report", adapter_id, "Report", emoji="🚩", row=0))
    return view_of(
        *items,
        button("write", adapter_id, "Edit", emoji="✏️", row=1),
        button("cover", adapter_id, "Cover", row=1),
        button("sharing", adapter_id, "Share", emoji="🤝", row=1),
        button("rename", adapter_id, "Rename", row=1),
        button("versions", adapter_id, "Versions", row=1),
        button("remove", adapter_id, "Delete", emoji="🗑️", style=discord.ButtonStyle.danger, row=2),
    )


async def picture_file(blobs: Blobs, picture: Picture | None, name: str) -> discord.File | None:
    """A stored picture as an attachment; None where there is none, or its file is gone."""
    if picture is None:
        return None
    try:
        data = await blobs.read(picture.blob)
    except BlobMissing:
        log.warning("picture.missing", job=picture.job_id, position=picture.position)
        return None
    return attachment(data, name + PurePosixPath(picture.filename).suffix)


def attachment(data: bytes, filename: str) -> discord.File:
    """Bytes as a file of a message."""
    return discord.File(io.BytesIO(data), filename)


async def show(bot: DarkroomBot, interaction: discord.Interaction[Any], adapter_id: str) -> None:
    """The page, to this member alone. Raises UserError: gone, or not theirs to see."""
    page = await _find(bot, interaction, adapter_id)
    await think_privately(interaction)
    await interaction.edit_original_response(**await _parts(bot, interaction, page))


async def refresh(bot: DarkroomBot, interaction: discord.Interaction[Any], adapter_id: str, words: str) -> None:
    """Say what was done, to this member alone; where it was done from the page, the page shows it."""
    page = await _find(bot, interaction, adapter_id)
    if interaction.message is None:
        await tell(interaction, words)
        return
    await interaction.response.edit_message(**await _parts(bot, interaction, page))
    await interaction.followup.send(words, ephemeral=True)


async def _find(bot: DarkroomBot, interaction: discord.Interaction[Any], adapter_id: str) -> AdapterPage:
    viewer_id, guild_id = interaction.user.id, interaction.guild_id
    return await bot.services.library.page(adapter_id, viewer_id=viewer_id, guild_id=guild_id)


async def _parts(bot: DarkroomBot, interaction: discord.Interaction[Any], page: AdapterPage) -> dict[str, Any]:
    """The message; its picture is sent anew each time, for an edit keeps none that an embed shows."""
    cover = await picture_file(bot.services.blobs, page.cover, "cover")
    name = cover.filename if cover is not None else None
    return {
        "embed": embed(page, interaction.user.id, interaction.guild_id, name),
        "view": under(page, interaction.user.id),
        "attachments": [cover] if cover is not None else [],
    }
