"""The composition root of the bot: settings, database, blobs, Redis, services, client. `python -m bot`.

A start-up fault ends in one sentence on stderr and the exit code 1 or 2; anything unforeseen in 70, after
which a supervisor may start it again.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from typing import TYPE_CHECKING

import structlog

from bot.errors import StartupFault
from bot.services import open_services
from bot.settings import Settings, load_settings
from common.process import run_process

if TYPE_CHECKING:
    import discord

log = structlog.get_logger(__name__)

STOP_TIMEOUT_S = 5.0


async def run(settings: Settings) -> None:
    """Run the bot until SIGINT or SIGTERM. Raises StartupFault."""
    token = settings.require_token()
    settings.require_redis_url()
    async with open_services(settings) as services:
        # discord.py takes a second to import: settings that are wrong are told before
        import aiohttp
        import discord

        from bot.client import build_bot

        try:
            async with build_bot(settings, services) as bot:
                await _run_until_told(bot, token)
        except discord.LoginFailure as error:
            raise StartupFault(
                "Discord refused DISCORD_TOKEN: copy the token again from the Bot page of your application at"
                " https://discord.com/developers/applications.",
                exit_code=2,
            ) from error
        except (aiohttp.ClientConnectionError, discord.DiscordServerError, discord.GatewayNotFound) as error:
            raise StartupFault(
                f"Discord at {settings.discord_api_base} can't be reached ({error}): check the network and"
                " DISCORD_API_BASE, then start again."
            ) from error


async def _run_until_told(bot: discord.Client, token: str) -> None:
    """Run until the client ends, or SIGINT or SIGTERM says so."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stopped.set)
    running, stopping = asyncio.create_task(bot.start(token)), asyncio.create_task(stopped.wait())
    await asyncio.wait({running, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not stopping.done():
        stopping.cancel()
        return await running
    log.info("bot.stopping")
    # a shard that is just being connected takes its end for a fault, and says so with a traceback
    logging.getLogger("discord.shard").setLevel(logging.CRITICAL)
    # closing first: a cancellation alone can be swallowed by the wait_for in which discord.py opens its connection
    await bot.close()
    running.cancel()
    await asyncio.wait({running}, timeout=STOP_TIMEOUT_S)
    return None


if __name__ == "__main__":
    sys.exit(run_process(load_settings, run))
