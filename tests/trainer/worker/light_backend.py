"""A backend without torch, for the child processes of the tests: it does what the class word or the prompt says."""

from __future__ import annotations

import os
import signal

from trainer import messages
from trainer.engine import Steps
from trainer.errors import UserFault


class LightBackend:
    """``start_fault`` refuses to start; the prompt ``die`` kills the child at its second step."""

    def __init__(self, start_fault: str | None = None) -> None:
        self.start_fault = start_fault

    def start(self) -> messages.Ready:
        if self.start_fault:
            raise UserFault(self.start_fault)
        return messages.Ready("light", ())

    def train(self, command: messages.StartTraining) -> Steps:
        step = 0
        while True:  # until it is cancelled
            step += 1
            yield messages.Stepped(command.request.job_id, step, step + 1)

    def imagine(self, command: messages.StartImagining) -> Steps:
        yield messages.Stepped(command.request.job_id, 1, 2)
        if command.request.prompt == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        return messages.Drawn(command.request.job_id, (), {}, 0.0)
