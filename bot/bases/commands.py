"""``darkroom models add | list | remove`` and ``darkroom convert``, for the operator at a terminal."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn
from rich.table import Table

from bot.errors import DarkroomError, StartupFault
from bot.settings import Settings, load_settings

if TYPE_CHECKING:
    from bot.addresses.page import Page
    from bot.bases.adding import Staged

app = typer.Typer(help="The base models in DARKROOM_BASES.", no_args_is_help=True)
FAMILIES = {"sd1": "Stable Diffusion 1.x", "sd2": "Stable Diffusion 2.x", "sdxl": "Stable Diffusion XL"}


@app.command()
def add(
    model: Annotated[str, typer.Argument(help="A .safetensors file, a folder in diffusers format, or an address.")],
    name: Annotated[str | None, typer.Option(help="What members will call it.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, neither about the licence nor the name.")] = False,
) -> None:
    """Add a base model, from this machine or from Civitai or Hugging Face."""
    from bot.bases import adding  # what asks and fetches is loaded by who needs it

    console = Console()
    with told():
        settings = load_settings()
        bases = _folder(settings)
        if name is not None:
            adding.check_name(bases, name)
        staged = asyncio.run(_stage(settings, bases, model, console, yes=yes))
        if name is None:
            name = staged.proposed_name if yes else typer.prompt("Its name", default=staged.proposed_name)
        place = adding.install(staged, bases, name)
    family = FAMILIES[staged.base.family]
    console.print(f"{place}: {family}, {staged.base.width} × {staged.base.height}.", highlight=False, markup=False)
    console.print("Workers offer it when they start the next time.")


@app.command(name="list")
def list_all() -> None:
    """List what workers will find, with hashes; counting those takes ten seconds for each new model."""
    from bot.bases import inventory

    with told():
        settings = load_settings()
        book = settings.darkroom_data / "base-hashes.json"
        seen = asyncio.run(inventory.list_bases(settings.darkroom_bases, book))
    table = Table("name", "family", "size of pictures", "hash", "on disk", box=None)
    for base in seen.bases:
        size = f"{base.width} × {base.height}"
        table.add_row(base.name, FAMILIES[base.family], size, base.hash, f"{base.size_bytes / 1e9:.1f} GB")
    console = Console()
    console.print(table)
    for refused in seen.refused:
        console.print(f"Not used: {refused}.", highlight=False, markup=False)


@app.command()
def remove(
    name: Annotated[str, typer.Argument(help="As `darkroom models list` says it.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Delete a base model from DARKROOM_BASES. Adapters for it stay, and wait for it."""
    from bot.bases import adding

    with told():
        bases = _folder(load_settings())
        adding.find_places(bases, name)
        if not yes and not typer.confirm(f"Delete the model {name} for good?"):
            raise typer.Exit(1)
        for place in adding.remove(bases, name):
            Console().print(f"deleted {place}", highlight=False, markup=False)


def convert(
    file: Annotated[Path, typer.Argument(help="A .ckpt, .pt, .pth or .bin file: a model, a LoRA or an embedding.")],
    out: Annotated[Path, typer.Argument(help="The .safetensors file to make.")],
) -> None:
    """Make a .safetensors file of a pickle's tensors, in a child process with limits that runs nothing of it."""
    from bot.bases import inventory

    with told():
        made = asyncio.run(inventory.convert(file, out))
    words = f"{out}: {made.tensors:,} tensors, {made.size_bytes / 1e6:,.1f} MB."
    Console().print(words, highlight=False, markup=False)


@contextmanager
def told() -> Iterator[None]:
    """What an operator can mend ends in one sentence."""
    try:
        yield
    except StartupFault as fault:
        typer.echo(fault.message, err=True)
        raise typer.Exit(fault.exit_code) from fault
    except DarkroomError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    except OSError as error:  # a full disk, or one that may not be written
        typer.echo(f"{error.filename or 'The disk'}: {error.strerror}.", err=True)
        raise typer.Exit(1) from error


async def _stage(settings: Settings, bases: Path, model: str, console: Console, *, yes: bool) -> Staged:
    from bot.addresses.door import Addresses, keys_of
    from bot.bases import adding

    with Progress(
        BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(), console=console, transient=True
    ) as bar:
        task = bar.add_task("", total=None, visible=False)

        def tell(received: int, size: int | None) -> None:
            bar.update(task, completed=received, total=size, visible=True)

        if "://" not in model and not model.startswith("urn:air:"):
            return await adding.stage_local(Path(model), bases, tell)
        async with Addresses(keys_of(settings)) as addresses:
            page = await addresses.look_up_base(model)
            bar.stop()
            show(page, console)
            if not yes and not typer.confirm("Do you agree to this licence, and shall it be added?"):
                raise typer.Exit(1)
            bar.start()
            return await adding.stage_page(addresses, page, bases, tell)


def show(page: Page, console: Console) -> None:
    """What there is to know before gigabytes are fetched, its licence above all."""
    terms = page.licence
    size = sum(file.size_bytes or 0 for file in page.files)
    lines = (
        f"{page.title}{f' ({page.version})' if page.version else ''} by {page.creator or 'nobody named'}",
        f"  from     {page.source}",
        f"  size     {size / 1e9:.1f} GB in {len(page.files)} file{'s' if len(page.files) > 1 else ''}",
        f"  made for {page.base_model}" if page.base_model else "",
        f"  licence  {page.licence_name or 'as its page says'}:"
        f" {'its maker is to be named' if terms.credit else 'nobody has to be named'},"
        f" pictures {'may' if terms.commercial else 'may not'} be sold,"
        f" it {'may' if terms.derivatives else 'may not'} be merged",
        "  it is for adults" if page.age_restricted else "",
    )
    for line in filter(None, lines):
        console.print(line, highlight=False, markup=False)


def _folder(settings: Settings) -> Path:
    """DARKROOM_BASES, made where it is not there. Raises StartupFault."""
    bases = settings.darkroom_bases
    if bases is None:
        raise StartupFault("DARKROOM_BASES is not set: name a folder for base models first.", exit_code=2)
    try:
        bases.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StartupFault(f"DARKROOM_BASES {str(bases)!r} can't be made ({error.strerror}).", exit_code=2) from error
    return bases
