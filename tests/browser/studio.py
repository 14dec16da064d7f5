"""A small real discord.py bot for the page's tests: a studio that "trains" and "draws" when the test says so."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any

import discord
import yarl
from discord import app_commands, ui
from PIL import Image, ImageDraw

from sandbox.server import Sandbox

ADAPTERS = ("thnos", "thora", "teapot")


@contextmanager
def pointed_at(sandbox: Sandbox) -> Iterator[None]:
    """discord.py talks to the sandbox inside, to what it talked to before outside."""
    before = discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY
    discord.http.Route.BASE = sandbox.api_base
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(sandbox.gateway_url)
    try:
        yield
    finally:
        discord.http.Route.BASE, discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = before


def draw(colour: tuple[int, int, int], size: int = 192) -> bytes:
    """A PNG of a disc on a colour."""
    image = Image.new("RGB", (size, size), colour)
    ImageDraw.Draw(image).ellipse((size * 0.2, size * 0.2, size * 0.8, size * 0.8), fill=(240, 200, 90))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


class Studio(discord.Client):
    """The bot. Jobs go one step further each time `step()` is called, so that tests decide the pace.

    Attributes:
        seen: what reached the bot: (command or form, its values) in order.
        clicks: labels or custom ids of the components that were used.
    """

    def __init__(self) -> None:
        super().__init__(intents=discord.Intents(guilds=True))
        self.tree = app_commands.CommandTree(self)
        self.seen: list[tuple[str, dict[str, Any]]] = []
        self.clicks: list[str] = []
        self._steps: asyncio.Queue[None] = asyncio.Queue()
        add_commands(self)

    async def setup_hook(self) -> None:
        """Register the commands."""
        await self.tree.sync()

    def step(self, times: int = 1) -> None:
        """Let a waiting job go on."""
        for _ in range(times):
            self._steps.put_nowait(None)

    async def next_step(self) -> None:
        """Wait for the test's next `step()`."""
        await self._steps.get()

    async def train(self, interaction: discord.Interaction, name: str, photos: list[discord.Attachment]) -> None:
        """Defer, show progress in three edits, finish."""
        await interaction.response.defer(thinking=True)
        sizes = [len(await photo.read()) for photo in photos]
        for done in (1, 2, 3):
            await self.next_step()
            card = discord.Embed(title=f"{name} is learning", description=f"Step **{done}** of 3", colour=0xFF6A4D)
            card.add_field(name="Photos", value=str(len(photos)))
            card.add_field(name="Bytes", value=str(sum(sizes)))
            await interaction.edit_original_response(embed=card, view=Controls(self))
        await self.next_step()
        card = discord.Embed(
            title=f"{name} is ready", description=f"Try `<lora:{name}:0.8> in a suit`", colour=0x46C07F
        )
        await interaction.edit_original_response(embed=card, view=None)

    async def imagine(self, interaction: discord.Interaction, prompt: str) -> None:
        """Defer, then a picture in an embed with buttons below."""
        await interaction.response.defer(thinking=True)
        picture = discord.File(io.BytesIO(draw((180, 60, 120), 512)), "picture.png")
        card = discord.Embed(title="Done", description=prompt, colour=0x6457E8).set_image(
            url="attachment://picture.png"
        )
        await interaction.edit_original_response(embed=card, attachments=[picture], view=Controls(self))


@asynccontextmanager
async def connected(sandbox: Sandbox) -> AsyncIterator[Studio]:
    """The small bot inside this sandbox."""
    with pointed_at(sandbox):
        bot = Studio()
        running = asyncio.create_task(bot.start(sandbox.token))
        try:
            await sandbox.wait_ready("train")
            yield bot
        finally:
            await bot.close()
            with suppress(asyncio.CancelledError):
                running.cancel()
                await running


class Controls(ui.View):
    """Every style of button, and a select."""

    def __init__(self, studio: Studio) -> None:
        super().__init__(timeout=None)
        self.studio = studio
        self.add_item(ui.Button(label="Help", url="https://example.org/help"))

    @ui.button(label="Again", style=discord.ButtonStyle.primary, emoji="🔁", custom_id="again")
    async def again(self, interaction: discord.Interaction, _: Any) -> None:
        self.studio.clicks.append("again")
        await interaction.response.send_message(f"Again for {interaction.user.mention}")

    @ui.button(label="Quiet", style=discord.ButtonStyle.success, custom_id="quiet")
    async def quiet(self, interaction: discord.Interaction, _: Any) -> None:
        self.studio.clicks.append("quiet")
        await interaction.response.send_message("Nobody else sees this.", ephemeral=True)

    @ui.button(label="Rename", custom_id="rename")
    async def rename(self, interaction: discord.Interaction, _: Any) -> None:
        await interaction.response.send_modal(Photos(self.studio, "Rename"))

    @ui.button(label="Broken", style=discord.ButtonStyle.danger, custom_id="broken")
    async def broken(self, interaction: discord.Interaction, _: Any) -> None:
        self.studio.clicks.append("broken")  # and no answer

    @ui.button(label="Locked", disabled=True, custom_id="locked", row=1)
    async def locked(self, interaction: discord.Interaction, _: Any) -> None:
        raise AssertionError("a disabled button was pressed")

    @ui.select(
        placeholder="Another size",
        custom_id="size",
        row=2,
        options=[
            discord.SelectOption(label="Square", value="square", description="512 × 512"),
            discord.SelectOption(label="Portrait", value="portrait"),
        ],
    )
    async def size(self, interaction: discord.Interaction, select: ui.Select[Any]) -> None:
        self.studio.clicks.append(f"size:{select.values[0]}")
        await interaction.response.send_message(f"Now {select.values[0]}")


