"""Asking a person whether an adapter may be their likeness on servers, and what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import discord

from bot.store.records import Adapter, LikenessConsent
from bot.ui.job_button import JobButton
from bot.ui.views import button, view_of
from trainer.contract import looks

if TYPE_CHECKING:
    from bot.client import DarkroomBot

AGREE, REFUSE, TAKE_BACK = "I agree", "No", "Take it back"
_MOST_A_ROW = 5
_SAYS = {True: "agreed", False: "does not agree", None: "has not answered"}

Asked = Sequence[tuple[Adapter, LikenessConsent]]


def question(adapter: Adapter, asked: LikenessConsent) -> tuple[discord.Embed, discord.ui.View]:
    """Where the person sees it, as it stands; only they can answer."""
    who, owner = f"<@{asked.member_id}>", f"<@{adapter.owner_id}>"
    lines = [f"{owner} says that `{adapter.name}` is the likeness of {who}, and asks whether servers may have it:"]
    lines += [f"> {asked.statement}"]
    if asked.given_at is not None:
        lines += [f"{who} agreed. {owner} can share it with servers until that is taken back."]
        buttons = [button("agree", adapter.id, TAKE_BACK, place=0)]
    else:
        if asked.refused_at is not None:
            lines += [f"{who} does not agree, so no server has it."]
        lines += [f"Only {who} can answer. `/adapter consent` shows them what they said, and takes it back."]
        buttons = [button("agree", adapter.id, AGREE, place=1, style=discord.ButtonStyle.primary)]
        buttons += [button("agree", adapter.id, REFUSE, place=0)] if asked.refused_at is None else []
    embed = discord.Embed(title="Is this your likeness?", description="\n".join(lines), colour=looks.WAITING)
    return embed, view_of(*buttons)


def asked_list(found: Asked) -> tuple[discord.Embed, discord.ui.View]:
    """All that a member was asked about themselves, with a button each that agrees or takes it back."""
    embed = discord.Embed(title="Your likeness", colour=looks.DONE if found else looks.WAITING)
    if not found:
        embed.description = "Nobody has asked you whether an adapter may be your likeness."
        return embed, view_of()
    embed.description = "\n".join(
        f"`{_name(adapter)}`, asked <t:{int(each.asked_at)}:R>: " + (_SAYS[_said(each)].replace("has not", "not yet"))
        for adapter, each in found
    )
    embed.add_field(name="What agreeing says", value=found[0][1].statement)
    buttons = []
    for place, (adapter, each) in enumerate(found):
        yes = _said(each) is True
        words = f"Take back {_name(adapter)}" if yes else f"Agree to {_name(adapter)}"
        buttons.append(button("agree", adapter.id, words, place=int(not yes), row=place // _MOST_A_ROW))
    return embed, view_of(*buttons)


def state(adapter: Adapter, consents: Sequence[LikenessConsent]) -> str:
    """What the owner is told of whose likeness it is, and how it stands."""
    if adapter.likeness == "none":
        return f"`{adapter.name}` is the likeness of nobody real, by what you said at `/train`."
    if adapter.likeness == "self":
        return f"`{adapter.name}` is your own likeness, by what you said at `/train`: you can share it with servers."
    if not consents:
        return (
            f"`{adapter.name}` is somebody else's likeness, and nobody was asked yet: choose them as `member`, in a"
            " server where they see it."
        )
    answers = ", ".join(f"<@{each.member_id}> {_SAYS[_said(each)]}" for each in consents)
    return f"`{adapter.name}` is somebody else's likeness: {answers}."


def _said(consent: LikenessConsent) -> bool | None:
    if consent.given_at is not None:
        return True
    return False if consent.refused_at is not None else None


def _name(adapter: Adapter) -> str:
    return f"{adapter.owner_name}/{adapter.name}"


class AgreeButton(JobButton, template=r"dr:agree:(?P<id>\w+):(?P<place>[01])"):
    """Agrees (1), or does not, or not any more (0)."""

    async def press(self, bot: DarkroomBot, interaction: discord.Interaction[Any]) -> None:
        """The person alone may who was asked."""
        sharing, member_id = bot.services.sharing, interaction.user.id
        answered = await sharing.answer(self.subject_id, member_id, agreed=bool(self.place))
        message = interaction.message
        if message is not None and message.flags.ephemeral:
            embed, view = asked_list(await sharing.asked_of(member_id))
        else:
            embed, view = question(*answered)
        await interaction.response.edit_message(embed=embed, view=view)
