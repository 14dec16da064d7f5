"""The child process of one merge: behind everything else on the machine, and with a limit of memory."""

from __future__ import annotations

import math
import os
import resource
import signal
import sys
import time
import traceback
from multiprocessing.connection import Connection
from pathlib import Path

from trainer import messages
from trainer.engine import Backend, die_with_parent
from trainer.errors import BadAdapterFile, OperatorFault, UserFault

_NICENESS = 10  # of 19: whoever draws or trains on this processor comes first
_SAY_EVERY_S = 0.2
_LEAST_BYTES = 4 * 2**30  # torch alone takes a quarter of it
_NO_MEMORY = (
    "this merge takes more memory than the worker may use for one; merge fewer at a time, or choose a lower rank"
)


def run(connection: Connection, backend: Backend, parent: int) -> None:
    """The child's life: one command in, steps, reports out."""
    die_with_parent()
    if os.getppid() != parent:  # it died before we could ask
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the supervisor, which ends this process itself
    os.nice(_NICENESS)
    try:
        command = messages.decode_command(connection.recv_bytes())
        if isinstance(command, messages.StartMerging):
            _limit_memory(command)
            connection.send_bytes(messages.encode(_carry_out(connection, backend, command)))
            connection.poll(None)  # until the supervisor has heard, and closes the pipe
    except (EOFError, BrokenPipeError):
        return


class _Cancelled(Exception):
    """The member stopped it."""


def _carry_out(connection: Connection, backend: Backend, command: messages.StartMerging) -> messages.Report:
    """The last report. Between two tensors the supervisor is told how far it is, and listened to."""
    job_id, said = command.request.job_id, -math.inf

    def say_and_listen(done: int, of: int) -> None:
        nonlocal said
        if connection.poll() and isinstance(messages.decode_command(connection.recv_bytes()), messages.Cancel):
            raise _Cancelled
        if time.monotonic() - said >= _SAY_EVERY_S:
            said = time.monotonic()
            connection.send_bytes(messages.encode(messages.Stepped(job_id, done, max(done, of, 1))))

    try:
        return backend.merge(command, say_and_listen)
    except _Cancelled:
        return messages.Stopped(job_id)
    except OperatorFault as fault:  # it may name paths
        return messages.Refused(job_id, None, str(fault))
    except (UserFault, BadAdapterFile) as fault:
        return messages.Refused(job_id, str(fault))
    except MemoryError:
        return messages.Refused(job_id, _NO_MEMORY)
    except (EOFError, BrokenPipeError):
        raise
    except Exception as error:
        if "can't allocate memory" in str(error):  # torch's own kind of MemoryError
            return messages.Refused(job_id, _NO_MEMORY)
        return messages.Refused(job_id, None, traceback.format_exc())


def _limit_memory(command: messages.StartMerging) -> None:
    """At most half of the machine's memory. Files that are mapped do not count, copies of them do."""
    if sys.platform != "linux":
        return
    half = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    files = sum(Path(file.path).stat().st_size for file in command.files.values() if Path(file.path).exists())
    most = max(_LEAST_BYTES, half) + files  # writable maps of them count as data, though no page is ever copied
    resource.setrlimit(resource.RLIMIT_DATA, (most, most))
