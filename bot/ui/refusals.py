"""What stands under a refusal: the text that was refused, and the button that opens it in a form."""

from __future__ import annotations

import io
from typing import Any

import discord

from bot.drafts import Draft
from bot.ui.views import button, view_of
from trainer.contract import looks

TITLE = "What you wrote"
EDIT = "Edit and try again"
_LONGEST_SHOWN = 3_900  # of an embed's 4,096 characters
_LONGEST_FIELD = 4_000  # of a form


def with_draft(draft: Draft, draft_id: str) -> dict[str, Any]:
    """The parts of a message beside its sentence; a text that no embed holds is a file."""
    text = draft.text
    parts: dict[str, Any] = {}
    if looks.units(text) <= _LONGEST_SHOWN and "```" not in text:
        parts["embed"] = discord.Embed(title=TITLE, description=f"```\n{text}\n```", colour=looks.WAITING)
    else:
        parts["file"] = discord.File(io.BytesIO(text.encode()), "prompt.txt")
    if max(map(looks.units, (draft.prompt, draft.negative_prompt, draft.settings))) <= _LONGEST_FIELD:
        parts["view"] = view_of(button("edit", draft_id, EDIT, emoji="✏️", style=discord.ButtonStyle.primary))
    return parts
