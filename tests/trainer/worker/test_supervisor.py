"""The supervisor with a real child process."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from tests.trainer.worker.light_backend import LightBackend
from tests.trainer.worker.test_engine import picture, training
from trainer import messages
from trainer.errors import UserFault
from trainer.supervisor import EngineDied, Supervisor


async def until(supervisor: Supervisor, kind: type[messages.Report]) -> messages.Report:
    """The next report of a kind."""
    async with asyncio.timeout(30):
        async for report in supervisor.reports():
            if isinstance(report, kind):
                return report
    raise AssertionError


async def test_a_picture_while_a_training_runs_then_the_training_is_cancelled() -> None:
    supervisor = Supervisor(LightBackend())
    assert (await supervisor.start()).device == "light"
    await supervisor.send(training())
    await supervisor.send(picture())
    drawn = await until(supervisor, messages.Drawn)
    assert drawn.job_id == "p"  # type: ignore[union-attr]
    await supervisor.send(messages.Cancel("t"))
    assert await until(supervisor, messages.Stopped) == messages.Stopped("t")
    await supervisor.stop()


async def test_a_child_that_dies_is_told_and_another_one_serves() -> None:
    supervisor = Supervisor(LightBackend())
    await supervisor.start()
    await supervisor.send(picture(prompt="die"))
    with pytest.raises(EngineDied, match="exit code -9"):
        await until(supervisor, messages.Drawn)
    with pytest.raises(EngineDied):
        await supervisor.send(picture())
    await supervisor.start()
    await supervisor.send(picture())
    await until(supervisor, messages.Drawn)
    await supervisor.stop()


async def test_a_fault_at_the_start_is_one_sentence() -> None:
    with pytest.raises(UserFault, match="unset DARKROOM_BASES"):
        await Supervisor(LightBackend("no folder; unset DARKROOM_BASES")).start()


def test_the_supervisor_imports_no_torch() -> None:
    code = "import sys, trainer.supervisor; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
