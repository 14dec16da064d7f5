"""The switchboard: the right reports to the right job, also while engines come and go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from tests.trainer.worker.light_backend import LightBackend
from tests.trainer.worker.test_attempts import PATIENCE_S
from tests.trainer.worker.test_engine import picture, training
from trainer import messages
from trainer.errors import UserFault
from trainer.supervisor import EngineDied, Supervisor
from trainer.switchboard import Interrupted, Switchboard


class FakeSupervisor(Supervisor):
    """An engine that the test plays: ``up`` lets it start, ``say`` is what it reports, ``sent`` what it was told."""

    def __init__(self) -> None:
        super().__init__(LightBackend())
        self.sent: list[messages.Command] = []
        self.told = asyncio.Event()
        self.up = asyncio.Event()
        self.faults: list[Exception] = []
        self.kills = 0
        self._said: asyncio.Queue[messages.Report | None] = asyncio.Queue()

    async def start(self) -> messages.Ready:
        await self.up.wait()
        if self.faults:
            raise self.faults.pop()
        return messages.Ready("played", ())

    async def send(self, command: messages.Command) -> None:
        self.sent.append(command)
        self.told.set()

    async def reports(self) -> AsyncIterator[messages.Report]:
        while (report := await self._said.get()) is not None:
            yield report
        raise EngineDied(-9)

    def say(self, *reports: messages.Report) -> None:
        for report in reports:
            self._said.put_nowait(report)

    def die(self) -> None:
        self._said.put_nowait(None)

    def kill(self) -> None:
        self.kills += 1
        self.die()


class Played:
    """A switchboard on a fake engine."""

    def __init__(self, cancel_grace_s: float = PATIENCE_S) -> None:
        self.supervisor = FakeSupervisor()
        self.switchboard = Switchboard(self.supervisor, cancel_grace_s=cancel_grace_s)
        self.ready: asyncio.Future[messages.Ready] = asyncio.get_running_loop().create_future()
        self.running = asyncio.create_task(self.switchboard.run(self.ready))

    def work(self, job_id: str) -> asyncio.Task[list[messages.Report]]:
        command = picture(job_id)

        async def collect() -> list[messages.Report]:
            return [report async for report in self.switchboard.work(command)]

        return asyncio.create_task(collect())

    async def told(self, commands: int) -> list[messages.Command]:
        """The commands, once there are so many."""
        async with asyncio.timeout(PATIENCE_S):
            while len(self.supervisor.sent) < commands:
                self.supervisor.told.clear()
                await self.supervisor.told.wait()
        return self.supervisor.sent


@pytest.fixture
async def played() -> AsyncIterator[Played]:
    played = Played()
    yield played
    played.running.cancel()
    await asyncio.gather(played.running, return_exceptions=True)


async def result(task: asyncio.Task[list[messages.Report]]) -> list[messages.Report]:
    async with asyncio.timeout(PATIENCE_S):
        return await task


async def turn() -> None:
    """Let every task go on until it waits for something else."""
    for _ in range(20):
        await asyncio.sleep(0)


def drawn(job_id: str) -> messages.Drawn:
    return messages.Drawn(job_id, (), {}, 0.0)


async def test_reports_come_to_the_job_that_they_are_about(played: Played) -> None:
    played.supervisor.up.set()
    first, second = played.work("p"), played.work("q")
    await played.told(2)
    step = messages.Stepped("q", 1, 2)
    played.supervisor.say(step, drawn("nobody"), drawn("p"), drawn("q"))
    assert await result(first) == [drawn("p")]
    assert await result(second) == [step, drawn("q")]
    assert len(played.supervisor.sent) == 2  # nothing was cancelled


async def test_whoever_stops_waiting_stops_the_work(played: Played) -> None:
    played.supervisor.up.set()
    work = played.work("p")
    await played.told(1)
    work.cancel()
    assert (await played.told(2))[-1] == messages.Cancel("p")


async def test_a_cancelled_job_that_obeys_leaves_the_engine_alive(played: Played) -> None:
    played.supervisor.up.set()
    work = played.work("p")
    await played.told(1)
    cancelling = asyncio.create_task(played.switchboard.cancel("p"))
    await played.told(2)
    played.supervisor.say(messages.Stopped("p"))
    assert await result(work) == [messages.Stopped("p")]
    cancelling.cancel()
    assert played.supervisor.kills == 0


async def test_an_engine_that_does_not_obey_is_killed_for_that_job_alone() -> None:
    played = Played(cancel_grace_s=0.0)
    played.supervisor.up.set()
    stubborn, beside = played.work("p"), played.work("q")
    await played.told(2)
    await played.switchboard.cancel("p")
    for work in (stubborn, beside):
        with pytest.raises(Interrupted) as interrupted:
            await result(work)
        assert not interrupted.value.blamed
    after = played.work("r")
    await played.told(4)
    played.supervisor.die()  # and that one is nobody's doing but its own
    with pytest.raises(Interrupted) as interrupted:
        await result(after)
    assert interrupted.value.blamed
    assert played.supervisor.kills == 1
    played.running.cancel()
    await asyncio.gather(played.running, return_exceptions=True)


async def test_a_job_that_came_while_there_was_no_engine_is_done_by_the_next(played: Played) -> None:
    work = played.work("p")
    await turn()
    assert played.supervisor.sent == []
    played.supervisor.up.set()
    assert await played.told(1) == [picture("p")]
    played.supervisor.say(drawn("p"))
    assert await result(work) == [drawn("p")]


async def test_a_job_that_is_cancelled_while_there_is_no_engine_never_reaches_one(played: Played) -> None:
    work = played.work("p")
    await turn()
    await played.switchboard.cancel("p")
    assert await result(work) == [messages.Stopped("p")]
    played.supervisor.up.set()
    await asyncio.wait({played.ready})
    await turn()
    assert played.supervisor.sent == []


async def test_cancelling_what_is_not_there_is_no_error(played: Played) -> None:
    played.supervisor.up.set()
    await asyncio.wait({played.ready})
    await played.switchboard.cancel("p")
    assert played.supervisor.sent == []


async def test_the_first_start_that_fails_is_told_and_nothing_is_tried_again(played: Played) -> None:
    played.supervisor.faults.append(UserFault("no folder; unset DARKROOM_BASES"))
    played.supervisor.up.set()
    with pytest.raises(UserFault, match="unset DARKROOM_BASES"):
        await played.ready
    await played.running


async def test_a_later_start_that_fails_is_tried_again(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainer.switchboard.RESTART_S", 0.0)
    played.supervisor.up.set()
    await asyncio.wait({played.ready})
    played.supervisor.faults += [EngineDied(1), TimeoutError()]
    played.supervisor.die()
    work = played.work("p")
    await played.told(1)
    played.supervisor.say(drawn("p"))
    assert await result(work) == [drawn("p")]
    assert played.supervisor.faults == []


async def test_how_a_child_ended_is_told_and_not_how_it_was_cleared_away() -> None:
    backend = LightBackend(bases=None)  # type: ignore[arg-type]  # a TypeError of ours, in the child
    with pytest.raises(EngineDied, match="exit code 1"):
        await Supervisor(backend).start()


async def test_large_commands_at_once_arrive_whole(tmp_path: Path) -> None:
    """Two threads that write into one pipe at once would mix what they write."""
    supervisor = Supervisor(LightBackend())
    await supervisor.start()
    commands = []
    for number in range(12):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = training(f"t{number}", folder=folder)
        request = msgspec.structs.replace(command.request, class_word="quick", captions=("word " * 40_000,) * 3)
        commands.append(msgspec.structs.replace(command, request=request))
    trained = set()

    async def read() -> None:
        async for report in supervisor.reports():
            if isinstance(report, messages.Trained):
                assert report.file.read() == b"adapter from step 1 of 3 photos"
                trained.add(report.job_id)
                if len(trained) == len(commands):
                    return

    try:
        async with asyncio.timeout(PATIENCE_S):
            await asyncio.gather(read(), *(supervisor.send(command) for command in commands))
    finally:
        await supervisor.stop()
