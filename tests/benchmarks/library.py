"""Finding things in a library of a million adapters: ``python -m tests.benchmarks.library --json``.

Each figure is the 99th percentile of requests as the bot makes them, through its one connection: in large and small
servers, in all orders, with all filters, pages at any depth, common and rare words, typing errors. ``worked`` is what a
processor has of it, which other programs on the machine change little. ``--adapters`` makes a smaller library.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from sqlite3 import Connection

from bot.store import adapters, finding, gallery
from bot.store.database import Database, open_database
from tests.benchmarks.library_rows import Library, fill

REQUESTS = 2_000  # of each kind
ON_A_PAGE = 9
CHOICES = 25
SMALL = 10_000
_SORTS: tuple[gallery.Sort, ...] = ("new", "used", "liked")
Request = Callable[[Connection], object]


def completions(library: Library) -> Iterator[Request]:
    """A member types the beginning of a name: one to ten characters, one in four with an error."""
    rng = library.rng
    while True:
        name = "-".join(library.some_words(rng.choice((1, 2))))[: rng.randint(1, 10)]
        if rng.random() < 0.25:
            name = misspell(library, name)
        if rng.random() < 0.1:
            name = f"member{int(library.owners * rng.random())}/{name[:2]}"
        viewer, guild = library.member(), library.guild() if rng.random() < 0.9 else None
        yield lambda tx, name=name, viewer=viewer, guild=guild: finding.complete(tx, name, viewer, guild, CHOICES)  # type: ignore[misc]


def pages(library: Library) -> Iterator[Request]:
    """A member looks at a page of the gallery, at any depth, with up to three filters."""
    rng = library.rng
    while True:
        sort = rng.choice(_SORTS)
        asked = gallery.Asked(
            sort=sort,
            kind=library.kind() if rng.random() < 0.3 else None,  # type: ignore[arg-type]
            base=library.base() if rng.random() < 0.3 else None,
            owner_id=library.member() if rng.random() < 0.1 else None,
            tag=library.tag() if rng.random() < 0.4 else None,
        )
        viewer, guild = library.member(), library.guild() if rng.random() < 0.9 else None
        deep = rng.randint(1, library.adapters) if rng.random() < 0.7 else None
        yield lambda tx, asked=asked, viewer=viewer, guild=guild, deep=deep: gallery.page(  # type: ignore[misc]
            tx, asked, viewer, guild, after=_place(tx, asked.sort, deep), limit=ON_A_PAGE + 1
        )


def _place(tx: Connection, sort: gallery.Sort, number: int | None) -> gallery.Place | None:
    """Behind which adapter the page begins, as a button would say it."""
    if number is None:
        return None
    key = {"new": "CAST(created_at AS INTEGER)", "used": "uses", "liked": "likes"}[sort]
    row = tx.execute(f"SELECT {key}, number FROM adapters WHERE number = ?", (number,)).fetchone()
    return row[0], row[1]


def searches(library: Library) -> Iterator[Request]:
    """A member looks for one to three words, some begun only, one in five with an error."""
    rng = library.rng
    while True:
        words = library.some_words(rng.choice((1, 1, 2, 3)))
        if rng.random() < 0.3:
            words[-1] = words[-1][: max(2, len(words[-1]) - 2)]
        if rng.random() < 0.2:
            words[0] = misspell(library, words[0])
        text, viewer = " ".join(words), library.member()
        guild = library.guild() if rng.random() < 0.9 else None
        yield lambda tx, text=text, viewer=viewer, guild=guild: _first_page(tx, text, viewer, guild)  # type: ignore[misc]


def _first_page(tx: Connection, text: str, viewer: int, guild: int | None) -> object:
    return adapters.of_numbers(tx, finding.search(tx, text, viewer, guild)[:ON_A_PAGE], viewer, guild)


def misspell(library: Library, word: str) -> str:
    """One character too many, too few or wrong, or two in each other's place."""
    place = library.rng.randrange(len(word))
    before, here, behind = word[:place], word[place], word[place + 1 :]
    return library.rng.choice((before + "e" + here + behind, before + behind, before + "o" + behind,
                               before + behind[:1] + here + behind[1:])) or word  # fmt: skip


