"""Every way to an adapter or a picture, for everybody, at each step of sharing: nobody gets what is not theirs to have.

Through Discord's own road, as whoever they are; what they type, choose or press may name anything, also what no client
would have shown them.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any, get_args

import discord
import pytest
import pytest_asyncio
from discord import app_commands

from bot.orders import Editor
from bot.styles import StyleText
from bot.ui.answers import NOT_ACCEPTED
from sandbox.exchange import Exchange
from tests.discord.backend import CHOOSY
from tests.discord.cast import MAY_USE, Actor, Step, Who, cast, drop_waiting, furnish, set_step
from tests.discord.house import OPAQUE, PATIENCE_S, House, custom_ids, house
from tests.discord.matrix import FREE, FREE_GROUPS, JOBS, PROBES, Key, Scene, may

pytestmark = pytest.mark.asyncio(loop_scope="module")

REFUSALS = re.compile(
    r"that you can use|does not share it here|belongs? to ada|knows of no|knows nothing of|was deleted"
    r"|Nobody has asked you|You have no adapter|(job|training) is \w+ already|so nothing of it runs any more"
    r"|There is no|of this training are gone|in the server that is to have it"
)
ROOMS = {"darkroom_max_waiting_imagine": 10_000, "darkroom_max_waiting_train": 1_000}


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def world(
    tmp_path_factory: pytest.TempPathFactory, module_redis_url: str
) -> AsyncIterator[tuple[House, Scene, dict[Who, Actor]]]:
    """ada has an adapter, an inversion and a picture; the others a picture and a style each. No worker is left."""
    async with house(tmp_path_factory.mktemp("matrix"), module_redis_url, furnish=furnish, **ROOMS) as home:
        actors = cast(home)
        training = await home.train(home.ada, "thnos", class_word=CHOOSY)
        await home.result(training)
        await home.trained(home.ada, "free")
        await home.trained(home.ada, "glow", method="textual_inversion")
        picture = await home.imagine(home.ada, "<lora:thnos:0.8> in a suit")
        await home.result(picture)
        own = {who: await _drawn(home, actor) for who, actor in actors.items()}
        await home.stop_worker()
        free = await home.adapter(home.ada, "free")
        await home.services.sharing.with_everyone(free.id, owner_id=home.ada.id)
        adapter = await home.adapter(home.ada, "thnos")
        yield home, Scene(adapter.id, str(training.id), str(picture.id), own), actors


async def _drawn(home: House, actor: Actor) -> str:
    """A picture of their own, and a style that wears the adapter."""
    member = actor.member
    editor = Editor(member_id=member.id, member_name=member.name, guild_id=actor.place.guild_id)
    text = StyleText(prompt="{prompt} <lora:ada/thnos:0.8>", negative_prompt="", settings="")
    await home.services.styles.put("wearing", text, editor)
    if actor.who not in {"member", "moderator"}:  # a server's list is the owner's there
        await home.services.wildcards.put("wearing", "<lora:ada/thnos:0.8>", editor)
    exchange = await actor.slash("imagine", prompt="a fox")
    await exchange.response(PATIENCE_S)
    await home.until(lambda: _is_done(home, exchange.id))
    return str(exchange.id)


async def _is_done(home: House, job_id: int) -> bool:
    job = await home.job(job_id)
    return job is not None and job.state == "succeeded"


async def _came(outcome: Exchange | bool) -> bool:
    """Whether they got what they wanted. What is refused is one sentence to them alone."""
    if isinstance(outcome, bool):
        return outcome
    assert outcome.error is None
    if outcome.modal is not None:
        return True
    answer = await outcome.response(PATIENCE_S)
    if answer.content == NOT_ACCEPTED:  # it took so long that "is thinking…" was shown first
        return False
    if not REFUSALS.search(answer.content):
        assert "Something went wrong" not in answer.content, answer.content
        return True
    assert answer.ephemeral_to == outcome.member_id
    return False


@pytest.mark.parametrize("step", get_args(Step))
async def test_everybody_gets_what_is_theirs_and_no_more(
    world: tuple[House, Scene, dict[Who, Actor]], step: Step
) -> None:
    home, scene, actors = world
    for name in ("thnos", "glow"):
        await set_step(home, (await home.adapter(home.ada, name)).id, step)
    wrong: list[str] = []
    for who, actor in actors.items():
        for key, probe in PROBES.items():
            allowed = may(probe.rule, who, step)
            if allowed and probe.spare:
                continue
            got = await _came(await probe.act(scene, actor))
            if got and probe.rule in {"own", "take back", "asked"}:  # it may have been changed
                await set_step(home, scene.adapter_id, step)
            if got != allowed:
                wrong.append(f"{' '.join(key)}: {who} {'gets' if got else 'does not get'} what is {step}")
    await drop_waiting(home)
    assert "\n".join(wrong) == ""


async def test_jobs_of_others_say_nothing(world: tuple[House, Scene, dict[Who, Actor]]) -> None:
    _, scene, actors = world
    for who, actor in actors.items():
        for action in JOBS.values():
            assert not await _came(await actor.press(f"dr:{action}:{scene.training}")), (who, action)


async def test_whatever_a_button_carries_is_one_sentence(world: tuple[House, Scene, dict[Who, Actor]]) -> None:
    """Ids that are nobody's, and those of another kind of thing."""
    home, scene, actors = world
    await set_step(home, scene.adapter_id, "private")
    forged = ["99999999999999999", "f" * 32, "f" * 16, scene.adapter_id, scene.training, scene.picture]
    for name, pattern in _registered(home):
        if ("button", name) in FREE or not name.endswith("Button"):
            continue
        for subject in forged:
            for custom_id in (f"{_prefix(pattern)}{subject}", f"{_prefix(pattern)}{subject}:0"):
                if pattern.fullmatch(custom_id):
                    assert not await _came(await actors["stranger"].press(custom_id)), custom_id


