"""The engine's loop: who is served when, and what one job's fault does to the others."""

from __future__ import annotations

import io
from pathlib import Path

import msgspec
import pytest
from PIL import Image

from tests.requests import picture_request
from tests.trainer.spooled import spool
from trainer import messages
from trainer.backend import TorchBackend
from trainer.contract.drawings import AdapterKind, AdapterUse
from trainer.contract.requests import Card, Recipe, TrainRequest
from trainer.engine import PICTURE_STEPS_A_TRAINING_STEP, Engine, Free, Steps
from trainer.errors import MissingJudges, UserFault
from trainer.training.control import Control

CARD = Card(channel_id=1, message_id=2, posted_at=0.0, requester_id=3)


def training(job_id: str = "t", steps: int = 4, folder: Path | None = None) -> messages.StartTraining:
    """Of three photos, which are there if there is a folder for them."""
    request = TrainRequest(
        job_id=job_id, attempt=1, base="emoji-64", adapter_id="a", name="thnos", trigger="thnos", class_word="monster",
        kind="subject", photos=(), captions=(None,) * 3, recipe=Recipe(steps=steps, seed=1), card=CARD,
    )  # fmt: skip
    if folder is None:
        return messages.StartTraining(request, (), "")
    buffer = io.BytesIO()
    Image.new("RGB", (64, 64), "purple").save(buffer, "PNG")
    return messages.StartTraining(request, (spool(folder, buffer.getvalue()),) * 3, str(folder))


def picture(
    job_id: str = "p",
    steps: int = 3,
    adapters: tuple[messages.Spooled, ...] = (),
    prompt: str = "a fox",
    kind: AdapterKind = "lora",
) -> messages.StartImagining:
    files = {file.path: file for file in adapters}  # as blobs are named by what they hold
    uses = [AdapterUse(name="thnos", blob=blob, weight=1.0, kind=kind) for blob in files]
    request = picture_request(CARD, prompt, job_id=job_id, adapters=uses, seed=1, num_inference_steps=steps)
    return messages.StartImagining(request, files)


