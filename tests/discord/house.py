"""A whole Darkroom in one loop: Discord's stand-in, the real bot, and, where a test needs results, the real worker.

At the end nothing was said to Discord that it forbids, and nothing was logged as an error that the test did not expect.
"""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import discord
import structlog.testing
from PIL import Image

from bot.client import DarkroomBot, build_bot
from bot.errors import UserError
from bot.queue import Queue
from bot.services import Services, open_services
from bot.settings import Settings
from bot.store import consents
from bot.store.records import Adapter, Consent, Job
from bot.ui.refusals import EDIT, TITLE
from sandbox.members import Exchange, File, Member, Message
from sandbox.server import Sandbox
from sandbox.views import walk_components
from sandbox.world import APPLICATION_ID
from tests.discord.backend import BASE, SketchBackend
from trainer.contract.names import photos_prefix
from trainer.decency import Gate
from trainer.settings import WorkerSettings
from trainer.worker import run_worker

CHANNEL = "darkroom"
PATIENCE_S = 30.0  # after which a test that waits for something has failed
REDRAWING = ["Vary (subtle)", "Vary (strong)", "Upscale ×2", "High-res ×1.5"]
PICTURE_BUTTONS = ["Again", "Remix", "Settings", "Favourite", "Delete", *REDRAWING, "Report"]  # under a single one
OPAQUE = re.compile(r"dr:[a-z]+:(\d{1,30}|[0-9a-f]{16}|[0-9a-f]{32})(:\d{1,3})?")  # an action, an id, a place
PHOTOS = Path(__file__).parents[2] / "sandbox" / "photos"


def six_photos() -> list[File]:
    """Those of the demo."""
    return [File(path.name, path.read_bytes()) for path in sorted(PHOTOS.glob("*.jpg"))]


def small_photos(count: int = 3) -> list[File]:
    """Photos that take no time to decode."""
    return [File(f"{number}.png", png(number)) for number in range(1, count + 1)]


def png(shade: int = 0, side: int = 64) -> bytes:
    """A plain picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (side, side), (shade * 20 % 256, 90, 160)).save(buffer, "PNG")
    return buffer.getvalue()


def as_options(files: list[File]) -> dict[str, File]:
    """Files as /train's options."""
    return {f"photo{number}": file for number, file in enumerate(files, 1)}


def labels(message: Message) -> list[str]:
    """What its buttons say."""
    return [button.label for button in message.buttons]


