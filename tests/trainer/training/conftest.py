"""What all trainings are tested with: the embedded base, its demo's photos, and a way to run one to its end."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

from trainer.adapters.bank import AdapterBank
from trainer.contract.requests import Kind, Recipe
from trainer.models.emoji64.report import finish as run
from trainer.models.loading import Base
from trainer.training import prior
from trainer.training.hooks import Hooks
from trainer.training.loop import Learned, Training
from trainer.training.preparing import TrainingJob, prepare_photos

Learn = Callable[..., bytes]


def job(kind: Kind = "subject", **recipe: Any) -> TrainingJob:
    """Four steps of four photos, unless something else is asked for."""
    return TrainingJob("thnos", "monster", kind, Recipe(**{"steps": 16, "seed": 3, **recipe}))


def start(
    base: Base, photos: list[Image.Image], asked: TrainingJob, *, bank: AdapterBank | None = None, **hooks: Any
) -> Training:
    """A training that has not begun."""
    bank = bank or AdapterBank(base.modules)
    return Training(base, bank, prepare_photos(asked, photos), asked, Hooks(**hooks))


def write(learned: Learned) -> bytes:
    """The adapter's file; everything is out of the base then."""
    try:
        learned.learner.write(learned.snapshots[-1].weights, {}, file := io.BytesIO())
        return file.getvalue()
    finally:
        learned.learner.close()


@pytest.fixture(autouse=True)
def few_class_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen of them would be most of a short training."""
    monkeypatch.setattr(prior, "PICTURES", 4)
    monkeypatch.setattr(prior, "STEPS", 2)


@pytest.fixture
def learn(base: Base, photos: list[Image.Image]) -> Learn:
    """``learn(job, **hooks)`` trains to the end and gives the adapter's file."""

    def learn(asked: TrainingJob, **hooks: Any) -> bytes:
        return write(run(start(base, photos, asked, **hooks).run()))

    return learn
