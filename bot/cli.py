"""The command `darkroom`. It starts the bot, the worker and the sandbox as processes, and imports none of them."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import typer
from rich.console import Console

from bot.errors import StartupFault
from bot.settings import Settings, load_settings
from common.log import configure_logging

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
