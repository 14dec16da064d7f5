"""Who may use an adapter, wherever adapters are looked up."""

from __future__ import annotations

from collections.abc import Sequence
from sqlite3 import Connection

import msgspec
import pytest

from bot.adapters import Adapters
from bot.errors import UserError
from bot.sharing import MOST_NAMED
from bot.store import adapters as store
from bot.store import finding, gallery, library, sharing
from bot.store.records import Adapter, LikenessConsent
from tests.bot.test_adapters import trained
from tests.bot.worlds import GUILD, MEMBERS, World

ADA, BEN, CLEO = MEMBERS["ada"], MEMBERS["ben"], MEMBERS["cleo"]
ELSEWHERE = 999


@pytest.fixture
def adapters(world: World) -> Adapters:
    return Adapters(world.database, clock=world.clock)


async def thnos(world: World, **changes: object) -> Adapter:
    """ada's, with these changes."""
    await trained(world, "ada", "thnos")

    def change(tx: Connection) -> Adapter:
        found = store.own(tx, ADA, "thnos")
        assert found is not None
        store.update(tx, msgspec.structs.replace(found, **changes))
        return found

    return await world.database.write(change)


def _has(adapter: Adapter, found: Sequence[Adapter]) -> bool:
    return adapter.id in {each.id for each in found}


async def who_sees(world: World, adapter: Adapter) -> set[tuple[int, int | None]]:
    """Member and place of all that may use it; every way to look adapters up has to agree."""

    def find(tx: Connection) -> set[tuple[int, int | None]]:
        places = [(member, guild) for member in MEMBERS.values() for guild in (GUILD, ELSEWHERE, None)]
        seen = {place for place in places if store.is_visible(tx, adapter.id, *place)}
        for typed in ("thn", "thons", "ada/th", ""):  # a typing error is forgiven to those who may see
            completed = {place for place in places if _has(adapter, finding.complete(tx, typed, *place, 10))}
            assert seen == completed
        for typed in ("thnos", "thons"):
            number = tx.execute("SELECT number FROM adapters WHERE id = ?", (adapter.id,)).fetchone()[0]
            assert seen == {place for place in places if number in finding.search(tx, typed, *place)}
        for sort in ("new", "used", "liked"):
            shown = {place: gallery.page(tx, gallery.Asked(sort=sort), *place, limit=9) for place in places}
            assert seen == {place for place, page in shown.items() if _has(adapter, [each for _, each in page])}
        others = {place for place in seen if place[0] != adapter.owner_id}
        assert others == {place for place in places if store.of_name(tx, "thnos", *place)}
        return seen

    return await world.database.read(find)


OWNER = {(ADA, GUILD), (ADA, ELSEWHERE), (ADA, None)}
NAMED = {(BEN, GUILD), (BEN, ELSEWHERE), (BEN, None)}
HERE = {(BEN, GUILD), (CLEO, GUILD)}
EVERYBODY = {(member, guild) for member in MEMBERS.values() for guild in (GUILD, ELSEWHERE, None)}


@pytest.mark.parametrize(
    ("changes", "named", "here", "seen"),
    [
        ({}, False, False, OWNER),
        ({}, True, False, OWNER | NAMED),
        ({}, False, True, OWNER | HERE),
        ({}, True, True, OWNER | NAMED | HERE),
        ({"public_at": 1.0}, False, False, EVERYBODY),
        ({"public_at": 1.0, "hidden_at": 2.0}, True, True, OWNER),
        ({"likeness": "self"}, True, True, OWNER | NAMED | HERE),
        ({"likeness": "self", "public_at": 1.0}, False, False, OWNER),
        ({"likeness": "other"}, True, True, OWNER | NAMED),
        ({"likeness": "other", "agreed_at": 1.0}, False, True, OWNER | HERE),
        ({"likeness": "other", "agreed_at": 1.0, "public_at": 1.0}, False, False, OWNER),
    ],
)
async def test_each_step_is_seen_by_those_it_is_for(
    world: World, changes: dict[str, object], named: bool, here: bool, seen: set[tuple[int, int | None]]
) -> None:
    adapter = await thnos(world, **changes)

    def share(tx: Connection) -> None:
        if named:
            sharing.name_member(tx, adapter.id, BEN, 1.0)
        if here:
            sharing.share(tx, adapter.id, GUILD, 1.0)

    await world.database.write(share)
    assert await who_sees(world, adapter) == seen


