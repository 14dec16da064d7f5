"""The engine's work with torch where the GPU's memory ends; the CPU plays the GPU and says so when it is told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch

from tests.trainer.bases import make_base
from tests.trainer.worker.test_engine import picture, training
from trainer import messages
from trainer.backend import TorchBackend
from trainer.engine import Engine
from trainer.models import loading
from trainer.training import loop
from trainer.training.control import Control


@pytest.fixture
def two_bases(tmp_path: Path) -> TorchBackend:
    for name in ("one", "two"):
        make_base(tmp_path / name)
    backend = TorchBackend(tmp_path, "cpu")
    backend.start()
    return backend


def draw(backend: TorchBackend, base: str) -> messages.Report:
    """What a picture of this base comes to."""
    command, reports = picture(base, steps=2), []
    engine = Engine(backend, reports.append)
    engine.take(msgspec.structs.replace(command, request=msgspec.structs.replace(command.request, base=base)))
    while engine.busy:
        engine.turn()
    return reports[-1]


def test_a_base_that_does_not_fit_beside_an_idle_one_takes_its_place(
    two_bases: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(draw(two_bases, "one"), messages.Drawn)
    load_base = loading.load_base

    def load(spec: Any, device: str) -> Any:
        if two_bases._loaded:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return load_base(spec, device)

    monkeypatch.setattr(loading, "load_base", load)
    assert isinstance(draw(two_bases, "two"), messages.Drawn)
    assert list(two_bases._loaded) == ["two"]


def test_a_training_that_does_not_fit_makes_idle_models_go(
    two_bases: TorchBackend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(draw(two_bases, "two"), messages.Drawn)
    two_bases._tuned = ("two", "a blob"), None, None
    real, tries = loop.batch_losses, []

    def tight(*given: Any) -> torch.Tensor:
        tries.append((list(two_bases._loaded), two_bases._tuned))
        if len(two_bases._loaded) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*given)

    monkeypatch.setattr(loop, "batch_losses", tight)
    command = training(steps=1, folder=tmp_path)
    request = msgspec.structs.replace(command.request, base="one")
    steps = two_bases.train(msgspec.structs.replace(command, request=request), Control())
    while not any(isinstance(report, messages.Stepped) for report in [next(steps)]):
        pass
    steps.close()
    assert tries == [(["two", "one"], (("two", "a blob"), None, None)), (["one"], None)]


def test_a_picture_that_does_not_fit_is_refused_in_words(
    two_bases: TorchBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def out_of_memory(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loading.Base, "decode", out_of_memory)
    refused = draw(two_bases, "one")
    assert isinstance(refused, messages.Refused)
    assert refused.message is not None
    assert "does not fit into the GPU's memory" in refused.message


def test_a_whole_sdxl_is_trained_and_drawn_with_and_the_messages_stay_small(tmp_path: Path) -> None:
    make_base(tmp_path / "bases" / "xl", "sdxl")
    backend, reports = TorchBackend(tmp_path / "bases", "cpu"), []
    backend.start()
    engine = Engine(backend, reports.append)

    def report_of(command: messages.StartTraining | messages.StartImagining) -> messages.Report:
        request = msgspec.structs.replace(command.request, base="xl")
        engine.take(msgspec.structs.replace(command, request=request))
        while engine.busy:
            engine.turn()
        return reports[-1]

    command = training(steps=1, folder=tmp_path)
    recipe = msgspec.structs.replace(command.request.recipe, method="dreambooth", output="checkpoint")
    request = msgspec.structs.replace(command.request, recipe=recipe)
    trained = report_of(msgspec.structs.replace(command, request=request))
    assert isinstance(trained, messages.Trained), trained
    assert trained.kind == "checkpoint"
    assert trained.file.size == Path(trained.file.path).stat().st_size > 2 * 10**6
    assert len(messages.encode(msgspec.structs.replace(trained, examples=()))) < 10_000

    plain = report_of(picture(steps=2))
    whole = picture(steps=2, adapters=(trained.file,), kind="checkpoint")
    drawn = report_of(whole)
    Path(trained.file.path).unlink()  # it is loaded, and not read again
    again = report_of(whole)
    assert isinstance(plain, messages.Drawn)
    assert isinstance(drawn, messages.Drawn), drawn
    assert isinstance(again, messages.Drawn), again
    assert drawn.pictures[0].png == again.pictures[0].png != plain.pictures[0].png
