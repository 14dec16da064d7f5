"""Migrations leave a database either before or after a change, never between."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.errors import StartupFault
from bot.store import jobs
from bot.store.database import open_database
from bot.store.migrate import find_migrations, migrate, split_statements
from bot.store.records import AdapterPick, ImagineSpec
from trainer.contract.drawings import AdapterUse, Drawing, DrawingSettings

FIRST = (1, "CREATE TABLE a (x INTEGER) STRICT;")


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    opened = sqlite3.connect(":memory:", isolation_level=None)
    yield opened
    opened.close()


def version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def test_the_files_are_numbered_without_gaps_and_say_why() -> None:
    migrations = find_migrations()
    assert [number for number, _ in migrations] == list(range(1, len(migrations) + 1))
    assert all(script.startswith("-- Reason: ") for _, script in migrations)


def test_all_migrations_apply_and_applying_again_changes_nothing(connection: sqlite3.Connection) -> None:
    newest = migrate(connection)
    assert version(connection) == newest == len(find_migrations())
    assert migrate(connection) == newest
    tables = connection.execute("SELECT name, strict FROM pragma_table_list WHERE type = 'table' AND schema = 'main'")
    assert all(strict for name, strict in tables if not name.startswith("sqlite_"))


def test_what_the_first_version_held_is_there_in_the_newest(connection: sqlite3.Connection) -> None:
    migrate(connection, find_migrations()[:1])
    connection.execute("INSERT INTO members VALUES (1, 'ada', 0.0)")
    connection.execute(
        "INSERT INTO jobs (id, lane, state, base, spec, owner_id, channel_id, upload_limit_bytes, created_at)"
        " VALUES ('7', 'train', 'failed', 'emoji-64', '{}', 1, 2, 3, 4.0)"
    )
    connection.execute(
        "INSERT INTO outbox (job_id, kind, nonce, due_at, created_at) VALUES ('7', 'failed', 'p7', 5.0, 4.0)"
    )
    connection.execute("INSERT INTO garbage VALUES ('blobs/00/00', 6.0)")
    migrate(connection)
    assert connection.execute("SELECT job_id, kind, due_at FROM outbox").fetchall() == [("7", "failed", 5.0)]
    assert connection.execute("SELECT due_at FROM garbage").fetchall() == [(6.0,)]
    assert connection.execute("SELECT held, wish FROM jobs").fetchall() == [(None, None)]


def test_a_table_that_is_made_anew_keeps_the_rows_that_refer_to_it(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    migrate(connection, find_migrations()[:8])
    connection.execute("INSERT INTO members VALUES (1, 'ada', 0.0)")
    connection.execute(
        "INSERT INTO jobs"
        " (id, lane, state, base, spec, owner_id, channel_id, upload_limit_bytes, created_at,"
        " wish_step) VALUES ('7', 'imagine', 'succeeded', 'emoji-64', '{}', 1, 2, 3, 4.0, 5)"
    )
    connection.execute(
        "INSERT INTO pictures"
        " (job_id, position, owner_id, blob, filename, size_bytes, parameters, settings,"
        " created_at) VALUES ('7', 0, 1, 'blobs/aa/aa', 'a.png', 6, '', '{}', 7.0)"
    )
    connection.execute("INSERT INTO favourites VALUES (2, '7', 0, 8.0)")
    migrate(connection)
    assert connection.execute("SELECT wish_step, lane FROM jobs").fetchall() == [(5, "imagine")]
    assert connection.execute("SELECT member_id FROM favourites").fetchall() == [(2,)]
    assert connection.execute("PRAGMA foreign_keys").fetchone() == (1,)
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute("DELETE FROM jobs")


def test_a_migration_that_leaves_orphans_is_rolled_back(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    first = (1, "CREATE TABLE a (x INTEGER PRIMARY KEY) STRICT; CREATE TABLE b (y REFERENCES a (x));")
    migrate(connection, [first])
    connection.execute("INSERT INTO a VALUES (1)")
    connection.execute("INSERT INTO b VALUES (1)")
    with pytest.raises(sqlite3.IntegrityError, match="refer to none of a"):
        migrate(connection, [first, (2, "DELETE FROM a;")])
    assert connection.execute("SELECT x FROM a").fetchall() == [(1,)]


def test_an_error_half_way_leaves_nothing_behind(connection: sqlite3.Connection) -> None:
    second = (2, "CREATE TABLE b (x INTEGER) STRICT; INSERT INTO b VALUES (1); CREATE TABLE a (y INTEGER) STRICT;")
    with pytest.raises(sqlite3.OperationalError, match="already exists"):
        migrate(connection, [FIRST, second])
    assert version(connection) == 1
    assert not connection.in_transaction
    assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("a",)]


def test_a_semicolon_in_a_text_or_trigger_ends_no_statement() -> None:
    script = (
        "-- Reason: a; b\nINSERT INTO a VALUES (';');\nCREATE TRIGGER t AFTER INSERT ON a BEGIN\n SELECT 1;\nEND;\n"
    )
    assert len(split_statements(script)) == 2
    with pytest.raises(ValueError, match="ends within a statement"):
        split_statements("CREATE TABLE a (x INTEGER)")


async def test_a_newer_database_is_refused_with_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "darkroom.sqlite3"
    newer = sqlite3.connect(path)
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(StartupFault, match="install the newer Darkroom"):
        await open_database(path)


async def test_a_file_that_is_no_database_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "darkroom.sqlite3"
    path.write_bytes(b"no database at all, but long enough to be looked at" * 40)
    with pytest.raises(StartupFault, match="can't be used"):
        await open_database(path)


def test_pictures_that_were_asked_for_before_they_were_listed_are_there(connection: sqlite3.Connection) -> None:
    migrate(connection, find_migrations()[:2])
    connection.execute("INSERT INTO members VALUES (1, 'ada', 0.0)")
    pick = {"adapter_id": "a", "written": "thnos", "blob": "blobs/aa/aa", "weight": 0.8}
    spec = {
        "type": "imagine", "prompt": "thnos", "prompt_written": "<lora:thnos:0.8>", "negative_prompt": "rain",
        "adapters": [pick], "seed": 7, "count": 2, "num_inference_steps": None, "guidance_scale": 4.5, "width": 64,
        "height": None, "strict": True,
    }  # fmt: skip
    connection.execute(
        "INSERT INTO jobs (id, lane, state, base, spec, owner_id, channel_id, upload_limit_bytes, created_at)"
        " VALUES ('7', 'imagine', 'failed', 'emoji-64', ?, 1, 2, 3, 4.0)",
        (json.dumps(spec),),
    )
    migrate(connection)
    connection.row_factory = sqlite3.Row
    job = jobs.require(connection, "7")
    settings = DrawingSettings(guidance_scale=4.5, width=64)
    use = AdapterUse(name="thnos", blob="blobs/aa/aa", weight=0.8)
    drawings = tuple(Drawing("thnos", "<lora:thnos:0.8>", "rain", seed, (use,), settings) for seed in (7, 8))
    assert job.imagine == ImagineSpec(
        prompt_written="<lora:thnos:0.8>", negative_prompt="rain", adapters=(AdapterPick(**pick),), seed=7, count=2,
        drawings=drawings, settings=settings, strict=True,
    )  # fmt: skip


def test_faces_of_before_are_nobodys_but_their_owners_until_it_is_known_whose_they_are(
    connection: sqlite3.Connection,
) -> None:
    migrate(connection, find_migrations()[:7])
    connection.execute("INSERT INTO members VALUES (1, 'ada', 0.0)")
    for name, kind in (("ben", "face"), ("thnos", "subject")):
        connection.execute(
            "INSERT INTO adapters (id, job_id, owner_id, name, kind, subject_kind, trigger, class_word, base,"
            " base_hash, blob, size_bytes, rank, steps, photos, seconds, final_loss, trainer_version, created_at)"
            " VALUES (?1, ?1, 1, ?1, 'lora', ?2, ?1, 'person', 'emoji-64', '00', 'b', 1, 2, 3, 4, 5, 6, '0', 7.0)",
            (name, kind),
        )
        connection.execute("INSERT INTO shares VALUES (?, 100, 8.0)", (name,))
    migrate(connection)
    found = connection.execute("SELECT name, likeness FROM adapters ORDER BY name").fetchall()
    assert found == [("ben", "other"), ("thnos", "none")]
    assert connection.execute("SELECT adapter_id FROM shares").fetchall() == [("thnos",)]
