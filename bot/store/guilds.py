"""What a guild's managers have said: settings, blocked members, blocked words; and what a member has used there."""

from __future__ import annotations

from sqlite3 import Connection, Row

import msgspec

from bot.store.records import BlockedMember, BlockedWord, GuildSettings, Usage

_encode = msgspec.json.Encoder().encode
_decoder: msgspec.json.Decoder[GuildSettings] = msgspec.json.Decoder(GuildSettings)


def settings(tx: Connection, guild_id: int) -> GuildSettings:
    """A guild's settings, the usual ones where nobody has said anything."""
    row = tx.execute("SELECT settings FROM guild_settings WHERE guild_id = ?", (guild_id,)).fetchone()
    return GuildSettings() if row is None else _decoder.decode(row[0])


def put_settings(tx: Connection, guild_id: int, changed: GuildSettings, member_id: int, now: float) -> None:
    """All of a guild's settings anew."""
    tx.execute(
        "INSERT INTO guild_settings VALUES (?, ?, ?, ?) ON CONFLICT (guild_id)"
        " DO UPDATE SET settings = excluded.settings, changed_by = excluded.changed_by,"
        " changed_at = excluded.changed_at",
        (guild_id, _encode(changed).decode(), member_id, now),
    )


# -- blocked members --------------------------------------------------------------------------------------------------


def blocked(tx: Connection, guild_id: int, member_id: int) -> BlockedMember | None:
    """The member's block; None: there is none."""
    row = tx.execute(
        "SELECT * FROM blocked_members WHERE guild_id = ? AND member_id = ?", (guild_id, member_id)
    ).fetchone()
    return None if row is None else BlockedMember(**dict(row))


def all_blocked(tx: Connection, guild_id: int, limit: int) -> list[BlockedMember]:
    """Blocked members of a guild, the newest first."""
    rows = tx.execute(
        "SELECT * FROM blocked_members WHERE guild_id = ? ORDER BY blocked_at DESC, member_id LIMIT ?",
        (guild_id, limit),
    )
    return [BlockedMember(**dict(row)) for row in rows]


def block(tx: Connection, member: BlockedMember) -> None:
    """Block a member; one who is blocked already gets the new reason."""
    tx.execute(
        "INSERT INTO blocked_members (guild_id, member_id, reason, blocked_by, blocked_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (guild_id, member_id) DO UPDATE SET reason = excluded.reason",
        (member.guild_id, member.member_id, member.reason, member.blocked_by, member.blocked_at),
    )


def unblock(tx: Connection, guild_id: int, member_id: int) -> bool:
    """End a block; whether there was one."""
    found = tx.execute("DELETE FROM blocked_members WHERE guild_id = ? AND member_id = ?", (guild_id, member_id))
    return found.rowcount > 0


# -- blocked words ----------------------------------------------------------------------------------------------------


def _word(row: Row) -> BlockedWord:
    return BlockedWord(**{**dict(row), "is_regex": bool(row["is_regex"])})


def words(tx: Connection, guild_id: int) -> list[BlockedWord]:
    """What may not be said in a guild: words by the alphabet, then regular expressions."""
    rows = tx.execute("SELECT * FROM blocked_words WHERE guild_id = ? ORDER BY is_regex, pattern", (guild_id,))
    return [_word(row) for row in rows]


def add_word(tx: Connection, word: BlockedWord) -> bool:
    """Block a word, whatever its id says; whether it is new."""
    added = tx.execute(
        "INSERT INTO blocked_words (guild_id, pattern, is_regex, added_by, added_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (word.guild_id, word.pattern, int(word.is_regex), word.added_by, word.added_at),
    )
    return added.rowcount > 0


def remove_word(tx: Connection, guild_id: int, pattern: str) -> bool:
    """Allow it again, as a word and as a regular expression; whether it was blocked."""
    return tx.execute("DELETE FROM blocked_words WHERE guild_id = ? AND pattern = ?", (guild_id, pattern)).rowcount > 0


# -- what a member has used -------------------------------------------------------------------------------------------

_STANDS = "state NOT IN ('failed', 'cancelled')"


def usage(tx: Connection, guild_id: int, member_id: int, since: float, now: float) -> Usage:
    """What of a guild's share a member has had since then. Jobs that came to nothing count by their GPU time alone."""
    row = tx.execute(
        f"SELECT TOTAL({_STANDS}) AS jobs,"
        f" TOTAL(IIF({_STANDS}, COALESCE(json_array_length(spec, '$.drawings'), 0), 0)) AS pictures,"
        " TOTAL(IIF(started_at IS NULL OR lane = 'merge', 0, MAX(0, COALESCE(finished_at, :now) - started_at)))"
        " AS gpu_seconds,"  # merges run on the processor
        " MIN(created_at) AS first_at"
        " FROM jobs WHERE owner_id = :member AND guild_id = :guild AND created_at > :since",
        {"member": member_id, "guild": guild_id, "since": since, "now": now},
    ).fetchone()
    return Usage(
        jobs=int(row["jobs"]), pictures=int(row["pictures"]), gpu_seconds=row["gpu_seconds"],
        storage_bytes=_storage(tx, guild_id, member_id), first_at=row["first_at"],
    )  # fmt: skip


def _storage(tx: Connection, guild_id: int, member_id: int) -> int:
    """Bytes of a member's adapters that were made in the guild, and of their pictures that were drawn there."""
    adapters = tx.execute(
        "SELECT TOTAL(size_bytes) FROM adapters WHERE owner_id = ? AND guild_id = ?", (member_id, guild_id)
    ).fetchone()[0]
    pictures = tx.execute(
        "SELECT TOTAL(pictures.size_bytes) FROM pictures JOIN jobs ON jobs.id = pictures.job_id"
        " WHERE pictures.owner_id = ? AND jobs.guild_id = ?",
        (member_id, guild_id),
    ).fetchone()[0]
    return int(adapters + pictures)
