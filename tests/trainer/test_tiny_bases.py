"""Bases other than the embedded one: random weights in the layouts of SD1.5 (epsilon) and SD2 (v-prediction)."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from PIL import Image
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from tests.trainer.training.conftest import job, run, start, write
from trainer.adapters.bank import AdapterBank
from trainer.adapters.files import read_lora
from trainer.errors import MissingBases
from trainer.generation.pipeline import GenerationJob, generate
from trainer.models.loading import Base, load_base
from trainer.models.registry import EMBEDDED_FOLDER, find_bases

SIZE = '{"width": 64, "height": 64, "max_side": 128}'


def make_base(folder: Path, prediction_type: str, text_width: int = 32) -> Path:
    """A whole pipeline of random weights, some hundred kilobytes, as ``save_pretrained`` writes it."""
    torch.manual_seed(0)
    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer")
    end = tokenizer.eos_token_id
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL(
            block_out_channels=(8, 8, 8, 8), down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, norm_num_groups=4,
        ),
        text_encoder=CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer), hidden_size=text_width, intermediate_size=64, num_hidden_layers=2,
                num_attention_heads=4, bos_token_id=end - 1, eos_token_id=end, pad_token_id=end,
            )
        ),
        tokenizer=tokenizer,
        unet=UNet2DConditionModel(
            sample_size=8, block_out_channels=(16, 32), layers_per_block=1, cross_attention_dim=text_width,
            down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
            up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
            norm_num_groups=8, attention_head_dim=4,
        ),
        scheduler=PNDMScheduler(
            beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", skip_prk_steps=True, steps_offset=1,
            prediction_type=prediction_type,
        ),
        safety_checker=None, feature_extractor=None, requires_safety_checker=False,
    )  # fmt: skip
    pipeline.save_pretrained(folder)
    (folder / "darkroom.json").write_text(SIZE)
    return folder


@pytest.fixture(scope="module", params=["epsilon", "v_prediction"])
def tiny(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """One of the two, found in a folder of bases as an operator's would be."""
    bases = tmp_path_factory.mktemp("bases")
    make_base(bases / "tiny", request.param)
    [spec] = find_bases(bases)
    return load_base(spec)


@pytest.mark.parametrize("kind", ["subject", "face", "style"])
def test_it_trains_and_draws_with_what_it_learned(tiny: Base, photos: list[Image.Image], kind) -> None:
    bank = AdapterBank(tiny.modules)
    learned = run(start(tiny, photos, job(kind, steps=3, learning_rate=1e-2), bank=bank).run())
    assert math.isfinite(learned.final_loss)
    assert learned.steps == 3
    bank.add("thnos", read_lora(write(learned)).weights)
    request = GenerationJob("thnos monster", num_inference_steps=3, width=72, height=64)
    [plain] = run(generate(tiny, bank, request))
    [taught] = run(generate(tiny, bank, GenerationJob(**(request.__dict__ | {"adapters": {"thnos": 1.0}}))))
    bank.remove("thnos")
    assert plain.image.size == (72, 64)
    assert plain.image.tobytes() != taught.image.tobytes()


def test_sdxl_alone_is_told_apart_from_nothing(tmp_path: Path) -> None:
    make_base(tmp_path / "xl", "epsilon")
    shutil.copytree(tmp_path / "xl" / "text_encoder", tmp_path / "xl" / "text_encoder_2")
    with pytest.raises(MissingBases, match=r"xl.*SDXL"):
        find_bases(tmp_path)
