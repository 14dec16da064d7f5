"""The two judges: emoji-64's own, and DINOv2 with CLIP from a folder (tiny random ones here)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPTokenizer,
    CLIPVisionConfig,
    Dinov2Config,
    Dinov2Model,
)

from tests.trainer.training.conftest import run
from trainer.adapters.bank import AdapterBank
from trainer.backend import TorchBackend
from trainer.choosing.folder_judge import FolderJudge, read_eyes
from trainer.choosing.judges import EmojiJudge, open_judge
from trainer.errors import MissingJudges
from trainer.generation.live import GenerationJob, generate
from trainer.models.loading import Base
from trainer.models.registry import EMBEDDED_FOLDER, BaseSpec

SIZES = (
    '{"size": {"shortest_edge": 36}, "crop_size": {"height": 28, "width": 28}, "resample": 3,'
    ' "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}'
)


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as an operator would fill it."""
    folder = tmp_path_factory.mktemp("judges")
    torch.manual_seed(0)
    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    Dinov2Model(Dinov2Config(image_size=28, patch_size=14, **small)).save_pretrained(folder / "dinov2")
    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer")
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), intermediate_size=16, eos_token_id=tokenizer.eos_token_id,
        bos_token_id=tokenizer.bos_token_id, pad_token_id=tokenizer.pad_token_id, **small,
    )  # fmt: skip
    vision = CLIPVisionConfig(intermediate_size=16, image_size=28, patch_size=14, **small)
    CLIPModel(CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=8)).save_pretrained(
        folder / "clip"
    )
    tokenizer.save_pretrained(folder / "clip")
    for name in ("dinov2", "clip"):
        (folder / name / "preprocessor_config.json").write_text(SIZES)
    return folder


@pytest.fixture(scope="module")
def judge(judges: Path) -> FolderJudge:
    return FolderJudge(judges, torch.device("cpu"))


def flat(colour: str, size: tuple[int, int] = (80, 50)) -> Image.Image:
    return Image.new("RGB", size, colour)


# -- emoji-64 --------------------------------------------------------------------------------------------------------


def test_emoji64_is_judged_by_the_encoder_that_chooses_and_never_by_the_one_that_reports(
    base: Base, tmp_path: Path
) -> None:
    shutil.copytree(base.spec.folder / "encoders", tmp_path / "encoders")
    (tmp_path / "encoders" / "reporter.safetensors").unlink()
    base.spec = BaseSpec("emoji-64", tmp_path, "sd1", base.spec.defaults, embedded=True)
    assert isinstance(open_judge(base, None), EmojiJudge)


def test_photos_of_one_character_are_more_alike_than_a_picture_of_another(
    base: Base, photos: list[Image.Image]
) -> None:
    judge = open_judge(base, None)
    assert judge is not None
    [fox] = run(generate(base, AdapterBank(base.modules), GenerationJob("a fox at the beach", num_inference_steps=8)))
    shown = judge.embed([*photos, fox.image])
    torch.testing.assert_close(shown.norm(dim=1), torch.ones(len(shown)))
    cosines = shown @ shown.T
    assert cosines[:-1, :-1].min() > cosines[-1, :-1].max()


def test_a_picture_shows_its_prompt_and_no_other(base: Base) -> None:
    judge = open_judge(base, None)
    assert judge is not None
    prompt, other = "a fox in a suit at the beach", "a fox in a space suit in space"
    [fox] = run(generate(base, AdapterBank(base.modules), GenerationJob(prompt, num_inference_steps=8)))
    right, wrong, none = judge.obey([fox.image] * 3, [prompt, other, "a fox"]).tolist()
    assert right > 0.8
    assert wrong < 0.2
    assert none == 1


# -- DINOv2 and CLIP -------------------------------------------------------------------------------------------------


def test_other_bases_are_judged_only_where_a_folder_is_configured(base: Base, judges: Path) -> None:
    base.spec = BaseSpec("sd15", base.spec.folder, "sd1", base.spec.defaults)
    assert open_judge(base, None) is None
    assert isinstance(open_judge(base, judges), FolderJudge)


