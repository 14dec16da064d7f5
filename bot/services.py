"""All services of the bot, made once at the composition root and handed to what needs them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import structlog

from bot.adapters import Adapters
from bot.addresses.bringing import Bringer
from bot.addresses.door import Addresses, keys_of
from bot.admission import Admission, Limits
from bot.backups import BackupMaker
from bot.bases.overview import Models
from bot.browsing import Browsing
from bot.control import Control
from bot.describing.reading import PictureReader
from bot.dispatch import Dispatcher
from bot.drafts import Drafts
from bot.errors import QueueDown, StartupFault
from bot.events import EventReader
from bot.exporting.downloads import Downloads, open_downloads
from bot.exporting.exports import Exports
from bot.exporting.links import Links
from bot.favourites import Favourites
from bot.fetching import Fetcher
from bot.guilds import Guilds
from bot.importing.importer import Importer
from bot.jobs import Jobs
from bot.library import Library
from bot.merging.merges import Merges
from bot.moderation import Moderation
from bot.outbox import Listener, Outbox
from bot.photos import Photos
from bot.pictures import Pictures
from bot.privacy import Privacy
from bot.queue import open_queue
from bot.reviews import Reviews
from bot.settings import Settings, prepare_data_folder
from bot.sharing import Sharing
from bot.showcase import Showcase
from bot.store.database import open_database
from bot.store.lock import hold_data_folder
from bot.styles import Styles
from bot.sweep import Sweeper
from bot.templates import Templates
from bot.texts import TextReader
from bot.trainings import Trainings
from bot.wildcards import Wildcards
from trainer.contract.blobs import Blobs, open_blobs

log = structlog.get_logger(__name__)

EMBEDDED_BASE = "emoji-64"  # what every worker offers that has no bases of its own
RESTART_S = 2.0


@dataclass
class Services:
    """``bot.client.build_bot(settings, services)`` gets this.

    The client's ``setup_hook`` calls :meth:`start` with its listener; its ``close`` calls :meth:`stop`.
    """

    jobs: Jobs
    trainings: Trainings
    merges: Merges
    exports: Exports
    control: Control
    reviews: Reviews
    adapters: Adapters
    library: Library
    browsing: Browsing
    showcase: Showcase
    sharing: Sharing
    importer: Importer
    bringer: Bringer
    models: Models
    wildcards: Wildcards
    styles: Styles
    templates: Templates
    pictures: Pictures
    photos: Photos
    favourites: Favourites
    guilds: Guilds
    drafts: Drafts
    picture_reader: PictureReader
    text_reader: TextReader
    blobs: Blobs
    outbox: Outbox
    dispatcher: Dispatcher
    events: EventReader
    sweeper: Sweeper
    backups: BackupMaker
    privacy: Privacy
    moderation: Moderation
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    def start(self, listener: Listener) -> None:
        """Start all loops as tasks: what runs for as long as the bot is connected."""
        loops: dict[str, Callable[[], Awaitable[None]]] = {
            "events": self.events.run,
            "dispatch": self.dispatcher.run,
            "outbox": lambda: self.outbox.run(listener),
            "sweep": self.sweeper.run,
            "backups": self.backups.run,
            "privacy": lambda: self.privacy.run(listener),
        }
        self._tasks = [asyncio.create_task(_keep_running(name, run), name=name) for name, run in loops.items()]
        log.info("services.started")

    async def stop(self) -> None:
        """Stop them and wait until they have."""
        await self.bringer.end()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []


async def _keep_running(name: str, run: Callable[[], Awaitable[None]]) -> None:
    """Run a loop for ever: a fault in it is logged, and it starts anew."""
    while True:
        try:
            await run()
        except Exception:
            log.exception("loop.failed", loop=name)
        await asyncio.sleep(RESTART_S)


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Services]:
    """Open the database, the blobs and Redis, and make the services. Raises StartupFault."""
    prepare_data_folder(settings.darkroom_data)
    async with AsyncExitStack() as stack:
        stack.enter_context(hold_data_folder(settings.darkroom_data))
        try:
            queue = await stack.enter_async_context(open_queue(settings.require_redis_url()))
            await queue.ping()
        except (QueueDown, ValueError) as error:
            raise StartupFault(
                f"Redis at REDIS_URL does not answer ({_redis_reason(error)}): start it, or correct REDIS_URL."
            ) from error
        database = await open_database(settings.database_path)
        stack.push_async_callback(database.close)
        blobs = open_blob_store(settings)
        session = await stack.enter_async_context(aiohttp.ClientSession(auto_decompress=False))
        fetcher = Fetcher(session, cdn_base=settings.discord_cdn_base)
        explicit_from = settings.darkroom_explicit_from if settings.darkroom_classifier == "on" else None
        photos = Photos(fetcher, blobs, settings.darkroom_data / "incoming", explicit_from=explicit_from)
        photos.clear_incoming()
        outbox = Outbox(database)
        sweeper = Sweeper(
            database,
            blobs,
            outbox,
            keep_versions=settings.darkroom_keep_versions,
            keep_pictures_days=settings.darkroom_keep_pictures_days,
        )
        events = EventReader(database, queue, blobs, outbox)
        dispatcher = Dispatcher(database, queue, blobs, outbox, caught_up=events.caught_up)

        def changed() -> None:
            dispatcher.wake()
            sweeper.wake()

        events.on_change = changed
        limits = Limits(
            train=settings.darkroom_max_waiting_train,
            imagine=settings.darkroom_max_waiting_imagine,
            checkpoints=settings.darkroom_max_checkpoints,
        )
        fallback_base = EMBEDDED_BASE if settings.darkroom_bases is None and not settings.hub_ids else None
        admission = Admission(limits, fallback_base)
        trainings = Trainings(
            database,
            blobs,
            photos,
            admission=admission,
            keep_photos_days=settings.darkroom_keep_photos_days,
            on_change=dispatcher.wake,
        )
        adapters = Adapters(database, on_delete=sweeper.wake)
        wildcards, styles = Wildcards(database), Styles(database)
        jobs = Jobs(database, queue, blobs, outbox, admission=admission, on_change=dispatcher.wake)
        links = None if settings.darkroom_downloads_url is None else Links(settings.darkroom_downloads_url)
        exports = Exports(
            database, blobs, adapters, admission=admission, links=links, on_change=dispatcher.wake
        )  # fmt: skip
        if links is not None:
            downloads = Downloads(links, exports, jobs, blobs)
            server = await open_downloads(
                downloads, settings.darkroom_downloads_host, settings.darkroom_downloads_port
            )  # fmt: skip
            stack.push_async_callback(server.cleanup)
        incoming = settings.darkroom_data / "incoming"
        importer = Importer(database, blobs, fetcher, incoming, most_bytes=settings.darkroom_max_import_bytes)
        addresses = await stack.enter_async_context(Addresses(keys_of(settings)))
        services = Services(
            jobs=jobs,
            merges=Merges(database, adapters, admission=admission, on_change=dispatcher.wake),
            exports=exports,
            trainings=trainings,
            control=Control(database, outbox, progress=jobs.progress, on_change=dispatcher.wake),
            reviews=Reviews(database, blobs, photos, outbox, on_change=dispatcher.wake),
            adapters=adapters,
            library=Library(database),
            browsing=Browsing(database),
            showcase=Showcase(database),
            sharing=Sharing(database),
            importer=importer,
            models=Models(database, queue),
            bringer=Bringer(addresses, importer, incoming, most_bytes=settings.darkroom_max_import_bytes),
            wildcards=wildcards,
            styles=styles,
            templates=Templates(adapters, wildcards, styles),
            pictures=Pictures(database),
            photos=photos,
            favourites=Favourites(database),
            guilds=Guilds(database),
            drafts=Drafts(),
            picture_reader=PictureReader(fetcher, settings.darkroom_data / "incoming"),
            text_reader=TextReader(fetcher, settings.darkroom_data / "incoming"),
            blobs=blobs,
            outbox=outbox,
            dispatcher=dispatcher,
            events=events,
            sweeper=sweeper,
            backups=BackupMaker(database, queue, settings.darkroom_data / "backups"),
            privacy=Privacy(database, queue, blobs, jobs),
            moderation=Moderation(database, on_delete=sweeper.wake),
        )
        stack.push_async_callback(services.stop)
        yield services


def open_blob_store(settings: Settings) -> Blobs:
    """The blob store that the settings name. Raises StartupFault."""
    try:
        return open_blobs(settings.blobs_location, **settings.s3_access)
    except Exception as error:  # obstore raises its own kinds for every scheme
        raise StartupFault(
            f"DARKROOM_BLOBS {settings.blobs_location!r} can't be opened ({error}): name a folder that this user can"
            " write, or an s3:// address, whose server stands in AWS_ENDPOINT_URL and its keys in AWS_ACCESS_KEY_ID and"
            " AWS_SECRET_ACCESS_KEY.",
            exit_code=2,
        ) from error


def _redis_reason(error: Exception) -> str:
    return str(error).removeprefix("Redis does not answer: ").strip(". ") or type(error).__name__
