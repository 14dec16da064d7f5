"""What a guild's managers allow, held against every order: who, where, how much, and in which words.

Within the transaction that accepts the order, so that two orders at once can't both take the last of a share.
"""

from __future__ import annotations

from collections.abc import Iterable
from sqlite3 import Connection

from bot.decency.blocklist import find_blocked
from bot.decency.minors import sexual_word
from bot.decency.orders import is_person
from bot.errors import UserError, quoted
from bot.orders import Origin
from bot.store import guilds
from bot.store.records import Adapter, GuildSettings
from trainer.contract import looks
from trainer.contract.names import Lane

DAY_S = 24 * 3600.0
_DISCORD_EPOCH_MS = 1_420_070_400_000  # of snowflakes: the first second of 2015
_ASK = "whoever manages this server can change that with `/settings`"


def check_rules(tx: Connection, origin: Origin, lane: Lane, *, pictures: int, now: float) -> None:
    """Hold an order against the rules of its guild; in direct messages there are none. Raises UserError."""
    if origin.guild_id is None:
        return
    check_member(tx, origin.guild_id, origin.member_id)
    rules = guilds.settings(tx, origin.guild_id)
    _check_age(rules, origin.member_id, now)
    _check_channel(rules, origin)
    _check_role(rules, origin, lane)
    _check_share(tx, rules, origin.guild_id, origin.member_id, pictures, now)


def check_member(tx: Connection, guild_id: int | None, member_id: int) -> None:
    """Raises UserError if the member is blocked there."""
    if guild_id is not None and guilds.blocked(tx, guild_id, member_id) is not None:
        raise UserError("You are blocked from Darkroom on this server: ask whoever manages it to end that.")


def check_texts(tx: Connection, guild_id: int | None, texts: Iterable[str]) -> None:
    """Raises UserError if one of the texts holds what may not be said in the guild."""
    if guild_id is None:
        return
    words = guilds.words(tx, guild_id)
    if words and (found := find_blocked(words, texts)) is not None:
        what = "what this server has blocked" if found.is_regex else f"`{found.pattern.replace('`', chr(39))}`"
        raise UserError(f"This holds {what}, which is not to be said here: leave it out.")


def check_explicit_words(tx: Connection, origin: Origin, texts: Iterable[str]) -> None:
    """Raises UserError if the texts hold words for nudity or sex, which are wanted nowhere but where it is shown."""
    if origin.guild_id is None or guilds.settings(tx, origin.guild_id).explicit_words or allows_explicit(tx, origin):
        return
    if (word := sexual_word(texts)) is not None:
        raise UserError(
            f"`{word}` is said in age-restricted channels alone on this server: leave it out, or go to such a channel."
        )


def allows_explicit(tx: Connection, origin: Origin) -> bool:
    """Whether what is explicit may be shown where the order comes from: in age-restricted channels at most."""
    if origin.guild_id is None or not origin.age_restricted:
        return False
    return guilds.settings(tx, origin.guild_id).explicit


def check_explicit(tx: Connection, origin: Origin, adapters: Iterable[Adapter]) -> bool:
    """Whether what is drawn with these may be explicit. Raises UserError: one is not for this place at all."""
    allowed = allows_explicit(tx, origin)
    for adapter in adapters:
        if adapter.age_restricted and not allowed:
            raise UserError(
                f"{quoted(adapter.name)} is for age-restricted channels alone: draw with it in one of a server that"
                " allows it."
            )
        allowed = allowed and not is_person(adapter)
    return allowed


def age_of_account(member_id: int, now: float) -> float:
    """How old a Discord account is, in days: its snowflake says when it was made."""
    return max(0.0, now - ((member_id >> 22) + _DISCORD_EPOCH_MS) / 1000) / DAY_S


def _check_age(rules: GuildSettings, member_id: int, now: float) -> None:
    days = age_of_account(member_id, now)
    if days < rules.account_days:
        raise UserError(
            f"Your Discord account is {days:.0f} days old, and this server asks for {rules.account_days}: come back"
            f" <t:{int(now + (rules.account_days - days) * DAY_S)}:R>."
        )


def _check_channel(rules: GuildSettings, origin: Origin) -> None:
    places = {origin.channel_id, origin.parent_channel_id}
    if places & set(rules.forbidden_channels):
        raise UserError(f"Darkroom is not used in <#{origin.channel_id}>: take another channel.")
    if rules.allowed_channels and not places & set(rules.allowed_channels):
        where = ", ".join(f"<#{channel}>" for channel in rules.allowed_channels[:5])
        raise UserError(f"Darkroom is not used in <#{origin.channel_id}>: use it in {where}.")


def _check_role(rules: GuildSettings, origin: Origin, lane: Lane) -> None:
    needed, what = (
        (rules.imagine_roles, "draw") if lane == "imagine" else (rules.train_roles, "train, merge and import")
    )
    if needed and not set(needed) & set(origin.role_ids):
        roles = " or ".join(f"<@&{role}>" for role in needed[:5])
        raise UserError(f"To {what} here takes the role {roles}: ask for it, or {_ASK}.")


def _check_share(
    tx: Connection, rules: GuildSettings, guild_id: int, member_id: int, pictures: int, now: float
) -> None:
    limits = (rules.most_jobs, rules.most_pictures, rules.most_gpu_minutes, rules.most_storage_bytes)
    if all(limit is None for limit in limits):
        return
    used = guilds.usage(tx, guild_id, member_id, now - DAY_S, now)
    again = f"more is free <t:{int((used.first_at or now) + DAY_S)}:R>"
    if rules.most_jobs is not None and used.jobs >= rules.most_jobs:
        raise UserError(
            f"You have had {used.jobs:,} jobs in 24 hours, and {rules.most_jobs:,} are the most on this server:"
            f" {again}."
        )
    if rules.most_pictures is not None and pictures and used.pictures + pictures > rules.most_pictures:
        raise UserError(
            f"You have had {used.pictures:,} pictures in 24 hours, and with {pictures} more it would be above the"
            f" {rules.most_pictures:,} of this server: draw fewer, or wait, {again}."
        )
    minutes = used.gpu_seconds / 60
    if rules.most_gpu_minutes is not None and minutes >= rules.most_gpu_minutes:
        raise UserError(
            f"Your jobs have taken {minutes:.0f} minutes of the GPU in 24 hours, and {rules.most_gpu_minutes:,} are the"
            f" most on this server: {again}."
        )
    if rules.most_storage_bytes is not None and used.storage_bytes >= rules.most_storage_bytes:
        raise UserError(
            f"Your adapters and pictures take {looks.size(used.storage_bytes)} here, and"
            f" {looks.size(rules.most_storage_bytes)} are the most on this server: delete some, for example with"
            " `/adapter delete`."
        )
