"""What members do wrong is answered with one sentence, to them alone, that names the value and the way out."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from PIL import Image

from bot.photos import LEAST_PHOTOS
from sandbox.members import File
from tests.discord.backend import ENDLESS, OTHER_BASE, UNAVAILABLE
from tests.discord.house import CHANNEL, PATIENCE_S, House, png, small_photos
from trainer.contract.looks import clean
from trainer.contract.prompt import strip_comments

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module", autouse=True)
async def _adapters(module_house: House) -> AsyncIterator[None]:
    await module_house.trained(module_house.ada, "thnos")
    await module_house.trained(module_house.ada, "marble", base=OTHER_BASE)
    yield


@pytest.fixture(params=[PATIENCE_S, 0.0], ids=["at once", "after a while"])
def _pace(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the channel has seen "is thinking…" by then."""
    monkeypatch.setattr("bot.ui.answers.PATIENCE_S", request.param)


def one_sentence(words: str) -> None:
    """A statement, after it perhaps the question of what was meant; never a report, never a list of lines."""
    assert "\n" not in words
    assert words[-1] in ".?"
    assert len(words) <= 300
    for ours in ("Traceback", "Error", "None", "went wrong"):
        assert ours not in words


def gif() -> bytes:
    buffer = io.BytesIO()
    frames = [Image.new("RGB", (64, 64), (shade, 0, 0)) for shade in (0, 200)]
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def megapixels() -> bytes:
    buffer = io.BytesIO()
    Image.new("1", (13_000, 13_000)).save(buffer, "PNG")
    return buffer.getvalue()


def zip_of(count: int) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for number in range(count):
            archive.writestr(f"{number:03}.png", png(number))
    return buffer.getvalue()


# -- photos -----------------------------------------------------------------------------------------------------------

FILES = [
    ([File("one.png", png())], "One photo is too few to learn from: attach 3 to 10 photos"),
    ([File("notes.jpg", b"dear diary, today"), *small_photos()], "`notes.jpg` is text and no photo: send a JPEG, PNG"),
    ([*small_photos(), File("dance.gif", gif())], "`dance.gif` is a GIF: send a JPEG, PNG, WEBP or HEIC photo instead"),
    ([*small_photos(), File("dance.png", gif())], "`dance.png` is a GIF"),
    ([*small_photos(), File("empty.jpg", b"")], "`empty.jpg` is empty"),
    ([*small_photos(), File("half.png", png(side=256)[:60])], "`half.png` is damaged and can't be opened"),
    ([*small_photos(), File("tiny.png", png(side=8))], "`tiny.png` is 8 × 8 pixels, too small to learn from"),
    ([File("huge.png", megapixels()), *small_photos()], "`huge.png` has 169 megapixels (13000 × 13000), and 40 are"),
    ([File("few.zip", zip_of(2))], "`few.zip` holds 2 photos: a training needs 3 to 100, so add some more."),
    ([File("many.zip", zip_of(101))], "`many.zip` holds 101 files, and 100 photos are the most: leave some out."),
    ([File("a.zip", zip_of(3)), *small_photos()], "`a.zip` is a zip among other files"),
    ([File("bad.zip", b"PK\x03\x04 and no more")], "`bad.zip` is damaged, or no zip of the usual kind"),
]


@pytest.mark.parametrize(("files", "words"), FILES, ids=lambda value: value if isinstance(value, str) else None)
@pytest.mark.usefixtures("_pace")
async def test_photos_that_can_not_be_learned_from(home: House, files: list[File], words: str) -> None:
    answer = await home.refusal(await home.train(home.ada, "fresh", files=files))
    one_sentence(answer)
    assert words in answer


async def test_no_photos_through_the_form(home: House) -> None:
    opened = await home.ada.slash("train", channel=CHANNEL, name="fresh", consent=True)
    unsent = await home.ada.submit(opened.modal, {})
    assert unsent.error == "Photos: this field is required."  # Discord's own client says so
    unsent = await home.ada.submit(opened.modal, {"Photos": small_photos(11)})
    assert unsent.error == "Photos: 1 to 10 are possible, not 11."
    refused = await home.refusal(await home.ada.submit(opened.modal, {"Photos": small_photos(2)}))
    one_sentence(refused)
    assert "2 photos are too few" in refused


