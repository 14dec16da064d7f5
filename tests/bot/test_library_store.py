"""The library's lists and indexes: right after every change, and read by their keys however many adapters there are."""

from __future__ import annotations

import random
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.store import finding, gallery
from bot.store.migrate import migrate
from tests.benchmarks.library_rows import FIRST_GUILD, FIRST_MEMBER, Library, fill

ROWS = 5_000
VIEWER, GUILD = FIRST_MEMBER, FIRST_GUILD


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    """A library of some size."""
    connection = sqlite3.connect(tmp_path_factory.mktemp("library") / "darkroom.sqlite3", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection)
    fill(connection, Library(ROWS))
    yield connection
    connection.close()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A small one, to be changed."""
    connection = sqlite3.connect(tmp_path / "darkroom.sqlite3", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    migrate(connection)
    fill(connection, Library(60))
    yield connection
    connection.close()


def all_pages(tx: sqlite3.Connection, asked: gallery.Asked) -> list[str]:
    """Names and owners of the whole gallery, page after page."""
    found: list[str] = []
    after: gallery.Place | None = None
    while some := gallery.page(tx, asked, VIEWER, GUILD, after=after, limit=7):
        found += [adapter.id for _, adapter in some]
        after = some[-1][0]
    return found


@pytest.mark.parametrize("sort", ["new", "used", "liked"])
@pytest.mark.parametrize(
    "filters", [{}, {"kind": "lora"}, {"base": "sdxl", "kind": "lora"}, {"owner_id": VIEWER + 1}, {"tag": "first"}]
)
def test_pages_together_are_what_the_viewer_may_use_once_each_and_in_order(
    library: sqlite3.Connection, sort: gallery.Sort, filters: dict[str, object]
) -> None:
    if "tag" in filters:
        row = library.execute("SELECT tag FROM tags GROUP BY tag ORDER BY count(*) DESC LIMIT 1").fetchone()
        filters = {"tag": row[0]}
    key = {"new": "CAST(created_at AS INTEGER)", "used": "uses", "liked": "likes"}[sort]
    rows = library.execute(
        f"SELECT id FROM adapters WHERE (owner_id = :viewer OR public_at IS NOT NULL"
        " OR id IN (SELECT adapter_id FROM shares WHERE guild_id = :guild)"
        " OR id IN (SELECT adapter_id FROM member_shares WHERE member_id = :viewer))"
        " AND (:kind IS NULL OR kind = :kind) AND (:base IS NULL OR base = :base)"
        " AND (:owner_id IS NULL OR owner_id = :owner_id)"
        " AND (:tag IS NULL OR id IN (SELECT adapter_id FROM tags WHERE tag = :tag))"
        f" ORDER BY {key} DESC, number DESC",
        {"viewer": VIEWER, "guild": GUILD, "kind": None, "base": None, "owner_id": None, "tag": None, **filters},
    )
    expected = [row[0] for row in rows]
    assert all_pages(library, gallery.Asked(sort=sort, **filters)) == expected  # type: ignore[arg-type]
    assert expected


def snapshot(tx: sqlite3.Connection) -> tuple[list[object], ...]:
    """All lists, and what both indexes know, in an order that does not depend on how they came about."""
    known = " ".join(row[0] for row in tx.execute("SELECT words FROM adapter_texts"))
    matching = "SELECT rowid FROM adapter_words WHERE adapter_words MATCH ? ORDER BY rowid"
    words = [
        (term, [row[0] for row in tx.execute(matching, (f'"{term}"',))])
        for term in sorted(set(re.findall(r"\w+", known)))
    ]
    listed = [tuple(row) for row in tx.execute("SELECT * FROM listed")]
    named = [tuple(row) for row in tx.execute("SELECT * FROM named")]
    return words, listed, named


def test_lists_and_indexes_are_as_if_made_anew_whatever_changed(small: sqlite3.Connection) -> None:
    rng = random.Random(5)
    ids = [row[0] for row in small.execute("SELECT id FROM adapters")]
    changes = [
        "UPDATE adapters SET uses = uses + 1 WHERE id = :id",
        "UPDATE adapters SET uses = uses * 10 + 3, likes = likes + 1 WHERE id = :id",
        "UPDATE adapters SET name = 'renamed-' || number, description = 'quite new' WHERE id = :id",
        "UPDATE adapters SET base = 'another', created_at = created_at + 5 WHERE id = :id",
        "UPDATE adapters SET hidden_at = CASE WHEN hidden_at IS NULL THEN 1.0 END WHERE id = :id",
        "UPDATE adapters SET public_at = CASE WHEN public_at IS NULL THEN 1.0 END WHERE id = :id",
        "UPDATE adapters SET likeness = CASE likeness WHEN 'none' THEN 'other' ELSE 'none' END WHERE id = :id",
        "INSERT INTO shares SELECT :id, 7, 1.0 FROM adapters WHERE id = :id ON CONFLICT DO NOTHING",
        "DELETE FROM shares WHERE adapter_id = :id",
        "INSERT INTO member_shares SELECT :id, 9, 1.0 FROM adapters WHERE id = :id ON CONFLICT DO NOTHING",
        "DELETE FROM member_shares WHERE adapter_id = :id",
        "INSERT INTO tags SELECT 'Moss', :id FROM adapters WHERE id = :id ON CONFLICT DO NOTHING",
        "DELETE FROM tags WHERE adapter_id = :id",
        "UPDATE members SET name = 'new-' || id WHERE id = (SELECT owner_id FROM adapters WHERE id = :id)",
        "DELETE FROM adapters WHERE id = :id AND number % 4 = 0",
    ]
    for _ in range(600):
        small.execute(rng.choice(changes), {"id": rng.choice(ids)})
    for index in ("adapter_words", "adapter_near"):
        small.execute(f"INSERT INTO {index} ({index}) VALUES ('integrity-check')")
    kept = snapshot(small)
    for table in ("listed", "named"):
        small.execute(f"DELETE FROM {table}")
    for index in ("adapter_words", "adapter_near"):
        small.execute(f"DROP TABLE {index}")
    script = Path("migrations/0011_catalogue.sql").read_text()
    for statement in re.findall(r"CREATE VIRTUAL TABLE .*?\);\n", script, re.DOTALL):
        small.execute(statement)
    small.execute("INSERT INTO indexed SELECT id FROM adapters")
    assert snapshot(small) == kept


def test_a_name_is_found_by_its_beginning_and_by_what_is_nearly_it(small: sqlite3.Connection) -> None:
    small.execute("UPDATE adapters SET name = 'thnos', public_at = 1.0, uses = 1 WHERE number = 3")
    small.execute("UPDATE adapters SET name = 'thnos-portrait', public_at = 1.0, uses = 9 WHERE number = 4")
    small.execute("UPDATE adapters SET name = 'thnos-secret', public_at = NULL WHERE number = 5")
    small.execute("DELETE FROM shares WHERE adapter_id = (SELECT id FROM adapters WHERE number = 5)")

    def shown(typed: str) -> list[str]:
        return [adapter.name for adapter in finding.complete(small, typed, 1, GUILD, 25) if "thnos" in adapter.name]

    assert shown("thn") == ["thnos-portrait", "thnos"]  # what is used more comes first
    assert shown("thnos") == ["thnos", "thnos-portrait"]  # but for the exact name
    for typed in ("thons", "tnos", "thnoss", "thmos", "htnos-por", "thnosportrait", "THONS"):
        assert shown(typed), typed
    assert shown("quos") == []
    numbers = finding.search(small, "thons", 1, GUILD)
    assert numbers[:2] == [4, 3] or numbers[:2] == [3, 4]
    assert 5 not in numbers


@pytest.mark.parametrize("typed", ["my_fox", "my fox", "_fox", "MY_FOX*", '"my" fox', "my-fox"])
def test_names_are_found_by_their_words_whatever_stands_between(small: sqlite3.Connection, typed: str) -> None:
    small.execute("UPDATE adapters SET name = 'my_fox', public_at = 1.0 WHERE number = 3")
    assert finding.search(small, typed, 1, GUILD)[0] == 3


@given(typed=st.text(max_size=40))
@example(typed="a\u19b0b")  # a letter to Python, and none to the index
@example(typed='NEAR("a" b) AND -c OR ^d* {e}: f')
def test_anything_may_be_searched_for(library: sqlite3.Connection, typed: str) -> None:
    finding.search(library, typed, VIEWER, GUILD)
    finding.complete(library, typed, VIEWER, GUILD, 25)


@pytest.mark.parametrize(
    ("typed", "name", "far"),
    [("thons", "thnos", 1), ("thn", "thnos", 0), ("tnos", "thnos", 1), ("", "x", 0), ("abc", "", 3), ("ab", "ba", 1)],
)
def test_how_far_a_typed_beginning_is_from_a_name(typed: str, name: str, far: int) -> None:
    assert finding.distance(typed, name, 3) == far
    assert finding.distance(typed, name, 1) == min(far, 2)


def reference_distance(typed: str, name: str) -> int:
    """The optimal string alignment, cell by cell, with the end of the name free."""
    cells = {(row, -1): row + 1 for row in range(-1, len(typed))} | {
        (-1, column): column + 1 for column in range(-1, len(name))
    }
    for row, one in enumerate(typed):
        for column, other in enumerate(name):
            cost = min(
                cells[row - 1, column] + 1, cells[row, column - 1] + 1, cells[row - 1, column - 1] + (one != other)
            )
            if row and column and one == name[column - 1] and typed[row - 1] == other:
                cost = min(cost, cells[row - 2, column - 2] + 1)
            cells[row, column] = cost
    return min(cells[len(typed) - 1, column] for column in range(-1, len(name)))


@given(typed=st.text("abc", max_size=7), name=st.text("abc", max_size=8), most=st.integers(0, 2))
def test_the_distance_is_damerau_s(typed: str, name: str, most: int) -> None:
    assert finding.distance(typed, name, most) == min(reference_distance(typed, name), most + 1)


def plans(tx: sqlite3.Connection, request: object) -> list[str]:
    """How SQLite carries out all that a request asks."""
    asked: list[str] = []
    tx.set_trace_callback(asked.append)
    try:
        request()  # type: ignore[operator]
    finally:
        tx.set_trace_callback(None)
    return [row[3] for sql in asked if sql.startswith("SELECT") for row in tx.execute(f"EXPLAIN QUERY PLAN {sql}")]


@pytest.mark.parametrize("sort", ["new", "used", "liked"])
def test_no_page_walks_through_or_sorts_the_library(library: sqlite3.Connection, sort: gallery.Sort) -> None:
    place = (10**9, 17)
    for asked in (gallery.Asked(sort=sort), gallery.Asked(sort=sort, kind="lora", base="sdxl", tag="mar")):
        found = plans(library, lambda asked=asked: gallery.page(library, asked, VIEWER, GUILD, after=place, limit=10))
        lists = [plan for plan in found if "listed" in plan]
        assert lists
        assert all(plan.startswith("SEARCH listed USING PRIMARY KEY") for plan in lists)
        _check_bounded(found)


def test_no_search_walks_through_or_sorts_the_library(library: sqlite3.Connection) -> None:
    for typed in ("ka", "kalo", "klao", "member3/k", ""):
        _check_bounded(plans(library, lambda typed=typed: finding.complete(library, typed, VIEWER, GUILD, 25)))
    for typed in ("ka", "ka mi", "klaomi"):
        _check_bounded(plans(library, lambda typed=typed: finding.search(library, typed, VIEWER, GUILD)))


def _check_bounded(found: list[str]) -> None:
    """No whole table of adapters, shares or tags is read. What is sorted is a member's own, or candidates."""
    assert found
    for plan in found:
        assert not re.match(r"SCAN (adapters|listed|named|shares|tags|members|member_shares)\b", plan), plan
