"""`python -m sandbox` serves the stand-in until it is interrupted."""

import asyncio
import contextlib
import signal
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
