"""One attempt at a job, from the request to the delivery: started, worked, committed, delivered, each told to the bot.

A worker may die anywhere in here. What it leaves behind is either nothing, or a checkpoint, or the outcome at the
commit point; from each of them the next attempt goes on, and nothing is shown twice.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from weakref import WeakValueDictionary

import msgspec
import structlog
from obstore.exceptions import BaseError as ObstoreError

from trainer import cards, messages
from trainer.board import Board
from trainer.cards import Face
from trainer.contract import looks
from trainer.contract.blobs import BlobMissing, Blobs
from trainer.contract.events import (
    Cancelled,
    Delivered,
    Failed,
    HandedBack,
    Outcome,
    Paused,
    Produced,
    Standing,
    Started,
    decode_outcome,
    encode,
)
from trainer.contract.merges import adapters_of, blobs_of
from trainer.contract.names import checkpoint_path, outcome_path, standing_path
from trainer.contract.requests import ImagineRequest, MergeRequest, Request, TrainRequest
from trainer.decency import REFUSED, Gate, Unseen
from trainer.delivery import Attached, Delivery, NotAllowed, Unreachable
from trainer.generation.sheets import lay_out, show_large
from trainer.mailbox import Mailbox
from trainer.merger import Merger
from trainer.outcomes import GRID, store_outcome
from trainer.paces import Paces
from trainer.spool import Spool
from trainer.switchboard import Interrupted, Switchboard

log = structlog.get_logger(__name__)

CANCEL_POLL_S = 1.0
LARGE = "large.png"
Command = messages.StartTraining | messages.StartImagining | messages.StartMerging
Result = messages.Drawn | messages.Trained | messages.Merged
SHEET_BYTES = 8 * 2**20  # of an X/Y grid; less where the channel takes less


class Refusal(Exception):
    """The job can't be done. ``message`` is for the member; ``reference`` where the cause was logged under it.

    ``private``: the message is not for the card, which everybody sees.
    """

    def __init__(self, message: str, reference: str | None = None, *, private: bool = False) -> None:
        super().__init__(message)
        self.message, self.reference, self.private = message, reference, private


class Stopped(Exception):
    """The member stopped the job."""


class PausedAt(Exception):
    """The member paused the training after this step; its checkpoint is stored."""

    def __init__(self, step: int, steps: int) -> None:
        super().__init__(f"paused after step {step} of {steps}")
        self.step, self.steps = step, steps


@dataclass
class Attempts:
    """Carries out attempts, any number at a time."""

    mailbox: Mailbox
    blobs: Blobs
    spool: Spool
    switchboard: Switchboard
    merger: Merger
    delivery: Delivery
    worker_id: str
    paces: Paces = field(default_factory=Paces)
    gate: Gate = field(default_factory=Gate)
    clock: Callable[[], float] = time.time
    wait: Callable[[float], Awaitable[None]] = asyncio.sleep

    def __post_init__(self) -> None:
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()  # by job

    async def carry_out(self, request: Request) -> None:
        """Do the work of one attempt and tell the bot what came of it. Raises nothing but CancelledError.

        One at a time a job: a worker that was frozen for a while gets its own job again while it still works on it.
        """
        turn = self._turns.setdefault(request.job_id, asyncio.Lock())
        async with turn:
            await self._carry_out(request)

    async def _carry_out(self, request: Request) -> None:
        job_id, attempt = request.job_id, request.attempt
        if not await self.mailbox.is_current(job_id, attempt):
            log.info("attempt.stale", job=job_id, attempt=attempt)
            return
        try:
            outcome = await self._committed(job_id) or await self._work(request)
            await self._deliver(request, outcome)
        except Stopped:
            written = await self._last_word(request, cards.cancelled())
            await self.mailbox.say(Cancelled(job_id=job_id, attempt=attempt, at=self.clock(), card_written=written))
        except PausedAt as at:
            await self.delivery.leave(job_id)  # the bot says it, with a way to go on
            await self.mailbox.say(
                Paused(job_id=job_id, attempt=attempt, at=self.clock(), step=at.step, steps=at.steps)
            )
        except Refusal as refusal:
            await self._fail(request, refusal.message, refusal.reference, private=refusal.private)
        except Interrupted as interrupted:
            log.warning("attempt.interrupted", job=job_id, attempt=attempt, blamed=interrupted.blamed)
            await self._hand_back(request, counts=interrupted.blamed)
        except Unreachable as error:  # the outcome is committed: the next attempt only delivers it
            log.warning("attempt.undelivered", job=job_id, attempt=attempt, error=str(error))
            await self._hand_back(request, counts=False)
        except asyncio.CancelledError:
            await self._hand_back(request, counts=False)  # the worker is told to end
            raise
        except Exception:
            reference = secrets.token_hex(4).upper()
            log.exception("attempt.failed", job=job_id, attempt=attempt, reference=reference)
            await self._fail(request, _ours(reference), reference)
        finally:
            self.delivery.forget(job_id)

    async def _hand_back(self, request: Request, *, counts: bool) -> None:
        await self.mailbox.say(
            HandedBack(job_id=request.job_id, attempt=request.attempt, at=self.clock(), counts=counts)
        )

    async def _fail(self, request: Request, message: str, reference: str | None, *, private: bool = False) -> None:
        written = await self._last_word(request, cards.refused() if private else cards.failed(message))
        event = Failed(
            job_id=request.job_id,
            attempt=request.attempt,
            at=self.clock(),
            message=message,
            reference=reference,
            card_written=written,
            refused=private,
        )
        await self.mailbox.say(event)

    async def _last_word(self, request: Request, face: Face) -> bool:
        """Write a last word without a result on the card; whether that worked."""
        if isinstance(request, MergeRequest) and request.is_export:
            return False  # it is between its owner and the bot
        try:
            await self.delivery.deliver(request.job_id, request.card, face)
        except Exception as error:  # Discord is away or refuses: the bot tries it in its own time
            log.warning("card.not_written", job=request.job_id, error=str(error))
            return False
        return True

    # -- working ------------------------------------------------------------------------------------------------------

    async def _committed(self, job_id: str) -> Outcome | None:
        """What an earlier attempt has committed: then only the delivery is left to do."""
        try:
            return decode_outcome(await self.blobs.read(outcome_path(job_id)))
        except BlobMissing:
            return None

    async def _work(self, request: Request) -> Outcome:
        if await self.mailbox.is_cancelled(request.job_id):
            raise Stopped
        await self.mailbox.say(
            Started(job_id=request.job_id, attempt=request.attempt, worker_id=self.worker_id, at=self.clock())
        )
        watching = asyncio.create_task(self._watch(request))
        board = Board(request, self.mailbox, self.delivery, self.paces, self.gate, self.clock, self.wait)
        showing = asyncio.create_task(board.run())
        with self.spool.room() as room:
            try:
                result = await self._let_work(request, board, room)
            finally:
                for task in (watching, showing):
                    task.cancel()
                await asyncio.gather(watching, showing, return_exceptions=True)
            outcome = await store_outcome(self.blobs, request, await self._sift(request, result), self.clock())
        if not await self.blobs.create(outcome_path(request.job_id), encode(outcome)):
            return await self._committed(request.job_id) or outcome  # another attempt was quicker: its result stands
        await self.mailbox.say(Produced(job_id=request.job_id, attempt=request.attempt, at=self.clock()))
        return outcome

    async def _sift(self, request: Request, result: Result) -> Result:
        """The result as it may be shown, looked at before anything of it is kept. Raises Refusal."""
        if isinstance(result, messages.Trained):
            return await self.gate.sift_trained(result, request.card)
        if not isinstance(result, messages.Drawn):
            return result
        try:
            sifted = await self.gate.sift_drawn(result, request.card)
        except Unseen as unseen:
            raise Refusal(unseen.message, unseen.reference) from unseen
        if sifted is None:
            log.info("picture.refused", job=request.job_id)
            raise Refusal(REFUSED, private=True)
        return sifted

    async def _watch(self, request: Request) -> None:
        """Tell the engine what the member wants of the job; again and again, for it may not be there yet."""
        job_id = request.job_id
        while True:
            if await self.mailbox.is_cancelled(job_id):
                await (self.merger if isinstance(request, MergeRequest) else self.switchboard).cancel(job_id)
            elif isinstance(request, TrainRequest):
                wish = await self.mailbox.wish(job_id, request.attempt)
                if wish is not None:
                    await self.switchboard.ask(job_id, *wish)
            await self.wait(CANCEL_POLL_S)

    def _reports(self, command: Command) -> AsyncGenerator[messages.Report, None]:
        """What is said by who does the job: the engine, or a child of its own."""
        if isinstance(command, messages.StartMerging):
            return self.merger.work(command)
        return self.switchboard.work(command)

    async def _let_work(self, request: Request, board: Board, room: Path) -> Result:
        command = await self._command(request, room)
        async with aclosing(self._reports(command)) as reports:
            try:
                async for report in reports:
                    match report:
                        case messages.Planned():
                            board.plan(report)
                        case messages.Stepped():
                            board.step(report)
                        case messages.Checkpointed():
                            await self._keep_if_it_can_be(request.job_id, report)
                        case messages.Paused():
                            await self._pause(request, report)
                        case messages.Drawn() | messages.Trained() | messages.Merged():
                            board.remember_pace()
                            return report
                        case messages.Stopped():
                            raise Stopped
                        case messages.Refused():
                            raise _refusal(request, report)
            except Interrupted:
                if await self.mailbox.is_cancelled(request.job_id):
                    raise Stopped from None
                raise
        raise Interrupted(blamed=False)

    async def _keep_if_it_can_be(self, job_id: str, report: messages.Checkpointed) -> None:
        """Store it; where that fails, the training goes on without: it may never need it."""
        try:
            await self._keep(job_id, report.file, Standing(report.step, report.steps))
        except (OSError, ObstoreError) as error:
            log.warning("checkpoint.not_stored", job=job_id, error=str(error)[:200])
            Path(report.file.path).unlink(missing_ok=True)

    async def _keep(self, job_id: str, checkpoint: messages.Spooled, standing: Standing) -> None:
        """Store a checkpoint, then where it stands: the bot tells a member no more than is true."""
        await self.blobs.write_file(checkpoint_path(job_id), Path(checkpoint.path))
        await self.blobs.write(standing_path(job_id), msgspec.json.encode(standing))

    async def _pause(self, request: Request, report: messages.Paused) -> NoReturn:
        """Store the checkpoint and end the attempt. Raises PausedAt, or Stopped if the member said that since."""
        if report.checkpoint is not None:
            await self._keep(request.job_id, report.checkpoint, Standing(report.step, report.steps))
        if await self.mailbox.is_cancelled(request.job_id):
            raise Stopped
        raise PausedAt(report.step, report.steps)

    async def _command(self, request: Request, room: Path) -> Command:
        """The request with the files it names. Raises Refusal for what was deleted meanwhile."""
        lend = self.spool.lend
        try:
            if isinstance(request, ImagineRequest):
                whole = {use.blob for use in request.adapters if use.kind == "checkpoint"}
                files = {path: await lend(path, room, keep=path in whole) for path in request.blobs}
                return messages.StartImagining(request, files)
            if isinstance(request, MergeRequest):
                paths = {path: await lend(path, room) for path in blobs_of(request.work)}
                return messages.StartMerging(request, paths, str(room))
            photos = [await lend(path, room) for path in request.photos]
            source = None if request.continue_from is None else await lend(request.continue_from, room)
        except BlobMissing as missing:
            log.warning("input.missing", job=request.job_id, path=missing.path)
            if isinstance(request, ImagineRequest):
                what = "An adapter" if missing.path in {use.blob for use in request.adapters} else "A picture"
                raise Refusal(f"{what} of this prompt was deleted meanwhile: take it out and try again.") from None
            if isinstance(request, MergeRequest):
                raise Refusal(
                    f"{_lost(request, missing.path)} was deleted meanwhile: take it out and try again."
                ) from None
            if missing.path == request.continue_from:
                raise Refusal("The adapter that was to learn on was deleted meanwhile: train a new one.") from None
            raise Refusal("The photos of this training were deleted meanwhile: send them again.") from None
        try:
            resume = await lend(checkpoint_path(request.job_id), room)
        except BlobMissing:
            resume = None
        return messages.StartTraining(request, tuple(photos), str(room), resume, source)

    # -- delivering ---------------------------------------------------------------------------------------------------

    async def _deliver(self, request: Request, outcome: Outcome) -> None:
        """Put the committed outcome into the channel; from the blobs, so that a later attempt does the very same."""
        if isinstance(request, MergeRequest):
            await self._deliver_merge(request, outcome)
            return
        originals = [Attached(file.filename, await self.blobs.read(file.blob)) for file in outcome.pictures]
        large = await asyncio.to_thread(show_large, [file.data for file in originals])
        files = [Attached(LARGE, large)] if large is not None else []
        if isinstance(request, TrainRequest):
            files = files or originals
            face = cards.trained(request, outcome, files[0].filename if files else None)
            if outcome.grid is not None:
                files = [Attached(GRID, await self.blobs.read(outcome.grid.blob)), *files]
        else:
            files = [*files, *originals]
            if request.grid is not None:
                pngs, most = [file.data for file in originals], min(SHEET_BYTES, request.card.upload_limit_bytes)
                files = [Attached(GRID, await asyncio.to_thread(lay_out, request.grid, pngs, most))]
            # several large ones: Discord's own gallery
            shown = files[0].filename if large is not None or len(files) == 1 else None
            face = cards.drawn(request, outcome, shown)
        try:
            channel_id, message_id = await self.delivery.deliver(request.job_id, request.card, face, files)
        except NotAllowed as error:
            learned = f"`{request.name}` has been learned and is yours. " if isinstance(request, TrainRequest) else ""
            raise Refusal(
                f"{learned}Darkroom can't send pictures in that channel: if it is still there, give it the permissions"
                " View Channel, Send Messages, Embed Links and Attach Files, then try again."
            ) from error
        await self._say_delivered(request, channel_id, message_id)

    async def _deliver_merge(self, request: MergeRequest, outcome: Outcome) -> None:
        if request.is_export:  # the bot shows it to whoever asked, and nobody else
            await self._say_delivered(request, request.card.channel_id, request.card.message_id or 0)
            return
        face = cards.merged(request, outcome)
        try:
            channel_id, message_id = await self.delivery.deliver(request.job_id, request.card, face)
        except NotAllowed as error:
            raise Refusal(
                f"`{request.name}` has been made and is yours. Darkroom can't write in that channel: if it is still"
                " there, give it the permissions View Channel, Send Messages and Embed Links."
            ) from error
        await self._say_delivered(request, channel_id, message_id)

    async def _say_delivered(self, request: Request, channel_id: int, message_id: int) -> None:
        event = Delivered(
            job_id=request.job_id,
            attempt=request.attempt,
            channel_id=channel_id,
            message_id=message_id,
            at=self.clock(),
        )
        await self.mailbox.say(event)


def _lost(request: MergeRequest, path: str) -> str:
    """What the file at that path is, for who asked for it."""
    names = [use.name for use in adapters_of(request.work) if use.blob == path]
    return f"The adapter `{names[0]}`" if names else "One of these models"


def _refusal(request: Request, report: messages.Refused) -> Refusal:
    """The engine's refusal; a fault of ours is logged under the reference that the member is shown."""
    if report.message is not None:
        return Refusal(looks.sentence(report.message))
    reference = secrets.token_hex(4).upper()
    log.error("engine.failed", job=request.job_id, reference=reference, details=report.details)
    return Refusal(_ours(reference), reference)


def _ours(reference: str) -> str:
    return f"Something went wrong on our side. The operator finds it in the log under {reference}."