@dataclass(frozen=True)
class Times:
    """Milliseconds of each request, sorted: as the bot waits for it, and of a processor's work in the database."""

    waited: list[float]
    worked: list[float]


async def measure(databases: list[Database], requests: list[Iterator[Request]], count: int) -> list[Times]:
    """Of each database, in turns, so that whatever else runs slows all of them; the first few warm up."""
    waited: list[list[float]] = [[] for _ in databases]
    worked: list[list[float]] = [[] for _ in databases]

    def work(tx: Connection, request: Request, place: int) -> None:
        begun = time.thread_time()
        request(tx)
        worked[place].append(1_000 * (time.thread_time() - begun))

    for _ in range(count + count // 20):
        for place, database in enumerate(databases):
            begun = time.perf_counter()
            await database.read(partial(work, request=next(requests[place]), place=place))
            waited[place].append(1_000 * (time.perf_counter() - begun))
    first = count // 20
    return [Times(sorted(waited[place][first:]), sorted(worked[place][first:])) for place in range(len(databases))]


async def open_library(folder: Path, library: Library) -> Database:
    """The library of that size in that folder, built where it is not there yet."""
    path = folder / f"{library.adapters}.sqlite3"
    is_new = not path.exists()
    database = await open_database(path)
    if is_new:
        begun = time.perf_counter()
        await database._run(lambda connection: fill(connection, library))
        await database._run(lambda connection: connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
        print(f"{library.adapters:,} adapters in {time.perf_counter() - begun:.0f} s", file=sys.stderr)
    return database


async def _count_use(database: Database, library: Library) -> float:
    number, begun = library.rng.randint(1, library.adapters), time.perf_counter()
    await database.write(lambda tx: tx.execute("UPDATE adapters SET uses = uses + 1 WHERE number = ?", (number,)))
    return 1_000 * (time.perf_counter() - begun)


def percentile(times: list[float], share: float) -> float:
    """Of sorted times."""
    return times[min(len(times) - 1, int(share * len(times)))]


async def compare(folder: Path, adapters: int, requests: int) -> dict[str, float]:
    """The figures of a library of that size, and how much slower it is than a small one, of the kind that grew most."""
    libraries = [Library(min(SMALL, adapters)), Library(adapters)]
    databases = [await open_library(folder, library) for library in libraries]
    kinds: dict[str, Callable[[Library], Iterator[Request]]] = {
        "autocomplete": completions, "gallery": pages, "search": searches,
    }  # fmt: skip
    figures: dict[str, float] = {}
    growth: dict[str, float] = {}
    try:
        for kind, make in kinds.items():
            small, large = await measure(databases, [make(library) for library in libraries], requests)
            figures[f"{kind}_p99_ms"] = percentile(large.waited, 0.99)
            figures[f"{kind}_median_ms"] = statistics.median(large.waited)
            figures[f"{kind}_p99_worked_ms"] = percentile(large.worked, 0.99)
            growth[kind] = statistics.mean(large.waited) / statistics.mean(small.waited)
        counted = statistics.median([await _count_use(databases[1], libraries[1]) for _ in range(200)])
    finally:
        for database in databases:
            await database.close()
    figures |= {f"{kind}_growth": ratio for kind, ratio in growth.items()}
    figures |= {"growth_ratio": max(growth.values()), "count_use_ms": counted, "adapters": adapters}
    figures["database_mb"] = (folder / f"{adapters}.sqlite3").stat().st_size / 1e6
    return {name: round(value, 2) for name, value in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--adapters", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--folder", type=Path, help="keeps the libraries there, for the next time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as fresh:
        folder = options.folder or Path(fresh)
        folder.mkdir(parents=True, exist_ok=True)
        figures = asyncio.run(compare(folder, options.adapters, options.requests))
    print(json.dumps(figures) if options.json else "\n".join(f"{name}: {value:,}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
