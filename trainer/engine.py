"""The GPU child process: one loop that interleaves training steps and denoising steps.

Whoever waits for a picture is served between two training steps; training ages, so that it never starves. Everything
in here runs in one thread; the supervisor keeps the network, the clock and Discord.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import traceback
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Protocol

from trainer import messages
from trainer.errors import BadAdapterFile, OperatorFault, UserFault
from trainer.messages import Report
from trainer.training.control import Control

PICTURE_STEPS_A_TRAINING_STEP = 16  # with pictures always waiting, training still gets every 17th step
GATHER_S = 0.02  # that an idle engine waits for company of the first command; later ones join between two steps
MOST_COMMANDS_A_TURN = 64  # whoever asks again and again must not keep it from its work
_PR_SET_PDEATHSIG = 1

Send = Callable[[Report], None]


@dataclass(frozen=True)
class Free:
    """A turn in which nothing was computed, as another job's turn had brought this one further: it does not count."""

    report: Report | None = None


Steps = Generator[Report | Free | None, None, Report]


class Backend(Protocol):
    """What does the work; its generators yield once a step and return the last report."""

    def start(self) -> messages.Ready:
        """Find the device and the bases. Raises UserFault."""
        ...

    def train(self, command: messages.StartTraining, control: Control) -> Steps:
        """Train, one step a turn, and look at ``control`` between two of them; Paused is a last report, too."""
        ...

    def imagine(self, command: messages.StartImagining) -> Steps:
        """Draw, one denoising step a turn."""
        ...

    def merge(self, command: messages.StartMerging, on_progress: Callable[[int, int], None]) -> messages.Merged:
        """Merge, in a child of its own: see :mod:`trainer.merging_child`. What ``on_progress`` raises ends it."""
        ...


@dataclass
class Engine:
    """Takes commands, gives each job its turns, sends reports. Deterministic: who is next depends on nothing else.

    ``send`` raises OSError once nobody is there to be told; whatever else it raises says that this report can't be
    sent, such as one of more than msgpack's 4 GiB. Then its job is refused, and the others go on.
    """

    backend: Backend
    send: Send

    def __post_init__(self) -> None:
        self._pictures: deque[tuple[str, Steps]] = deque()
        self._trainings: deque[tuple[str, Steps]] = deque()
        self._controls: dict[str, Control] = {}  # of the trainings
        self._alone: set[str] = set()  # trainings beside which nothing is drawn
        self._since_training = 0

    @property
    def busy(self) -> bool:
        """Whether any job is there."""
        return bool(self._pictures or self._trainings)

    def take(self, command: messages.Command) -> None:
        """Accept a command."""
        if isinstance(command, messages.StartImagining):
            self._pictures.append((command.request.job_id, self.backend.imagine(command)))
        elif isinstance(command, messages.StartTraining):
            control = self._controls[command.request.job_id] = Control()
            if command.request.takes_device:
                self._alone.add(command.request.job_id)
            self._trainings.append((command.request.job_id, self.backend.train(command, control)))
        elif isinstance(command, messages.Ask):
            if command.job_id in self._controls:
                control = self._controls[command.job_id]
                control.wish, control.step = command.wish, command.step
        elif isinstance(command, messages.Cancel):
            self._cancel(command.job_id)

    def _cancel(self, job_id: str) -> None:
        for lane in (self._pictures, self._trainings):
            for entry in list(lane):
                if entry[0] == job_id:
                    entry[1].close()  # its `finally` takes its adapters out of the base
                    lane.remove(entry)
                    self._end(messages.Stopped(job_id), job_id)

    def _forget(self, job_id: str) -> None:
        self._controls.pop(job_id, None)
        self._alone.discard(job_id)

    def _end(self, last: Report, job_id: str) -> None:
        self._forget(job_id)
        self._say(last, job_id)

    def _say(self, report: Report, job_id: str) -> bool:
        """Send a report of a job; whether that could be done, else the job is refused."""
        try:
            self.send(report)
        except OSError:
            raise
        except Exception:
            self.send(messages.Refused(job_id, None, traceback.format_exc()))
            return False
        return True

    def turn(self) -> None:
        """Let one job take one step: pictures first and in turn, a training when none waits or it has aged."""
        due = self._trainings and (self._alone or self._since_training >= PICTURE_STEPS_A_TRAINING_STEP)
        lane = self._trainings if due or not self._pictures else self._pictures
        job_id, steps = lane.popleft()
        try:
            report = next(steps)
        except StopIteration as end:
            self._end(end.value, job_id)
            return
        except OperatorFault as fault:  # such as a folder that was there at the start
            self._end(messages.Refused(job_id, None, str(fault)), job_id)
            return
        except (UserFault, BadAdapterFile) as fault:
            self._end(messages.Refused(job_id, str(fault)), job_id)
            return
        except Exception:  # one job's fault is not the next one's
            self._end(messages.Refused(job_id, None, traceback.format_exc()), job_id)
            return
        if isinstance(report, Free):
            report = report.report
        elif lane is self._trainings:
            self._since_training = 0
        else:
            self._since_training += 1
        if report is None or self._say(report, job_id):
            lane.append((job_id, steps))
        else:
            steps.close()
            self._forget(job_id)


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies: kill -9 of the worker must not leave a GPU in use."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def run(connection: Connection, backend: Backend, parent: int) -> None:
    """The child's life: commands in, steps, reports out, until the pipe closes."""
    die_with_parent()
    if os.getppid() != parent:  # it died before we could ask
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which ends this process itself
    engine = Engine(backend, lambda report: connection.send_bytes(messages.encode(report)))
    try:
        engine.send(backend.start())
        while True:
            idle, taken = not engine.busy, 0
            while not engine.busy or (taken < MOST_COMMANDS_A_TURN and connection.poll(GATHER_S if idle else 0)):
                engine.take(messages.decode_command(connection.recv_bytes()))
                taken += 1
            engine.turn()
    except UserFault as fault:
        engine.send(messages.CannotStart(str(fault)))
    except (EOFError, BrokenPipeError):
        return
