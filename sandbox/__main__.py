"""`python -m sandbox` serves the stand-in until it is interrupted; `… demo` plays the main job in it."""

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Annotated

import typer

from sandbox.server import Sandbox

app = typer.Typer(add_completion=False, help="A stand-in for Discord on loopback.")


@app.callback(invoke_without_command=True)
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 8321,
    rate_limits: Annotated[bool, typer.Option(help="Answer 429 above Discord's limits.")] = True,
) -> None:
    """Serve, and print the addresses and the token that a bot needs."""
    if context.invoked_subcommand is not None:
        return
    try:
        asyncio.run(_serve(port, rate_limits))
    except OSError as error:
        typer.echo(f"The sandbox cannot listen on port {port}: {error.strerror}. Choose another with --port.", err=True)
        raise typer.Exit(1) from None


@app.command()
def demo(
    headless: Annotated[bool, typer.Option(help="End when the job is played instead of staying up.")] = False,
    out: Annotated[Path, typer.Option(help="Where the pictures and transcript.json go.")] = Path("demo-out"),
    port: Annotated[int, typer.Option(help="Port to listen on; 0 takes any free one.")] = 8321,
) -> None:
    """Start everything, train on six photos and draw; exit 0 only if every step worked."""
    from sandbox.demo import run_demo

    try:
        code = asyncio.run(run_demo(out.absolute(), headless=headless, port=0 if headless else port))
    except OSError as error:
        typer.echo(f"The demo cannot start: {error}. Choose another port with --port, or folder with --out.", err=True)
        code = 1
    raise typer.Exit(code)


async def _serve(port: int, rate_limits: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):  # no signal handlers on Windows
            loop.add_signal_handler(number, stopped.set)
    async with Sandbox(port=port, rate_limits=rate_limits) as sandbox:
        typer.echo(f"Page: {sandbox.page_url}\n\nFor the bot:")
        for name, value in (
            ("DISCORD_TOKEN", sandbox.token),
            ("DISCORD_API_BASE", sandbox.api_base),
            ("DISCORD_GATEWAY_URL", sandbox.gateway_url),
            ("DISCORD_CDN_BASE", sandbox.cdn_base),
        ):
            typer.echo(f"export {name}={value}")
        await stopped.wait()


if __name__ == "__main__":
    app()
