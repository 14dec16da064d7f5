"""VAEs that an operator offers: which are found, for which bases, and that a picture is made with the one chosen."""

from __future__ import annotations

import io
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from tests.requests import picture_request
from tests.trainer.bases import original_layout
from tests.trainer.worker.test_engine import CARD
from trainer import messages
from trainer.backend import TorchBackend
from trainer.contract import infotext
from trainer.contract.drawings import Drawing, DrawingSettings
from trainer.engine import Engine
from trainer.errors import MissingBases, UserFault
from trainer.generation.easel import Company, Easel
from trainer.generation.painting import paint
from trainer.models.loading import load_base
from trainer.models.registry import EMBEDDED_FOLDER, read_base
from trainer.models.vae_loading import MOST_KEPT, Wardrobe, load_vae
from trainer.models.vaes import VaeSpec, look_for_vaes

VAE = "first_stage_model."


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where an operator puts VAEs."""
    (tmp_path / "vae").mkdir()
    return tmp_path / "vae"


def vaes(folder: Path) -> dict[str, VaeSpec]:
    return {spec.name: spec for spec in look_for_vaes(folder.parent).vaes}


def refusals(folder: Path) -> tuple[str, ...]:
    return look_for_vaes(folder.parent).refused


def original(base: Path) -> dict[str, torch.Tensor]:
    """A base's VAE in the original layout, as files of VAEs have it: without the prefix of whole models."""
    tensors = original_layout(base, "sd1")
    return {name.removeprefix(VAE): tensor.contiguous() for name, tensor in tensors.items() if name.startswith(VAE)}


def old_diffusers(base: Path) -> dict[str, torch.Tensor]:
    """In diffusers' layout with the older names that published files still have."""
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = load_file(base / "vae" / "diffusion_pytorch_model.safetensors")
    for new, name in old.items():
        tensors = {key.replace(f".{new}.", f".{name}."): tensor for key, tensor in tensors.items()}
    return tensors


def softened(folder: Path, target: Path) -> None:
    """A copy of a base's VAE whose pictures are another's: its last layer has half the weight."""
    shutil.copytree(folder / "vae", target)
    [file] = target.glob("*.safetensors")
    tensors = load_file(file)
    last = next(name for name in reversed(tensors) if name.startswith("decoder.") and name.endswith(".weight"))
    save_file(tensors | {last: tensors[last] / 2}, file, {"format": "pt"})


def test_every_layout_holds_the_same_weights(tiny_bases: Path, folder: Path) -> None:
    base = tiny_bases / "sd1"
    shutil.copytree(base / "vae", folder / "a-folder")
    bare = original(base)
    save_file(bare | {"loss.logvar": torch.zeros(1), "model_ema.decay": torch.zeros(1)}, folder / "bare.safetensors")
    save_file({VAE + name: tensor for name, tensor in bare.items()}, folder / "prefixed.safetensors")
    save_file(old_diffusers(base), folder / "old.safetensors")
    found = vaes(folder)
    assert not refusals(folder)
    assert set(found) == {"a-folder", "bare", "prefixed", "old"}
    theirs = load_base(read_base(base)).vae
    for spec in found.values():
        ours = load_vae(spec)
        assert ours.config.scaling_factor == theirs.config.scaling_factor
        assert ours.state_dict().keys() == theirs.state_dict().keys()
        assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())


def test_a_vae_is_offered_for_the_bases_whose_latents_it_knows(tiny_bases: Path, folder: Path) -> None:
    bare = original(tiny_bases / "sd1")
    save_file(bare, folder / "ft-mse.safetensors")
    save_file(bare, folder / "sdxl_vae.safetensors")
    save_file(bare, folder / "told.safetensors")
    (folder / "told.json").write_text('{"family": "sdxl"}')
    shutil.copytree(tiny_bases / "sdxl" / "vae", folder / "by its scale")
    shutil.copytree(EMBEDDED_FOLDER / "vae", folder / "small")
    specs = {name: read_base(tiny_bases / name) for name in ("sd1", "sd2", "sdxl")}
    specs["emoji-64"] = read_base(EMBEDDED_FOLDER, embedded=True)
    offered = {name: {vae.name for vae in vaes(folder).values() if vae.fits(spec)} for name, spec in specs.items()}
    assert offered == {
        "sd1": {"ft-mse"},
        "sd2": {"ft-mse"},
        "sdxl": {"sdxl_vae", "told", "by its scale"},
        "emoji-64": {"small"},
    }
    assert read_base(tiny_bases / "sd1").latents == specs["sdxl"].latents == (4, 8)