class Photos(ui.Modal):
    """A form with every kind of field that the project uses."""

    name = ui.Label(text="Name", description="How you will call it", component=ui.TextInput(max_length=32))
    photos = ui.Label(
        text="Photos", description="Three to ten", component=ui.FileUpload(min_values=3, max_values=10, custom_id="up")
    )
    kind = ui.Label(
        text="Kind",
        component=ui.Select(
            options=[discord.SelectOption(label="subject", default=True), discord.SelectOption(label="style")],
        ),
    )
    notes = ui.Label(text="Notes", component=ui.TextInput(style=discord.TextStyle.paragraph, required=False))
    consent = ui.Label(text="I may use these photos", component=ui.Checkbox(custom_id="consent"))

    def __init__(self, studio: Studio, title: str) -> None:
        super().__init__(title=title)
        self.studio = studio

    async def on_submit(self, interaction: discord.Interaction) -> None:
        upload: Any = self.photos.component
        values = {
            "name": self.name.component.value,  # type: ignore[attr-defined]
            "photos": [photo.filename for photo in upload.values],
            "bytes": [len(await photo.read()) for photo in upload.values],
            "kind": list(self.kind.component.values),  # type: ignore[attr-defined]
            "notes": self.notes.component.value,  # type: ignore[attr-defined]
            "consent": self.consent.component.value,  # type: ignore[attr-defined]
        }
        self.studio.seen.append(("form", values))
        await interaction.response.send_message(f"Took {len(values['photos'])} photos of {values['name']}")


def add_commands(studio: Studio) -> None:
    """Register everything on the studio's tree."""
    tree = studio.tree

    @tree.command(description="Teach a subject from your photos")
    @app_commands.describe(name="What to call it", consent="You may use these photos")
    async def train(
        interaction: discord.Interaction,
        name: app_commands.Range[str, 1, 32],
        consent: bool,
        photo1: discord.Attachment | None = None,
        photo2: discord.Attachment | None = None,
        photo3: discord.Attachment | None = None,
        photo4: discord.Attachment | None = None,
        steps: app_commands.Range[int, 1, 100] | None = None,
    ) -> None:
        photos = [photo for photo in (photo1, photo2, photo3, photo4) if photo is not None]
        values = {"name": name, "consent": consent, "photos": [photo.filename for photo in photos], "steps": steps}
        studio.seen.append(("train", values))
        if photos:
            await studio.train(interaction, name, photos)
        else:
            await interaction.response.send_modal(Photos(studio, "Train on your photos"))

    @tree.command(description="Draw a picture")
    @app_commands.choices(model=[app_commands.Choice(name="Emoji", value="emoji-64")])
    async def imagine(
        interaction: discord.Interaction,
        prompt: str,
        adapter: str | None = None,
        weight: app_commands.Range[float, 0.0, 2.0] | None = None,
        model: app_commands.Choice[str] | None = None,
        strict: bool | None = None,
    ) -> None:
        chosen = model.value if model else None
        values = {"prompt": prompt, "adapter": adapter, "weight": weight, "model": chosen, "strict": strict}
        studio.seen.append(("imagine", values))
        await studio.imagine(interaction, prompt)

    @imagine.autocomplete("adapter")
    async def suggest(interaction: discord.Interaction, current: str) -> list[app_commands.Choice[str]]:
        found = [name for name in ADAPTERS if current.lower() in name]
        return [app_commands.Choice(name=f"{name} (yours)", value=f"id-{name}") for name in found]

    @tree.command(description="Never answers")
    async def silent(interaction: discord.Interaction, word: str) -> None:
        studio.seen.append(("silent", {"word": word}))

    adapter = app_commands.Group(name="adapter", description="Adapters")
    tree.add_command(adapter)

    @adapter.command(name="list", description="Your adapters")
    async def list_adapters(interaction: discord.Interaction) -> None:
        await interaction.response.send_message(", ".join(ADAPTERS), ephemeral=True)

    @tree.context_menu(name="Train on these photos")
    async def train_on(interaction: discord.Interaction, message: discord.Message) -> None:
        names = [attachment.filename for attachment in message.attachments]
        studio.seen.append(("message", {"photos": names}))
        await interaction.response.send_message(f"Training on {', '.join(names)}", ephemeral=True)
