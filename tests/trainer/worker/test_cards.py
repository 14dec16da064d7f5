"""What cards say: whatever people write, Discord takes it and shows it as it was written."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.requests import picture_request
from trainer import cards
from trainer.contract import looks
from trainer.contract.drawings import AdapterUse, DrawingSettings
from trainer.contract.events import AdapterResult, Outcome, OutputFile
from trainer.contract.prompt import MAX_NETWORKS, MAX_PROMPT
from trainer.contract.requests import Card, ImagineRequest, Recipe, TrainRequest
from trainer.delivery import _embed

CARD = Card(channel_id=1, message_id=2, posted_at=0.0, requester_id=1_100_000_000_000_000_201)
SETTINGS: dict[str, str | int | float] = {"Model": "emoji-64", "Steps": 25, "CFG scale": 3.0, "Size": "64x64"}
FILE = OutputFile(blob="blobs/00/00", filename="thnos.safetensors", content_type="x", size_bytes=3_200_000)
PICTURE = picture_request(CARD)
TRAINING = TrainRequest(
    job_id="8", attempt=1, base="emoji-64", adapter_id="a1", name="thnos", trigger="thnos", class_word="monster",
    kind="subject", photos=("a", "b", "c"), captions=(None,) * 3, recipe=Recipe(), card=CARD,
)  # fmt: skip

# what people write, and what they write to break things
texts = st.one_of(
    st.text(max_size=MAX_PROMPT),
    st.lists(
        st.sampled_from(
            ["@everyone", "<@1>", "<@&2>", "<#3>", "*", "`", "||", "[a](http://b)", "\n", " ", "# x", "\\"]
        ),
        max_size=MAX_PROMPT // 4,
    ).map("".join),
    st.sampled_from("*\n<`\\a ").map(lambda character: character * MAX_PROMPT),
)
adapter_names = st.from_regex(r"([a-z]{1,32}/)?[a-z0-9][a-z0-9_-]{0,31}", fullmatch=True)


def drawn_outcome(pictures: int = 1) -> Outcome:
    file = msgspec.structs.replace(FILE, filename="7.png")
    return Outcome(job_id="7", attempt=1, committed_at=0.0, pictures=(file,) * pictures, settings=SETTINGS, seconds=4.0)


def trained_outcome() -> Outcome:
    adapter = AdapterResult(
        adapter_id="a1", kind="lora", file=FILE, base="emoji-64", base_hash="00", trigger="thnos",
        class_word="monster", rank=16, steps=1200, photos=12, seconds=700.0, final_loss=0.1, trainer_version="0.1.0",
    )  # fmt: skip
    return Outcome(job_id="8", attempt=1, committed_at=0.0, adapter=adapter, seconds=700.0)


def faces_of(request: ImagineRequest) -> list[cards.Face]:
    """Every face of a picture job."""
    return [
        cards.starting(request),
        cards.working(request, 3, 25, 7_000.0, "preview.png"),
        cards.drawn(request, drawn_outcome(), "7.png"),
        cards.failed(request.drawings[0].prompt or "x"),
    ]


def check_fits(face: cards.Face) -> None:
    """Discord's own limits: https://discord.com/developers/docs/resources/message#embed-object-embed-limits"""
    embed = _embed(face).to_dict()
    assert 0 < len(embed["title"]) <= 256
    assert len(embed["description"]) <= 4096
    assert len(embed["footer"]["text"] if "footer" in embed else "") <= 2048
    for row in embed.get("fields", []):
        assert 0 < len(row["name"]) <= 256
        assert 0 < len(row["value"].strip()) <= 1024
    assert len(_embed(face)) <= 6000 - 1024 - 24  # what the delivery may add: a field on files that are too large


@settings(deadline=None)
@given(prompt=texts, negative=texts, uses=st.lists(adapter_names, max_size=MAX_NETWORKS))
def test_a_card_of_any_prompt_fits(prompt: str, negative: str, uses: list[str]) -> None:
    adapters = tuple(AdapterUse(name=name, blob="", weight=0.8) for name in uses)
    request = picture_request(CARD, prompt, negative_prompt=negative, adapters=adapters)
    for face in faces_of(request):
        check_fits(face)


@settings(deadline=None)
@given(name=adapter_names.filter(lambda name: "/" not in name))
def test_a_card_of_any_training_fits(name: str) -> None:
    request = msgspec.structs.replace(TRAINING, name=name, trigger=name)
    for face in (
        cards.starting(request),
        cards.working(request, 3, 400, 7_000.0, "preview.png"),
        cards.trained(request, trained_outcome(), None),
    ):
        check_fits(face)
        assert name in face.title


@settings(deadline=None)
@given(prompt=texts, negative=texts)
def test_what_a_member_writes_mentions_nobody_and_formats_nothing(prompt: str, negative: str) -> None:
    request = picture_request(CARD, prompt, negative_prompt=negative)
    face = cards.drawn(request, drawn_outcome(), None)
    written = [face.text.removesuffix(f"\nfor <@{CARD.requester_id}>"), *(value for _, value in face.fields)]
    for text in written:
        bare = re.sub(r"\\.", "", re.sub(r"(?m)^> ", "", text), flags=re.DOTALL)
        assert not re.search(r"[*_~`|<>\[\]]", bare)
        assert "\\" not in bare  # it would hide what follows


