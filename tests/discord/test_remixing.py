"""Settings that come back in a form: those of a picture, and those that were refused."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.ui.refusals import EDIT
from sandbox.members import Exchange, Member, Message, Modal
from tests.discord.house import CHANNEL, PATIENCE_S, House, came_of, labels
from trainer.contract.drawings import Drawing

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def training(module_house: House) -> AsyncIterator[Message]:
    yield await module_house.trained(module_house.ada, "thnos", class_word="monster")


@pytest_asyncio.fixture(loop_scope="module")
async def shared(home: House, training: Message) -> AsyncIterator[None]:
    """Ada's thnos is everybody's for a test."""
    await (await home.ada.slash("adapter share", channel=CHANNEL, name="thnos")).response()
    yield
    await (await home.ada.slash("adapter unshare", channel=CHANNEL, name="thnos")).response()


async def drawing_of(home: House, exchange: Exchange) -> Drawing:
    await home.result(exchange)
    job = await home.job(exchange.id)
    assert job is not None
    return job.imagine.drawings[0]


async def form(who: Member, message: Message, label: str) -> Modal:
    """The form that a button opens."""
    exchange = await who.click(message, label)
    assert exchange.modal is not None
    return exchange.modal


def value(modal: Modal, field: str) -> str:
    """What stands in a field already."""
    return str(modal.field(field).data.get("value", ""))


async def refused(home: House, who: Member, exchange: Exchange) -> Message:
    """The refusal as this member sees it."""
    await home.refusal(exchange)
    return await home.sandbox.wait_for(
        lambda message: message.ephemeral_to == who.id and came_of(message, exchange), seen_by=who
    )


async def test_remixing_without_a_change_draws_the_same(home: House, shared: None) -> None:
    exchange = await home.imagine(
        home.ada, "<lora:thnos:0.8> in a suit, (red:1.2)", negative_prompt="rain", seed=7, steps=3, size="96x64"
    )
    first = await drawing_of(home, exchange)
    assert first.prompt == "thnos monster in a suit, (red:1.2)"
    modal = await form(home.ben, await home.result(exchange), "Remix")
    text = value(modal, "Settings")
    assert text.startswith("thnos monster in a suit, (red:1.2) <lora:ada/thnos:0.8>\nNegative prompt: rain\nSteps: 3,")
    second = await drawing_of(home, await home.ben.submit(modal, {"Settings": text}))
    for name in ("prompt", "negative_prompt", "seed"):
        assert getattr(second, name) == getattr(first, name)
    (use,) = second.adapters
    assert (use.blob, use.weight) == (first.adapters[0].blob, 0.8)
    assert (second.settings.num_inference_steps, second.settings.width, second.settings.height) == (3, 96, 64)


@pytest.mark.parametrize(
    ("written", "carried"),
    [
        ("<lora:thnos:0.8> in a suit", "thnos monster in a suit <lora:thnos:0.8>"),
        ("a thnos <lora:thnos:0.8:0.5> in a suit", "a thnos <lora:thnos:0.8:0.5> in a suit"),
        ("a fox, <lora:thnos:0.5>", "a fox, thnos monster <lora:thnos:0.5>"),
        ("a (fox:1.2)", "a (fox:1.2)"),
    ],
)
async def test_what_a_picture_carries_makes_the_same_when_it_is_pasted(
    home: House, training: Message, written: str, carried: str
) -> None:
    first = await drawing_of(home, await home.imagine(home.ada, written, seed=7))
    assert first.prompt_written == carried  # as the engine writes it into the picture
    pasted = f"{carried}\nSteps: 2, Seed: 7, Size: 64x64"
    second = await drawing_of(home, await home.imagine(home.ada, pasted))
    assert (second.prompt, second.adapters, second.seed) == (first.prompt, first.adapters, 7)


async def test_what_is_changed_in_the_form_is_drawn(home: House) -> None:
    card = await home.drawn(home.ada, "a fox", seed=7)
    modal = await form(home.ada, card, "Remix")
    text = value(modal, "Settings").replace("a fox", "a bear").replace("Seed: 7", "Seed: 8") + ", Clip skip: 2"
    drawn = await drawing_of(home, await home.ada.submit(modal, {"Settings": text}))
    assert (drawn.prompt, drawn.seed, drawn.settings.clip_skip) == ("a bear", 8, 2)


async def test_who_lost_an_adapter_can_not_remix(home: House, shared: None) -> None:
    card = await home.drawn(home.ben, "<lora:ada/thnos:0.8> in a suit")
    modal = await form(home.ben, card, "Remix")
    await (await home.ada.slash("adapter unshare", channel=CHANNEL, name="thnos")).response()
    assert "does not share it here" in await home.refusal(await home.ben.click(card, "Remix"))
    sent = await home.ben.submit(modal, {"Settings": value(modal, "Settings")})  # the form was open still
    assert "There is no adapter `ada/thnos` that you can use" in await home.refusal(sent)


async def test_what_no_form_holds_is_a_file(home: House) -> None:
    card = await home.drawn(home.ada, "fox " * 499, negative_prompt="rain " * 399)
    exchange = await home.ada.click(card, "Remix")
    answer = await exchange.response(PATIENCE_S)
    (file,) = answer.files
    assert file.data.decode().startswith("fox fox")
    assert "and a form holds 4,000" in answer.content


async def test_a_refused_prompt_comes_back_in_a_form(home: House) -> None:
    exchange = await home.imagine(
        home.ada, "a fox in a <lora:nobody:0.5> suit", negative_prompt="rain", steps=3, seed=7, count=2, size="64"
    )
    answer = await refused(home, home.ada, exchange)
    assert labels(answer) == [EDIT]
    written = "a fox in a <lora:nobody:0.5> suit\nNegative prompt: rain\nSteps: 3, Seed: 7, Size: 64"
    assert answer.embeds[0]["description"] == f"```\n{written}\n```"
    modal = await form(home.ada, answer, EDIT)
    assert value(modal, "Prompt") == "a fox in a <lora:nobody:0.5> suit"
    assert value(modal, "Negative prompt") == "rain"
    sent = await home.ada.submit(
        modal, {"Prompt": "a fox", "Negative prompt": "rain", "Settings": "Steps: 3, Seed: 7, Size: 64x96"}
    )
    drawn = await drawing_of(home, sent)
    assert (drawn.prompt, drawn.negative_prompt, drawn.seed, drawn.settings.height) == ("a fox", "rain", 7, 96)
    job = await home.job(sent.id)
    assert job is not None
    assert job.imagine.count == 2


async def test_refused_settings_come_back_too_and_again(home: House) -> None:
    answer = await refused(home, home.ada, await home.imagine(home.ada, "a fox", steps=10_000))
    modal = await form(home.ada, answer, EDIT)
    assert value(modal, "Settings") == "Steps: 10000"
    sent = await home.ada.submit(modal, {"Prompt": "a fox", "Negative prompt": "", "Settings": "Steps: many"})
    answer = await refused(home, home.ada, sent)
    assert answer.content == "Steps must be a number, got `many`: correct it, or leave it out."
    modal = await form(home.ada, answer, EDIT)
    assert value(modal, "Settings") == "Steps: many"
    nonsense = await home.ada.submit(modal, {"Prompt": "a fox", "Negative prompt": "", "Settings": "as before"})
    assert "`as before` holds no settings" in await home.refusal(nonsense)


async def test_triggers_stay_what_they_were(home: House, training: Message) -> None:
    """What was not strict when it was typed is not when it comes back."""
    answer = await refused(home, home.ada, await home.imagine(home.ada, "in a suit", adapter="thnos", steps=0))
    modal = await form(home.ada, answer, EDIT)
    assert value(modal, "Prompt") == "<lora:thnos:1> in a suit"
    values = {"Prompt": "<lora:thnos:1> in a suit", "Negative prompt": "", "Settings": ""}
    assert (await drawing_of(home, await home.ada.submit(modal, values))).prompt == "thnos monster in a suit"


async def test_a_refusal_outlives_a_restart_as_text(home: House) -> None:
    answer = await refused(home, home.ada, await home.imagine(home.ada, "a fox", steps=10_000))
    home.services.drafts._kept.clear()  # as a restart does
    words = await home.refusal(await home.ada.click(answer, EDIT))
    assert words == "What you wrote is not kept any more: copy it from the message above, and send it anew."


async def test_no_fence_and_no_length_breaks_a_refusal(home: House) -> None:
    answer = await refused(home, home.ada, await home.imagine(home.ada, "``` @everyone " * 200))
    (file,) = answer.files
    assert file.data.decode().startswith("``` @everyone")
    assert labels(answer) == [EDIT]
