"""From a file to a member's adapter, in the database and the blob store."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import msgspec
import pytest
from safetensors.torch import save

from bot.errors import UserError
from bot.fetching import Fetcher
from bot.guilds import Guilds, Manager
from bot.importing.entry import Wanted
from bot.importing.found import Licence, Page
from bot.importing.importer import Importer
from bot.store import bases, garbage
from tests.bot.importing.genuine import KOHYA, true_lora, vectors
from tests.bot.worlds import GUILD, World, base_info
from trainer.contract.events import PROPOSED_WEIGHTS, BaseInfo

SD15 = msgspec.structs.replace(base_info("sd15"), context_width=768, hash="6ce0161689")
OTHER = msgspec.structs.replace(base_info("photon"), context_width=768, hash="ec41bd2a82")
XL = msgspec.structs.replace(base_info("xl"), family="sdxl", context_width=2048)
KOHYA_LORA = save(true_lora(), KOHYA)


@pytest.fixture
async def importer(world: World, tmp_path: Path):
    async with aiohttp.ClientSession() as session:
        folder = tmp_path / "incoming"
        yield Importer(world.database, world.blobs, Fetcher(session), folder, most_bytes=10**6, clock=world.clock)


async def offer(world: World, *infos: BaseInfo) -> None:
    await world.database.write(lambda tx: bases.remember(tx, infos, world.clock.now))


async def bring(importer: Importer, world: World, tmp_path: Path, data: bytes, name: str = "thnos", **options):
    """As ada brings it."""
    path = tmp_path / "downloaded"
    path.write_bytes(data)
    page, origin = options.pop("page", None), options.pop("origin", None) or world.origin()
    wanted = Wanted(name=name, **options)
    return await importer.import_file(path, filename="t.safetensors", origin=origin, wanted=wanted, page=page)


async def test_a_file_becomes_an_adapter_of_the_base_that_it_was_trained_on(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    await offer(world, OTHER, XL, SD15)
    imported = await bring(importer, world, tmp_path, KOHYA_LORA, "Thnos")
    assert [base.name for base in imported.bases] == ["sd15", "photon"]
    adapter = await world.adapters.resolve("thnos", viewer_id=1, guild_id=None)
    assert adapter == imported.adapter
    assert (adapter.origin, adapter.kind, adapter.base, adapter.base_hash) == ("imported", "lora", "sd15", SD15.hash)
    assert (adapter.trigger_words, adapter.rank, adapter.guild_id) == (("thnos, purple toy",), 4, GUILD)
    assert (adapter.weight_low, adapter.weight_best, adapter.weight_high) == (0.5, 0.7, 0.9)
    assert adapter.identity == imported.found.identity
    assert adapter.blob.endswith(".safetensors")
    kept = await world.blobs.read(adapter.blob)
    assert b"kitchen" not in kept
    assert len(kept) == adapter.size_bytes
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("kept")] == []


async def test_the_same_interaction_makes_one_adapter_and_the_same_file_one_blob(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    origin = world.origin()
    first = await bring(importer, world, tmp_path, KOHYA_LORA, origin=origin)
    again = await bring(importer, world, tmp_path, KOHYA_LORA, origin=origin)
    assert again.adapter == first.adapter
    other = await bring(importer, world, tmp_path, KOHYA_LORA, "other")
    assert (other.adapter.blob, other.adapter.id != first.adapter.id) == (first.adapter.blob, True)


async def test_without_a_base_that_fits_it_waits_for_one(importer: Importer, world: World, tmp_path: Path) -> None:
    await offer(world, XL)
    imported = await bring(importer, world, tmp_path, KOHYA_LORA)
    assert (imported.bases, imported.adapter.base) == ((), "")


async def test_what_the_member_says_goes_before_the_page_and_that_before_the_header(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    page = Page(
        address="https://civitai.com/models/1", trigger_words=("purple guy",), weights=(0.8, 1.0, 1.2),
        description="A\u202e toy\n of mine", licence=Licence(credit=False, commercial=True), age_restricted=True,
    )  # fmt: skip
    adapter = (await bring(importer, world, tmp_path, KOHYA_LORA, page=page, likeness="other")).adapter
    assert (adapter.trigger_words, adapter.weight_best, adapter.source) == (("purple guy",), 1.0, page.address)
    assert (adapter.credit, adapter.commercial, adapter.derivatives) == (False, True, True)
    assert (adapter.description, adapter.age_restricted, adapter.likeness) == ("A toy of mine", True, "other")
    said = Licence(derivatives=False)
    adapter = (await bring(importer, world, tmp_path, KOHYA_LORA, "b", page=page, trigger="mine", licence=said)).adapter
    assert (adapter.trigger_words, adapter.trigger) == (("mine", "purple guy"), "mine")
    assert (adapter.credit, adapter.commercial, adapter.derivatives) == (True, False, False)


@pytest.mark.parametrize(
    ("tensor", "notes", "wanted", "trigger"),
    [
        ("emb_params", {}, None, "thnos"),
        ("emb_params", {"modelspec.trigger_phrase": "Purple"}, None, "purple"),
        ("emb_params", {"modelspec.trigger_phrase": "two words"}, None, "thnos"),
        ("emb_params", {}, "Other-Word", "other-word"),
        ("<cat-toy>", {}, None, "thnos"),
    ],
)
async def test_a_textual_inversion_answers_to_one_word(
    importer: Importer, world: World, tmp_path: Path, tensor: str, notes: dict[str, str], wanted: str, trigger: str
) -> None:
    imported = await bring(importer, world, tmp_path, save({tensor: vectors(768)}, notes), trigger=wanted)
    adapter = imported.adapter
    assert (adapter.kind, adapter.method, adapter.trigger) == ("textual_inversion", "textual_inversion", trigger)
    assert imported.found.vectors == 4
    found = await world.adapters.of_triggers([trigger], viewer_id=1, guild_id=GUILD)
    assert [each.name for each in found] == ["thnos"]


async def test_a_trigger_that_is_no_word_is_refused_and_its_file_goes(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="`two words` can't be the trigger of a textual inversion: take one word"):
        await bring(importer, world, tmp_path, save({"emb_params": vectors(768)}), trigger="two words")
    (blob,) = await world.blobs.list("blobs/")
    assert await world.database.read(lambda tx: garbage.collectable(tx, world.clock.now)) == [blob]


async def test_a_lora_with_vectors_in_it_is_pivotal_and_answers_to_their_word(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    data = save(true_lora() | {"bundle_emb.toy.string_to_param.*": vectors(768)})
    adapter = (await bring(importer, world, tmp_path, data)).adapter
    assert (adapter.method, adapter.trigger, adapter.trigger_words) == ("pivotal", "toy", ("toy",))
    assert (adapter.weight_low, adapter.weight_best, adapter.weight_high) == PROPOSED_WEIGHTS


async def test_nothing_is_read_for_a_name_that_is_taken_and_nothing_stays_of_a_bad_file(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    await bring(importer, world, tmp_path, KOHYA_LORA)
    with pytest.raises(UserError, match="You have an adapter `thnos` already"):
        await bring(importer, world, tmp_path, b"not even looked at")
    with pytest.raises(UserError, match="can't be a name"):
        await bring(importer, world, tmp_path, KOHYA_LORA, "../../thnos")
    with pytest.raises(UserError, match=r"`t.safetensors` is damaged"):
        await bring(importer, world, tmp_path, KOHYA_LORA[:-1], "cut")
    assert len(await world.blobs.list("blobs/")) == 1
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file() and "sqlite" not in path.name) == [
        "downloaded"
    ]


async def test_a_servers_rules_hold_for_imports_before_anything_is_fetched(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    guilds, manager = Guilds(world.database, world.clock), Manager(guild_id=GUILD, member_id=99)
    await guilds.block(manager, world.origin().member_id)
    with pytest.raises(UserError, match="You are blocked from Darkroom on this server"):
        await importer.check_name(Wanted(name="thnos"), world.origin())
    await guilds.unblock(manager, world.origin().member_id)
    await guilds.change(manager, lambda settings: msgspec.structs.replace(settings, train_roles=(7,)))
    with pytest.raises(UserError, match="To train, merge and import here takes the role <@&7>"):
        await bring(importer, world, tmp_path, KOHYA_LORA)
