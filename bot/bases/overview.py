"""What ``/models`` tells: the bases, who has them at hand, and the whole models that members made."""

from __future__ import annotations

from sqlite3 import Connection

from bot.errors import QueueDown
from bot.orders import Order
from bot.queue import Queue
from bot.store import bases, gallery
from bot.store.database import Database
from bot.store.gallery import Asked
from bot.store.records import Adapter
from trainer.contract.events import BaseInfo

MOST_CHECKPOINTS = 50


class Shelf(Order, frozen=True):
    """One base."""

    info: BaseInfo
    adapters: int  # that members have for it
    devices: tuple[str, ...]  # of the workers that have it now; none: it is known from before


class Overview(Order, frozen=True):
    """All of them. ``checkpoints``: those that the viewer may use, the newest first."""

    shelves: tuple[Shelf, ...]
    checkpoints: tuple[Adapter, ...]


class Models:
    """The service behind ``/models``."""

    def __init__(self, database: Database, queue: Queue) -> None:
        self._database, self._queue = database, queue

    async def look(self, *, viewer_id: int, guild_id: int | None) -> Overview:
        """What there is; where Redis does not answer, no worker is known."""
        try:
            beats = await self._queue.heartbeats()
        except QueueDown:
            beats = []

        def read(tx: Connection) -> Overview:
            counts = bases.count_adapters(tx)
            shelves = tuple(
                Shelf(
                    info=info,
                    adapters=counts.get(info.name, 0),
                    devices=tuple(beat.device for beat in beats if info.name in {each.name for each in beat.bases}),
                )
                for info in bases.known(tx)
            )
            made = gallery.page(tx, Asked(kind="checkpoint"), viewer_id, guild_id, limit=MOST_CHECKPOINTS)
            return Overview(shelves=shelves, checkpoints=tuple(adapter for _, adapter in made))

        return await self._database.read(read)
