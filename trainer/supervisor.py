"""Keeps one engine child alive and speaks with it, without ever blocking the event loop. Imports no torch."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection

from trainer import messages, metrics
from trainer.engine import Backend, run
from trainer.errors import UserFault

CANCEL_GRACE_S = 10.0  # a step of the largest base takes less; after it the child is killed
END_GRACE_S = 5.0  # for a child whose pipe is closed to end by itself, so that its exit code is its own
START_TIMEOUT_S = 300.0  # loading torch and looking at the bases, on a slow disk


class EngineDied(Exception):
    """The child ended; its jobs are to be handed out again."""

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(f"the engine ended with exit code {exit_code}")
        self.exit_code = exit_code


class Supervisor:
    """One engine child: started, spoken with, killed when it does not obey, started anew."""

    def __init__(self, backend: Backend, life: Callable[[Connection, Backend, int], None] = run) -> None:
        """``life``: what the child does with the backend, from its start to its end."""
        self._backend, self._life = backend, life
        self._process: multiprocessing.process.BaseProcess | None = None
        self._connection: Connection | None = None
        # one thread: two that write at once would mix their bytes, and blocked ones take threads from whoever reads
        self._writer = ThreadPoolExecutor(1, "engine-writer")

    async def start(self) -> messages.Ready:
        """Start a child and wait until it is ready. Raises :class:`UserFault` for what the operator can mend."""
        await self.spawn()
        metrics.ENGINE_STARTS.inc()
        async with asyncio.timeout(START_TIMEOUT_S):
            first = await self._receive()
        if isinstance(first, messages.CannotStart):
            await self.stop()
            raise UserFault(first.message)
        if not isinstance(first, messages.Ready):
            raise EngineDied(None)
        return first

    async def spawn(self) -> None:
        """Start a child that waits for a command."""
        await self.stop()  # one that was too slow to start must not keep the GPU
        # threads that spin while they wait take the core from whoever they wait for, where something else runs, too
        os.environ.setdefault("OMP_WAIT_POLICY", "passive")
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=self._life, args=(theirs, self._backend, os.getpid()), daemon=True)
        await asyncio.to_thread(process.start)
        theirs.close()
        self._process, self._connection = process, ours

    async def send(self, command: messages.Command) -> None:
        """Send a command. Raises :class:`EngineDied`."""
        connection = self._connection
        if connection is None:
            raise EngineDied(None)
        loop = asyncio.get_running_loop()
        try:  # in a thread: a pipe that is full would block
            await loop.run_in_executor(self._writer, connection.send_bytes, messages.encode(command))
        except (BrokenPipeError, OSError) as error:
            raise EngineDied(self.exit_code) from error

    async def reports(self) -> AsyncIterator[messages.Report]:
        """What the child says, until it ends: then :class:`EngineDied` is raised."""
        while True:
            yield await self._receive()

    async def _receive(self) -> messages.Report:
        connection = self._connection
        if connection is None:
            raise EngineDied(None)
        readable = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(connection.fileno(), readable.set)
        try:
            await readable.wait()
        finally:
            loop.remove_reader(connection.fileno())
        try:
            report: messages.Report = messages.decode_report(await asyncio.to_thread(connection.recv_bytes))
        except (EOFError, ConnectionResetError) as error:
            await self.stop()
            raise EngineDied(self.exit_code) from error
        return report

    @property
    def exit_code(self) -> int | None:
        """How the child ended; None while it lives."""
        return self._process.exitcode if self._process else None

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._process.pid if self._process else None

    def kill(self) -> None:
        """Kill the child; :meth:`reports` then raises :class:`EngineDied`."""
        if self._process is not None:
            self._process.kill()

    async def stop(self) -> None:
        """End the child, if it lives: it goes when its pipe closes, at the end of its step, or is killed."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            await asyncio.to_thread(self._process.join, END_GRACE_S)
            self._process.kill()
            await asyncio.to_thread(self._process.join)
