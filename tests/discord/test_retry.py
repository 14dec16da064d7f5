"""A training that failed or was stopped can be tried again without sending the photos again, while they are kept."""

from __future__ import annotations

import pytest

from tests.discord.house import PATIENCE_S, House, labels
from trainer.contract.names import photos_prefix

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def stopped(home: House, name: str):
    """Ada's card of a training that she has stopped."""
    exchange = await home.train(home.ada, name, class_word="endless")
    card = await home.running(exchange)
    await home.ada.click(card, "Cancel")
    return exchange, await home.sandbox.wait_for(
        lambda message: message.id == card.id and labels(message) == ["Try again"], timeout_s=PATIENCE_S
    )


async def test_its_owner_tries_it_again_from_the_photos_that_are_kept(home: House) -> None:
    first, card = await stopped(home, "second-chance")
    refused = await home.refusal(await home.ben.click(card, "Try again"))
    assert refused == "This training belongs to ada: only they can try it again."
    again = await home.ada.click(card, "Try again")
    assert (await again.response(PATIENCE_S)).id != card.id
    job = await home.job(again.id)
    assert job is not None
    assert job.train.photos != (await home.job(first.id)).train.photos
    assert len(await home.photos(again.id)) == 3
    consent = await home.consent(again.id)
    assert consent is not None
    assert consent.given_at == (await home.consent(first.id)).given_at
    await home.stop_all_jobs()


async def test_once_the_photos_are_gone_it_says_so(home: House) -> None:
    exchange, card = await stopped(home, "too-late")
    await home.services.blobs.delete_all(photos_prefix(str(exchange.id)))
    assert "are gone, for they are kept a day" in await home.refusal(await home.ada.click(card, "Try again"))


async def test_a_picture_that_was_stopped_is_drawn_again(home: House) -> None:
    exchange = await home.imagine(home.ada, "endless fox")
    card = await home.running(exchange)
    await home.ada.click(card, "Cancel")
    ended = await home.sandbox.wait_for(
        lambda message: message.id == card.id and labels(message) == ["Try again"], timeout_s=PATIENCE_S
    )
    again = await home.ada.click(ended, "Try again")
    await home.running(again)
    await home.stop_all_jobs()