async def test_what_a_server_has_goes_before_what_everybody_has(world: World, adapters: Adapters) -> None:
    adapter = await thnos(world)
    await trained(world, "ben", "thnos")

    def publish(tx: Connection) -> None:
        found = store.own(tx, BEN, "thnos")
        assert found is not None
        sharing.publish(tx, found.id, 1.0)

    await world.database.write(publish)
    assert (await adapters.resolve("thnos", viewer_id=CLEO, guild_id=GUILD)).owner_name == "ben"
    await world.database.write(lambda tx: sharing.share(tx, adapter.id, GUILD, 1.0))
    assert (await adapters.resolve("thnos", viewer_id=CLEO, guild_id=GUILD)).owner_name == "ada"
    assert (await adapters.resolve("thnos", viewer_id=CLEO, guild_id=ELSEWHERE)).owner_name == "ben"
    assert (await adapters.resolve("ben/thnos", viewer_id=CLEO, guild_id=GUILD)).owner_name == "ben"


async def test_nobody_gives_a_word_another_meaning_everywhere(world: World, adapters: Adapters) -> None:
    adapter = await thnos(world, kind="textual_inversion", public_at=1.0)

    async def meant(viewer_id: int) -> list[str]:
        found = await adapters.of_triggers(["thnos"], viewer_id=viewer_id, guild_id=GUILD)
        return [each.owner_name for each in found]

    assert (await meant(ADA), await meant(BEN)) == (["ada"], [])
    await world.database.write(lambda tx: sharing.name_member(tx, adapter.id, BEN, 1.0))
    assert (await meant(BEN), await meant(CLEO)) == (["ada"], [])


async def test_each_step_is_the_owners_and_is_taken_back(world: World) -> None:
    adapter, sharing_ = await thnos(world), world.sharing
    await sharing_.with_member(adapter.id, BEN, owner_id=ADA)
    assert await who_sees(world, adapter) == OWNER | NAMED
    await sharing_.with_server(adapter.id, GUILD, owner_id=ADA)
    assert await who_sees(world, adapter) == OWNER | NAMED | HERE
    await sharing_.not_with_member(adapter.id, BEN, owner_id=ADA)
    assert await who_sees(world, adapter) == OWNER | HERE
    await sharing_.with_everyone(adapter.id, owner_id=ADA)
    assert await who_sees(world, adapter) == EVERYBODY
    await sharing_.not_with_everyone(adapter.id, owner_id=ADA)
    await sharing_.with_members(adapter.id, [BEN, CLEO, ADA], owner_id=ADA)
    assert (await sharing_.with_members(adapter.id, [CLEO], owner_id=ADA)).named == (CLEO,)
    await sharing_.with_nobody(adapter.id, owner_id=ADA)
    assert await who_sees(world, adapter) == OWNER


async def test_what_moderators_take_back_stays_away_from_their_server(world: World, adapters: Adapters) -> None:
    adapter, sharing_ = await thnos(world), world.sharing
    await world.share("ada", "thnos")
    await sharing_.with_everyone(adapter.id, owner_id=ADA)
    await sharing_.bar(adapter.id, GUILD, moderator_id=CLEO)
    assert await who_sees(world, adapter) == EVERYBODY - HERE
    with pytest.raises(UserError, match="ask one of them to say `/adapter share name:ada/thnos`"):
        await world.share("ada", "thnos")
    assert await sharing_.lift_bar("ben/thnos", GUILD) is None
    assert await sharing_.lift_bar("ada/thnos", ELSEWHERE) is None
    lifted = await sharing_.lift_bar("Ada/Thnos", GUILD)
    assert lifted is not None
    assert lifted.shared_with == ()  # its owner's own choice again
    await world.share("ada", "thnos")


async def test_no_more_members_than_the_menu_holds(world: World) -> None:
    adapter = await thnos(world)
    await world.sharing.with_members(adapter.id, range(100, 100 + MOST_NAMED), owner_id=ADA)
    with pytest.raises(UserError, match="25 members, and no more"):
        await world.sharing.with_member(adapter.id, BEN, owner_id=ADA)
    with pytest.raises(UserError, match="is yours"):
        await world.sharing.with_member(adapter.id, ADA, owner_id=ADA)


