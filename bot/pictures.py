"""Pictures that jobs have made: their exact settings, and deleting them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection

from bot import lifecycle
from bot.errors import UserError
from bot.store import jobs, pictures
from bot.store.database import Database
from bot.store.records import Job, Picture

ON_A_PAGE = 9  # a square of pictures, which a phone shows at once


@dataclass(frozen=True)
class AlbumEntry:
    """What one order has drawn: how many pictures, and the first of them."""

    job: Job
    first: Picture
    count: int


@dataclass(frozen=True)
class AlbumPage:
    """A page of what a member has drawn, the newest first; ``number`` counts from 0."""

    entries: tuple[AlbumEntry, ...]
    number: int
    has_more: bool


class Pictures:
    """The service behind the buttons under a picture."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def of_job(self, job_id: str) -> list[Picture]:
        """The pictures of a job, in order; empty when they were deleted."""
        return await self._database.read(lambda tx: pictures.of_job(tx, job_id))

    async def of_message(self, message_id: int) -> list[Picture]:
        """The pictures that a message of the house's own shows; empty when it knows of none.

        Raises UserError: they were reported.
        """

        def find(tx: Connection) -> list[Picture]:
            job = jobs.of_message(tx, message_id)
            return [] if job is None else _shown(pictures.of_job(tx, job.id))

        return await self._database.read(find)

    async def seen(self, job_id: str, member_id: int, guild_id: int | None) -> tuple[Job, list[Picture]]:
        """A job and its pictures, for its owner, or for somebody in the server where it was drawn.

        Raises UserError: unknown, drawn elsewhere, or deleted.
        """

        return await self._database.read(lambda tx: require_seen(tx, job_id, member_id, guild_id))

    async def album(self, owner_id: int, number: int) -> AlbumPage:
        """A page of what the member has drawn, wherever it was."""

        def find(tx: Connection) -> AlbumPage:
            found = pictures.orders(tx, owner_id, offset=number * ON_A_PAGE, limit=ON_A_PAGE + 1)
            entries = tuple(
                AlbumEntry(jobs.require(tx, job_id), pictures.of_job(tx, job_id)[0], count)
                for job_id, count in found[:ON_A_PAGE]
            )
            return AlbumPage(entries, number, len(found) > ON_A_PAGE)

        return await self._database.read(find)

    async def delete(self, job_id: str, member_id: int, *, guild_id: int | None = None, moderator: bool = False) -> Job:
        """Delete a job's pictures from the store and return the job, whose message is to be deleted by the caller.

        Doing it again changes nothing, so that a failure to delete the message can be made good by a second click.
        Raises UserError: unknown, or somebody else's (unless ``moderator``, of the server where it was drawn).
        """

        def change(tx: Connection) -> Job:
            job = jobs.get(tx, job_id)
            if job is None or job.lane != "imagine" or not may_see(job, member_id, guild_id):
                raise UserError(
                    "Darkroom knows of no picture here any more: a moderator can delete the message itself."
                )
            if job.owner_id != member_id and not moderator:
                raise UserError(
                    f"These pictures belong to {job.owner_name}: only they, or a moderator, can delete them."
                )
            lifecycle.throw_away_pictures(tx, job_id, self._clock())
            return job

        return await self._database.write(change)


def may_see(job: Job, member_id: int, guild_id: int | None) -> bool:
    """Whether a member who acts in that server, None being a direct message, sees what the job has drawn."""
    return job.owner_id == member_id or (guild_id is not None and job.guild_id == guild_id)


def require_seen(tx: Connection, job_id: str, member_id: int, guild_id: int | None) -> tuple[Job, list[Picture]]:
    """A job and its pictures, for those who may see them. Raises UserError: unknown, drawn elsewhere, or deleted."""
    job = jobs.get(tx, job_id)
    if job is None or job.lane != "imagine" or not may_see(job, member_id, guild_id):
        raise UserError("Darkroom knows of no picture here any more: draw one with `/imagine`.")
    found = pictures.of_job(tx, job_id)
    if not found:
        raise UserError("These pictures were deleted, and their settings with them.")
    return job, _shown(found)


def _shown(found: list[Picture]) -> list[Picture]:
    if any(picture.hidden_at is not None for picture in found):
        raise UserError("These pictures were reported: nobody is shown them until a moderator has decided.")
    return found
