"""VAEs by the names that members and other programs give them."""

from __future__ import annotations

import msgspec
import pytest

from bot.orders import Shot
from bot.store import bases
from bot.vaes import find
from tests.bot.worlds import World, base_info
from trainer.contract.drawings import DrawingSettings

INFO = msgspec.structs.replace(base_info(), vaes=("ft-mse", "kl-f8.pt"))


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ("ft-mse", "ft-mse"),
        (" FT-MSE.safetensors", "ft-mse"),
        ("ft-mse.ckpt", "ft-mse"),
        ("kl-f8.pt", "kl-f8.pt"),
        ("kl-f8", None),
        ("ft", None),
    ],
)
def test_a_vae_is_found_by_the_name_that_other_programs_write(written: str, found: str | None) -> None:
    assert find(written, INFO) == found


async def test_a_drawing_gets_the_vae_by_the_name_that_workers_know(world: World) -> None:
    await world.database.write(lambda tx: bases.remember(tx, [INFO], world.clock.now))
    job = await world.imagine(vae="FT-MSE.safetensors")
    assert job.imagine.drawings[0].settings.vae == "ft-mse"
    assert job.imagine.ignored == ()


async def test_one_that_is_not_there_is_told_with_those_that_are_and_the_models_own_draws(world: World) -> None:
    await world.database.write(lambda tx: bases.remember(tx, [INFO], world.clock.now))
    unknown = DrawingSettings(vae="anime")
    shots = tuple(Shot(prompt="a fox", prompt_written="a fox", settings=each) for each in (unknown, unknown))
    job = await world.imagine(shots=shots)
    assert [drawing.settings.vae for drawing in job.imagine.drawings] == [None, None]
    assert job.imagine.ignored == (
        "`emoji-64` has no VAE `anime`, so its own is used; there are `ft-mse`, `kl-f8.pt`.",
    )


async def test_where_there_is_no_other_that_is_said(world: World) -> None:
    await world.database.write(lambda tx: bases.remember(tx, [base_info()], world.clock.now))
    job = await world.imagine(vae="ft-mse")
    assert job.imagine.ignored == ("`emoji-64` has no VAE `ft-mse`, so its own is used; there is no other.",)
