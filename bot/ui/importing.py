"""What a member is told of an adapter that they brought in."""

from __future__ import annotations

import discord

from bot.errors import quoted
from bot.importing.found import Found
from bot.importing.importer import Imported
from bot.store.records import Adapter
from bot.ui import cards
from trainer.contract import looks

_LONGEST_FIELD = 1_024  # Discord's limit
_MOST_BASES = 5


def card(imported: Imported) -> discord.Embed:
    """What the file is, which model here draws with it, how to use it, and what of it does nothing."""
    adapter, found = imported.adapter, imported.found
    colour = looks.DONE if imported.bases else looks.WAITING
    embed = discord.Embed(title=f"{adapter.name} is yours", description=_how_to_use(adapter), colour=colour)
    for name, value in (
        ("Kind", _kind(found)),
        ("Made for", _made_for(imported)),
        ("Draws here with", _bases(imported)),
        ("Trigger words", _words(adapter, found)),
        ("Weights", f"{adapter.weight_low:g} to {adapter.weight_high:g}, {adapter.weight_best:g} at best"),
        ("Used", _used(found)),
        ("Licence", _licence(adapter)),
        ("File", looks.size(adapter.size_bytes)),
        ("From", looks.one_line(adapter.source or "", _LONGEST_FIELD)),
    ):
        if value:
            embed.add_field(name=name, value=value)
    return embed


def _how_to_use(adapter: Adapter) -> str:
    if adapter.kind == "textual_inversion":
        return f"Write `{adapter.trigger}` in a prompt, or `({adapter.trigger}:1.2)` for more of it."
    tag = cards.tag(adapter, adapter.owner_id)
    return f"Write `{tag}` in a prompt. What its file told of its maker's machine was taken out."


def _kind(found: Found) -> str:
    identity = found.identity
    if identity.kind == "textual_inversion":
        return f"textual inversion of {found.vectors} vector{'' if found.vectors == 1 else 's'}"
    least, most = found.ranks
    ranks = "whole differences" if not most else f"rank {most}" if least == most else f"ranks {least} to {most}"
    words = f", with vectors for {looks.one_line(', '.join(identity.bundled), 100)}" if identity.bundled else ""
    return f"{identity.algorithm} as {identity.layout} names it, {ranks}{words}"


def _made_for(imported: Imported) -> str:
    """By its shapes; what its page or its maker calls the base stands beside."""
    identity, page = imported.found.identity, imported.page
    said = (page.base_model if page is not None else "") or identity.base or ""
    return identity.made_for + (f" ({looks.one_line(said, 100)})" if said else "")


def _bases(imported: Imported) -> str:
    """The best one first; where there is none, that is the news."""
    if not imported.bases:
        made_for = imported.found.identity.made_for
        return f"⚠️ none: no model here is {made_for}, so it waits until whoever runs this bot adds one"
    names = [f"`{base.name}`" for base in imported.bases]
    more = f" and {len(names) - _MOST_BASES} more" if len(names) > _MOST_BASES else ""
    said = (imported.found.identity.base or "").lower()
    other = said and imported.adapter.kind == "lora" and imported.bases[0].name.lower() != said
    near = "; the model that it was trained on is not here" if other else ""
    return f"{', '.join(names[:_MOST_BASES])}{more}{near}"


def _words(adapter: Adapter, found: Found) -> str:
    """Offered under each picture, never put into a prompt."""
    if adapter.kind == "textual_inversion":
        return ""
    if adapter.trigger_words:
        shown = looks.cut(", ".join(map(quoted, adapter.trigger_words)), _LONGEST_FIELD - 100)
        return f"{shown}: they are not put into prompts; a button under the pictures does that"
    if found.proposed_words:
        return f"its file names none; all its captions had {', '.join(map(quoted, found.proposed_words))}"
    return "its file names none"


def _used(found: Found) -> str:
    if not found.unused:
        return f"all of its {found.keys:,} keys"
    example = looks.one_line(found.unused[0], 100)
    return f"{found.used:,} of its {found.keys:,} keys; no layer here has for example {example}"


def _licence(adapter: Adapter) -> str:
    return ", ".join(
        [
            "its maker is to be named" if adapter.credit else "nobody has to be named",
            "pictures may be sold" if adapter.commercial else "pictures may not be sold",
            "it may be merged" if adapter.derivatives else "it may not be merged",
        ]
    )