class House:
    """What a test acts through and looks at."""

    def __init__(self, sandbox: Sandbox, settings: Settings, logged: list[MutableMapping[str, Any]]) -> None:
        self.sandbox, self.settings, self.logged = sandbox, settings, logged
        self.ada, self.ben, self.cleo = (sandbox.member(name) for name in ("ada", "ben", "cleo"))
        self.services: Services
        self.bot: DarkroomBot
        self._bot = AsyncExitStack()
        self._worker: asyncio.Task[None] | None = None
        self._worker_stopped = asyncio.Event()

    # -- life ---------------------------------------------------------------------------------------------------------

    async def start_bot(self) -> None:
        """Until it hears what members do."""
        self._bot = AsyncExitStack()
        self.services = await self._bot.enter_async_context(open_services(self.settings))
        self.bot = await self._bot.enter_async_context(build_bot(self.settings, self.services))
        running = asyncio.create_task(self.bot.start(self.sandbox.token))
        self._bot.push_async_callback(_end, self.bot, running)
        connected = asyncio.ensure_future(self.bot.wait_for("connect", timeout=PATIENCE_S))
        await asyncio.wait({running, connected}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        await connected

    async def stop_bot(self) -> None:
        """As SIGTERM does."""
        await self._bot.aclose()

    async def restart_bot(self) -> None:
        """A new bot on the same data."""
        await self.stop_bot()
        await self.start_bot()

    async def start_worker(self, backend: SketchBackend | None = None, gate: Gate | None = None) -> None:
        """Until the bot knows what it offers. ``gate`` looks at pictures, which nobody does without."""
        self._worker_stopped = asyncio.Event()
        settings = WorkerSettings(
            _env_file=None, discord_token=self.sandbox.token, discord_api_base=self.sandbox.api_base,
            redis_url=self.settings.redis_url, darkroom_data=self.settings.darkroom_data,
        )  # fmt: skip
        backend = backend or SketchBackend()
        with patch("trainer.worker.open_gate", lambda settings: gate or Gate()):
            self._worker = asyncio.create_task(run_worker(settings, backend, self._worker_stopped))
            await self.until(lambda: self._is_served(set(backend.bases)))

    async def _is_served(self, bases: set[str]) -> bool:
        assert self._worker is not None
        if self._worker.done():
            self._worker.result()
        self.services.dispatcher.wake()  # it reads heartbeats every two seconds, and when woken
        beats = await self.queue.heartbeats()
        known = {base.name for base in await self.services.jobs.bases()}
        return bases <= known and any({base.name for base in beat.bases} == bases for beat in beats)

    async def stop_worker(self) -> None:
        """As SIGTERM does."""
        self._worker_stopped.set()
        if self._worker is not None:
            async with asyncio.timeout(PATIENCE_S):
                await self._worker
        self._worker = None

    async def close(self) -> None:
        """The worker first, as `darkroom up` does."""
        await self.stop_worker()
        await self.stop_bot()

    def check(self) -> None:
        """Nothing that Discord forbids, no error that nobody expected, and buttons that say nothing of anybody."""
        violations, self.sandbox.violations[:] = list(self.sandbox.violations), []
        assert violations == []
        assert [each for each in custom_ids(self.sandbox) if not OPAQUE.fullmatch(each)] == []
        errors = [entry for entry in self.logged if entry["log_level"] in ("error", "critical")]
        self.logged.clear()
        assert errors == []

    def expect_error(self, event: str) -> MutableMapping[str, Any]:
        """The one error of this name that was logged, taken out of the log."""
        (entry,) = [entry for entry in self.logged if entry["event"] == event and entry["log_level"] == "error"]
        self.logged.remove(entry)
        return entry

    async def stop_all_jobs(self) -> None:
        """What a test left under way must not take the next one's room."""
        for who in self.sandbox.members:
            for job in await self.services.jobs.of_member(who.id):
                with suppress(UserError):  # it ended meanwhile
                    await self.services.jobs.cancel(job.id, who.id)
        await self.until(self._is_idle)

    async def _is_idle(self) -> bool:
        return not any([await self.services.jobs.of_member(who.id) for who in self.sandbox.members])

    # -- what is there ------------------------------------------------------------------------------------------------

    @property
    def queue(self) -> Queue:
        return self.services.dispatcher._queue

    async def until(self, holds: Callable[[], Awaitable[Any]]) -> None:
        """Ask until it holds; each question goes to a store, and lets the others go on."""
        async with asyncio.timeout(PATIENCE_S):
            while not await holds():
                await self.services.jobs.bases()

    def shown(self) -> list[Message]:
        """What everybody sees in the channel."""
        return self.sandbox.messages(CHANNEL)

    async def job(self, job_id: int | str) -> Job | None:
        return await self.services.jobs.get(str(job_id))

    async def consent(self, job_id: int) -> Consent | None:
        return await self.services.jobs._database.read(lambda tx: consents.get(tx, str(job_id)))

    async def photos(self, job_id: int) -> list[str]:
        return await self.services.blobs.list(photos_prefix(str(job_id)))

    async def adapter(self, owner: Member, name: str) -> Adapter:
        return await self.services.adapters.resolve(name, viewer_id=owner.id, guild_id=None)

    # -- what members do ----------------------------------------------------------------------------------------------

    async def train(self, who: Member, name: str, *, files: list[File] | None = None, **options: Any) -> Exchange:
        """/train with photos that take no time, and consent."""
        photos = as_options(small_photos() if files is None else files)
        return await who.slash("train", channel=CHANNEL, **{"name": name, "consent": True, **photos, **options})

    async def imagine(self, who: Member, prompt: str, **options: Any) -> Exchange:
        return await who.slash("imagine", channel=CHANNEL, prompt=prompt, **options)

    async def result(self, exchange: Exchange) -> Message:
        """The job's message, once the bot has put its buttons under the result."""
        card = await exchange.response(PATIENCE_S)
        return await self.sandbox.wait_for(
            lambda message: message.id == card.id and "Settings" in labels(message), timeout_s=PATIENCE_S
        )

    async def trained(self, who: Member, name: str, **options: Any) -> Message:
        """An adapter of this name is there, and its card."""
        return await self.result(await self.train(who, name, **options))

    async def drawn(self, who: Member, prompt: str, **options: Any) -> Message:
        """A picture of this prompt is there."""
        return await self.result(await self.imagine(who, prompt, **options))

    async def running(self, exchange: Exchange) -> Message:
        """The job's card, once a worker has begun and the bot knows it."""
        card = await exchange.response(PATIENCE_S)
        await self.until(partial(self._is_running, exchange))
        return await self.sandbox.wait_for(
            lambda message: message.id == card.id and message.embeds[0]["title"].endswith(("is next", "Drawing"))
        )

    async def refusal(self, exchange: Exchange) -> str:
        """The one sentence that its member alone is shown, with what they wrote; nothing else came of it."""
        await exchange.response(PATIENCE_S)
        (who,) = [member for member in self.sandbox.members if member.id == exchange.member_id]
        answer = await self.sandbox.wait_for(
            lambda message: message.ephemeral_to == who.id and came_of(message, exchange),
            seen_by=who, timeout_s=PATIENCE_S,
        )  # fmt: skip
        assert {embed["title"] for embed in answer.embeds} <= {TITLE}
        assert set(labels(answer)) <= {EDIT}
        assert await self.job(exchange.id) is None
        assert await self.photos(exchange.id) == []
        await self.until(partial(self._shows_nothing_of, exchange))  # no "is thinking…" that stays
        assert not answer.record.mention_everyone
        assert answer.record.mention_ids == ()
        return answer.content

    async def _is_running(self, exchange: Exchange) -> bool:
        job = await self.job(exchange.id)
        return job is not None and job.state == "running"

    async def _shows_nothing_of(self, exchange: Exchange) -> bool:
        return not any(came_of(message, exchange) for message in self.sandbox.messages(exchange.channel_id))

    async def settings_of(self, who: Member, message: Message) -> str:
        """What the Settings button says to this member."""
        answer = await (await who.click(message, "Settings")).response(PATIENCE_S)
        assert answer.ephemeral_to == who.id
        return answer.content.removeprefix("```\n").replace("\n```", "")


def came_of(message: Message, exchange: Exchange) -> bool:
    """Whether the message answers that interaction, at first or later."""
    return (message.record.interaction or {}).get("id") == str(exchange.id)


def custom_ids(sandbox: Sandbox) -> Iterator[str]:
    """All that the bot's messages carry."""
    for record in sandbox.state.messages.values():
        if record.author_id == APPLICATION_ID:
            for component in walk_components(record.components):
                if "custom_id" in component:
                    yield component["custom_id"]


async def _end(bot: DarkroomBot, running: asyncio.Task[None]) -> None:
    await bot.close()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@asynccontextmanager
async def house(
    data: Path,
    redis_url: str,
    *,
    worker: bool = True,
    bases: tuple[str, ...] = (BASE,),
    furnish: Callable[[Sandbox], None] = lambda sandbox: None,
    **settings: Any,
) -> AsyncIterator[House]:
    """A house with its bot up, and its worker unless ``worker`` is false; ``furnish`` adds people and servers."""
    addresses = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    # a test does in a moment what takes members minutes
    async with Sandbox(rate_limits=False) as sandbox:
        furnish(sandbox)
        values = {
            "discord_token": sandbox.token, "discord_api_base": sandbox.api_base,
            "discord_gateway_url": sandbox.gateway_url, "discord_cdn_base": sandbox.cdn_base,
            "redis_url": redis_url, "darkroom_data": data, "darkroom_classifier": "off",
        }  # fmt: skip
        with structlog.testing.capture_logs() as logged, patch("trainer.attempts.CANCEL_POLL_S", 0.02):
            home = House(sandbox, Settings(_env_file=None, **values, **settings), logged)
            try:
                await home.start_bot()
                if worker:
                    await home.start_worker(SketchBackend(bases))
                yield home
            finally:
                await home.close()
                discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = addresses
            home.check()
