"""A library of any size, the same at every run: owners, names, tags, words, uses and shares as communities have them.

A few owners, tags, words and servers have most of everything. Rows are inserted with the triggers taken off, and the
lists and indexes are then made from the same views that the triggers read.
"""

from __future__ import annotations

import itertools
import random
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field

OWNED = 10  # adapters an owner has, in the mean
GUILDS = 5_000
FIRST_MEMBER, FIRST_GUILD = 10**17, 5 * 10**17  # as large as Discord's ids, which take room
NOW = 1_790_000_000.0
_SYLLABLES = (
    "ka", "lo", "mi", "ra", "te", "shi", "no", "va", "be", "du", "fe", "go", "hi", "ju", "pe", "qui", "sa", "tor", "un",
    "wy", "xen", "zel", "mar", "cha", "li", "nor",
)  # fmt: skip
_BASES = ("sd15", "sdxl", "photon", *(f"checkpoint-{number}" for number in range(37)))
_COLUMNS = (
    "id, job_id, owner_id, name, kind, subject_kind, trigger, class_word, base, base_hash, blob, size_bytes, rank,"
    " steps, photos, seconds, final_loss, trainer_version, created_at, description, uses, likes, public_at"
)


@dataclass
class Library:
    """What the rows are made of; ``adapters`` of them."""

    adapters: int
    rng: random.Random = field(default_factory=lambda: random.Random(20_261_125))

    def __post_init__(self) -> None:
        self.owners = max(20, self.adapters // OWNED)
        self.words = self._make_words(20_000)
        self.tags = self.words[:3_000]
        self._word_weights = _zipf(len(self.words), 1.0)
        self._tag_weights = _zipf(len(self.tags), 0.9)
        self._guild_weights = _zipf(GUILDS, 0.9)
        self._base_weights = _zipf(len(_BASES), 1.0)

    def _make_words(self, count: int) -> list[str]:
        made: dict[str, None] = {}
        while len(made) < count:
            made["".join(self.rng.choices(_SYLLABLES, k=self.rng.choice((1, 2, 2, 3, 3, 4))))] = None
        return list(made)

    def member(self) -> int:
        """An owner; the first ones have more than the last."""
        return FIRST_MEMBER + int(self.owners * self.rng.random() ** 2)

    def guild(self) -> int:
        """A server; the first ones are large."""
        return FIRST_GUILD + self.rng.choices(range(GUILDS), cum_weights=self._guild_weights)[0]

    def some_words(self, count: int) -> list[str]:
        """Words as they are written: a few of them everywhere."""
        return self.rng.choices(self.words, cum_weights=self._word_weights, k=count)

    def tag(self) -> str:
        """A tag, likewise."""
        return self.rng.choices(self.tags, cum_weights=self._tag_weights)[0]

    def base(self) -> str:
        """A base model, likewise."""
        return self.rng.choices(_BASES, cum_weights=self._base_weights)[0]

    def kind(self) -> str:
        """Mostly a LoRA."""
        return self.rng.choices(("lora", "textual_inversion", "checkpoint"), weights=(90, 8, 2))[0]

    def rows(self) -> Iterator[tuple[object, ...]]:
        """Of the table of adapters."""
        taken: set[tuple[int, str]] = set()
        for number in range(1, self.adapters + 1):
            owner, name = self.member(), "-".join(self.some_words(self.rng.choice((1, 1, 2))))[:28]
            if (owner, name) in taken:
                name = f"{name[:24]}-{number % 10_000}"
            if (owner, name) in taken:
                name = f"x{number}"
            taken.add((owner, name))
            uses = min(int(self.rng.paretovariate(0.7)) - 1, 2_000_000)
            yield (
                f"{number:016x}", f"{number}", owner, name, self.kind(), "subject", name[:8], "person", self.base(),
                "0" * 10, f"blobs/{number:064x}"[:70], 18_000_000, 16, 800, 8, 600.0, 0.1, "1.0.0",
                NOW - (self.adapters - number) * 30.0, " ".join(self.some_words(self.rng.randrange(20))), uses,
                min(uses // 7, 90_000), NOW if self.rng.random() < 0.6 else None,
            )  # fmt: skip

    def tagged(self) -> Iterator[tuple[str, str]]:
        """Of the table of tags."""
        for number in range(1, self.adapters + 1):
            for tag in {self.tag() for _ in range(self.rng.randrange(4))}:
                yield tag, f"{number:016x}"

    def shared(self) -> Iterator[tuple[int, str]]:
        """Of the table of shares: a third is shared with one to three servers."""
        for number in range(1, self.adapters + 1):
            if self.rng.random() < 0.35:
                for guild in {self.guild() for _ in range(self.rng.choice((1, 1, 2, 3)))}:
                    yield guild, f"{number:016x}"

    def named(self) -> Iterator[tuple[int, str]]:
        """Of the table of named members: one in fifty is shared with somebody by name."""
        for number in range(1, self.adapters + 1, 50):
            yield self.member(), f"{number:016x}"


def fill(connection: sqlite3.Connection, library: Library) -> None:
    """Put the library into a database that has none."""
    triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    connection.execute("BEGIN")
    for name, _ in triggers:
        connection.execute(f"DROP TRIGGER {name}")
    members = ((FIRST_MEMBER + number, f"member{number}", NOW) for number in range(library.owners))
    connection.executemany("INSERT INTO members VALUES (?, ?, ?)", members)
    marks = ", ".join("?" * len(_COLUMNS.split(",")))
    connection.executemany(f"INSERT INTO adapters ({_COLUMNS}) VALUES ({marks})", library.rows())
    connection.executemany("INSERT INTO tags VALUES (?, ?)", library.tagged())
    connection.executemany(f"INSERT INTO shares VALUES (?2, ?1, {NOW})", library.shared())
    connection.executemany(f"INSERT OR IGNORE INTO member_shares VALUES (?2, ?1, {NOW})", library.named())
    connection.execute("INSERT INTO shelves (base, kind) SELECT DISTINCT base, kind FROM adapters")
    connection.execute(
        "INSERT INTO listed SELECT audience, facet, sort, shelf, key, number FROM adapter_lists"
        " ORDER BY audience, facet, sort, shelf, key, number"
    )
    connection.execute("INSERT INTO named SELECT audience, name, number FROM adapter_audiences ORDER BY 1, 2, 3")
    connection.execute(
        "INSERT INTO adapter_words (rowid, tokens) SELECT number, words || ' ' || seen FROM adapter_texts"
    )
    connection.execute("INSERT INTO adapter_near (rowid, tokens) SELECT number, tokens FROM adapter_misspellings")
    for _, sql in triggers:
        connection.execute(sql)
    connection.execute("COMMIT")


def _zipf(count: int, exponent: float) -> list[float]:
    return list(itertools.accumulate(1 / rank**exponent for rank in range(1, count + 1)))
