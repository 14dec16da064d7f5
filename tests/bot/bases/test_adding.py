"""Base models into the operator's folder: whole or not at all, from this machine or from an address."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import save_file
from typer.testing import CliRunner

from bot.bases import adding
from bot.bases.adding import STAGE, check_name, propose_name
from bot.cli import app
from bot.errors import UserError
from tests.bot.bases.models import SMALL_MODEL, look_here, write_model
from trainer.models.registry import EMBEDDED_FOLDER, find_bases

SHA256 = hashlib.sha256(SMALL_MODEL).hexdigest()


@pytest.fixture
def bases(tmp_path: Path) -> Path:
    folder = tmp_path / "bases"
    folder.mkdir()
    return folder


async def test_a_file_is_copied_and_then_found_by_workers(bases: Path, tmp_path: Path) -> None:
    told: list[tuple[int, int | None]] = []
    source = write_model(tmp_path / "Photon v1 (pruned).safetensors")
    staged = await adding.stage_local(source, bases, lambda *now: told.append(now))
    assert (staged.base.family, staged.base.width) == ("sd1", 512)
    assert list(bases.glob("*")) == [bases / STAGE]
    place = adding.install(staged, bases, staged.proposed_name)
    assert place == bases / "Photon-v1-pruned.safetensors"
    assert [base.name for base in find_bases(bases)] == ["Photon-v1-pruned"]
    assert told[-1] == (len(SMALL_MODEL), len(SMALL_MODEL))
    assert source.exists()
    assert list((bases / STAGE).iterdir()) == []


async def test_of_a_folder_what_a_base_needs_is_copied(bases: Path, tmp_path: Path) -> None:
    source = shutil.copytree(EMBEDDED_FOLDER, tmp_path / "mine")
    (source / "unet" / "diffusion_pytorch_model.bin").write_bytes(b"a pickle")
    (source / "run.py").write_text("print()")
    adding.install(await adding.stage_local(source, bases, look=look_here), bases, "mine")
    assert not list(bases.rglob("*.bin"))
    assert not list(bases.rglob("*.py"))
    assert [base.name for base in find_bases(bases)] == ["mine"]


async def test_what_is_no_base_is_refused_before_it_is_copied(bases: Path, tmp_path: Path) -> None:
    lora = tmp_path / "lora.safetensors"
    save_file({"lora_unet_mid_block.lora_down.weight": torch.zeros(4, 4)}, lora)
    with pytest.raises(UserError, match="a LoRA, no base model"):
        await adding.stage_local(lora, bases, look=look_here)
    pickle = tmp_path / "model.ckpt"
    pickle.write_bytes(b"\x80\x02")
    with pytest.raises(UserError, match=r"`darkroom convert model.ckpt model.safetensors`"):
        await adding.stage_local(pickle, bases)
    with pytest.raises(UserError, match="There is no"):
        await adding.stage_local(tmp_path / "nothing", bases)
    assert list(bases.iterdir()) == []


async def test_a_disk_that_is_full_is_told_before(bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adding, "SPARE_BYTES", 2**62)
    with pytest.raises(UserError, match="is the most"):
        await adding.stage_local(write_model(tmp_path / "a.safetensors"), bases, look=look_here)


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", ".hidden", "a" * 65, "vae", "-x", "a b", "taken", "folder"])
def test_names_are_plain_and_free(bases: Path, name: str) -> None:
    write_model(bases / "taken.safetensors")
    (bases / "folder").mkdir()
    with pytest.raises(UserError, match=r"is no name for a model|already"):
        check_name(bases, name)


@given(st.text(max_size=100))
def test_every_title_makes_a_name(title: str) -> None:
    name = propose_name(title)
    assert name == "vae" or check_name(Path("/nowhere"), name) == name or name.startswith("_")


def test_a_base_is_removed_with_its_description_and_nothing_else(bases: Path) -> None:
    write_model(bases / "photon.safetensors")
    write_model(bases / "photon2.safetensors")
    (bases / "photon.json").write_text("{}")
    (bases / "notes.json").write_text("{}")
    assert len(adding.remove(bases, "photon")) == 2
    assert {path.name for path in bases.iterdir()} == {"photon2.safetensors", "notes.json"}
    for name in ("photon", "notes", "..", "photon2.safetensors"):
        with pytest.raises(UserError, match="There is no model"):
            adding.remove(bases, name)


class TestCommands:
    @pytest.fixture(autouse=True)
    def here(self, bases: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("DARKROOM_BASES", str(bases))
        monkeypatch.setenv("COLUMNS", "200")

    def test_add_list_and_remove(self, bases: Path, tmp_path: Path) -> None:
        source = write_model(tmp_path / "photon.safetensors")
        added = CliRunner().invoke(app, ["models", "add", str(source)], input="mine\n")
        assert (added.exit_code, (bases / "mine.safetensors").exists()) == (0, True), added.output
        assert "Stable Diffusion 1.x, 512 × 512" in added.output
        (bases / "broken.safetensors").write_bytes(b"x")
        listed = CliRunner().invoke(app, ["models", "list"])
        assert SHA256[:10] in listed.output
        assert "Not used: broken.safetensors is no whole .safetensors file" in listed.output
        assert CliRunner().invoke(app, ["models", "remove", "mine"], input="n\n").exit_code == 1
        assert CliRunner().invoke(app, ["models", "remove", "mine", "--yes"]).exit_code == 0
        assert not (bases / "mine.safetensors").exists()

    def test_a_name_that_is_taken_is_told_before_anything_is_copied(self, bases: Path, tmp_path: Path) -> None:
        source = write_model(tmp_path / "photon.safetensors")
        write_model(bases / "photon.safetensors")
        ended = CliRunner().invoke(app, ["models", "add", str(source), "--name", "photon"])
        assert ended.exit_code == 1
        assert "already: take another name" in ended.output
        assert not (bases / STAGE).exists()

    def test_without_a_folder_the_way_out_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DARKROOM_BASES", "")
        ended = CliRunner().invoke(app, ["models", "add", "x.safetensors"])
        assert (ended.exit_code, ended.output) == (
            2, "DARKROOM_BASES is not set: name a folder for base models first.\n"
        )  # fmt: skip
