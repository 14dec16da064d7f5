"""One job's drawings through the engine's own door: progress, previews, order, exactness, and what goes wrong."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.requests import picture_request
from tests.trainer.worker.test_engine import CARD, training
from trainer import messages
from trainer.backend import TorchBackend
from trainer.contract.requests import Recipe
from trainer.engine import Engine


@pytest.fixture(scope="module")
def backend() -> TorchBackend:
    made = TorchBackend(None, "cpu")
    made.start()
    return made


def run(backend: TorchBackend, *commands: messages.StartImagining) -> list[messages.Report]:
    reports: list[messages.Report] = []
    engine = Engine(backend, reports.append)
    for command in commands:
        engine.take(command)
    while engine.busy:
        engine.turn()
    return reports


def command(job_id: str = "7", prompt: str = "a fox in a suit", **changes: object) -> messages.StartImagining:
    return messages.StartImagining(picture_request(CARD, prompt, job_id=job_id, **changes), {})  # type: ignore[arg-type]


def test_progress_counts_all_steps_of_all_pictures_and_shows_what_is_coming(backend: TorchBackend) -> None:
    *steps, drawn = run(backend, command(count=3, num_inference_steps=6))
    assert isinstance(drawn, messages.Drawn)
    taken = [report for report in steps if isinstance(report, messages.Stepped)]
    assert [(each.step, each.steps) for each in taken] == [(3 * step, 18) for step in range(1, 7)]
    assert [each.step for each in taken if each.preview] == [9]  # at the end there is the picture itself
    assert [picture.seed for picture in drawn.pictures] == [11, 12, 13]


def test_two_members_share_a_batch_and_each_hears_of_their_own(backend: TorchBackend) -> None:
    reports = run(backend, command("1", num_inference_steps=3), command("2", "a cat", num_inference_steps=5))
    for job_id, steps in (("1", 3), ("2", 5)):
        own = [each for each in reports if isinstance(each, messages.Stepped) and each.job_id == job_id]
        assert [each.step for each in own] == list(range(1, steps + 1))
    assert [each.job_id for each in reports if isinstance(each, messages.Drawn)] == ["1", "2"]


def test_one_that_cannot_be_drawn_leaves_its_company_alone(backend: TorchBackend) -> None:
    reports = run(
        backend, command("good", num_inference_steps=3), command("bad", "(a fox:1000)", num_inference_steps=3)
    )
    (refused,) = [each for each in reports if isinstance(each, messages.Refused)]
    assert refused.job_id == "bad"
    assert "1,000" in (refused.message or "")
    assert [each.job_id for each in reports if isinstance(each, messages.Drawn)] == ["good"]


def test_one_that_is_cancelled_leaves_the_studio(backend: TorchBackend) -> None:
    reports: list[messages.Report] = []
    engine = Engine(backend, reports.append)
    for job_id in ("1", "2"):
        engine.take(command(job_id, num_inference_steps=4))
    engine.turn()
    engine.take(messages.Cancel("1"))
    while engine.busy:
        engine.turn()
    assert [type(each) for each in reports if not isinstance(each, messages.Stepped)] == [
        messages.Stopped,
        messages.Drawn,
    ]
    assert not backend._studio._samples


def test_the_same_settings_give_the_same_file_in_any_company_when_it_is_exact(backend: TorchBackend) -> None:
    request = msgspec.structs.replace(command("1", num_inference_steps=3).request, exact=True)
    alone = run(backend, messages.StartImagining(request, {}))[-1]
    others = [command(job_id, "a cat", num_inference_steps=4) for job_id in ("2", "3")]
    crowd = run(backend, *others, messages.StartImagining(request, {}))
    again = next(each for each in crowd if isinstance(each, messages.Drawn) and each.job_id == "1")
    assert isinstance(alone, messages.Drawn)
    assert again.pictures == alone.pictures


def test_a_picture_during_a_training_is_as_without_it(backend: TorchBackend, tmp_path: Path) -> None:
    idle = run(backend, command("1", num_inference_steps=6))[-1]
    reports: list[messages.Report] = []
    engine = Engine(backend, reports.append)
    recipe = Recipe(steps=40, seed=1, text_encoder=True, text_encoder_learning_rate=0.01, learning_rate=0.01)
    start = training(folder=tmp_path)
    engine.take(msgspec.structs.replace(start, request=msgspec.structs.replace(start.request, recipe=recipe)))
    while not any(isinstance(each, messages.Stepped) and each.step >= 8 for each in reports):
        engine.turn()
    engine.take(command("1", num_inference_steps=6))
    while not any(isinstance(each, messages.Drawn) for each in reports):
        engine.turn()
    (drawn,) = [each for each in reports if isinstance(each, messages.Drawn)]
    engine.take(messages.Cancel("t"))
    assert isinstance(idle, messages.Drawn)
    assert drawn.pictures == idle.pictures
