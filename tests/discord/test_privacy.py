"""What Darkroom has of a member is handed over, and deleted so that a search for the bytes finds nothing."""

from __future__ import annotations

import io
import json
import sqlite3
import zipfile
from pathlib import Path

from bot.guilds import Manager
from bot.packing import MOST_PARTS, Packer
from bot.store import erasures, garbage
from bot.store.migrate import migrate
from bot.store.records import GuildSettings
from sandbox.members import Message
from tests.discord.house import CHANNEL, PATIENCE_S, House, house, labels, small_photos

WORDS = "quixotically"  # in prompts of ada's
FIRST = "wondrous"  # the name of her adapter


async def live(home: House) -> list[Message]:
    """Ada trains, draws, keeps, writes lists and styles, and ben draws with what she shares."""
    shown = [await home.trained(home.ada, FIRST, keep_photos=True)]
    await home.ada.slash("adapter share", channel=CHANNEL, name=FIRST)
    shown.append(await home.drawn(home.ada, f"<lora:{FIRST}:0.8> {WORDS} in a suit", seed=7))
    await home.ada.click(shown[1], "Favourite")
    manager = Manager(guild_id=home.sandbox.guild.id, member_id=home.cleo.id)
    await home.services.guilds.change(
        manager, lambda _: GuildSettings(showcase_channel=home.sandbox.place("general").id, showcase_stars=1)
    )
    await (await home.ben.click(shown[1], "Favourite")).response(PATIENCE_S)
    shown.append(await home.sandbox.wait_for(lambda message: "Adapters" in labels(message), timeout_s=PATIENCE_S))
    form = await home.ada.slash("style set", channel=CHANNEL, name="mine")
    await home.ada.submit(form.modal, {"Prompt": f"{WORDS}, {{prompt}}"})
    return shown


