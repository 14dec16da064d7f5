"""`/describe`, and the message command: settings out of pictures, told to whoever asks, alone."""

from __future__ import annotations

import pytest

from sandbox.members import Exchange, File, Member, Message
from tests.bot.describing.files import A1111, graph, png, with_exif
from tests.discord.house import CHANNEL, PATIENCE_S, House, labels
from tests.discord.house import png as plain_png
from trainer.contract import infotext

pytestmark = pytest.mark.asyncio(loop_scope="module")

NO_SETTINGS = (
    "carries no settings: Discord's previews, screenshots and most websites lose them, so send the original file."
)


async def told(home: House, who: Member, exchange: Exchange) -> Message:
    """What this member alone is told, once it stands there; nothing of the picture stays behind."""
    answer = await exchange.response(PATIENCE_S)
    said = await home.sandbox.wait_for(
        lambda message: message.id == answer.id and bool(message.content), seen_by=who, timeout_s=PATIENCE_S
    )
    assert said.ephemeral_to == who.id
    assert list((home.settings.darkroom_data / "incoming").glob("*")) == []
    return said


async def describe(home: House, file: File) -> Message:
    return await told(home, home.ben, await home.ben.slash("describe", channel=CHANNEL, picture=file))


async def describe_message(home: House, message: Message) -> Message:
    return await told(home, home.ben, await home.ben.message_command("Describe picture", message))


@pytest.mark.parametrize(
    ("data", "program", "text"),
    [
        (png({"parameters": A1111}), "A1111", A1111),
        (with_exif("JPEG", {}, comment=b"UNICODE\0" + A1111.encode("utf-16-be")), "A1111", A1111),
        (
            png({"prompt": graph()}),
            "ComfyUI",
            "a fox in a suit <lora:thnos:0.8> <lora:ink:0.5:1>\nNegative prompt: rain\nSteps: 20, Sampler: DPM++ 2M,"
            " Schedule type: Karras, CFG scale: 7.5, Seed: 42, Size: 512x768, Model: dream_8, VAE: ft-mse, Clip skip:"
            " 2",
        ),
    ],
)
async def test_the_settings_are_a_block_to_copy_with_their_program(
    home: House, data: bytes, program: str, text: str
) -> None:
    said = await describe(home, File("fox.png", data))
    assert said.content == f"`fox.png`, by {program}:\n```\n{text}\n```"


async def test_what_is_longer_than_a_message_is_a_file(home: House) -> None:
    text = A1111.replace("a fox", "a fox, " * 400)
    said = await describe(home, File("fox.png", png({"parameters": text})))
    assert said.content == "`fox.png`, by A1111:"
    (file,) = said.files
    assert (file.filename, file.data) == ("settings.txt", text.encode())


async def test_a_prompt_pings_nobody_and_does_not_leave_its_block(home: House) -> None:
    said = await describe(home, File("a.png", png({"parameters": "``` @everyone\nSteps: 1, Seed: 2, Size: 8x8"})))
    assert said.content == "`a.png`, by A1111:"
    assert len(said.files) == 1


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (plain_png(), f"`x.png` {NO_SETTINGS}"),
        (b"GIF89a", "`x.png` is no PNG, JPEG or WEBP picture: send the file as the program saved it."),
        (
            png({"parameters": "a" * 1_000_000}),
            "`x.png` carries more than 512 kB of text, which is more than settings are: copy them in the program that"
            " made it, and paste those.",
        ),
    ],
)
async def test_what_holds_no_settings_is_one_sentence(home: House, data: bytes, words: str) -> None:
    assert (await describe(home, File("x.png", data))).content == words


async def test_all_pictures_of_a_message(home: House) -> None:
    files = [File("1.png", png({"parameters": A1111})), File("2.png", plain_png()), File("notes.txt", b"a note")]
    said = await describe_message(home, await home.cleo.post("look", files=files, channel=CHANNEL))
    assert said.content == f"`1.png`, by A1111:\n```\n{A1111}\n```\n`2.png` {NO_SETTINGS}"


async def test_a_message_without_pictures(home: House) -> None:
    said = await describe_message(home, await home.cleo.post("hello", channel=CHANNEL))
    assert said.content == ("There is no picture in this message: use it on one with a PNG, JPEG or WEBP attached.")


async def test_our_own_are_known_whatever_became_of_the_file(home: House) -> None:
    """The backend of the tests writes no texts into its PNGs."""
    card = await home.drawn(home.ada, "a fox in a suit", seed=7, count=2)
    said = await describe_message(home, card)
    *settings, seeds = (await home.settings_of(home.ada, card)).split("\n")
    assert said.content == "\n".join(["As they were drawn here:", "```", *settings, "```", "Seeds: 7, 8"])
    assert seeds == "Seeds: 7, 8"


async def test_a_reader_that_dies_takes_nothing_down(home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.describing.reading.CHILD", "bot.describing.nothing")
    said = await describe(home, File("x.png", plain_png()))
    assert said.content == "`x.png` can't be read: copy the settings in the program that made it instead."
    home.expect_error("describing.died")


@pytest.mark.parametrize("times", [1, 200])  # in the message, and in a file
async def test_what_is_described_can_be_drawn(home: House, times: int) -> None:
    text = f"{'a fox, ' * times}\nNegative prompt: rain\nSteps: 2, Seed: 9, Size: 64x64, Module: canny"
    said = await describe(home, File("fox.png", png({"parameters": text})))
    exchange = await home.ben.click(said, "Draw this")
    assert exchange.modal is not None
    filled_in = exchange.modal.field("Settings").data["value"]
    assert filled_in == infotext.read(text).text
    sent = await home.ben.submit(exchange.modal, {"Settings": filled_in})
    result = await home.result(sent)
    job = await home.job(sent.id)
    assert job is not None
    drawing = job.imagine.drawings[0]
    assert (drawing.prompt, drawing.seed) == (f"{'a fox, ' * times}".strip(), 9)
    assert "`Module` of the settings does nothing here." in job.imagine.ignored
    assert "Settings" in labels(result)


async def test_several_descriptions_have_no_button(home: House) -> None:
    files = [File("1.png", png({"parameters": A1111})), File("2.png", png({"parameters": A1111}))]
    said = await describe_message(home, await home.cleo.post("look", files=files, channel=CHANNEL))
    assert labels(said) == []
