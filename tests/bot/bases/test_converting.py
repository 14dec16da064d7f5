"""`darkroom convert`: a child with limits and without secrets, which runs nothing of what it opens."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from bot.bases import inventory
from bot.bases.inventory import convert
from bot.cli import app
from bot.errors import UserError


async def test_a_child_that_dies_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "in.pt")
    monkeypatch.setattr(inventory, "CONVERTING", "trainer.models.no_such_module")
    with pytest.raises(UserError, match="more memory or time"):
        await convert(tmp_path / "in.pt", tmp_path / "out.safetensors")
    assert [path.name for path in tmp_path.iterdir()] == ["in.pt"]


async def test_a_child_that_takes_for_ever_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "in.pt")
    monkeypatch.setattr(inventory, "LOOK_S", 0.01)
    with pytest.raises(UserError, match="took longer"):
        await convert(tmp_path / "in.pt", tmp_path / "out.safetensors")


async def test_where_it_goes_is_checked(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "in.pt")
    (tmp_path / "there.safetensors").write_bytes(b"")
    for target in ("out.ckpt", "there.safetensors", "no/out.safetensors"):
        with pytest.raises(UserError, match="can't be made"):
            await convert(tmp_path / "in.pt", tmp_path / target)
    with pytest.raises(UserError, match="There is no file"):
        await convert(tmp_path / "none.pt", tmp_path / "out.safetensors")


def test_the_command_says_what_was_made(tmp_path: Path) -> None:
    torch.save({"emb": torch.ones(2, 768)}, tmp_path / "in.pt")
    ended = CliRunner().invoke(app, ["convert", str(tmp_path / "in.pt"), str(tmp_path / "out.safetensors")])
    assert ended.exit_code == 0, ended.output
    assert "1 tensors, 0.0 MB" in ended.output.replace("\n", "")
    ended = CliRunner().invoke(app, ["convert", str(tmp_path / "in.pt"), str(tmp_path / "out.safetensors")])
    assert ended.exit_code == 1
