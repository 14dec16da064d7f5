"""Puts progress and results into the channel, as the bot. The only file of the trainer that speaks to Discord.

A card has one writer at a time; here that is enforced by a lock a card, and edits come at most one in five seconds,
the terminal one always last. A result that is sent twice (after a crash) shows once: an edit replaces the attachments,
and a new message carries a nonce of its job and a marker by which a repeat finds it.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import aiohttp
import discord
import structlog
from discord.http import Route

from trainer.cards import Face
from trainer.contract import looks
from trainer.contract.names import CARD_STALE_AFTER_S, button_id
from trainer.contract.requests import Card
from trainer.errors import UserFault
from trainer.metrics import POSTS

log = structlog.get_logger(__name__)
Result = TypeVar("Result")

EDIT_EVERY_S = 5.0
RETRY_S = (1.0, 4.0, 15.0, 30.0)  # discord.py itself gives up at once on 503 and on a reset connection
_SEARCHED = 50  # of the newest messages, in which a repeat looks for its own result
_ARCHIVED = 50083


class NotAllowed(Exception):
    """Discord does not let the bot write there, or the channel is gone."""


class Unreachable(Exception):
    """Discord does not answer, or answers with faults of its own, for a minute."""


class _CardGone(Exception):
    """The message can't be edited any more: somebody deleted it, or its thread was archived (a new one unarchives)."""


@dataclass(frozen=True)
class Attached:
    """A file to attach."""

    filename: str
    data: bytes