def everything(folder: Path) -> bytes:
    """All bytes on the disk, but those of the log."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file() and not path.name.endswith(".log")]
    return b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in files)


async def press_delete(home: House) -> str:
    asked = await (await home.ada.slash("privacy delete", channel=CHANNEL)).response()
    (label,) = labels(asked)
    answer = await (await home.ada.click(asked, label)).response(PATIENCE_S)
    return answer.content


async def is_erased(home: House) -> bool:
    return any(entry["event"] == "member.erased" for entry in home.logged)


async def test_nothing_of_a_member_is_left_but_what_is_others(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url) as home:
        shown = await live(home)
        of_ben = await home.drawn(home.ben, "a fox", seed=9)
        before = everything(tmp_path)
        assert WORDS.encode() in before
        assert FIRST.encode() in before
        assert str(home.ada.id).encode() in before
        assert "is being deleted" in await press_delete(home)
        await home.until(lambda: is_erased(home))
        after = everything(tmp_path)
        for trace in (WORDS, FIRST):
            assert trace.encode() not in after
        member = home.ada.id.to_bytes(8, "big")  # as SQLite writes an integer of this size
        assert member in before
        assert member not in after
        redis = home.queue._redis
        for key in await redis.keys("*"):
            assert WORDS.encode() not in (await redis.dump(key) or b"")
        # the messages that showed her pictures are gone, and everybody else's are not
        ids = {message.id for message in (*home.shown(), *home.sandbox.messages("general"))}
        assert ids.isdisjoint({message.id for message in shown})
        assert of_ben.id in ids
        await home.result(await home.ben.click(of_ben, "Again"))
        # she can begin anew
        await home.drawn(home.ada, "a fox again")


async def test_what_is_being_worked_on_is_stopped_first(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url) as home:
        await home.running(await home.imagine(home.ada, f"endless {WORDS}"))
        await press_delete(home)
        await home.until(lambda: is_erased(home))
        assert WORDS.encode() not in everything(tmp_path)
        assert await home.services.jobs.of_member(home.ada.id, active=False) == []


async def test_what_others_have_made_of_it_and_the_same_files_stay_theirs_without_a_trace_of_who_went(
    tmp_path: Path, redis_url: str
) -> None:
    async with house(tmp_path, redis_url, darkroom_max_waiting_train=10) as home:
        await home.trained(home.ben, FIRST)  # from the same photos: the same file as ada's
        same = (await home.adapter(home.ben, FIRST)).blob
        await home.ben.slash("adapter share", channel=CHANNEL, name=FIRST, member="ada")
        await home.trained(home.ben, FIRST, files=small_photos(4))  # and now that one is an older version
        await home.trained(home.ada, FIRST)
        assert (await home.adapter(home.ada, FIRST)).blob == same
        await home.ada.slash("adapter share", channel=CHANNEL, name=FIRST)
        merging = await home.ben.slash(
            "merge", channel=CHANNEL, name="both", prompt=f"<lora:{FIRST}:0.5><lora:ada/{FIRST}:0.5>"
        )
        await home.result(merging)
        await press_delete(home)
        await home.until(lambda: is_erased(home))
        assert await home.services.blobs.exists(same)
        await home.drawn(home.ben, f"<lora:{FIRST}@1:0.8> in a suit")
        await home.drawn(home.ben, "<lora:both:1> in a suit")
        page = await (await home.ben.slash("adapter show", channel=CHANNEL, name="both")).response(PATIENCE_S)
        assert "something deleted × 0.5" in page.text
        shared = await (await home.ben.slash("adapter share", channel=CHANNEL, name="both")).response(PATIENCE_S)
        assert "`both` is made of what somebody else has deleted, so it stays yours alone" in shared.content
        assert str(home.ada.id).encode() not in everything(tmp_path)  # as JSON has it


async def test_an_erasure_goes_on_after_the_bot_was_killed(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url) as home:
        shown = await live(home)
        home.sandbox.faults.add("DELETE", r"/messages/", status=503, times=100)
        await press_delete(home)
        await home.restart_bot()
        home.sandbox.faults.clear()
        home.services.privacy._woken.set()
        await home.until(lambda: is_erased(home))
        assert {message.id for message in home.shown()}.isdisjoint({message.id for message in shown})
        assert FIRST.encode() not in everything(tmp_path)
        home.logged.clear()  # Discord was away


async def test_a_member_is_handed_all_of_it_and_nobody_elses(tmp_path: Path, redis_url: str) -> None:
    async with house(tmp_path, redis_url) as home:
        await live(home)
        await home.drawn(home.ben, "a secret of ben's")
        answer = await (await home.ada.slash("privacy export", channel=CHANNEL)).response(PATIENCE_S)
        assert answer.ephemeral_to == home.ada.id
        (file,) = answer.files
        with zipfile.ZipFile(io.BytesIO(file.data)) as archive:
            names = archive.namelist()
            rows = {name: json.loads(archive.read(name)) for name in names if name.endswith(".json")}
            whole = b"".join(archive.read(name) for name in names)
        assert {row["name"] for row in rows["adapters.json"]} == {FIRST}
        assert len(rows["jobs.json"]) == 2
        assert all("token" not in row for row in rows["jobs.json"])
        assert WORDS in rows["styles.json"][0]["prompt"]
        assert sum(name.startswith("photos/") and name.endswith(".png") for name in names) == 3
        assert sum(name.endswith(".png") and name.startswith("blobs/") for name in names) == 1
        assert b"secret of ben" not in whole
        assert "nothing of you" in (await (await home.cleo.slash("privacy export", channel=CHANNEL)).response()).content


def test_every_column_that_names_a_member_is_handed_over_forgotten_or_kept_for_a_reason() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    migrate(connection)
    tables = connection.execute("SELECT name FROM pragma_table_list WHERE type = 'table' AND schema = 'main'")
    member_columns = {
        (table, column)
        for (table,) in tables.fetchall()
        for (column,) in connection.execute(f"SELECT name FROM pragma_table_info('{table}')")
        if column in {"owner_id", "member_id", "reporter_id", "moderator_id"} or column.endswith("_by")
    }
    covered = {(table, column) for table, column in (erasures.SERVERS | erasures.KEPT).items()}
    covered |= {("blocked_members", "blocked_by"), ("reports", "decided_by")}
    for table, column in member_columns - covered:
        assert table in erasures.OWN, f"{table}.{column} names a member and is not erased"
        assert column in erasures.OWN[table]


def test_somebody_may_have_drawn_more_than_sqlite_has_parameters() -> None:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    migrate(connection)
    blobs = [f"blobs/{number}" for number in range(40_000)]
    assert garbage.unnamed(connection, blobs, 0.0) == blobs


def test_what_does_not_fit_is_named_and_the_rest_is_packed() -> None:
    packer = Packer(100_000)
    packer.add("rows.json", b"[]" * 10, compress=True)
    packer.add("too-large", bytes(100_000))
    for number in range(3 * MOST_PARTS):
        packer.add(f"{number}.png", bytes(60_000))
    parts = packer.close()
    assert len(parts) == MOST_PARTS
    assert all(len(part) <= 100_000 for part in parts)
    packed = [name for part in parts for name in zipfile.ZipFile(io.BytesIO(part)).namelist()]
    assert packed == ["rows.json", *(f"{number}.png" for number in range(MOST_PARTS))]
    assert packer.left_out == ["too-large", *(f"{number}.png" for number in range(MOST_PARTS, 3 * MOST_PARTS))]
