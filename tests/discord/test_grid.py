"""`/grid`: many pictures in one job, shown as one sheet, each with its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.ui.refusals import EDIT
from sandbox.members import File
from tests.discord.house import CHANNEL, House, came_of, png
from trainer.contract.drawings import Axis, Grid, Source
from trainer.contract.names import photo_path

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def _adapter(module_house: House) -> AsyncIterator[None]:
    await module_house.trained(module_house.ada, "thnos", class_word="monster")
    yield


async def test_a_grid_is_one_sheet_and_all_of_its_pictures_are_kept(home: House) -> None:
    exchange = await home.ada.slash(
        "grid", channel=CHANNEL, prompt="<lora:thnos:0.8> in a suit", x="weight(0.5, 1)", y="words(suit, gown)", seed=7
    )
    card = await home.result(exchange)
    assert [file.filename for file in card.files] == ["grid.png"]
    pictures = await home.services.pictures.of_job(str(exchange.id))
    assert [picture.seed for picture in pictures] == [7] * 4
    assert [picture.parameters.splitlines()[0] for picture in pictures] == [
        "thnos monster in a suit", "thnos monster in a suit", "thnos monster in a gown", "thnos monster in a gown",
    ]  # fmt: skip
    assert ["Adapters: thnos at 0.5" in picture.parameters for picture in pictures] == [True, False] * 2


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"x": "weight(1, 2"}, "no side of a grid"),
        ({"x": "weight(1, 20)"}, "20"),
        ({"x": "guidance(1, 99)"}, "guidance must be between 1 and 30"),
        ({"x": "steps(10000)"}, "steps must be between 1 and 150"),
        ({"x": "size(7x8)"}, "multiple of 8"),
        ({"x": "adapter(thnos, nobody)"}, "nobody"),
        ({"x": "seed(1-12)", "y": "guidance(1-10)"}, "120 pictures"),
        ({"x": "strength(0.3, 0.6)"}, "no picture to draw from"),
        ({"x": "seed(1-2)", "style": "nowhere"}, "no style `nowhere`"),
    ],
)
async def test_what_it_cannot_draw_is_told_before_anything_is_drawn(
    home: House, options: dict[str, str], words: str
) -> None:
    asked = await home.ada.slash("grid", channel=CHANNEL, prompt="<lora:thnos:0.8> in a suit", **options)
    assert words in await home.refusal(asked)


async def test_a_style_and_pasted_settings_act_on_all_of_them(home: House) -> None:
    opened = await home.ada.slash("style set", channel=CHANNEL, name="noir")
    await home.ada.submit(opened.modal, {"Prompt": "film noir", "Negative prompt": "", "Settings": "Clip skip: 2"})
    exchange = await home.ada.slash(
        "grid", channel=CHANNEL, prompt="a fox", x="size(square, portrait)", style="noir", settings="Steps: 3, Seed: 9"
    )
    await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    drawings = job.imagine.drawings
    assert {(each.prompt, each.seed, each.settings.clip_skip) for each in drawings} == {("a fox, film noir", 9, 2)}
    assert {each.settings.num_inference_steps for each in drawings} == {3}
    assert [(each.settings.width, each.settings.height) for each in drawings] == [(64, 64), (64, 96)]


async def test_all_of_them_may_be_drawn_from_a_picture(home: House) -> None:
    exchange = await home.ada.slash(
        "grid", channel=CHANNEL, prompt="a fox", x="strength(0.3, 0.6)", image=File("a.png", png())
    )
    await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    assert {each.source for each in job.imagine.drawings} == {Source(photo_path(job.id, 0))}
    assert [each.settings.strength for each in job.imagine.drawings] == [0.3, 0.6]


async def test_a_refused_grid_comes_back_in_a_form_with_its_sides(home: House) -> None:
    exchange = await home.ada.slash(
        "grid", channel=CHANNEL, prompt="a fox", x="guidance(1, 99)", y="seed(1-2)", steps=3, style="nowhere"
    )
    await home.refusal(exchange)
    answer = await home.sandbox.wait_for(
        lambda message: message.ephemeral_to == home.ada.id and came_of(message, exchange), seen_by=home.ada
    )
    assert "x: guidance(1, 99)\ny: seed(1-2)" in answer.embeds[0]["description"]
    modal = (await home.ada.click(answer, EDIT)).modal
    assert modal is not None
    filled = {"Prompt": "a fox", "Negative prompt": "", "Settings": "Steps: 3"}
    sent = await home.ada.submit(
        modal, filled | {"From left to right": "guidance(1, 9)", "From top to bottom": "seed(1-2)"}
    )
    await home.result(sent)
    job = await home.job(sent.id)
    assert job is not None
    assert job.imagine.grid == Grid(Axis("guidance", ("1", "9")), Axis("seed", ("1", "2")))
    assert len(job.imagine.drawings) == 4


async def test_somebody_elses_adapter_stays_theirs(home: House) -> None:
    asked = await home.ben.slash("grid", channel=CHANNEL, prompt="<lora:ada/thnos>", x="seed(1-2)")
    assert "thnos" in await home.refusal(asked)
