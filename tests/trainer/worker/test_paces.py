"""Paces outlive the worker that measured them."""

from __future__ import annotations

from pathlib import Path

import pytest

from trainer.paces import Paces


def test_what_was_measured_is_known_after_a_restart_on_that_device_alone(tmp_path: Path) -> None:
    book = tmp_path / "data" / "paces.json"
    paces = Paces("cuda:0", book)
    assert paces.of("sd15") == {}
    paces.remember("sd15", "lora", 0.5)
    paces.remember("sd15", "pivotal", 0.6)
    paces.remember("sd15", "lora", 0.4)
    Paces("cpu", book).remember("sd15", "lora", 30.0)
    assert Paces("cuda:0", book).of("sd15") == {"lora": 0.4, "pivotal": 0.6}
    assert Paces("cpu", book).of("sd15") == {"lora": 30.0}
    assert Paces("cuda:1", book).of("sd15") == {}
    assert list(book.parent.iterdir()) == [book]


@pytest.mark.parametrize("damaged", [b"", b"{", b'{"cpu": {"sd15": {"sorcery": 1}}}', b'{"cpu": 3}'])
def test_a_book_that_can_not_be_read_is_as_none(tmp_path: Path, damaged: bytes) -> None:
    book = tmp_path / "paces.json"
    book.write_bytes(damaged)
    paces = Paces("cpu", book)
    assert paces.of("sd15") == {}
    paces.remember("sd15", "lora", 0.5)
    assert Paces("cpu", book).of("sd15") == {"lora": 0.5}


def test_a_folder_that_can_not_be_written_costs_no_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    paces = Paces("cpu", tmp_path / "file" / "paces.json")
    paces.remember("sd15", "lora", 0.5)
    assert paces.of("sd15") == {"lora": 0.5}
