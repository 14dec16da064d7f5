"""The command `darkroom`. It starts the bot, the worker and the sandbox as processes, and imports none of them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer
from rich.console import Console

from bot.bases.commands import app as model_commands
from bot.bases.commands import convert
from bot.errors import DarkroomError, StartupFault
from bot.settings import Settings, load_settings
from common.log import configure_logging

T = TypeVar("T")
app = typer.Typer(
    help="Darkroom trains Stable Diffusion adapters from a Discord channel's photos, and draws with them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command()
def up() -> None:
    """Run everything on this machine: Redis (unless REDIS_URL names one), the bot and a worker."""
    from bot.supervise import up as run_up

    settings = _settings()
    configure_logging(settings.darkroom_log, settings.darkroom_log_format, settings.secrets)
    try:
        code = asyncio.run(run_up(settings))
    except StartupFault as fault:
        _fail(fault)
    raise typer.Exit(code)


@app.command()
def bot() -> None:
    """Run the bot alone; REDIS_URL names the Redis that it shares with the workers."""
    _become(["-m", "bot"])


@app.command(context_settings=_PASS_ON)
def worker(context: typer.Context) -> None:
    """Run a worker alone, on this machine's GPU."""
    _become(["-m", "trainer", *context.args])


@app.command(context_settings=_PASS_ON)
def demo(context: typer.Context) -> None:
    """Play the main job in the sandbox: no token, no GPU, no network."""
    _become(["-m", "sandbox", "demo", *context.args])


@app.command()
def doctor() -> None:
    """Check settings, folders, Redis and workers, and say what to do."""
    from bot.doctor import examine, show

    findings = asyncio.run(examine(_settings()))
    if not show(findings, Console()):
        raise typer.Exit(1)


@app.command()
def backup(
    into: Annotated[Path, typer.Argument(help="The folder of all backups; each is a folder of its own in there.")],
    blobs: Annotated[bool, typer.Option(help="With the files of adapters and pictures; without: the database.")] = True,
    keep_days: Annotated[float | None, typer.Option(help="Delete backups that are older, but the newest.")] = None,
) -> None:
    """Back up the database and all files that it names, while the bot runs or not."""
    from bot.embedded import socket_path
    from bot.queue import open_queue
    from bot.restoring import delete_older, make_backup, read_manifest
    from bot.services import open_blob_store

    settings = _settings()

    async def run() -> Path:
        url = settings.redis_url or f"unix://{socket_path(settings.darkroom_data)}"
        async with open_queue(url) as queue:
            return await make_backup(settings.darkroom_data, open_blob_store(settings), queue, into, with_blobs=blobs)

    made = _run(run())
    manifest = read_manifest(made)
    beside = "without files" if manifest.blobs is None else f"with {manifest.blobs} files"
    Console().print(f"{made}: the database {beside}", highlight=False)
    for path in delete_older(into, keep_days) if keep_days is not None else ():
        Console().print(f"deleted {path}", highlight=False)


@app.command()
def restore(backup: Annotated[Path, typer.Argument(help="A folder darkroom-… that `darkroom backup` made.")]) -> None:
    """Put a backup in place of what is there, which is kept aside. Stop the bot first."""
    from bot.restoring import restore_backup
    from bot.services import open_blob_store

    settings = _settings()
    manifest = _run(restore_backup(backup, settings.darkroom_data, open_blob_store(settings)))
    moment = datetime.fromtimestamp(manifest.at, UTC)
    Console().print(f"The database is as of {moment:%Y-%m-%d %H:%M:%S} UTC. Start the bot.", highlight=False)


app.command()(convert)
app.add_typer(model_commands, name="models")


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run it; what an operator can mend ends in one sentence."""
    try:
        return asyncio.run(work)
    except StartupFault as fault:
        _fail(fault)
    except DarkroomError as error:
        _fail(StartupFault(str(error)))


def _settings() -> Settings:
    try:
        return load_settings()
    except StartupFault as fault:
        _fail(fault)


def _fail(fault: StartupFault) -> NoReturn:
    print(fault.message, file=sys.stderr)
    raise typer.Exit(fault.exit_code)


def _become(arguments: Sequence[str]) -> NoReturn:
    """Turn into another Python program: signals and exit code are then its own."""
    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, *arguments])


if __name__ == "__main__":
    app()
