"""Captions by a model that looks at the photos: what it says, in which words it is learned, and what is refused."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import BertTokenizer, BlipForConditionalGeneration

from tests.trainer.captioners import CAPTIONS, make_captioner
from tests.trainer.training.conftest import job, run
from trainer.backend import TorchBackend
from trainer.contract.requests import Kind, Method
from trainer.errors import MissingCaptioner, UserFault
from trainer.training.blip import BlipCaptioner, check_captioner
from trainer.training.captioner import describe_photos, open_captioner
from trainer.training.captions import LONGEST, write_caption

CPU = torch.device("cpu")
RED, BLUE = (Image.new("RGB", (90, 50), colour) for colour in CAPTIONS)


@pytest.fixture(scope="module")
def captioner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as an operator would fill it."""
    return make_captioner(tmp_path_factory.mktemp("captioner"))


@pytest.fixture
def own_folder(captioner: Path, tmp_path: Path) -> Path:
    """The same, to break."""
    return Path(shutil.copytree(captioner, tmp_path / "captioner"))


# -- what it says ----------------------------------------------------------------------------------------------------


def test_it_says_what_is_in_each_photo_one_a_turn(captioner: Path) -> None:
    blip, photos = BlipCaptioner(captioner, CPU), [RED, BLUE, RED.convert("RGBA")]
    assert run(blip.describe(photos)) == [CAPTIONS["red"], CAPTIONS["blue"], CAPTIONS["red"]]
    assert len(list(blip.describe(photos))) == 4  # the first turn loads the model


def test_it_reads_pictures_as_the_model_was_taught_whatever_generation_the_folder_asks_for(own_folder: Path) -> None:
    (own_folder / "generation_config.json").write_text('{"do_sample": true, "temperature": 9.0, "num_beams": 1}')
    said = [run(BlipCaptioner(own_folder, CPU).describe([RED, BLUE])) for _ in range(2)]
    assert said == [list(CAPTIONS.values())] * 2


def models_in_memory() -> int:
    return sum(type(thing) is BlipForConditionalGeneration for thing in gc.get_objects())


@pytest.mark.parametrize("whole", [True, False])
def test_the_model_is_in_memory_only_while_it_describes(captioner: Path, whole: bool) -> None:
    """To the end, or until the training is cancelled."""
    steps = BlipCaptioner(captioner, CPU).describe([RED, BLUE])
    gc.collect()
    assert models_in_memory() == 0
    next(steps)
    assert models_in_memory() == 1
    if whole:
        run(steps)
    else:
        steps.close()
    assert models_in_memory() == 0


def test_words_that_blip_made_up_are_left_out(captioner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BertTokenizer, "decode", lambda *_, **__: "arafed monster with araffes, Arafat and a giraffe")
    assert run(BlipCaptioner(captioner, CPU).describe([RED])) == ["monster with , Arafat and a giraffe"]


# -- in which words it is learned ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("described", "class_word", "kind", "method", "caption"),
    [
        ("a purple monster at a table", "monster", "subject", "lora", "a purple thnos monster at a table"),
        ("a purple monster at a table", "monster", "subject", "textual_inversion", "a purple thnos at a table"),
        ("A Monster and a monster", "monster", "face", "lora", "A thnos monster and a monster"),
        ("two monsters at a table", "monster", "subject", "lora", "thnos monster, two monsters at a table"),
        ("a red  panda\nasleep. ", "red panda", "subject", "pivotal", "a thnos red panda asleep"),
        ("a cat (black)", "c.t", "subject", "lora", "thnos c.t, a cat (black)"),
        ("a cat", "", "subject", "lora", "thnos, a cat"),
        ("a monster on a roof.", "monster", "style", "lora", "a monster on a roof, in thnos style"),
    ],
)
def test_trigger_and_class_word_stand_where_the_class_is_named(
    described: str, class_word: str, kind: Kind, method: Method, caption: str
) -> None:
    assert write_caption(described, "thnos", class_word, kind, method) == caption


def test_nothing_seen_gets_a_template() -> None:
    assert write_caption(" . ", "thnos", "monster", "subject", "lora") == "a photo of thnos monster"
    assert write_caption("", "thnos", "ink", "style", "lora") == "a picture in thnos style"


@given(st.text(max_size=700), st.sampled_from(["monster", "a", "", "red panda"]), st.sampled_from(["subject", "style"]))
def test_a_caption_is_one_line_of_at_most_300_characters_that_says_the_trigger(
    described: str, class_word: str, kind: Kind
) -> None:
    caption = write_caption(described, "thnos", class_word, kind, "lora")
    assert "thnos" in caption
    assert len(caption) <= LONGEST
    assert len(caption.splitlines()) == 1


