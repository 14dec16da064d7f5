"""A sandbox for each test, and a discord.py bot connected to it."""

from collections.abc import AsyncIterator, Iterator

import discord
import pytest

from sandbox.server import Sandbox
from tests.sandbox.dpy_bot import Client, run_client


@pytest.fixture(autouse=True)
def _restore_discord_addresses() -> Iterator[None]:
    base, gateway = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    yield
    discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = base, gateway


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """A sandbox with its default guild."""
    async with Sandbox() as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Client]:
    """discord.py, connected, its commands registered."""
    async with run_client(sandbox) as connected:
        yield connected
