"""A server's showcase: pictures that its members have starred often enough are put into a channel, each once."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from sqlite3 import Connection

from bot.store import guilds, jobs, pictures, showcase
from bot.store.database import Database
from bot.store.records import Hung, Job, Picture

FEWEST_STARS, MOST_STARS = 1, 100


@dataclass(frozen=True)
class Exhibit:
    """A picture that is to be put into the channel now."""

    job: Job
    picture: Picture
    channel_id: int
    stars: int


class Showcase:
    """Decides what hangs there. A star is a favourite of somebody else than who drew it."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    async def claim(self, job_id: str) -> list[Exhibit]:
        """The pictures of a job that have just got enough stars; no second call gets the same ones."""

        def find(tx: Connection) -> list[Exhibit]:
            job = jobs.get(tx, job_id)
            if job is None or job.guild_id is None:
                return []
            settings = guilds.settings(tx, job.guild_id)
            if settings.showcase_channel is None:
                return []
            stars = showcase.stars(tx, job.id, job.owner_id)
            return [
                Exhibit(job, picture, settings.showcase_channel, stars[picture.position])
                for picture in pictures.of_job(tx, job.id)
                if stars.get(picture.position, 0) >= settings.showcase_stars
                and not picture.explicit
                and picture.hidden_at is None
                and showcase.add(tx, job.guild_id, job.id, picture.position, self._clock())
            ]

        return await self._database.write(find)

    async def hang(self, exhibit: Exhibit, message_id: int) -> None:
        """It hangs there now."""
        job, place = exhibit.job, exhibit.picture.position
        await self._database.write(
            lambda tx: showcase.hang(tx, job.guild_id or 0, job.id, place, exhibit.channel_id, message_id)
        )

    async def fallen(self) -> list[Hung]:
        """What still hangs there, though the picture was deleted or reported."""
        return await self._database.read(showcase.fallen)

    async def forget(self, hung: Hung) -> None:
        """It was taken down; what moderators keep may get there again."""
        await self._database.write(lambda tx: showcase.remove(tx, hung.guild_id, hung.job_id, hung.position))

    async def give_up(self, exhibit: Exhibit) -> None:
        """It could not be put there: the next star tries again."""
        job, position = exhibit.job, exhibit.picture.position
        await self._database.write(lambda tx: showcase.remove(tx, job.guild_id or 0, job.id, position))
