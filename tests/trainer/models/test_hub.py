"""Bases by hub id: from the cache without asking anybody, else downloaded once, and what is said where neither goes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import huggingface_hub.constants
import pytest

from tests.trainer.bases import make_base
from tests.trainer.models.hub import COMMIT, serve
from trainer.errors import MissingBases
from trainer.models.hub import choose_files
from trainer.models.loading import load_base
from trainer.models.registry import find_bases

FETCH = """
import sys
from trainer.errors import MissingBases
from trainer.models.hub import fetch, locate
try:
    fetch(sys.argv[1:])
except MissingBases as fault:
    sys.exit(f"refused: {fault}")
print(locate(sys.argv[1]))
"""


@pytest.fixture
def cache(tiny_bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The Hugging Face cache with the snapshot of ``me/tiny`` in it, laid out by hand."""
    repository = tmp_path / "hub" / "models--me--tiny"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    shutil.copytree(tiny_bases / "sd2", repository / "snapshots" / COMMIT)
    (repository / "snapshots" / COMMIT / "darkroom.json").unlink()
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return repository / "snapshots" / COMMIT


def test_what_is_cached_is_used_without_a_network(cache: Path) -> None:
    [spec] = find_bases(None, ["me/tiny"])
    assert (spec.name, spec.family, spec.folder) == ("tiny", "sd2", cache)
    assert load_base(spec).encode_prompts(["thnos"]).embeddings.shape == (1, 77, 64)


def test_a_hub_base_stands_beside_the_folders_and_has_its_defaults_there(
    cache: Path, tiny_bases: Path, tmp_path: Path
) -> None:
    bases = tmp_path / "bases"
    shutil.copytree(tiny_bases / "sd1", bases / "sd1")
    (bases / "tiny.json").write_text('{"width": 448}')
    assert [(spec.name, spec.defaults.width) for spec in find_bases(bases, ["me/tiny"])] == [("sd1", 64), ("tiny", 448)]


def test_what_is_cached_in_part_is_not_there(cache: Path) -> None:
    (cache / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    with pytest.raises(MissingBases, match="me/tiny is not in the Hugging Face cache"):
        find_bases(None, ["me/tiny"])


def test_a_base_that_is_not_cached_does_not_take_the_others_along(tiny_bases: Path, cache: Path) -> None:
    shutil.rmtree(cache.parents[1])
    assert len(find_bases(tiny_bases, ["me/tiny"])) == 6


def fetch(home: Path, hub_id: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Fetch in a process of its own, since huggingface_hub reads its settings when it is imported."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", FETCH, hub_id], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "0", **environment},
    )  # fmt: skip


def test_it_is_downloaded_once_without_pickles_and_in_float16(tmp_path: Path) -> None:
    repository = make_base(tmp_path / "repository", "sd1", variant="fp16")
    (repository / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"float32")
    (repository / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"pickle")
    (repository / "whole.ckpt").write_bytes(b"pickle")
    (repository / "safety_checker").mkdir()
    (repository / "safety_checker" / "model.safetensors").write_bytes(b"not needed")
    with serve(repository) as hub:
        first = fetch(tmp_path / "home", "me/tiny", HF_ENDPOINT=hub.address)
        asked, hub.asked = hub.asked, []
        second = fetch(tmp_path / "home", "me/tiny", HF_ENDPOINT=hub.address)
    assert first.returncode == 0, first.stderr
    assert "hub.downloading" in first.stdout
    assert second.stdout.splitlines()[-1] == first.stdout.splitlines()[-1]
    assert hub.asked == []
    folder = Path(second.stdout.splitlines()[-1])
    names = {path.relative_to(folder).as_posix() for path in folder.rglob("*.*") if path.is_file()}
    assert {name for name in names if "unet" in name} == {
        "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors",
    }  # fmt: skip
    assert not [name for name in names if name.endswith((".ckpt", ".bin")) or "safety" in name]
    assert not [request for request in asked if "pickle" in request or ".bin" in request]


@pytest.mark.parametrize(("hub_id", "said"), [("me/none", "is not there"), ("me/gated", "asks for your consent")])
def test_what_the_hub_does_not_give_is_said(tmp_path: Path, hub_id: str, said: str) -> None:
    with serve(tmp_path) as hub:
        refused = fetch(tmp_path / "home", hub_id, HF_ENDPOINT=hub.address)
    assert refused.returncode == 1
    assert f"refused: {hub_id} {said}" in refused.stderr
    assert "HF_TOKEN" in refused.stderr


def test_a_repository_of_single_files_is_to_be_downloaded_by_hand(tmp_path: Path) -> None:
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "photon.safetensors").write_bytes(b"weights")
    with serve(tmp_path / "repository") as hub:
        refused = fetch(tmp_path / "home", "me/tiny", HF_ENDPOINT=hub.address)
    assert "me/tiny on the Hugging Face hub is no model in diffusers format" in refused.stderr


@pytest.mark.parametrize("environment", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_without_a_network_it_is_said_what_to_do(tmp_path: Path, environment: dict[str, str]) -> None:
    refused = fetch(tmp_path / "home", "me/tiny", **environment)
    assert "refused: me/tiny is not in the Hugging Face cache and can't be downloaded" in refused.stderr
    assert "hf download me/tiny" in refused.stderr


def test_of_every_part_the_smaller_weights_are_chosen() -> None:
    names = [
        "model_index.json", "sd_xl_base_1.0.safetensors", "unet/config.json", "unet/model.onnx",
        "unet/diffusion_pytorch_model.safetensors", "unet/diffusion_pytorch_model.fp16.safetensors",
        "vae/config.json", "vae/diffusion_pytorch_model.safetensors", "text_encoder/flax_model.msgpack",
        "text_encoder/model-00001-of-00002.safetensors", "text_encoder/model-00002-of-00002.safetensors",
        "text_encoder/model.safetensors.index.json", "unet/diffusion_pytorch_model.non_ema.safetensors",
        "tokenizer/merges.txt", "vae_1_0/config.json", "text_encoder/pytorch_model.bin",
    ]  # fmt: skip
    assert sorted(choose_files(names)) == sorted([
        "model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.fp16.safetensors", "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors", "text_encoder/model-00001-of-00002.safetensors",
        "text_encoder/model-00002-of-00002.safetensors", "text_encoder/model.safetensors.index.json",
        "tokenizer/merges.txt",
    ])  # fmt: skip