async def test_nothing_new_is_missing_in_the_matrix(world: tuple[House, Scene, dict[Who, Actor]]) -> None:
    home, _, _ = world
    known = PROBES.keys() | FREE.keys() | {("button", name) for name in JOBS}
    there = {*_commands(home), *_forms(), *((_kind(name), name) for name, _ in _registered(home))}
    missing = "\n".join(sorted(" ".join(key) for key in there - known))
    assert missing == "", f"put these into PROBES or FREE of tests/discord/matrix.py:\n{missing}"
    extra = {key for key in PROBES if key[0] == "way" or (key[0] == "button" and len(key) == 3)}
    gone = sorted(PROBES.keys() - extra - there)
    assert gone == []
    assert MAY_USE.keys() == set(get_args(Step))


async def test_custom_ids_carry_opaque_ids_alone(world: tuple[House, Scene, dict[Who, Actor]]) -> None:
    """Of all that was answered here; `House.check` holds every other test to it."""
    home, _, _ = world
    carried = set(custom_ids(home.sandbox))
    assert len(carried) > 50
    assert sorted(each for each in carried if not OPAQUE.fullmatch(each)) == []


def _registered(home: House) -> Iterator[tuple[str, re.Pattern[str]]]:
    """Every button and menu that outlives a restart, as the client knows them."""
    for pattern, item in home.bot._connection._view_store._dynamic_items.items():
        yield item.__name__, pattern


def _kind(name: str) -> str:
    return "menu" if name.endswith("Menu") else "button"


def _prefix(pattern: re.Pattern[str]) -> str:
    return pattern.pattern.partition("(")[0]


def _commands(home: House) -> Iterator[Key]:
    """Every command, each of its options that takes text, and what completes them."""
    for command in home.bot.tree.walk_commands(type=discord.AppCommandType.chat_input):
        if not isinstance(command, app_commands.Command) or command.qualified_name.split()[0] in FREE_GROUPS:
            continue
        yield "command", command.qualified_name, ""
        for option in command.parameters:
            if option.type is discord.AppCommandOptionType.string:
                yield "command", command.qualified_name, option.display_name
            if option.autocomplete:
                yield "completion", command.qualified_name, option.display_name
    for menu in home.bot.tree.get_commands(type=discord.AppCommandType.message):
        yield "message", menu.name


def _forms(base: type[Any] = discord.ui.Modal) -> Iterator[Key]:
    for form in base.__subclasses__():
        if form.__module__.startswith("bot."):
            yield "form", form.__name__
        yield from _forms(form)
