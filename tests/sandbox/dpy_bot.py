"""A small discord.py bot that uses what Darkroom's bot uses; the sandbox is tried with it."""

from __future__ import annotations

import asyncio
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import discord
import yarl
from discord import app_commands, ui

from sandbox.server import Sandbox


class Again(ui.DynamicItem[ui.Button[Any]], template=r"again:(?P<job>\d+)"):
    """A button whose state is in its custom_id."""

    def __init__(self, job: int) -> None:
        super().__init__(ui.Button(label="Again", custom_id=f"again:{job}"))
        self.job = job

    @classmethod
    async def from_custom_id(
        cls, interaction: discord.Interaction[Any], item: ui.Item[Any], match: re.Match[str], /
    ) -> Again:
        return cls(int(match["job"]))

    async def callback(self, interaction: discord.Interaction[Any]) -> None:
        await interaction.response.edit_message(content=f"again {self.job}")


class PhotosForm(ui.Modal, title="Train on photos"):
    """A form with everything that Darkroom asks for in one."""

    name: ui.Label[Any] = ui.Label(text="Name", component=ui.TextInput(custom_id="name", max_length=32))
    photos: ui.Label[Any] = ui.Label(
        text="Photos", component=ui.FileUpload(custom_id="photos", min_values=1, max_values=10)
    )
    kind: ui.Label[Any] = ui.Label(
        text="Kind",
        component=ui.Select(
            custom_id="kind",
            options=[
                discord.SelectOption(label="Subject", value="subject"),
                discord.SelectOption(label="Face", value="face"),
            ],
        ),
    )
    consent: ui.Label[Any] = ui.Label(text="I may use them", component=ui.Checkbox(custom_id="consent"))

    async def on_submit(self, interaction: discord.Interaction[Any]) -> None:
        photos = self.photos.component.values
        read = [await photo.read() for photo in photos]
        await interaction.response.send_message(
            f"{self.name.component.value} {[p.filename for p in photos]} {sum(map(len, read))} bytes"
            f" {self.kind.component.values} {self.consent.component.value}",
            ephemeral=True,
        )


class Client(discord.Client):
    """Commands are registered globally once the bot has logged in."""

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True, guild_messages=True), guild_ready_timeout=0.05)
        self.tree = app_commands.CommandTree(self)
        self.heard: asyncio.Queue[str] = asyncio.Queue()
        self.resumed = asyncio.Event()

    async def setup_hook(self) -> None:
        _add_commands(self)
        self.add_dynamic_items(Again)
        await self.tree.sync()

    async def on_message(self, message: discord.Message) -> None:
        self.heard.put_nowait(f"{message.author.name}: {message.content}")

    async def on_resumed(self) -> None:
        self.resumed.set()


def _add_commands(client: Client) -> None:
    tree = client.tree

    @tree.command(description="Say it back")
    @app_commands.describe(text="What to say", times="How often", photo="A picture")
    async def echo(
        interaction: discord.Interaction[Any],
        text: app_commands.Range[str, 1, 20],
        times: app_commands.Range[int, 1, 5] = 1,
        loud: bool = False,
        scale: float = 1.0,
        photo: discord.Attachment | None = None,
    ) -> None:
        size = len(await photo.read()) if photo else 0
        await interaction.response.send_message(f"{text * times} loud={loud} scale={scale} photo={size}")

    @echo.autocomplete("text")
    async def offer(interaction: discord.Interaction[Any], current: str) -> list[app_commands.Choice[str]]:
        return [
            app_commands.Choice(name=word, value=word) for word in ("thnos", "thor", "ada") if word.startswith(current)
        ]

    @tree.command(description="Takes a while")
    async def card(interaction: discord.Interaction[Any], secret: bool = False) -> None:
        await interaction.response.defer(ephemeral=secret, thinking=True)
        view = ui.View(timeout=None)
        view.add_item(Again(7))
        embed = discord.Embed(title="A card", description="with a picture")
        embed.set_image(url="attachment://dot.png")
        picture = discord.File(io.BytesIO(b"not really a picture"), "dot.png")
        await interaction.edit_original_response(embed=embed, attachments=[picture], view=view)
        await interaction.followup.send("and then", ephemeral=True)

    @tree.command(description="Opens a form")
    async def form(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_modal(PhotosForm())

    @tree.command(description="Never answers")
    async def sleep(interaction: discord.Interaction[Any]) -> None:
        return

    group = app_commands.Group(name="adapter", description="Adapters")

    @group.command(name="list", description="Lists them")
    async def list_adapters(interaction: discord.Interaction[Any]) -> None:
        await interaction.response.send_message("none yet")

    tree.add_command(group)

    @tree.context_menu(name="Count photos")
    async def count(interaction: discord.Interaction[Any], message: discord.Message) -> None:
        files = [await attachment.read() for attachment in message.attachments]
        await interaction.response.send_message(f"{len(files)} photos, {sum(map(len, files))} bytes", ephemeral=True)


@asynccontextmanager
async def run_client(sandbox: Sandbox) -> AsyncIterator[Client]:
    """The bot, connected to the sandbox with its commands registered."""
    discord.http.Route.BASE = sandbox.api_base
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(sandbox.gateway_url)
    client = Client()
    running = asyncio.create_task(client.start(sandbox.token))
    try:
        ready = asyncio.create_task(sandbox.wait_ready(command="echo"))
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            running.result()
        await ready
        await client.wait_until_ready()
        yield client
    finally:
        await client.close()
        await asyncio.gather(running, return_exceptions=True)