def test_text_is_shown_as_it_was_written() -> None:
    assert looks.plain("a *fox* <lora:x:1>") == r"a \*fox\* \<lora:x:1\>"
    assert cards.starting(PICTURE).text == "> a fox"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.0, "1 s"), (0.4, "1 s"), (40.4, "40 s"), (89.4, "89 s"), (90.0, "2 min"), (190.0, "3 min"),
        (3_599.0, "1 h"), (4_800.0, "1 h 20 min"), (7_200.0, "2 h"), (90_000.0, "25 h"),
    ],
)  # fmt: skip
def test_a_pace_is_in_plain_words(seconds: float, words: str) -> None:
    assert looks.duration(seconds) == words


def test_how_far_it_is_is_in_plain_words() -> None:
    text = cards.working(TRAINING, 1200, 2400, 190.0, None).text
    assert "50 %" in text
    assert "step 1,200 of 2,400 · about 3 min left" in text
    assert text.count("█") == text.count("░")
    assert "left" not in cards.working(TRAINING, 1, 2400, None, None).text
    assert "100 %" in cards.working(TRAINING, 2400, 2400, 0.0, None).text


@settings(deadline=None)
@given(step=st.integers(0, 5_000), steps=st.integers(1, 5_000))
def test_the_bar_is_always_as_long(step: int, steps: int) -> None:
    bar = re.search("`([█░]*)`", cards.working(PICTURE, min(step, steps), steps, None, None).text)
    assert bar is not None
    assert len(bar[1]) == 12


def test_a_result_says_what_it_was_made_with() -> None:
    adapters = (AdapterUse(name="ada/thnos", blob="", weight=0.8),)
    request = picture_request(CARD, negative_prompt="rain", adapters=adapters)
    face = cards.drawn(request, drawn_outcome(4), "large.png")
    assert face.title == "Here they are, 4 of them"
    assert face.fields == (("Without", "rain"), ("Adapters", "ada/thnos at 0.8"))
    assert face.footer == "emoji-64 · 25 steps · guidance 3 · 64 × 64 · seed 11 · 4 s"
    face = cards.trained(TRAINING, trained_outcome(), "large.png")
    assert face.footer == "12 photos · 1,200 steps · rank 16 · 3.2 MB · emoji-64 · 12 min"
    assert "`/imagine prompt:<lora:thnos:0.8> in a suit`" in face.text


def test_a_result_names_the_sampler_that_drew_whoever_chose_it() -> None:
    request = picture_request(CARD)
    outcome = msgspec.structs.replace(drawn_outcome(), settings=SETTINGS | {"Sampler": "LCM", "Steps": 6})
    assert " · LCM · " in cards.drawn(request, outcome, None).footer
    karras = {"Sampler": "DPM++ 2M", "Schedule type": "Karras"}
    outcome = msgspec.structs.replace(outcome, settings=SETTINGS | karras)
    assert " · DPM++ 2M Karras · " in cards.drawn(request, outcome, None).footer
    compared = [
        msgspec.structs.replace(request.drawings[0], settings=DrawingSettings(sampler=name))
        for name in ("LCM", "Euler")
    ]
    grid = msgspec.structs.replace(request, drawings=tuple(compared))
    assert "DPM++" not in cards.drawn(grid, outcome, None).footer


def test_before_it_learns_it_says_what_that_will_take() -> None:
    assert cards.planned(TRAINING, 1200, None, None).text == "Looking at 3 photos…\n1,200 steps"
    text = cards.planned(TRAINING, 1200, 360.0, 5_200_000_000).text
    assert text == "Looking at 3 photos…\n1,200 steps, about 6 min, about 5.2 GB of memory"


def test_a_result_says_how_it_turned_out_and_how_to_draw_with_it() -> None:
    outcome = trained_outcome()
    assert outcome.adapter is not None
    made = msgspec.structs.replace(outcome.adapter, weights=(0.5, 0.7, 0.9))
    outcome = msgspec.structs.replace(outcome, adapter=made, report="It is *very* much like the photos.")
    face = cards.trained(TRAINING, outcome, None)
    assert "`/imagine prompt:<lora:thnos:0.7> in a suit`" in face.text
    assert "at weights from 0.5 to 0.9, and best at 0.7." in face.text
    assert face.fields == (("How it turned out", r"It is \*very\* much like the photos."),)
    sharp = msgspec.structs.replace(outcome, adapter=msgspec.structs.replace(made, weights=(0.7, 0.7, 0.7)))
    assert "It does best at weight 0.7. Only" in cards.trained(TRAINING, sharp, None).text
    whole = msgspec.structs.replace(made, kind="checkpoint", rank=0)
    face = cards.trained(TRAINING, msgspec.structs.replace(outcome, adapter=whole), None)
    assert "`/imagine prompt:<lora:thnos> in a suit`" in face.text
    assert "It is a whole model" in face.text
    assert "rank" not in face.footer
    tiny = msgspec.structs.replace(FILE, size_bytes=3_200)
    small = msgspec.structs.replace(outcome, adapter=msgspec.structs.replace(made, file=tiny))
    assert "3 kB" in cards.trained(TRAINING, small, None).footer


def labels(face: cards.Face) -> list[str]:
    return [label for _, label in face.buttons]


def test_what_may_be_stopped_says_so() -> None:
    assert labels(cards.starting(PICTURE)) == ["Cancel"]
    assert labels(cards.starting(TRAINING)) == ["Pause", "Cancel"]
    assert labels(cards.working(TRAINING, 1, 2, None, None)) == ["Pause", "Stop and keep", "Cancel"]
    for last in (cards.drawn(PICTURE, drawn_outcome(), None), cards.failed("x"), cards.cancelled()):
        assert labels(last) == []
