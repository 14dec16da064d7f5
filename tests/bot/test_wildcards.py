"""Lists that prompts choose from: their names and lines, who changes them, and lists that call themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.errors import UserError
from bot.orders import Editor
from bot.store.database import Database
from bot.wildcards import (
    LONGEST_LINE,
    MOST_CHARACTERS,
    MOST_LINES,
    MOST_LISTS,
    Wildcards,
    read_lines,
    read_name,
)
from tests.bot.worlds import GUILD, MEMBERS, Clock
from trainer.contract.prompt import find_lists


def editor(member: str, guild_id: int | None = GUILD, *, moderator: bool = False) -> Editor:
    return Editor(member_id=MEMBERS[member], member_name=member, guild_id=guild_id, moderator=moderator)


@pytest.fixture
def wildcards(database: Database, clock: Clock) -> Wildcards:
    return Wildcards(database, clock)


async def lists(wildcards: Wildcards, member: str, guild_id: int | None = GUILD) -> dict[str, tuple[str, ...]]:
    return await wildcards.lists(guild_id=guild_id, member_id=MEMBERS[member])


@pytest.mark.parametrize(
    ("written", "name"),
    [("animals", "animals"), (" __Colour/Warm__ ", "colour/warm"), ("a-b_c/d2", "a-b_c/d2"), ("Ä", "ä")],
)
def test_names_are_what_stands_in_prompts(written: str, name: str) -> None:
    assert read_name(written) == name
    assert find_lists(f"a __{name}__ fox") == [name]


@pytest.mark.parametrize("written", ["", "__", "a b", "a__b", "/a", "a/", "a//b", "*", "a" * 61, "@everyone", "-a"])
def test_what_no_prompt_could_call_is_no_name(written: str) -> None:
    with pytest.raises(UserError, match="no name for a list: take letters and digits"):
        read_name(written)


@given(st.text(max_size=30))
def test_every_name_that_is_taken_can_be_called(written: str) -> None:
    try:
        name = read_name(written)
    except UserError:
        return
    assert read_name(name) == name
    assert find_lists(f"__{name}__") == [name]


def test_lines_are_read_as_text_files_have_them() -> None:
    assert read_lines("\ufeffred fox\r\n\r\n  blue\twhale \rcat # old\n# none") == (
        "red fox", "blue whale", "cat # old", "# none"
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" \n# none\n", "at least one line"),
        ("a\n" * (MOST_LINES + 1), "501 lines, and 500 are the most"),
        (("a" * 400 + "\n") * 41, f"16,400 characters, and {MOST_CHARACTERS:,} are the most"),
        ("a\n" + "b" * (LONGEST_LINE + 1), "Line 2 of the list has 501 characters"),
    ],
)
def test_what_is_too_much_of_a_list_is_told(text: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        read_lines(text)


async def test_a_guilds_lists_are_everybodys_and_ones_own_are_for_direct_messages(wildcards: Wildcards) -> None:
    await wildcards.put("animals", "fox\nowl", editor("ada"))
    await wildcards.put("animals", "newt", editor("ada", None))
    await wildcards.put("animals", "moth", editor("ada", GUILD + 1))
    assert await lists(wildcards, "ben") == {"animals": ("fox", "owl")}
    assert await lists(wildcards, "ada", None) == {"animals": ("newt",)}
    assert await lists(wildcards, "ben", None) == {}


async def test_who_made_a_list_changes_it_or_a_moderator(wildcards: Wildcards) -> None:
    await wildcards.put("animals", "fox", editor("ada"))
    for changing in (
        wildcards.put("Animals", "owl", editor("ben")),
        wildcards.to_change("animals", editor("ben")),
        wildcards.delete("animals", editor("ben")),
    ):
        with pytest.raises(UserError, match="`animals` was made by ada: they, or a moderator, may change it"):
            await changing
    kept = await wildcards.put("animals", "owl", editor("ben", moderator=True))
    assert (kept.owner_name, kept.lines) == ("ada", ("owl",))
    assert (await wildcards.delete("__animals__", editor("ada"))).lines == ("owl",)
    assert await lists(wildcards, "ada") == {}


async def test_lists_that_would_call_themselves_are_not_kept(wildcards: Wildcards) -> None:
    await wildcards.put("scene", "a __animals__ at night", editor("ada"))
    await wildcards.put("animals", "fox", editor("ada"))
    with pytest.raises(UserError, match=r"calls itself: `__animals__` → `__scene__` → `__animals__`; take one of them"):
        await wildcards.put("animals", "a fox in __scene__", editor("ben", moderator=True))
    with pytest.raises(UserError, match="`__all__` calls itself"):
        await wildcards.put("all", "__*__", editor("ben"))
    assert (await lists(wildcards, "ada"))["animals"] == ("fox",)


async def test_there_is_an_end_to_lists_and_to_what_they_call(wildcards: Wildcards) -> None:
    calling = "\n".join(f"__l{number}__" for number in range(51))
    with pytest.raises(UserError, match="calls more than 50 others"):
        await wildcards.put("all", calling, editor("ada"))
    with pytest.raises(UserError, match="more than 5 calls with a"):
        await wildcards.put("all", "\n".join(f"__{letter}*__" for letter in "bcdefg"), editor("ada"))
    for number in range(MOST_LISTS):
        await wildcards.put(f"l{number}", "x", editor("ada"))
    with pytest.raises(UserError, match="There are 100 lists here, which is the most"):
        await wildcards.put("another", "x", editor("ada"))
    await wildcards.put("l7", "y", editor("ada"))
    await wildcards.put("another", "x", editor("ada", None))


async def test_an_unknown_list_is_answered_with_those_that_are_there(wildcards: Wildcards) -> None:
    with pytest.raises(UserError, match="no list `fish` here: make one with"):
        await wildcards.get("fish", guild_id=GUILD, member_id=MEMBERS["ben"])
    await wildcards.put("animals", "fox", editor("ada"))
    with pytest.raises(UserError, match="no list `fish` here: there is `animals`"):
        await wildcards.get("fish", guild_id=GUILD, member_id=MEMBERS["ben"])
    found = await wildcards.complete("__ANI", guild_id=GUILD, member_id=MEMBERS["ben"])
    assert [each.name for each in found] == ["animals"]
