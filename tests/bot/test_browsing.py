"""The gallery and the search as members page through them."""

from __future__ import annotations

import pytest

from bot.browsing import ON_A_PAGE, Browsing
from bot.errors import UserError
from bot.store import adapters as store
from bot.store.gallery import Asked
from bot.store.records import Adapter
from tests.bot.worlds import GUILD, MEMBERS, World

ADA, BEN = MEMBERS["ada"], MEMBERS["ben"]


@pytest.fixture
def browsing(world: World) -> Browsing:
    return Browsing(world.database, clock=world.clock)


async def fill(world: World, count: int, **changes: object) -> list[str]:
    """Public adapters of ada's, the newest last."""
    names = [f"moss-{number:02}" for number in range(count)]

    def insert(tx: object) -> None:
        for number, name in enumerate(names):
            fields = {
                "id": f"{number:032x}", "job_id": str(number), "owner_id": ADA, "owner_name": "ada", "guild_id": GUILD,
                "name": name, "kind": "lora", "subject_kind": "subject", "trigger": name, "class_word": "plant",
                "base": "emoji-64", "base_hash": "00", "blob": f"blobs/{number}", "size_bytes": 1, "rank": 4,
                "steps": 1,
                "photos": 3, "seconds": 1.0, "final_loss": 0.1, "trainer_version": "1", "created_at": float(number),
                "public_at": 1.0, "description": "a green plant",
            } | changes  # fmt: skip
            store.insert(tx, Adapter(**fields))  # type: ignore[arg-type]

    await world.imagine()  # ada is known
    await world.database.write(insert)
    return names


async def test_a_gallery_is_paged_there_and_back_also_by_another_process(world: World, browsing: Browsing) -> None:
    names = (await fill(world, 2 * ON_A_PAGE + 3))[::-1]
    first = await browsing.open(Asked(), viewer_id=BEN, guild_id=GUILD)
    assert [entry.adapter.name for entry in first.entries] == names[:ON_A_PAGE]
    assert (first.number, first.has_more) == (0, True)
    anew = Browsing(world.database, clock=world.clock)  # as after a restart
    second = await anew.page(first.browse_id, 1, viewer_id=BEN, guild_id=GUILD)
    third = await anew.page(first.browse_id, 2, viewer_id=BEN, guild_id=GUILD)
    assert [entry.adapter.name for entry in (*second.entries, *third.entries)] == names[ON_A_PAGE:]
    assert not third.has_more
    assert await anew.page(first.browse_id, 0, viewer_id=BEN, guild_id=GUILD) == first
    for number, viewer in ((3, BEN), (1, ADA)):
        with pytest.raises(UserError, match="somebody else's, or too old"):
            await anew.page(first.browse_id, number, viewer_id=viewer, guild_id=GUILD)


async def test_what_was_taken_back_meanwhile_is_not_on_the_page(world: World, browsing: Browsing) -> None:
    await fill(world, 3)
    page = await browsing.open(Asked(), viewer_id=BEN, guild_id=GUILD)
    await world.sharing.not_with_everyone(page.entries[0].adapter.id, owner_id=ADA)
    again = await browsing.page(page.browse_id, 0, viewer_id=BEN, guild_id=GUILD)
    assert again.entries == page.entries[1:]


async def test_filters_and_an_owner_by_name(world: World, browsing: Browsing) -> None:
    await fill(world, 3)
    for asked in (Asked(kind="checkpoint"), Asked(base="sdxl"), Asked(tag="green")):
        assert (await browsing.open(asked, viewer_id=BEN, guild_id=GUILD)).entries == ()
    page = await browsing.open(Asked(base="emoji-64"), owner="Ada", viewer_id=BEN, guild_id=GUILD)
    assert len(page.entries) == 3
    with pytest.raises(UserError, match="Nobody of that name"):
        await browsing.open(Asked(), owner="@nobody", viewer_id=BEN, guild_id=GUILD)


async def test_a_search_is_paged_and_forgives(world: World, browsing: Browsing) -> None:
    names = await fill(world, ON_A_PAGE + 2)
    page = await browsing.search("green plant", viewer_id=BEN, guild_id=GUILD)
    rest = await browsing.page(page.browse_id, 1, viewer_id=BEN, guild_id=GUILD)
    found = [entry.adapter.name for entry in (*page.entries, *rest.entries)]
    assert sorted(found) == names
    for typed in ("mosss-03", "mos 03", "moss-03 ada", "MOSS 03"):
        best = (await browsing.search(typed, viewer_id=BEN, guild_id=GUILD)).entries[0].adapter.name
        assert best == "moss-03" or typed == "mosss-03", typed
    for typed in ("", "!?", "\"' OR *", "xylophone", "words : x", "NEAR("):
        assert (await browsing.search(typed, viewer_id=BEN, guild_id=GUILD)).entries == ()
