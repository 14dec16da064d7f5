"""A guild's settings as its managers see them."""

from __future__ import annotations

from collections.abc import Sequence

import discord

from bot.store.records import BlockedMember, BlockedWord, GuildSettings
from bot.ui.cards import fitting
from trainer.contract import looks

_FIELD = 1_024  # Discord's limit
_DESCRIPTION = 4_096


def settings_card(settings: GuildSettings, blocked: Sequence[BlockedMember], words: int) -> discord.Embed:
    """All of it; for a manager alone."""
    embed = discord.Embed(title="Darkroom on this server", colour=looks.DONE)
    rows = {
        "Who may train, merge and import": _roles(settings.train_roles),
        "Who may draw": _roles(settings.imagine_roles),
        "Channels": _channels(settings),
        "A member within 24 hours": _limits(settings),
        "Account": f"at least {settings.account_days} days old" if settings.account_days else "of any age",
        "Explicit pictures": "in age-restricted channels" if settings.explicit else "nowhere",
        "Explicit words": "in all prompts" if settings.explicit_words else "in age-restricted channels",
        "Showcase": _showcase(settings),
        "Reports": f"`/reports`, and posted in <#{settings.log_channel}>" if settings.log_channel else "`/reports`",
        "Blocked words": f"{words:,}; `/settings words` shows them" if words else "none",
        "Blocked members": _blocked(blocked),
    }
    for name, value in rows.items():
        embed.add_field(name=name, value=value, inline=False)
    return embed


def words_card(words: Sequence[BlockedWord]) -> discord.Embed:
    """What may not be said."""
    lines = [_word(word) for word in words]
    text = fitting(lines, _DESCRIPTION, "and {} more; typing in `/settings allow` finds them")
    return discord.Embed(title="Blocked words", description=text or "None.", colour=looks.WAITING)


def _word(word: BlockedWord) -> str:
    shown = looks.plain(word.pattern)
    return f"{shown} · regular expression" if word.is_regex else shown


def _showcase(settings: GuildSettings) -> str:
    if settings.showcase_channel is None:
        return "none"
    count = settings.showcase_stars
    return f"<#{settings.showcase_channel}>, for pictures with {count} star{'' if count == 1 else 's'}"


def _roles(roles: Sequence[int]) -> str:
    return fitting([f"<@&{role}>" for role in roles], _FIELD, "and {} more") or "everybody"


def _channels(settings: GuildSettings) -> str:
    allowed = ", ".join(f"<#{channel}>" for channel in settings.allowed_channels)
    forbidden = ", ".join(f"<#{channel}>" for channel in settings.forbidden_channels)
    where = f"only {allowed}" if allowed else "all"
    return looks.cut(f"{where}, but not {forbidden}" if forbidden else where, _FIELD)


def _limits(settings: GuildSettings) -> str:
    parts = [
        f"{limit:,} {what}"
        for limit, what in (
            (settings.most_jobs, "jobs"),
            (settings.most_pictures, "pictures"),
            (settings.most_gpu_minutes, "minutes of the GPU"),
        )
        if limit is not None
    ]
    if settings.most_storage_bytes is not None:
        parts.append(f"{looks.size(settings.most_storage_bytes)} of adapters and pictures in all")
    return ", ".join(parts) or "no limits"


def _blocked(blocked: Sequence[BlockedMember]) -> str:
    lines = [f"<@{each.member_id}>{f' · {looks.plain(each.reason)}' if each.reason else ''}" for each in blocked]
    return fitting(lines, _FIELD, "and {} more") or "none"
