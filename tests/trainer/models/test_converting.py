"""Pickles into .safetensors: tensors as they are, and nothing else."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from trainer.models.converting import Unfit, convert, refuse


def converted(tmp_path: Path, content: Any, **how: Any) -> dict[str, torch.Tensor]:
    torch.save(content, tmp_path / "in.ckpt", **how)
    assert convert(tmp_path / "in.ckpt", tmp_path / "out.safetensors").error == ""
    return dict(load_file(tmp_path / "out.safetensors"))


def refusal(tmp_path: Path, source: Path) -> str:
    error = convert(source, tmp_path / "out.safetensors").error
    assert [path for path in tmp_path.iterdir() if "out" in path.name] == []
    assert error.startswith(f"{source.name} ")
    return error


@pytest.mark.parametrize("zipped", [True, False])
def test_the_tensors_of_a_checkpoint_are_kept_as_they_are(tmp_path: Path, zipped: bool) -> None:
    shared = torch.arange(6.0).reshape(2, 3)
    state = {
        "a.weight": torch.randn(4, 3, dtype=torch.float16),
        "b": shared,
        "c": shared.t(),
        "ids": torch.arange(77),
        "d": torch.ones(2, dtype=torch.bfloat16),
        "e": torch.zeros(2, dtype=torch.float64),
        "p": torch.nn.Parameter(torch.ones(3)),
    }
    made = converted(tmp_path, {"state_dict": state, "global_step": 5}, _use_new_zipfile_serialization=zipped)
    assert made.keys() == state.keys()
    assert all(torch.equal(made[name], state[name]) and made[name].dtype == state[name].dtype for name in state)


def test_an_embedding_of_a1111_becomes_one_that_is_read(tmp_path: Path) -> None:
    vectors = torch.randn(2, 768)
    content = {"string_to_token": {"*": 265}, "string_to_param": {"*": torch.nn.Parameter(vectors)}, "name": "moss",
               "step": 500, "sd_checkpoint": "abc", "sd_checkpoint_name": "v1-5"}  # fmt: skip
    made = converted(tmp_path, content)
    assert torch.equal(made["emb_params"], vectors)


def test_an_embedding_of_diffusers_keeps_its_word(tmp_path: Path) -> None:
    assert (converted(tmp_path, {"<moss>": torch.ones(768)})).keys() == {"<moss>"}


class Evil:
    """What runs a command when it is unpickled."""

    def __init__(self, proof: Path) -> None:
        self.proof = proof

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.proof}",)


def test_nothing_of_a_pickle_is_run(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1), "b": Evil(tmp_path / "proof")}, tmp_path / "evil.pt")
    assert "wants posix.system to be run" in refusal(tmp_path, tmp_path / "evil.pt")
    assert not (tmp_path / "proof").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ([1, 2], "holds a list in place of named tensors"),
        ({"a": 3}, "holds a int named 'a'"),
        ({"a": {"b": torch.ones(1)}}, "holds a dict named 'a'"),
        ({3: torch.ones(1)}, "a tensor whose name is '3'"),
        ({}, "holds 0 tensors"),
        ({"state_dict": {}}, "holds 0 tensors"),
        ({"a": torch.ones(1).expand(10**12)}, "claims 4,000,000,000,000 bytes"),
        ({"a": torch.eye(3).to_sparse()}, "in a form that safetensors has not"),
        ({"a": torch.ones(2, dtype=torch.complex64)}, "in a form that safetensors has not"),
        ({"string_to_param": {"a": torch.ones(1), "b": torch.ones(1)}}, "an embedding of 2 words"),
        ({"string_to_param": {"*": torch.nn.Linear(2, 2)}}, "to be run"),
        ({"__metadata__": torch.ones(1)}, "a tensor whose name is"),
    ],
    ids=range(12),
)
def test_what_is_more_than_tensors_is_refused(tmp_path: Path, content: Any, words: str) -> None:
    torch.save(content, tmp_path / "in.pt")
    assert words in refusal(tmp_path, tmp_path / "in.pt")


@pytest.mark.parametrize(
    "data", [b"", b"PK\x03\x04junk", b"\x80\x02junk.", b"\0" * 300, b"<html>", bytes(range(256)) * 20], ids=range(6)
)
def test_what_is_no_file_of_torchs_is_told(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "in.bin").write_bytes(data)
    assert refusal(tmp_path, tmp_path / "in.bin").endswith("take a .safetensors version of it.")


def test_what_is_packed_is_not_unpacked(tmp_path: Path) -> None:
    torch.save({"a": torch.zeros(2**20)}, tmp_path / "seed.pt")
    with (
        zipfile.ZipFile(tmp_path / "seed.pt") as seed,
        zipfile.ZipFile(tmp_path / "in.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for entry in seed.infolist():
            bomb.writestr(entry.filename, seed.read(entry))
    assert "damaged" in refusal(tmp_path, tmp_path / "in.pt")


def test_a_file_that_is_safetensors_by_its_content_is_told(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "in.pt")
    convert(tmp_path / "in.pt", tmp_path / "made.safetensors")
    (tmp_path / "made.safetensors").rename(tmp_path / "in.pt")
    assert "rename it" in refusal(tmp_path, tmp_path / "in.pt")


def test_a_place_that_can_not_be_written_is_told(tmp_path: Path) -> None:
    torch.save({"a": torch.ones(1)}, tmp_path / "in.pt")
    assert "can't be written" in convert(tmp_path / "in.pt", tmp_path / "no" / "out.safetensors").error


@pytest.mark.parametrize("event", ["socket.connect", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"])
def test_a_sealed_process_starts_nothing_and_connects_to_nothing(event: str) -> None:
    with pytest.raises(Unfit, match="do not trust it"):
        refuse(event, ())
    refuse("open", ("a", "r", 0))