class Told:
    """A captioner that says what it was told to, and remembers how many pictures it was shown."""

    def __init__(self, *said: str) -> None:
        self.said, self.shown = said, 0

    def describe(self, images: Sequence[Image.Image]) -> Generator[None, None, list[str]]:
        self.shown += len(images)
        yield
        return list(self.said)


def test_what_somebody_wrote_is_left_as_it_is() -> None:
    asked, told = job(captions="captioner"), Told("a monster")
    assert run(describe_photos(told, asked, [RED, BLUE], ("at work", None))) == ["at work", "a thnos monster"]
    assert run(describe_photos(Told("x", "y"), asked, [RED, BLUE], ())) == ["thnos monster, x", "thnos monster, y"]
    assert told.shown == 1


def test_nobody_is_asked_where_nothing_is_to_be_said() -> None:
    nobody = Told()
    assert run(describe_photos(nobody, job(captions="captioner"), [RED], ("at work",))) == ["at work"]
    assert run(describe_photos(nobody, job(), [RED], (None,))) == [None]
    assert nobody.shown == 0


# -- what is refused -------------------------------------------------------------------------------------------------


def test_a_worker_says_whether_it_has_a_captioner(captioner: Path) -> None:
    assert [info.has_captioner for info in TorchBackend(None, "cpu").start().bases] == [False]
    assert [info.has_captioner for info in TorchBackend(None, "cpu", captioner=captioner).start().bases] == [True]
    assert open_captioner(None, CPU) is None


def test_a_training_that_asks_a_worker_without_one_is_refused() -> None:
    with pytest.raises(UserFault, match="captions can't be `captioner`, for this worker has none: take `template`"):
        run(describe_photos(None, job(captions="captioner"), [RED], (None,)))


@pytest.mark.parametrize("name", ["config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_is_not_there_is_named_at_the_start(own_folder: Path, name: str) -> None:
    (own_folder / name).unlink()
    with pytest.raises(MissingCaptioner, match=rf"{name} is not there; put the files .* or unset DARKROOM_CAPTIONER$"):
        TorchBackend(None, "cpu", captioner=own_folder).start()


def test_pickled_weights_are_not_opened(own_folder: Path) -> None:
    (own_folder / "model.safetensors").rename(own_folder / "pytorch_model.bin")
    with pytest.raises(MissingCaptioner, match="is not there, only a pickle, which is never opened; put"):
        TorchBackend(None, "cpu", captioner=own_folder).start()


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ('{"model_type": "florence2", "architectures": ["Other"]}', r"a model of another kind \(florence2\)"),
        ('{"model_type": "blip", "architectures": ["BlipForQuestionAnswering"]}', r"\(BlipForQuestionAnswering\)"),
        ('{"model_type": "blip"}', r"config\.json is not that of a model"),
        ("[1]", r"config\.json is not that of a model"),
        ("{", r"config\.json is not that of a model"),
    ],
)
def test_another_model_is_refused_at_the_start(own_folder: Path, config: str, words: str) -> None:
    (own_folder / "config.json").write_text(config)
    with pytest.raises(MissingCaptioner, match=words):
        TorchBackend(None, "cpu", captioner=own_folder).start()


def test_other_weights_are_refused_at_the_start(own_folder: Path) -> None:
    weights = own_folder / "model.safetensors"
    save_file({"unet": torch.zeros(1)}, weights)
    with pytest.raises(MissingCaptioner, match="holds the weights of another model"):
        check_captioner(own_folder)
    weights.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(MissingCaptioner, match=r"is no whole \.safetensors file"):
        check_captioner(own_folder)


def test_weights_that_lack_some_are_refused_and_never_filled_with_random_ones(own_folder: Path) -> None:
    weights = load_file(own_folder / "model.safetensors")
    del weights["vision_model.post_layernorm.weight"]
    save_file(weights, own_folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(MissingCaptioner, match=r"there are no weights 'vision_model.post_layernorm.weight'\); put"):
        TorchBackend(None, "cpu", captioner=own_folder).start()


@pytest.mark.parametrize("name", ["tokenizer.json", "preprocessor_config.json"])
def test_a_file_that_can_not_be_read_ends_the_start_in_one_sentence(own_folder: Path, name: str) -> None:
    (own_folder / name).write_text("{\n")
    with pytest.raises(MissingCaptioner, match=r"^DARKROOM_CAPTIONER is [^\n]* can't be read [^\n]*$"):
        TorchBackend(None, "cpu", captioner=own_folder).start()