async def test_a_message_of_too_few_photos(home: House) -> None:
    posted = await home.ada.post(files=small_photos(LEAST_PHOTOS - 1), channel=CHANNEL)
    refused = await home.refusal(await home.ada.message_command("Train on these photos", posted))  # without a form
    one_sentence(refused)
    assert "2 photos are too few" in refused


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "proposal"),
    [
        ("ada/thnos", "ada-thnos"), ("../../etc/passwd", "etc-passwd"), ("😀", "my-subject"), ("x" * 200, "x" * 32),
        ("Grüße aus Köln", "grue-aus-koln"), ("@everyone", "everyone"), ("<@11000000202>", "11000000202"),
        ("a`b", "a-b"), ("thnos:1", "thnos-1"), ("two words", "two-words"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("by_form", [False, True])
async def test_names_that_no_prompt_could_hold(home: House, name: str, proposal: str, by_form: bool) -> None:
    if by_form:
        opened = await home.ada.slash("train", channel=CHANNEL, name=name, consent=True)
        exchange = await home.ada.submit(opened.modal, {"Photos": small_photos()})
    else:
        exchange = await home.train(home.ada, name)
    refused = await home.refusal(exchange)
    one_sentence(refused)
    assert f"for example `{proposal}`" in refused
    assert "@everyone" not in refused
    assert await home.consent(exchange.id) is None


@pytest.mark.usefixtures("_pace")
async def test_a_name_that_is_being_learned(home: House) -> None:
    exchange = await home.train(home.ada, "marbel", class_word=ENDLESS)
    await exchange.response(PATIENCE_S)
    refused = await home.refusal(await home.train(home.ada, "marbel"))
    one_sentence(refused)
    assert "A training of yours for `marbel` is under way: take another name, for example `marbel-2`" in refused
    await (await home.ada.slash("cancel", channel=CHANNEL, job=str(exchange.id))).response(PATIENCE_S)

    async def is_over() -> bool:
        job = await home.job(exchange.id)
        return job is not None and job.is_final

    await home.until(is_over)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"class_word": "@everyone"}, "can't be a class word"),
        ({"class_word": "x" * 300}, "can't be a class word"),
        ({"class_word": "<lora:x>"}, "can't be a class word"),
        ({"base": "sdxl-turbo"}, "There is no model `sdxl-turbo`: choose one of `emoji-64`, `sketch-64`."),
        ({"base": "@everyone"}, "There is no model"),
    ],
)
async def test_other_options_of_a_training(home: House, options: dict[str, str], words: str) -> None:
    refused = await home.refusal(await home.train(home.ada, "fresh", **options))
    one_sentence(refused)
    assert words in refused
    assert "@everyone" not in refused


# -- recipes and captions ---------------------------------------------------------------------------------------------

RECIPES = [
    ({"advanced": "rank: 0"}, "`advanced`, line 1: rank must be between 1 and 128, got 0: choose one in between."),
    ({"advanced": "rank: 10,000"}, "rank must be between 1 and 128, got 10,000"),
    ({"advanced": "learning_rate: nan"}, "learning_rate must be a number such as 100, 0.5 or 1e-4, got `nan`."),
    ({"advanced": "rnak: 8"}, "There is no setting `rnak`: did you mean `rank`?"),
    ({"advanced": "steps: 9\nsteps: 10\nrank: 0"}, "line 2: steps is set in line 1 already: leave one out (one more"),
    ({"advanced": "@everyone"}, "sets nothing: write a key and a value"),
    ({"advanced": "captions: @everyone {0}"}, "captions must have {} where the trigger goes, and no other braces"),
    ({"advanced": "rank: 8", "method": "textual_inversion"}, "rank does nothing for the method `textual_inversion`"),
    ({"advanced": "method: pivotal", "method": "lora"}, "method is `pivotal` here and `lora` in the option"),
    ({"advanced": "captions: captioner"}, "captions can't be `captioner`, for whoever runs this bot has set none up"),
    ({"advanced": "captions: photo"}, "captions is `photo`, but no photo brings one: write them with `write_captions`"),
    ({"advanced": "resolution: 1024"}, "resolution must be between 64 and 128, got 1,024: choose one in between."),
    ({"method": "dreambooth", "base": OTHER_BASE}, UNAVAILABLE),
    ({"write_captions": True, "advanced": "captions: none"}, "`write_captions` does nothing where `advanced` says"),
    ({"write_captions": True, "consent": False}, "Nothing was fetched"),
    ({"write_captions": True, "name": "@thnos"}, "can't be a name"),
]


