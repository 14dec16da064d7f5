"""With whom adapters are shared, and what people said whose likeness they are. Who may use them: `adapters.VISIBLE`."""

from __future__ import annotations

from sqlite3 import Connection, Row

from bot.store.records import LikenessConsent


def share(tx: Connection, adapter_id: str, guild_id: int, now: float) -> None:
    """Share with a server; doing it twice changes nothing."""
    tx.execute("INSERT INTO shares VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (adapter_id, guild_id, now))


def unshare(tx: Connection, adapter_id: str, guild_id: int) -> None:
    """Take back from a server."""
    tx.execute("DELETE FROM shares WHERE adapter_id = ? AND guild_id = ?", (adapter_id, guild_id))


def name_member(tx: Connection, adapter_id: str, member_id: int, now: float) -> None:
    """Let a member use it anywhere; doing it twice changes nothing."""
    tx.execute("INSERT INTO member_shares VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (adapter_id, member_id, now))


def unname_member(tx: Connection, adapter_id: str, member_id: int) -> None:
    """Take it back from a member."""
    tx.execute("DELETE FROM member_shares WHERE adapter_id = ? AND member_id = ?", (adapter_id, member_id))


def publish(tx: Connection, adapter_id: str, now: float) -> None:
    """Let everybody use it whom this bot serves; doing it twice changes nothing."""
    tx.execute("UPDATE adapters SET public_at = ifnull(public_at, ?) WHERE id = ?", (now, adapter_id))


def unpublish(tx: Connection, adapter_id: str) -> None:
    """Take it back from those with whom it is not shared otherwise."""
    tx.execute("UPDATE adapters SET public_at = NULL WHERE id = ?", (adapter_id,))


def take_back(tx: Connection, adapter_id: str) -> None:
    """From all servers and from everybody; members who were named keep it."""
    tx.execute("DELETE FROM shares WHERE adapter_id = ?", (adapter_id,))
    unpublish(tx, adapter_id)


def bar(tx: Connection, adapter_id: str, guild_id: int, moderator_id: int, now: float) -> None:
    """A moderator takes it back from their server; its owner can't share it there again.

    What was barred by nobody, being reported, is theirs from then on.
    """
    unshare(tx, adapter_id, guild_id)
    tx.execute(
        "INSERT INTO barred VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET barred_by = excluded.barred_by WHERE barred.barred_by = 0",
        (adapter_id, guild_id, moderator_id, now),
    )


def lift_bar(tx: Connection, adapter_id: str, guild_id: int) -> None:
    """Let its owner share it with that server again."""
    tx.execute("DELETE FROM barred WHERE adapter_id = ? AND guild_id = ?", (adapter_id, guild_id))


def lift_bar_of(tx: Connection, adapter_id: str, guild_id: int, barred_by: int) -> None:
    """Likewise, if it was barred by that one."""
    tx.execute(
        "DELETE FROM barred WHERE adapter_id = ? AND guild_id = ? AND barred_by = ?", (adapter_id, guild_id, barred_by)
    )


def is_barred(tx: Connection, adapter_id: str, guild_id: int) -> bool:
    """Whether moderators took it back from that server."""
    found = tx.execute("SELECT 1 FROM barred WHERE adapter_id = ? AND guild_id = ?", (adapter_id, guild_id))
    return found.fetchone() is not None


def barred_of_name(tx: Connection, owner_name: str, name: str, guild_id: int) -> str | None:
    """The id of what moderators took back from that server under this name; None: nothing."""
    row = tx.execute(
        "SELECT adapters.id FROM barred JOIN adapters ON adapters.id = barred.adapter_id"
        " JOIN members ON members.id = adapters.owner_id"
        " WHERE barred.guild_id = ? AND adapters.name = ? AND members.name = ?",
        (guild_id, name, owner_name),
    ).fetchone()
    return None if row is None else str(row[0])


# -- likeness ---------------------------------------------------------------------------------------------------------


def ask(tx: Connection, consent: LikenessConsent) -> None:
    """Ask a person whose likeness an adapter is. One question is open at a time; an answer that was given stays."""
    tx.execute(
        "DELETE FROM likeness_consents WHERE adapter_id = ? AND given_at IS NULL AND refused_at IS NULL",
        (consent.adapter_id,),
    )
    tx.execute(
        "INSERT INTO likeness_consents (adapter_id, member_id, guild_id, statement, asked_at) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (consent.adapter_id, consent.member_id, consent.guild_id, consent.statement, consent.asked_at),
    )


def answer(tx: Connection, adapter_id: str, member_id: int, now: float, *, agreed: bool) -> None:
    """Enter what that person says, and what follows: without their word no server has the adapter."""
    tx.execute(
        "UPDATE likeness_consents SET given_at = ?, refused_at = ? WHERE adapter_id = ? AND member_id = ?",
        (now if agreed else None, None if agreed else now, adapter_id, member_id),
    )
    tx.execute(
        "UPDATE adapters SET agreed_at = (SELECT max(given_at) FROM likeness_consents WHERE adapter_id = adapters.id"
        " HAVING count(refused_at) = 0) WHERE id = ?",
        (adapter_id,),
    )
    if not agreed:
        take_back(tx, adapter_id)


def consents_of(tx: Connection, adapter_id: str) -> list[LikenessConsent]:
    """Who was asked whether an adapter may be their likeness, and what they said, in the order of the questions."""
    rows = tx.execute("SELECT * FROM likeness_consents WHERE adapter_id = ? ORDER BY asked_at", (adapter_id,))
    return [_consent(row) for row in rows]


def asked_of(tx: Connection, member_id: int, limit: int) -> list[LikenessConsent]:
    """What a member was asked about their own likeness, the newest first, and last what they do not agree to."""
    rows = tx.execute(
        "SELECT * FROM likeness_consents WHERE member_id = ?"
        " ORDER BY refused_at IS NOT NULL, asked_at DESC, adapter_id LIMIT ?",
        (member_id, limit),
    )
    return [_consent(row) for row in rows]


def _consent(row: Row) -> LikenessConsent:
    return LikenessConsent(**dict(row))
