"""Turns in the queue: who is next in a lane, and which place a job has. ``bot.fairness`` says what they mean."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from sqlite3 import Connection

from bot.fairness import measured_cost, shift, start_tag
from bot.store.records import Place, Waiting
from trainer.contract.names import Lane

_WAITS = "state = 'queued' AND outstanding = 0 AND held IS NULL"


def lane_turn(tx: Connection, lane: Lane) -> float:
    """The lane's virtual time: the highest turn that was handed out."""
    row = tx.execute("SELECT turn FROM lane_turns WHERE lane = ?", (lane,)).fetchone()
    return float(row[0]) if row else 0.0


def take(tx: Connection, job_id: str, owner_id: int, lane: Lane, cost: float) -> None:
    """Give a new job its turn; ``cost`` is in GPU seconds by the member's weight."""
    row = tx.execute("SELECT next FROM turns WHERE owner_id = ? AND lane = ?", (owner_id, lane)).fetchone()
    turn = start_tag(lane_turn(tx, lane), float(row[0]) if row else 0.0)
    tx.execute("UPDATE jobs SET turn = ? WHERE id = ?", (turn, job_id))
    tx.execute(
        "INSERT INTO turns VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET next = excluded.next",
        (owner_id, lane, turn + cost),
    )


def advance(tx: Connection, job_id: str) -> None:
    """The job goes to a worker: its lane's virtual time is its turn."""
    tx.execute(
        "INSERT INTO lane_turns SELECT lane, turn FROM jobs WHERE id = ?"
        " ON CONFLICT DO UPDATE SET turn = MAX(turn, excluded.turn)",
        (job_id,),
    )


def settle(tx: Connection, job_id: str) -> None:
    """The job is over: what it took counts from now on, and its member's later jobs move by the difference."""
    row = tx.execute(
        "SELECT owner_id, lane, turn, cost_s, weight, spent_s, attempt, finished_at - started_at FROM jobs"
        " WHERE id = ?",
        (job_id,),
    ).fetchone()
    owner_id, lane, turn, cost_s, weight, spent_s, attempt, worked_s = row
    used_s = measured_cost(cost_s, spent_s, worked_s, was_handed_out=attempt > 0)
    tx.execute("UPDATE jobs SET cost_s = ? WHERE id = ?", (used_s, job_id))
    behind = {"owner": owner_id, "lane": lane, "turn": turn}
    where = "owner_id = :owner AND lane = :lane AND turn > :turn AND state = 'queued' AND outstanding = 0"
    first = tx.execute(f"SELECT MIN(turn) FROM jobs WHERE {where} AND held IS NULL", behind).fetchone()[0]
    moved = shift((used_s - cost_s) / weight, first, lane_turn(tx, lane))
    if moved:
        tx.execute(f"UPDATE jobs SET turn = turn + :moved WHERE {where}", {**behind, "moved": moved})
        tx.execute("UPDATE turns SET next = next + ? WHERE owner_id = ? AND lane = ?", (moved, owner_id, lane))


def waiting(tx: Connection, lane: Lane, base: str, cardless_since: float) -> Iterator[Waiting]:
    """What waits for a base, the next first, read as it is asked for.

    A job without a card waits for it, unless it was accepted before ``cardless_since``.
    """
    rows = tx.execute(
        f"SELECT turn, created_at, id, tries FROM jobs WHERE lane = ? AND base = ? AND {_WAITS}"
        " AND (card <> 'pending' OR created_at < ?) ORDER BY turn, created_at, id",
        (lane, base, cardless_since),
    )
    for turn, created_at, job_id, tries in rows:
        yield Waiting(turn, created_at, job_id, lane, base, tries)


def place_of(tx: Connection, job_id: str) -> int | None:
    """Its place in its lane's queue, 1 being next; None when it does not wait."""
    row = tx.execute(f"SELECT lane, turn, created_at, id FROM jobs WHERE id = ? AND {_WAITS}", (job_id,)).fetchone()
    if row is None:
        return None
    found = tx.execute(
        f"SELECT COUNT(*) FROM jobs WHERE {_WAITS} AND lane = ? AND (turn, created_at, id) <= (?, ?, ?)", tuple(row)
    )
    return int(found.fetchone()[0])


def places(tx: Connection, lane: Lane) -> list[Place]:
    """All that wait in a lane, the next first."""
    rows = tx.execute(f"SELECT id, card FROM jobs WHERE {_WAITS} AND lane = ? ORDER BY turn, created_at, id", (lane,))
    return [Place(job_id, place, card) for place, (job_id, card) in enumerate(rows, 1)]


def lanes_of(tx: Connection, job_ids: Collection[str]) -> dict[str, Lane]:
    """The lane of each of these jobs that is known, also of those that are over."""
    marks = ",".join("?" * len(job_ids))
    return dict(tuple(row) for row in tx.execute(f"SELECT id, lane FROM jobs WHERE id IN ({marks})", tuple(job_ids)))


def tally(tx: Connection) -> Counter[tuple[Lane, str]]:
    """How many jobs are queued, held and running, by lane."""
    rows = tx.execute(
        f"SELECT lane, 'queued', COUNT(*) FROM jobs WHERE {_WAITS} GROUP BY lane"
        " UNION ALL SELECT lane, state, COUNT(*) FROM jobs WHERE outstanding = 1 GROUP BY state, lane"
        " UNION ALL SELECT lane, 'held', COUNT(*) FROM jobs WHERE held IS NOT NULL GROUP BY lane"
    )
    counts: Counter[tuple[Lane, str]] = Counter()
    for lane, state, count in rows:
        counts[lane, state] += count
    return counts