@pytest.mark.parametrize(("options", "words"), RECIPES, ids=lambda value: str(value)[:60])
async def test_a_recipe_that_can_not_be_trained_is_refused_before_a_photo_is_fetched(
    home: House, options: dict[str, Any], words: str
) -> None:
    fetched = home.sandbox.faults.add("GET", "/cdn/", times=100)
    exchange = await home.train(home.ada, **{"name": "fresh", **options})
    assert exchange.modal is None
    refused = await home.refusal(exchange)
    one_sentence(refused)
    assert words in refused
    assert "@everyone" not in refused
    assert fetched.struck == 0
    assert await home.consent(exchange.id) is None


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"advanced": "learning_rate: nan"}, "got `nan`"),
        ({"method": "dreambooth", "base": OTHER_BASE}, UNAVAILABLE),
        ({"base": "nothing"}, "There is no model `nothing`"),
        ({"write_captions": True}, "`write_captions` needs the photos in the command"),
    ],
)
async def test_a_recipe_is_refused_before_a_form_is_filled_in_in_vain(
    home: House, options: dict[str, Any], words: str
) -> None:
    exchange = await home.ada.slash("train", channel=CHANNEL, name="fresh", consent=True, **options)
    assert exchange.modal is None
    refused = await home.refusal(exchange)
    one_sentence(refused)
    assert words in refused


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("12: in the garden", "There is no photo 12 to put `in the garden` under: 3 photos were attached"),
        ("1: a\n1: b", "Photo 1 has two captions: leave one out."),
        ("@everyone", "says no photo: begin each line with a number"),
    ],
)
async def test_captions_of_photos_that_do_not_exist(home: House, text: str, words: str) -> None:
    opened = await home.train(home.ada, "fresh", write_captions=True)
    refused = await home.refusal(await home.ada.submit(opened.modal, {"Captions": text}))
    one_sentence(refused)
    assert words in refused
    assert "@everyone" not in refused


def zip_with(names: dict[str, str]) -> list[File]:
    """Three photos, and texts beside them."""
    buffer = io.BytesIO(zip_of(3))
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, text in names.items():
            archive.writestr(name, text)
    return [File("a.zip", buffer.getvalue())]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"files": zip_with({"000.txt": "a toy", "cat.txt": "a cat"})}, "`cat.txt` in `a.zip` is the caption of no"),
        ({"files": zip_with({"readme.txt": "hello"}), "advanced": "captions: photo"}, "but no photo brings one"),
        ({"files": zip_with({}), "write_captions": True}, "in a zip the captions lie beside them"),
    ],
)
@pytest.mark.usefixtures("_pace")
async def test_captions_in_a_zip(home: House, options: dict[str, Any], words: str) -> None:
    refused = await home.refusal(await home.train(home.ada, "fresh", **options))
    one_sentence(refused)
    assert words in refused


# -- prompts and numbers ----------------------------------------------------------------------------------------------

