"""`/grid`: many pictures in one job, shown as one sheet, each with its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.discord.house import CHANNEL, House

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
    ],
)
async def test_what_it_cannot_draw_is_told_before_anything_is_drawn(
    home: House, options: dict[str, str], words: str
) -> None:
    asked = await home.ada.slash("grid", channel=CHANNEL, prompt="<lora:thnos:0.8> in a suit", **options)
    assert words in await home.refusal(asked)


async def test_somebody_elses_adapter_stays_theirs(home: House) -> None:
    asked = await home.ben.slash("grid", channel=CHANNEL, prompt="<lora:ada/thnos>", x="seed(1-2)")
    assert "thnos" in await home.refusal(asked)
