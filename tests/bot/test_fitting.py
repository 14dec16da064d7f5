"""What was brought in draws with every base that it fits; what was made here with its own."""

from __future__ import annotations

from pathlib import Path

import aiohttp
import msgspec
import pytest
from safetensors.torch import save

from bot.errors import UserError
from bot.fetching import Fetcher
from bot.importing.entry import Wanted
from bot.importing.importer import Importer
from bot.prompts import read_prompt
from bot.store import bases
from bot.store.records import Adapter, Job
from tests.bot.importing.genuine import KOHYA, K, true_lora
from tests.bot.worlds import GUILD, MEMBERS, World, base_info
from trainer.contract.events import BaseInfo

SD15 = msgspec.structs.replace(base_info("sd15"), context_width=768)
PHOTON = msgspec.structs.replace(base_info("photon"), context_width=768)
XL = msgspec.structs.replace(base_info("xl"), family="sdxl", context_width=2048)
XL_LORA = save(true_lora("lora_unet_middle_block_1_transformer_blocks_1_attn2_to_k", 2048))


@pytest.fixture
async def importer(world: World, tmp_path: Path):
    async with aiohttp.ClientSession() as session:
        yield Importer(world.database, world.blobs, Fetcher(session), tmp_path / "incoming", most_bytes=10**6)


async def offer(world: World, *infos: BaseInfo) -> None:
    await world.database.write(lambda tx: bases.remember(tx, infos, world.clock.now))


async def bring(importer: Importer, world: World, folder: Path, name: str, data: bytes) -> Adapter:
    (folder / name).write_bytes(data)
    imported = await importer.import_file(
        folder / name, filename=f"{name}.safetensors", origin=world.origin(), wanted=Wanted(name=name)
    )
    return imported.adapter


async def draw(world: World, prompt: str, base: str | None = None) -> Job:
    """As ada asks for it."""
    read = await read_prompt(world.adapters, prompt, viewer_id=MEMBERS["ada"], guild_id=GUILD)
    return await world.imagine(prompt=read.prompt, prompt_written=prompt, adapters=read.adapters, base=base)


async def test_it_draws_with_the_base_of_its_training_or_any_that_it_fits(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    await offer(world, XL, PHOTON, SD15)
    await bring(importer, world, tmp_path, "thnos", save(true_lora(K), KOHYA | {"ss_sd_model_name": "sd15"}))
    assert (await draw(world, "<lora:thnos> at sea")).base == "sd15"
    job = await draw(world, "<lora:thnos> at sea", "photon")
    assert (job.base, [pick.written for pick in job.imagine.adapters]) == ("photon", ["thnos"])


async def test_the_base_that_it_does_not_fit_is_told_before_it_is_queued_with_the_nearest_that_it_does(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    await offer(world, SD15, XL)
    await bring(importer, world, tmp_path, "big", XL_LORA)
    assert (await draw(world, "<lora:big> at sea")).base == "xl"
    with pytest.raises(UserError) as refused:
        await draw(world, "<lora:big> at sea", "sd15")
    assert refused.value.message == (
        "`big` was made for Stable Diffusion XL and the model sd15 is Stable Diffusion 1.x: choose the model xl."
    )


async def test_without_a_base_that_fits_the_sentence_says_so(importer: Importer, world: World, tmp_path: Path) -> None:
    await offer(world, SD15)
    await bring(importer, world, tmp_path, "big", XL_LORA)
    with pytest.raises(UserError, match="no model here fits it, so leave it out"):
        await draw(world, "<lora:big> at sea")


async def test_two_that_fit_no_base_together_are_refused(importer: Importer, world: World, tmp_path: Path) -> None:
    await offer(world, SD15, XL)
    await bring(importer, world, tmp_path, "big", XL_LORA)
    await bring(importer, world, tmp_path, "small", save(true_lora(K)))
    with pytest.raises(UserError, match="`big` was made for Stable Diffusion XL and the model sd15"):
        await draw(world, "<lora:small> <lora:big> at sea")


async def test_trigger_words_of_what_was_brought_in_stay_out_of_the_prompt(
    importer: Importer, world: World, tmp_path: Path
) -> None:
    await offer(world, SD15)
    await bring(importer, world, tmp_path, "thnos", save(true_lora(K), KOHYA))
    job = await draw(world, "<lora:thnos:0.8> at sea")
    assert job.imagine.prompt == "at sea"