LONG_NAME = "x" * 1_900


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": "x" * 3_000}, "The prompt has 3,000 characters"),
        ({"prompt": "a fox", "negative_prompt": "x" * 3_000}, "The negative_prompt has 3,000 characters"),
        ({"prompt": "a (fox:1000)"}, "The brackets give `fox` the weight 1,000; at most 100"),
        ({"prompt": "a fox", "negative_prompt": "(@everyone:-1000)"}, "the weight -1,000; at most 100"),
        ({"prompt": "a (fox:[600:1.2:0.5])"}, "The brackets give `fox` the weight 600; at most 100"),
        ({"prompt": "a fox", "negative_prompt": "(cap:[1.1:600:3])"}, "The brackets give `cap` the weight 600"),
        ({"prompt": "<lora:x:1>" * 60}, "60 adapters in one prompt; at most 8, so take some out"),
        ({"prompt": "a <lora:x:NaN> fox"}, "`<lora:x:NaN>` has the weight NaN; use a number from -5 to 5"),
        ({"prompt": "a <lora:x:1e9> fox"}, "`<lora:x:1e9>` has the weight 1e9; use a number from -5 to 5"),
        ({"prompt": "a <lora:x:inf> fox"}, "has the weight inf"),
        ({"prompt": "a <lora:x:> fox"}, "has the weight nothing"),
        ({"prompt": "a <lora:> fox"}, "names no adapter"),
        ({"prompt": "a <lora:x:1:1:1> fox"}, "has 3 weights"),
        ({"prompt": "a <lora:@everyone:NaN> fox"}, "has the weight NaN"),
        ({"prompt": f"a <lora:{LONG_NAME}:NaN> fox"}, "has the weight NaN"),
        ({"prompt": f"a <lora:{LONG_NAME}> fox"}, "There is no adapter"),
        ({"prompt": f"a <lora:x:{'9' * 1_900}> fox"}, "has the weight 999"),
        ({"prompt": f"a <lora:{LONG_NAME}:1:2:3> fox"}, "has 3 weights"),
        ({"prompt": "<lora:x:1>" * 9}, "9 adapters in one prompt; at most 8, so take some out"),
        ({"prompt": "<lora:thnos> and <lora:marble>"}, "they can't draw together, so leave one out"),
        ({"prompt": "<lora:marble> fox", "model": "emoji-64"}, "was trained on the model `sketch-64`"),
        ({"prompt": "a fox", "adapter": "thnos", "weight": 1e9}, "has the weight 1e+09"),
        ({"prompt": "a fox", "steps": 0}, "steps must be between 1 and 150, got 0"),
        ({"prompt": "a fox", "steps": 10_000}, "steps must be between 1 and 150, got 10,000"),
        ({"prompt": "a fox", "guidance": 0.5}, "guidance must be between 1 and 30, got 0.5"),
        ({"prompt": "a fox", "guidance": 1e15}, "guidance must be between 1 and 30"),
        ({"prompt": "a fox", "seed": -1}, "seed must be between 0 and 4,294,967,295, got -1"),
        ({"prompt": "a fox", "seed": 2**53}, "seed must be between 0 and 4,294,967,295"),
        ({"prompt": "a fox", "count": 9}, "count must be between 1 and 8, got 9"),
        ({"prompt": "a fox", "sampler": "Eular a"}, "There is no sampler called Eular a; the nearest are Euler a"),
        ({"prompt": "a fox", "sampler": "@everyone"}, "There is no sampler called"),
        ({"prompt": "a fox", "clip_skip": 13}, "clip_skip must be between 1 and 12, got 13"),
        ({"prompt": "a fox", "guidance_rescale": 7}, "guidance_rescale must be between 0 and 1, got 7"),
        ({"prompt": "a fox", "variation_strength": 1.5}, "variation_strength must be between 0 and 1, got 1.5"),
        ({"prompt": "a fox", "variation_seed": 5}, "variation_seed does nothing without `variation_strength`"),
        ({"prompt": "a fox", "settings": "@everyone look"}, "holds no settings: paste what a picture's settings say"),
        ({"prompt": "a fox", "settings": "Steps: 10000, Seed: 5"}, "steps must be between 1 and 150, got 10,000"),
        ({"prompt": "a fox", "settings": "Steps: many"}, "Steps must be a number, got `many`"),
        ({"prompt": "a fox", "settings": "Steps: 9, Sampler: Foo"}, "There is no sampler called Foo"),
        ({"prompt": "a fox", "settings": "Steps: 9, Sampler: DDIM, Schedule type: Foo"}, "There is no scheduler"),
        ({"prompt": "a fox Steps: 9, Seed: 5", "settings": "Steps: 9"}, "into `prompt` and into `settings`"),
        ({"prompt": "a fox", "size": "9:1"}, "size must be between 1:4 and 4:1, got `9:1`"),
        ({"prompt": "a fox", "size": "100x64"}, "width must be a multiple of 8, got 100: take 96."),
        ({"prompt": "a fox", "size": "64x65"}, "height must be a multiple of 8, got 65: take 64."),
        ({"prompt": "a fox", "size": "huge"}, "`huge` is no size: write width x height in pixels"),
        ({"prompt": "a fox", "size": "64x-64"}, "is no size"),
        ({"prompt": "a fox", "size": "8192x8192"}, "width must be between 64 and 128, got 8,192"),
        ({"prompt": "a fox", "size": "0"}, "width must be between 64 and 128, got 0"),
        ({"prompt": "a fox", "model": "nothing"}, "There is no model `nothing`: choose one of `emoji-64`"),
    ],
    ids=lambda value: str(value)[:40],
)  # fmt: skip
async def test_prompts_and_numbers(home: House, options: dict[str, Any], words: str) -> None:
    refused = await home.refusal(await home.ada.slash("imagine", channel=CHANNEL, **options))
    one_sentence(refused)
    assert words in refused