def test_what_is_no_vae_is_named_with_the_reason_and_the_others_are_offered(tiny_bases: Path, folder: Path) -> None:
    save_file(original(tiny_bases / "sd1"), folder / "good.safetensors")
    shutil.copytree(tiny_bases / "sd1" / "vae", folder / "Good")
    save_file({"lora_unet_x.alpha": torch.zeros(1)}, folder / "lora.safetensors")
    (folder / "vae.pt").write_bytes(b"\x80")
    (folder / "half.safetensors").write_bytes(b"\x10")
    (folder / "whole").mkdir()
    (folder / "whole" / "config.json").write_text('{"_class_name": "UNet2DConditionModel"}')
    (folder / "wrong.safetensors").symlink_to(folder / "good.safetensors")
    (folder / "wrong.json").write_text('{"famly": "sdxl"}')
    (folder / "README.md").write_text("mine")
    found = look_for_vaes(folder.parent)
    assert [spec.name.lower() for spec in found.vaes] == ["good"]
    for words in (
        "two VAEs called", "lora.safetensors is no VAE of Stable Diffusion", "vae/vae.pt is a pickle",
        "half.safetensors is no whole", "whole is no VAE in diffusers format", "wrong.json can't be read",
    ):  # fmt: skip
        assert any(words in refusal for refusal in found.refused), words
    assert len(found.refused) == 6


@pytest.mark.parametrize("change", ["less", "more"])
def test_a_file_whose_weights_are_not_all_there_is_refused_when_it_is_loaded(
    tiny_bases: Path, folder: Path, change: str
) -> None:
    tensors = original(tiny_bases / "sd1")
    if change == "less":
        del tensors["decoder.conv_out.bias"]
    else:
        tensors["decoder.conv_out.weight"] = torch.zeros(1)
    save_file(tensors, folder / "odd.safetensors")
    with pytest.raises(MissingBases, match=r"the VAE odd\.safetensors can't be loaded"):
        load_vae(vaes(folder)["odd"])


def test_nothing_is_offered_where_no_folder_is(tmp_path: Path) -> None:
    assert not look_for_vaes(None).vaes
    assert not look_for_vaes(tmp_path).vaes


def test_the_last_ones_stay_loaded(tiny_bases: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainer.models import vae_loading

    names = [f"vae{number}" for number in range(MOST_KEPT + 1)]
    for name in names:
        shutil.copytree(tiny_bases / "sd1" / "vae", folder / name)
    loads: Counter[str] = Counter()

    def load(spec: VaeSpec) -> object:
        loads[spec.name] += 1
        return load_vae(spec)

    monkeypatch.setattr(vae_loading, "load_vae", load)
    base, wardrobe = load_base(read_base(tiny_bases / "sd1")), Wardrobe(look_for_vaes(folder.parent).vaes)
    assert wardrobe.dress(base, None) is base
    dressed = [wardrobe.dress(base, name) for name in (*names, names[-1], names[1], names[0])]
    assert all(each.unet is base.unet and each.towers is base.towers and each.vae is not base.vae for each in dressed)
    assert loads == {"vae0": 2, "vae1": 1, "vae2": 1}
    wardrobe.forget()
    wardrobe.dress(base, "vae0")
    assert loads["vae0"] == 3
    with pytest.raises(UserFault, match=r"no VAE 'ft-mse' for sd1; it has vae0, vae1, vae2"):
        wardrobe.dress(base, "ft-mse")


def test_a_picture_is_made_with_the_vae_that_was_chosen_and_says_so(folder: Path) -> None:
    small = folder.parent / "small"
    shutil.copytree(EMBEDDED_FOLDER, small)
    softened(small, folder / "soft")
    (folder / "junk.pt").write_bytes(b"\x80")
    backend = TorchBackend(folder.parent, "cpu")
    ready = backend.start()
    assert [(info.name, info.vaes) for info in ready.bases] == [("small", ("soft",))]
    assert "junk.pt is a pickle" in ready.refused[0]

    def draw(vae: str | None, **settings: object) -> messages.Drawn:
        request = picture_request(CARD, "a fox", base="small", num_inference_steps=2, vae=vae, **settings)
        reports: list[messages.Report] = []
        engine = Engine(backend, reports.append)
        engine.take(messages.StartImagining(request, {}))
        while engine.busy:
            engine.turn()
        assert isinstance(reports[-1], messages.Drawn), reports[-1]
        return reports[-1]

    own, soft, again = draw(None), draw("soft"), draw(None)
    assert own.pictures[0].png == again.pictures[0].png
    grey, full = (torch.tensor(list(_open(drawn).convert("L").tobytes())).float().std() for drawn in (soft, own))
    assert grey < full
    said = infotext.read(str(_open(soft).info["parameters"])).settings
    assert said["VAE"] == "soft"
    assert len(said["VAE hash"]) == 10
    assert "VAE" not in infotext.read(str(_open(own).info["parameters"])).settings


def test_pictures_with_different_vaes_share_a_batch(folder: Path) -> None:
    softened(EMBEDDED_FOLDER, folder / "soft")
    base = load_base(read_base(EMBEDDED_FOLDER, embedded=True))
    easel = Easel(base, wardrobe=Wardrobe(look_for_vaes(folder.parent).vaes))
    one, other = (
        next(paint(easel, Drawing("a fox", "a fox", "", 1, settings=DrawingSettings(vae=vae)), Company(())))
        for vae in (None, "soft")
    )
    assert one.group == other.group


def _open(drawn: messages.Drawn) -> Image.Image:
    return Image.open(io.BytesIO(drawn.pictures[0].png))


def test_a_config_that_is_no_json_is_named(folder: Path) -> None:
    (folder / "broken").mkdir()
    (folder / "broken" / "config.json").write_text(json.dumps([]))
    assert "holds no JSON object" in refusals(folder)[0]