class CountingBackend:
    """Takes as many steps as it is told and remembers what was closed."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.controls: list[Control] = []

    def start(self) -> messages.Ready:
        return messages.Ready("cpu", ())

    def _steps(self, job_id: str, steps: int) -> Steps:
        try:
            for step in range(1, steps + 1):
                if job_id == "bad":
                    raise UserFault("that can't be drawn; draw another")
                if job_id == "broken":
                    raise ZeroDivisionError("ours")
                if job_id == "robbed":
                    raise MissingJudges("DARKROOM_JUDGES is /srv/judges, but /srv/judges/clip is not there")
                if job_id == "wordless" and step == 2:
                    yield messages.CannotStart("\ud800")  # half a letter: there is no UTF-8 of it
                yield messages.Stepped(job_id, step, steps)
            return messages.Stopped(f"{job_id} done" if job_id != "speechless" else "\ud800")
        finally:
            self.closed.append(job_id)

    def train(self, command: messages.StartTraining, control: Control) -> Steps:
        self.controls.append(control)
        return self._steps(command.request.job_id, command.request.recipe.steps or 1)

    def imagine(self, command: messages.StartImagining) -> Steps:
        return self._steps(command.request.job_id, command.request.drawings[0].settings.num_inference_steps or 1)


@pytest.fixture
def played() -> tuple[Engine, list[messages.Report], CountingBackend]:
    reports: list[messages.Report] = []
    backend = CountingBackend()
    return Engine(backend, reports.append), reports, backend


def test_a_picture_is_served_between_two_training_steps(played) -> None:
    engine, reports, _ = played
    engine.take(training(steps=3))
    engine.turn()
    engine.take(picture(steps=2))
    while engine.busy:
        engine.turn()
    assert [report.job_id for report in reports] == ["t", "p", "p", "p done", "t", "t", "t done"]


def test_training_ages_and_never_starves(played) -> None:
    engine, reports, _ = played
    engine.take(training(steps=2))
    engine.take(picture(steps=100))
    for _ in range(2 * (PICTURE_STEPS_A_TRAINING_STEP + 1)):
        engine.turn()
    assert [report.job_id for report in reports].count("t") == 2


def test_pictures_take_turns(played) -> None:
    engine, reports, _ = played
    engine.take(picture("p", 2))
    engine.take(picture("q", 2))
    while engine.busy:
        engine.turn()
    assert [report.job_id for report in reports] == ["p", "q", "p", "q", "p done", "q done"]


def test_a_cancelled_job_is_closed_and_nothing_more_is_heard_of_it(played) -> None:
    engine, reports, backend = played
    engine.take(training())
    engine.turn()
    engine.take(messages.Cancel("t"))
    assert not engine.busy
    assert backend.closed == ["t"]
    assert reports[-1] == messages.Stopped("t")


def test_a_wish_reaches_its_training_and_no_other(played) -> None:
    engine, _, backend = played
    for job_id in ("t", "u"):
        engine.take(training(job_id))
    for job_id in ("u", "a picture", "gone"):
        engine.take(messages.Ask(job_id, "pause"))
    assert [control.wish for control in backend.controls] == [None, "pause"]
    engine.take(messages.Ask("u", "finish"))  # the last one stands
    assert backend.controls[1].wish == "finish"
    while engine.busy:
        engine.turn()
    engine.take(messages.Ask("u", "pause"))  # it is over
    assert backend.controls[1].wish == "finish"


def test_one_jobs_fault_is_not_the_next_ones(played) -> None:
    engine, reports, _ = played
    for job_id in ("bad", "broken", "p"):
        engine.take(picture(job_id, 1))
    while engine.busy:
        engine.turn()
    assert messages.Refused("bad", "that can't be drawn; draw another") in reports
    ours = next(report for report in reports if isinstance(report, messages.Refused) and report.job_id == "broken")
    assert ours.message is None
    assert "ZeroDivisionError" in ours.details
    assert reports[-1] == messages.Stopped("p done")


def test_what_an_operator_can_mend_is_for_the_log_alone(played) -> None:
    engine, reports, _ = played
    engine.take(training("robbed"))
    engine.turn()
    (refused,) = reports
    assert refused.message is None  # members get a sentence with a reference in its place
    assert "/srv/judges/clip is not there" in refused.details


@pytest.mark.parametrize("job_id", ["wordless", "speechless"])  # on the way, and at the end
def test_a_report_that_cant_be_sent_refuses_its_job_alone(job_id: str) -> None:
    sent: list[messages.Report] = []
    backend = CountingBackend()
    engine = Engine(backend, lambda report: sent.append(messages.decode_report(messages.encode(report))))
    engine.take(training(job_id))
    engine.take(training("t"))
    while engine.busy:
        engine.turn()
    (refused,) = [report for report in sent if isinstance(report, messages.Refused)]
    assert (refused.job_id, refused.message) == (job_id, None)
    assert "UnicodeEncodeError" in refused.details
    assert backend.closed == [job_id, "t"]
    assert sent[-1] == messages.Stopped("t done")
    engine.take(messages.Ask(job_id, "finish"))  # it is forgotten
    assert backend.controls[0].wish is None


def test_an_engine_whom_nobody_hears_ends() -> None:
    def gone(report: messages.Report) -> None:
        raise BrokenPipeError

    engine = Engine(CountingBackend(), gone)
    engine.take(training())
    with pytest.raises(BrokenPipeError):
        engine.turn()


def test_the_real_backend_trains_and_draws_with_what_it_trained(tmp_path: Path) -> None:
    reports: list[messages.Report] = []
    backend = TorchBackend(None, "cpu")
    assert [base.name for base in backend.start().bases] == ["emoji-64"]
    engine = Engine(backend, reports.append)
    engine.take(training(steps=4, folder=tmp_path))
    while engine.busy:
        engine.turn()
    trained = reports[-1]
    assert isinstance(trained, messages.Trained)
    assert len(trained.examples) == 3
    engine.take(picture(adapters=(trained.file,)))
    engine.take(picture("no such adapter", adapters=(spool(tmp_path, b"PK\x03\x04"),)))
    engine.take(picture("deleted", adapters=(messages.Spooled(str(tmp_path / "gone"), 5),)))
    while engine.busy:
        engine.turn()
    drawn = next(report for report in reports if isinstance(report, messages.Drawn))
    assert drawn.pictures[0].parameters.startswith("a fox\nSteps: 3, Sampler: DDIM")
    assert any(isinstance(report, messages.Refused) and report.job_id == "no such adapter" for report in reports)
    [gone] = [report for report in reports if isinstance(report, messages.Refused) and report.job_id == "deleted"]
    assert "was deleted meanwhile" in (gone.message or "")
    for report in reports:
        assert messages.decode_report(messages.encode(report)) == report


def test_a_missing_folder_of_bases_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UserFault, match="unset DARKROOM_BASES"):
        TorchBackend(tmp_path / "nowhere", "cpu").start()
    with pytest.raises(UserFault, match="no base model in DARKROOM_BASES"):
        TorchBackend(tmp_path, "cpu").start()


def test_a_whole_models_training_has_the_device_for_itself(
    played: tuple[Engine, list[messages.Report], CountingBackend],
) -> None:
    engine, reports, _ = played
    whole = training(steps=5)
    recipe = msgspec.structs.replace(whole.request.recipe, method="dreambooth")
    engine.take(messages.StartTraining(msgspec.structs.replace(whole.request, recipe=recipe), (), ""))
    engine.take(picture())
    while engine.busy:
        engine.turn()
    order = [report.job_id for report in reports if isinstance(report, messages.Stepped)]
    assert order == ["t"] * 5 + ["p"] * 3
    engine.take(picture("q"))
    engine.take(training("u"))
    engine.turn()
    assert reports[-1].job_id == "q"  # and what comes after it shares as ever


def test_a_turn_in_which_nothing_was_computed_takes_none_from_the_training(played) -> None:
    engine, reports, backend = played

    def brought_along(command: messages.StartImagining) -> Steps:
        for step in range(1, 4):
            yield Free(messages.Stepped(command.request.job_id, step, 3))
        return messages.Stopped(command.request.job_id)

    backend.imagine = brought_along
    engine.take(training(steps=1))
    for place in range(PICTURE_STEPS_A_TRAINING_STEP):
        engine.take(picture(f"p{place}"))
    while engine.busy:
        engine.turn()
    steps = [report.job_id for report in reports if isinstance(report, messages.Stepped)]
    assert len(steps) == 3 * PICTURE_STEPS_A_TRAINING_STEP + 1
    assert steps[-1] == "t"  # it would have come between them, had they counted