@pytest.mark.parametrize("prompt", [" ", "\u200b", ",", "# a fox", "<nothing:1>", "<lora:thnos:0.8>", "\n\n"])
async def test_an_empty_prompt(home: House, prompt: str) -> None:
    """Nothing to draw is said; a trigger alone is something to draw, unless it was kept out."""
    strict = prompt.startswith("<lora")
    refused = await home.refusal(await home.imagine(home.ada, prompt, strict=strict))
    one_sentence(refused)
    assert "The prompt is empty" in refused
    if strict:
        await home.drawn(home.ada, prompt)


async def test_a_prompt_pings_nobody_at_any_stage(home: House) -> None:
    before = len(home.sandbox.requests)
    picture = await home.drawn(home.ada, "@everyone @here <@1100000000000000202> <@&1100000000000000110> look")
    assert "everyone" in picture.text
    await home.settings_of(home.ada, picture)
    await (await home.ada.slash("jobs", channel=CHANNEL)).response(PATIENCE_S)
    for message in home.shown():
        assert not message.record.mention_everyone
        if message.author == "darkroom":
            assert set(message.record.mention_ids) <= {home.ada.id}  # the ping after a training
    for request in home.sandbox.requests[before:]:
        said = request.json if isinstance(request.json, dict) else {}
        body = said.get("data", said) if request.path.startswith("/interactions/") else said
        if body.get("content"):  # what stands in an embed never pings
            assert body.get("allowed_mentions", {}).get("parse") == [], request


NASTY = [
    "*",
    "_",
    "`",
    "|",
    "\\",
    "@",
    "<@1>",
    "@everyone ",
    "[a](http://b) ",
    "# x ",
    "> ",
    "😀",
    "\u202e",
    "\u0301",
    "{}%s",
]


@pytest.mark.parametrize("unit", NASTY)
async def test_any_prompt_goes_all_the_way(home: House, unit: str) -> None:
    prompt = " ".join(("fox " + unit * 2_000)[:2_000].split())
    exchange = await home.imagine(home.ada, prompt)
    await exchange.response(PATIENCE_S)
    await (await home.ada.slash("jobs", channel=CHANNEL)).response(PATIENCE_S)
    await home.ada.autocomplete("cancel", focused="job", value="fox", channel=CHANNEL)
    picture = await home.result(exchange)
    assert not picture.record.mention_everyone
    answer = await (await home.ada.click(picture, "Settings")).response(PATIENCE_S)
    settings = answer.files[0].data.decode() if answer.files else answer.content.strip("`\n")
    drawn = strip_comments(clean(prompt)).replace("{}", "")  # a choice of nothing
    assert settings.startswith(" ".join(drawn.split()))