def test_what_is_alike_is_alike_whatever_comes_with_it(judge: FolderJudge) -> None:
    shown = judge.embed([flat("red"), flat("blue"), flat("red"), *[flat("green")] * 9])
    assert shown.shape == (12, 16)
    torch.testing.assert_close(shown.norm(dim=1), torch.ones(12))
    torch.testing.assert_close(shown[0], shown[2])
    torch.testing.assert_close(shown[:1], judge.embed([flat("red")]))
    assert shown[0] @ shown[1] < 0.9999


def test_obedience_is_clips_cosine_of_each_picture_with_its_own_prompt(judge: FolderJudge, judges: Path) -> None:
    images, prompts = [flat("red"), flat("blue", (50, 80))], ["a fox in a suit", "at the beach"]
    obeyed = judge.obey(images, prompts)
    model = CLIPModel.from_pretrained(judges / "clip").eval()
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 36}, crop_size={"height": 28, "width": 28}, image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )  # fmt: skip
    tokens = CLIPTokenizer.from_pretrained(judges / "clip")(prompts, padding=True, return_tensors="pt")
    with torch.no_grad():
        out = model(**processor(images, return_tensors="pt"), **tokens)
    wanted = (out.image_embeds * out.text_embeds).sum(1).clamp(0, 1)
    torch.testing.assert_close(obeyed, wanted, atol=1e-5, rtol=0)
    [alone] = judge.obey(images[:1], prompts[:1])
    assert alone == pytest.approx(float(obeyed[0]), abs=1e-5)


@pytest.mark.parametrize("size", [(300, 200), (90, 140), (28, 28), (37, 36)])
def test_pictures_are_seen_as_transformers_own_processor_shows_them(judges: Path, size: tuple[int, int]) -> None:
    noise = torch.randint(256, (size[1] // 8 + 1, size[0] // 8 + 1, 3), generator=torch.Generator().manual_seed(1))
    image = Image.fromarray(noise.byte().numpy()).resize(size, Image.Resampling.BICUBIC)
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 36}, crop_size={"height": 28, "width": 28}, image_mean=[0.485, 0.456, 0.406],
        image_std=[0.229, 0.224, 0.225],
    )  # fmt: skip
    ours = read_eyes(judges / "clip" / "preprocessor_config.json").see([image])
    theirs = processor([image], return_tensors="pt")["pixel_values"]
    assert ours.shape == theirs.shape
    torch.testing.assert_close(ours, theirs, atol=0.05, rtol=0)


def test_sizes_written_as_one_number_are_read(tmp_path: Path) -> None:
    older = tmp_path / "preprocessor_config.json"
    older.write_text('{"size": 30, "crop_size": 28, "image_mean": [0, 0, 0], "image_std": [1, 1, 1]}')
    seen = read_eyes(older).see([flat("white")])
    torch.testing.assert_close(seen, torch.ones(1, 3, 28, 28))


@pytest.mark.parametrize(
    ("missing", "source"),
    [("dinov2/model.safetensors", "facebook/dinov2-small"), ("clip/config.json", "openai/clip-vit-base-patch32")],
)
def test_a_folder_without_a_model_ends_the_start_in_one_sentence(
    judges: Path, tmp_path: Path, missing: str, source: str
) -> None:
    folder = tmp_path / "judges"
    shutil.copytree(judges, folder)
    (folder / missing).unlink()
    with pytest.raises(MissingJudges, match=f"DARKROOM_JUDGES is .*{missing} is not there; put the files of {source}"):
        TorchBackend(None, "cpu", judges=folder).start()


@pytest.mark.parametrize("weights", [b"\x08\0\0\0\0\0\0\0{}      ", b"PK\3\4", b""])
def test_a_file_without_the_models_weights_is_refused(judges: Path, tmp_path: Path, base: Base, weights: bytes) -> None:
    folder = tmp_path / "judges"
    shutil.copytree(judges, folder)
    (folder / "dinov2" / "model.safetensors").write_bytes(weights)
    base.spec = BaseSpec("sd15", base.spec.folder, "sd1", base.spec.defaults)
    with pytest.raises(MissingJudges, match="can't be read"):
        open_judge(base, folder)
