"""Textual inversion files, in A1111's form and in diffusers'."""

from __future__ import annotations

import contextlib

import pytest
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load, save
from transformers import CLIPTokenizer

from tests.trainer.adapters.tiny import WIDTH, make_text_encoder, make_unet, make_vae
from trainer.adapters.embedding_files import Embedding, read_embedding, write_diffusers_embedding, write_embedding
from trainer.errors import BadAdapterFile
from trainer.models.registry import EMBEDDED_FOLDER


def vectors(count: int, sdxl: bool, width: int = WIDTH) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(count)
    first = {"text_encoder": torch.randn(count, width, generator=rng)}
    return first | ({"text_encoder_2": torch.randn(count, width + 2, generator=rng)} if sdxl else {})


@given(st.integers(1, 75), st.booleans(), st.booleans())
def test_both_forms_are_read_back(count: int, sdxl: bool, diffusers: bool) -> None:
    expected = vectors(count, sdxl)
    write = write_diffusers_embedding if diffusers else write_embedding
    found, metadata = read_embedding(write(Embedding("thnos", expected), {"darkroom.base": "b"}))
    assert metadata["darkroom.base"] == "b"
    assert found.count == count
    assert found.trigger == ("thnos" if diffusers and not sdxl else "")
    assert found.vectors.keys() == expected.keys()
    assert all(torch.equal(found.vectors[tower], tensor) for tower, tensor in expected.items())


def test_the_tensors_are_named_as_a1111_and_diffusers_name_them() -> None:
    one, two = Embedding("thnos", vectors(2, sdxl=False)), Embedding("thnos", vectors(2, sdxl=True))
    assert load(write_embedding(one, {})).keys() == {"emb_params"}
    assert load(write_diffusers_embedding(one, {})).keys() == {"thnos"}
    assert (
        load(write_embedding(two, {})).keys() == load(write_diffusers_embedding(two, {})).keys() == {"clip_l", "clip_g"}
    )


@pytest.mark.parametrize("diffusers", [False, True])
def test_diffusers_takes_the_vectors_up(diffusers: bool) -> None:
    expected = vectors(3, sdxl=False)
    write = write_diffusers_embedding if diffusers else write_embedding
    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer")
    encoder = make_text_encoder("sd1")
    encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    pipeline = StableDiffusionPipeline(
        vae=make_vae(), text_encoder=encoder, tokenizer=tokenizer, unet=make_unet("sd1"),
        scheduler=DDIMScheduler(steps_offset=1, clip_sample=False),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.load_textual_inversion(load(write(Embedding("<thnos>", expected), {})), token="<thnos>")
    ids = tokenizer.convert_tokens_to_ids(["<thnos>", "<thnos>_1", "<thnos>_2"])
    assert torch.equal(encoder.get_input_embeddings().weight[ids].detach(), expected["text_encoder"])


@pytest.mark.parametrize(
    ("names", "trigger"),
    [
        (("emb_params",), ""), (("string_to_param.*",), ""), (("string_to_param",), ""), (("thnos",), "thnos"),
        (("clip_l", "clip_g"), ""), (("text_encoders_0", "text_encoders_1"), ""),
    ],
)  # fmt: skip
def test_every_programs_form_is_read(names: tuple[str, ...], trigger: str) -> None:
    expected = vectors(3, sdxl=len(names) == 2)
    data = save(dict(zip(names, expected.values(), strict=True)))
    found, _ = read_embedding(data)
    assert found.trigger == trigger
    assert found.vectors.keys() == expected.keys()
    assert all(torch.equal(found.vectors[tower], tensor) for tower, tensor in expected.items())


_NAMES = st.text(max_size=12) | st.sampled_from(["emb_params", "string_to_param.*", "clip_l", "clip_g"])


@given(st.dictionaries(_NAMES, st.lists(st.integers(0, 3), max_size=3), max_size=3))
def test_whatever_a_file_holds_it_is_read_or_refused(shapes: dict[str, list[int]]) -> None:
    with contextlib.suppress(BadAdapterFile):
        found, _ = read_embedding(save({name: torch.ones(shape) for name, shape in shapes.items()}))
        assert found.count > 0
        assert len(found.vectors) == len(shapes)


def test_one_vector_may_come_without_a_row() -> None:
    found, _ = read_embedding(save({"cat": torch.ones(WIDTH)}), "thnos")
    assert (found.trigger, found.vectors["text_encoder"].shape) == ("thnos", (1, WIDTH))


@pytest.mark.parametrize(
    ("tensors", "reason"),
    [
        ({"emb_params": torch.full((1, WIDTH), float("nan"))}, "not finite"),
        ({"emb_params": torch.ones(76, WIDTH)}, r"shape \(76, 8\) for the text_encoder; 1 to 75 rows"),
        ({"emb_params": torch.ones(0, WIDTH)}, "1 to 75 rows"),
        ({"emb_params": torch.ones(2, 2, WIDTH)}, "1 to 75 rows"),
        ({"emb_params": torch.tensor(1.0)}, "1 to 75 rows"),
        ({"emb_params": torch.ones(2, 1024)}, "its vectors are 1024 wide, this base needs 8: .* another family"),
        ({"clip_l": torch.ones(2, WIDTH), "clip_g": torch.ones(3, 10)}, "different numbers of vectors"),
        ({"clip_l": torch.ones(2, WIDTH), "clip_g": torch.ones(2, 10)}, "are 8 and 10 wide, this base needs 8"),
        ({"clip_l": torch.ones(2, WIDTH), "other": torch.ones(2, 10)}, "it holds 'clip_l', 'other', and needs"),
        ({"x.lora_A.weight": torch.ones(2, WIDTH)}, "a part of a model"),
        ({}, "it holds nothing"),
    ],
)
def test_a_broken_file_gives_one_sentence(tensors: dict[str, torch.Tensor], reason: str) -> None:
    with pytest.raises(BadAdapterFile, match=reason):
        read_embedding(save(tensors), widths={"text_encoder": WIDTH})