async def test_a_likeness_goes_no_further_than_its_person_lets_it(world: World) -> None:
    adapter, sharing_ = await thnos(world, likeness="other"), world.sharing
    await sharing_.with_member(adapter.id, CLEO, owner_id=ADA)
    with pytest.raises(UserError, match="has not agreed yet: ask them with `/adapter consent name:thnos`"):
        await world.share("ada", "thnos")
    with pytest.raises(UserError, match="never for everybody"):
        await sharing_.with_everyone(adapter.id, owner_id=ADA)
    with pytest.raises(UserError, match="Nobody has asked you"):
        await sharing_.answer(adapter.id, BEN, agreed=True)
    with pytest.raises(UserError, match="Your own word"):
        await sharing_.ask(adapter.id, ADA, GUILD, owner_id=ADA)
    await sharing_.ask(adapter.id, BEN, GUILD, owner_id=ADA)
    with pytest.raises(UserError, match="has not agreed yet"):
        await world.share("ada", "thnos")
    await sharing_.answer(adapter.id, BEN, agreed=True)
    await world.share("ada", "thnos")
    assert await who_sees(world, adapter) == OWNER | {(CLEO, GUILD), (CLEO, ELSEWHERE), (CLEO, None)} | HERE
    with pytest.raises(UserError, match="never for everybody"):
        await sharing_.with_everyone(adapter.id, owner_id=ADA)
    await sharing_.answer(adapter.id, BEN, agreed=False)
    assert await who_sees(world, adapter) == OWNER | {(CLEO, GUILD), (CLEO, ELSEWHERE), (CLEO, None)}
    with pytest.raises(UserError, match="does not agree: share it with members by name"):
        await world.share("ada", "thnos")


async def test_what_was_reported_is_shared_with_nobody_more(world: World) -> None:
    adapter, sharing_ = await thnos(world, hidden_at=1.0), world.sharing
    with pytest.raises(UserError, match="was reported"):
        await world.share("ada", "thnos")
    with pytest.raises(UserError, match="was reported"):
        await sharing_.with_everyone(adapter.id, owner_id=ADA)
    with pytest.raises(UserError, match="was reported"):
        await sharing_.with_members(adapter.id, [BEN], owner_id=ADA)


async def test_a_tag_is_offered_to_those_who_are_shown_what_has_it(world: World) -> None:
    adapter = await thnos(world)
    await world.database.write(lambda tx: library.set_tags(tx, adapter.id, ["titan", "Purple"]))

    async def offered(viewer_id: int, guild_id: int | None, typed: str = "") -> list[str]:
        return await world.database.read(lambda tx: library.complete_tag(tx, typed, viewer_id, guild_id, 25))

    assert await offered(ADA, None) == ["Purple", "titan"]
    assert await offered(ADA, None, "t") == ["titan"]
    assert await offered(BEN, GUILD) == []
    await world.share("ada", "thnos")
    assert await offered(BEN, GUILD, "pu") == ["Purple"]
    assert await offered(BEN, ELSEWHERE) == []
    await world.sharing.with_everyone(adapter.id, owner_id=ADA)
    assert await offered(BEN, None) == ["Purple", "titan"]


async def test_one_no_outweighs_any_yes(world: World) -> None:
    adapter = await thnos(world, likeness="other")

    async def agreed(member_id: int, *, yes: bool | None) -> bool:
        def change(tx: Connection) -> bool:
            if yes is None:
                sharing.ask(
                    tx,
                    LikenessConsent(
                        adapter_id=adapter.id, member_id=member_id, guild_id=GUILD, statement="Yes.", asked_at=1.0
                    ),
                )
            else:
                sharing.answer(tx, adapter.id, member_id, 2.0, agreed=yes)
            found = store.get(tx, adapter.id)
            assert found is not None
            return found.agreed_at is not None

        return await world.database.write(change)

    assert not await agreed(CLEO, yes=None)
    assert not await agreed(BEN, yes=None)  # cleo was not the one: the question that is open is another
    assert not await agreed(CLEO, yes=True)  # whom nobody asks any more
    assert await agreed(BEN, yes=True)
    await world.database.write(lambda tx: sharing.share(tx, adapter.id, GUILD, 3.0))
    assert await who_sees(world, adapter) == OWNER | HERE
    assert not await agreed(BEN, yes=False)
    assert await who_sees(world, adapter) == OWNER
    assert not await agreed(CLEO, yes=None)
    assert not await agreed(CLEO, yes=True)
    assert await agreed(BEN, yes=True)
    assert await who_sees(world, adapter) == OWNER  # each sharing is a choice of its own
    with pytest.raises(UserError, match="no adapter"):
        await Adapters(world.database).resolve("thnos", viewer_id=BEN, guild_id=GUILD)
