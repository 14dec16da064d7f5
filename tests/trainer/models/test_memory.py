"""How much memory a training needs, for the published sizes, and what is said where there is too little."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import psutil
import pytest
import torch
from diffusers import UNet2DConditionModel

from tests.trainer.models.published import UNETS, VAE, make_parts
from tests.trainer.training.conftest import job
from trainer.adapters.bank import AdapterBank
from trainer.backend import TorchBackend
from trainer.contract.requests import Layers, Method
from trainer.errors import UserFault
from trainer.models import memory
from trainer.models.families import Family
from trainer.models.loading import Base, load_base
from trainer.models.memory import GB, Limits, ModelSize, estimate_training, find_limits, measure, read_size
from trainer.models.registry import find_bases
from trainer.training.continuing import Source
from trainer.training.estimating import estimate
from trainer.training.lora import LoraLearner
from trainer.training.preparing import resolve
from trainer.training.recipes import MODULES

RESOLUTIONS: dict[Family, int] = {"sd1": 512, "sd2": 768, "sdxl": 1024}


@pytest.fixture(scope="module", params=RESOLUTIONS)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.fixture(scope="module")
def size(family: Family) -> ModelSize:
    """That of the published model."""
    shapes = {part: {name: tuple(tensor.shape) for name, tensor in state.items()}
              for part, state in make_parts(family).items()}  # fmt: skip
    text = {f"{part}.{name}": shape for part in shapes if "text" in part for name, shape in shapes[part].items()}
    return measure(shapes["unet"], shapes["vae"], text, UNETS[family], VAE["block_out_channels"])


def gigabytes(size: ModelSize, family: Family, method: Method, **options: bool | int) -> float:
    adafactor = method == "dreambooth" and family == "sdxl"
    learned = 0 if method == "textual_inversion" else size.count_lora(16)
    asked = {"resolution": RESOLUTIONS[family], "adafactor": adafactor, "learned": learned, **options}
    return estimate_training(size, method, **asked) / GB  # type: ignore[arg-type]


def test_the_parameters_are_as_many_as_published(family: Family, size: ModelSize) -> None:
    published = {
        "sd1": (859_520_964, 123_060_480, 3_188_736),
        "sd2": (865_910_724, 340_387_840, 3_319_808),
        "sdxl": (2_567_463_684, 817_720_320, 23_224_320),
    }
    assert (size.unet, size.text_encoders, size.count_lora(16)) == published[family]  # a LoRA of rank 16
    assert (size.vae, size.vae_width, size.vae_scale_factor) == (83_653_863, 256, 8)


def test_the_whole_model_needs_several_times_what_a_lora_needs(family: Family, size: ModelSize) -> None:
    whole, lora = (gigabytes(size, family, method) for method in ("dreambooth", "lora"))
    # weights, gradients and moments in float32 beside the frozen base: what nobody gets by with less than
    least = size.unet * (4 + 4 + (0 if family == "sdxl" else 8)) / GB
    assert whole > least + 2 * size.unet / GB
    assert whole > 3 * lora
    assert gigabytes(size, family, "textual_inversion") < lora


def test_it_grows_with_what_is_asked_for(family: Family, size: ModelSize) -> None:
    usual = gigabytes(size, family, "lora", checkpointing=False)
    assert gigabytes(size, family, "lora", checkpointing=False, batch=2) > usual
    assert gigabytes(size, family, "lora", checkpointing=False, resolution=RESOLUTIONS[family] + 256) > usual
    larger = size.count_lora(32, MODULES["attention_ff"])
    assert larger > 3 * size.count_lora(16)
    assert gigabytes(size, family, "lora", checkpointing=False, learned=larger) > usual
    assert gigabytes(size, family, "lora", checkpointing=True) < usual
    assert gigabytes(size, family, "lora", checkpointing=False, gpu=False) > usual
    assert gigabytes(size, family, "dreambooth", text_encoder=True, ema=True) > gigabytes(size, family, "dreambooth")


def test_what_a_step_keeps_is_what_torch_keeps() -> None:
    """At two sizes, so that the attention matrices, which ``meta`` makes and a GPU does not, can be taken out."""
    kept = [kept_by_torch("sd1", side) for side in (16, 32)]
    linear = (16 * kept[0] - kept[1]) / 12  # kept = linear · latents + square · latents²
    assert memory.count_features(UNETS["sd1"]) * 16**2 == pytest.approx(linear, rel=0.15)


def kept_by_torch(family: Family, side: int) -> int:
    """Numbers that torch keeps for the gradient of one step on latents of this side."""
    with torch.device("meta"):
        unet = UNet2DConditionModel(**UNETS[family])
        inputs = torch.empty(1, 4, side, side), torch.empty(1), torch.empty(1, 77, 768)
    own = {parameter.untyped_storage()._cdata for parameter in unet.parameters()}
    kept: dict[int, torch.UntypedStorage] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            kept[storage._cdata] = storage  # held, so that no other takes its place
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        unet(*inputs)
    return sum(storage.nbytes() // 4 for storage in kept.values())


@pytest.mark.parametrize("name", ["sd1", "sd2", "sdxl"])
def test_both_forms_of_a_base_are_of_the_same_size(tiny_bases: Path, name: str) -> None:
    specs = {spec.name: spec for spec in find_bases(tiny_bases)}
    folder, file = read_size(specs[name]), read_size(specs[f"{name}-file"])
    assert folder.unet == file.unet > 1_000_000
    assert folder.vae == file.vae
    assert (folder.layers, folder.features, folder.vae_width) == (file.layers, file.features, file.vae_width)
    assert min(folder.layers.values()) > 0
    assert folder.text_encoders <= file.text_encoders  # SD2's file has a layer that is not used


@pytest.mark.parametrize("layers", MODULES)
def test_a_lora_has_as_many_parameters_as_are_counted(tiny_bases: Path, layers: Layers) -> None:
    for spec in find_bases(tiny_bases):
        base = load_base(spec)
        recipe = resolve(base, job(target_modules=layers, rank=8), 3)
        learner = LoraLearner(base, AdapterBank(base.modules), recipe)
        learned = sum(parameter.numel() for group in learner.groups for parameter in group["params"])
        assert read_size(spec).count_lora(8, recipe.target_modules) == learned


def test_the_copy_to_roll_back_to_is_counted_where_there_is_one() -> None:
    size = ModelSize(0, 0, 0, {}, 0.0, 0, 8)

    def need(learned: int) -> float:
        return estimate_training(size, "lora", resolution=8, learned=learned) - estimate_training(
            size, "lora", resolution=8
        )

    most = memory.MOST_KEPT
    assert need(most) == pytest.approx(1.1 * most * (12 + 12 + 4))  # weight and moments twice, the gradient once
    assert need(most + 1) == pytest.approx(1.1 * most * (12 + 4))


def test_a_method_without_the_memory_is_refused_with_the_one_that_has(tiny_bases: Path) -> None:
    spec = next(spec for spec in find_bases(tiny_bases) if spec.name == "sdxl")
    size, (least, most) = read_size(spec), spec.defaults.resolutions
    need = partial(estimate_training, size, "dreambooth", gpu=False, adafactor=True)
    assert find_limits(spec, 64 * 10**9, gpu=False) == Limits({}, dict.fromkeys(get_args(Method), most))
    refused = find_limits(spec, need(resolution=least) - 1, gpu=False)
    assert list(refused.unavailable) == ["dreambooth"]
    assert refused.most_resolution.keys() == set(get_args(Method)) - {"dreambooth"}
    sentence = refused.unavailable["dreambooth"]
    assert sentence.startswith("The method `dreambooth` needs about 0.3 GB of memory on sdxl, and 0.")
    assert "choose the method `lora`, which needs about 0." in sentence
    between = find_limits(spec, need(resolution=most) - 1, gpu=False)
    assert between.unavailable == {}
    assert least <= between.most_resolution["dreambooth"] < between.most_resolution["lora"] == most
    nothing = find_limits(spec, 1000, gpu=False)
    assert set(nothing.unavailable) == set(get_args(Method))
    assert nothing.most_resolution == {}
    assert "choose another base model" in nothing.unavailable["lora"]


def test_a_training_is_estimated_with_its_own_layers_or_those_of_what_it_goes_on_from(base: Base) -> None:
    recipe = resolve(base, job(rank=4), 3)
    wide = resolve(base, job(rank=64, target_modules="attention_ff_conv"), 3)
    with_prior = resolve(base, job(rank=4, prior_weight=1.0), 3)
    source = Source({"unet.x.lora_A.weight": torch.zeros(4, 10**6)})
    needs = [estimate(base, recipe)[0], estimate(base, with_prior)[0], estimate(base, wide)[0]]
    assert needs == sorted(set(needs))
    assert estimate(base, recipe, source)[0] > needs[0] + 4 * 10**6 * 20


def test_what_no_empty_device_has_room_for_is_refused_before_it_begins(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = resolve(base, job(rank=4), 3)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=10**7, available=10**7))
    with pytest.raises(UserFault, match=r"needs about 0\.\d GB of memory, and 0\.0 GB are there: choose a smaller `r"):
        estimate(base, recipe)


@pytest.mark.parametrize(("free", "refused"), [(64 * GB, set()), (1e6, set(get_args(Method)))])
def test_the_bot_is_told_what_the_worker_has_no_memory_for(
    tiny_bases: Path, monkeypatch: pytest.MonkeyPatch, free: float, refused: set[Method]
) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda device: int(free))
    ready = TorchBackend(tiny_bases, "cpu").start()
    assert {base.name: set(base.unavailable) for base in ready.bases} == {base.name: refused for base in ready.bases}
    assert all(set(base.most_resolution) == set(get_args(Method)) - refused for base in ready.bases)
    assert all(reason.endswith(".") for base in ready.bases for reason in base.unavailable.values())


def test_the_free_memory_is_the_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 0 < memory.free_bytes(torch.device("cpu")) <= psutil.virtual_memory().total
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (7, 24))
    assert memory.free_bytes(torch.device("cuda:0")) == 7
    assert memory.all_bytes(torch.device("cuda:0")) == 24
    assert memory.all_bytes(torch.device("cpu")) == psutil.virtual_memory().total
