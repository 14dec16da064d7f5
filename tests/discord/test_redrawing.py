"""What becomes of one picture by a button: variations, an enlarged one, a second pass."""

from __future__ import annotations

from functools import partial

import msgspec
import pytest

from bot.store.records import Job
from sandbox.members import Exchange, File, Member, Message
from tests.discord.backend import BASE, OTHER_BASE, SketchBackend
from tests.discord.house import CHANNEL, PATIENCE_S, REDRAWING, House, labels, png
from trainer.contract.drawings import Drawing, HighRes, Source, Upscale

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def drawing_of(home: House, exchange: Exchange) -> Drawing:
    """The one picture that a job was to draw; it was drawn."""
    await home.result(exchange)
    return (await job_of(home, exchange)).imagine.drawings[0]


async def job_of(home: House, exchange: Exchange) -> Job:
    job = await home.job(exchange.id)
    assert job is not None
    return job


async def panel(home: House, who: Member, card: Message, number: int) -> Message:
    """What the number of one of several pictures opens, for this member alone."""
    answer = await (await who.click(card, str(number))).response(PATIENCE_S)
    assert answer.ephemeral_to == who.id
    return answer


async def test_a_single_picture_has_its_buttons_below_those_of_all(home: House) -> None:
    card = await home.drawn(home.ada, "a fox")
    assert labels(card)[-5:] == [*REDRAWING, "Report"]
    assert [len(row["components"]) for row in card.components] == [len(labels(card)) - 5, 4, 1]


@pytest.mark.parametrize(("label", "strength"), [("Vary (subtle)", 0.1), ("Vary (strong)", 0.3)])
async def test_a_variation_is_the_same_drawing_with_some_of_another_noise(
    home: House, label: str, strength: float
) -> None:
    exchange = await home.imagine(home.ada, "a fox", negative_prompt="rain", seed=7, steps=3, size="96")
    first = await drawing_of(home, exchange)
    card = await home.result(exchange)
    varied = await drawing_of(home, await home.ben.click(card, label))
    seed = varied.settings.variation_seed
    assert seed is not None
    assert varied == msgspec.structs.replace(
        first,
        settings=msgspec.structs.replace(first.settings, variation_seed=seed, variation_strength=strength),
    )


async def test_each_of_several_pictures_has_a_number(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox", seed=7, count=4)
    card = await home.result(exchange)
    assert labels(card)[-5:] == ["1", "2", "3", "4", "Report"]
    third = await panel(home, home.ben, card, 3)
    assert third.content == "Picture 3 of 4, seed 9"
    assert labels(third)[:4] == REDRAWING
    settings = await home.settings_of(home.ben, third)
    assert "Seed: 9," in settings
    assert "Seeds" not in settings
    varied = await home.ben.click(third, "Vary (strong)")
    assert (await drawing_of(home, varied)).seed == 9
    assert f"for <@{home.ben.id}>" in (await home.result(varied)).text  # in the channel, for all to see


async def test_upscaling_draws_nothing_anew(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox", seed=7, size="96x64", count=2)
    card = await home.result(exchange)
    (_, second) = await home.services.pictures.of_job(str(exchange.id))
    clicked = await home.ben.click(await panel(home, home.ben, card, 2), "Upscale ×2")
    enlarged = await drawing_of(home, clicked)
    assert enlarged.source == Source(picture=second.blob)
    assert enlarged.seed == 8
    settings = enlarged.settings
    assert (settings.upscale, settings.strength, settings.width, settings.height) == (Upscale(scale=2.0), 0.0, 96, 64)
    large = await home.result(clicked)
    assert not set(labels(large)) & set(REDRAWING)  # nothing of it was drawn


async def test_a_picture_that_is_being_enlarged_outlives_its_deletion(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox that is enlarged", seed=71)
    card = await home.result(exchange)
    (picture,) = await home.services.pictures.of_job(str(exchange.id))
    await home.stop_worker()
    clicked = await home.ada.click(card, "Upscale ×2")
    await home.ada.click(card, "Delete")
    await home.until(partial(_are_gone, home, exchange))
    assert picture.blob not in await home.services.sweeper.collect_garbage()
    await home.start_worker(SketchBackend((BASE, OTHER_BASE)))
    await home.result(clicked)


async def _are_gone(home: House, exchange: Exchange) -> bool:
    return not await home.services.pictures.of_job(str(exchange.id))


async def test_a_high_res_picture_has_a_second_pass_and_no_third(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox", seed=7)
    card = await home.result(exchange)
    clicked = await home.ada.click(card, "High-res ×1.5")
    assert (await drawing_of(home, clicked)).settings.high_res == HighRes(scale=1.5, strength=0.5)
    words = await home.refusal(await home.ada.click(await home.result(clicked), "High-res ×1.5"))
    assert words == "This picture is high-res already: to have it larger, press Upscale."


async def test_a_grid_is_drawn_again_as_one(home: House) -> None:
    exchange = await home.ada.slash("grid", channel=CHANNEL, prompt="a fox", x="guidance(2, 3)", y="steps(1-5)", seed=5)
    card = await home.result(exchange)
    first = (await job_of(home, exchange)).imagine
    again = await home.ben.click(card, "Again")
    await home.result(again)
    second = (await job_of(home, again)).imagine
    assert second.grid == first.grid
    assert [drawing.settings for drawing in second.drawings] == [drawing.settings for drawing in first.drawings]
    (seed,) = {drawing.seed for drawing in second.drawings}
    assert seed != 5


async def test_many_pictures_have_a_menu(home: House) -> None:
    exchange = await home.ada.slash("grid", channel=CHANNEL, prompt="a fox", x="seed(1-6)", y="guidance(1-5)")
    card = await home.result(exchange)
    assert not {"1", "9"} & set(labels(card))
    chosen = await home.ben.select(card, "Choose a picture to vary or enlarge, 26 to 30", ["29"])
    answer = await chosen.response(PATIENCE_S)
    assert answer.content == "Picture 30 of 30, seed 6"
    assert answer.ephemeral_to == home.ben.id


async def test_what_was_drawn_from_is_gone_after_a_day(home: House) -> None:
    exchange = await home.imagine(home.ada, "a fox", image=File("a.png", png()), strength=0.5)
    card = await home.result(exchange)
    await home.result(await home.ben.click(card, "Vary (subtle)"))
    await home.services.photos.delete(str(exchange.id))  # as the sweep does
    for label in ("Again", "Vary (subtle)", "Vary (strong)", "High-res ×1.5"):
        words = await home.refusal(await home.ben.click(card, label))
        assert words.startswith("This was drawn from a picture that is deleted by now"), label
    await home.result(await home.ben.click(card, "Upscale ×2"))  # of the finished one