@dataclass
class _State:
    """What is known of one card while its job runs."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    edited_at: float = float("-inf")
    closed: bool = False


class Delivery:
    """Speaks to Discord's REST API with the bot's token; needs no gateway."""

    def __init__(
        self,
        api_base: str,
        *,
        clock: Callable[[], float] = time.time,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        Route.BASE = api_base
        discord.VoiceClient.warn_nacl = discord.VoiceClient.warn_dave = False  # it has nothing to do with voice
        self._client = discord.Client(
            intents=discord.Intents(guilds=True), allowed_mentions=discord.AllowedMentions.none()
        )
        self._clock, self._wait = clock, wait
        self._states: dict[str, _State] = {}

    async def open(self, token: str) -> None:
        """Log in. Raises :class:`UserFault` for a token that Discord refuses."""
        try:
            await self._client.login(token)
        except discord.LoginFailure as error:
            raise UserFault("Discord refused DISCORD_TOKEN; copy it anew from the application's Bot page") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def show_progress(self, job_id: str, card: Card, face: Face, preview: Attached | None = None) -> bool:
        """Edit the card, unless it was edited a moment ago, is gone, or the result is there; whether it was edited."""
        state = self._states.setdefault(job_id, _State())
        if card.message_id is None or card.private or state.closed or state.lock.locked():
            return False
        if self._clock() - state.edited_at < EDIT_EVERY_S or self._clock() - card.posted_at > CARD_STALE_AFTER_S:
            return False
        # shielded: an edit that is on its way when its job ends would else be overtaken by the last word, and cover it
        return await asyncio.shield(self._edit(state, job_id, card.channel_id, card.message_id, face, preview))

    async def _edit(
        self, state: _State, job_id: str, channel_id: int, message_id: int, face: Face, preview: Attached | None
    ) -> bool:
        async with state.lock:
            state.edited_at = self._clock()
            message = self._message(channel_id, message_id)
            try:
                view = _view(*((words, button_id(action, job_id)) for action, words in face.buttons))
                await message.edit(embed=_embed(face), view=view, attachments=_files([preview] if preview else []))
            except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
                log.info("progress.not_shown", job=job_id, error=str(error))  # the next one is seconds away
                POSTS.labels("progress", "failed").inc()
                return False
        POSTS.labels("progress", "taken").inc()
        return True

    async def deliver(self, job_id: str, card: Card, face: Face, files: Sequence[Attached] = ()) -> tuple[int, int]:
        """Put the last word into the channel and return (channel id, message id). Repeating it changes nothing.

        Raises :class:`NotAllowed` or :class:`Unreachable`.
        """
        with POSTS.labels("result", "failed").count_exceptions():
            posted = await self._deliver(job_id, card, face, files)
        POSTS.labels("result", "taken").inc()
        return posted

    async def _deliver(self, job_id: str, card: Card, face: Face, files: Sequence[Attached]) -> tuple[int, int]:
        state = self._states.setdefault(job_id, _State())
        async with state.lock:
            state.closed = True
            embed, kept = _embed(face), [file for file in files if len(file.data) <= card.upload_limit_bytes]
            if len(kept) < len(files):
                large = ", ".join(f.filename for f in files if f not in kept)
                embed.add_field(
                    name="Too large for this server",
                    value=f"{large}: above {card.upload_limit_bytes // 2**20} MiB, so it stays on Darkroom's own disk.",
                    inline=False,
                )
            if face.picture not in {file.filename for file in kept}:
                embed.set_image(url=None)
            fresh = self._clock() - card.posted_at <= CARD_STALE_AFTER_S
            if card.message_id is not None and not card.private and fresh:
                message = self._message(card.channel_id, card.message_id)
                try:
                    await self._retry(lambda: message.edit(embed=embed, view=None, attachments=_files(kept)))
                except _CardGone as error:
                    log.info("card.gone", job=job_id, error=str(error))  # the result is posted anew
                else:
                    return card.channel_id, card.message_id
            posted = await self._post(job_id, card, embed, kept)
            if not fresh:
                await self._point_on(card, posted)
            return card.channel_id, posted

    async def leave(self, job_id: str) -> None:
        """Write no more to the card: it is the bot's once this returns, and no edit is on its way."""
        state = self._states.setdefault(job_id, _State())
        async with state.lock:
            state.closed = True

    async def _point_on(self, card: Card, posted: int) -> None:
        """On a card that is too old to be edited often: one edit that says where the result is, if Discord takes it."""
        if card.message_id is None or card.private:
            return
        place = f"https://discord.com/channels/{card.guild_id or '@me'}/{card.channel_id}/{posted}"
        embed = discord.Embed(description=f"This took a while: [it is further down]({place}).", colour=looks.DONE)
        try:
            await self._message(card.channel_id, card.message_id).edit(embed=embed, view=None, attachments=[])
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            log.info("card.left_as_it_is", error=str(error))

    def forget(self, job_id: str) -> None:
        """The job is over for this worker: nothing is kept of its card."""
        self._states.pop(job_id, None)

    async def _post(self, job_id: str, card: Card, embed: discord.Embed, files: list[Attached]) -> int:
        marker = button_id("settings", job_id)
        channel = self._client.get_partial_messageable(card.channel_id)

        async def send() -> int:
            found = await self._find(channel, card, marker)
            if found is not None:
                return found
            view = _view(("Settings", marker))
            posted = await channel.send(embed=embed, files=_files(files), view=view, nonce=job_id[-25:])
            return posted.id

        try:
            return await self._retry(send)
        except _CardGone as error:  # here it is the channel
            raise NotAllowed(str(error)) from error

    async def _find(self, channel: discord.PartialMessageable, card: Card, marker: str) -> int | None:
        """The message that an earlier delivery of the same job posted, among the newest ones."""
        async for message in channel.history(limit=_SEARCHED):
            if card.message_id is not None and message.id <= card.message_id:
                break
            for row in message.components:
                children = row.children if isinstance(row, discord.ActionRow) else []
                if any(getattr(child, "custom_id", None) == marker for child in children):
                    return message.id
        return None

    def _message(self, channel_id: int, message_id: int) -> discord.PartialMessage:
        return self._client.get_partial_messageable(channel_id).get_partial_message(message_id)

    async def _retry(self, call: Callable[[], Awaitable[Result]]) -> Result:
        """Call again after what passes: a fault of Discord's, a limit, a connection that broke."""
        for wait_s in (*RETRY_S, None):
            try:
                return await call()
            except discord.NotFound as error:
                raise _CardGone(str(error)) from error
            except discord.Forbidden as error:
                raise NotAllowed(str(error)) from error
            except (discord.DiscordServerError, aiohttp.ClientError, OSError) as error:
                if wait_s is None:
                    raise Unreachable(str(error)) from error
                log.info("delivery.again", wait_s=wait_s, error=str(error))
                await self._wait(wait_s)
            except discord.HTTPException as error:
                if error.code == _ARCHIVED:
                    raise _CardGone(str(error)) from error
                raise
        raise AssertionError("the last round returns or raises")


def _embed(face: Face) -> discord.Embed:
    embed = discord.Embed(title=looks.cut(face.title, 256), description=looks.cut(face.text, 4096), colour=face.colour)
    for name, value in face.fields:
        embed.add_field(name=name, value=value, inline=False)
    if face.footer:
        embed.set_footer(text=face.footer)
    if face.picture is not None:
        embed.set_image(url=f"attachment://{face.picture}")
    return embed


def _view(*buttons: tuple[str, str]) -> discord.ui.View:
    """Buttons, each a label and a custom_id."""
    view = discord.ui.View(timeout=None)
    for label, custom_id in buttons:
        view.add_item(discord.ui.Button(label=label, custom_id=custom_id))
    view.stop()  # the bot answers its clicks; discord.py would else keep every view of every message
    return view


def _files(files: list[Attached]) -> list[discord.File]:
    return [discord.File(io.BytesIO(file.data), file.filename) for file in files]
