"""The demo: everything as it is in production but Discord, and a scripted member who does the main job.

Ada attaches six photos to `/train name:thnos`, waits, draws thnos in a suit, presses a button, shares; Ben draws with
what she shared. Each step either happened or the demo says which did not and why.
"""

import asyncio
import json
import os
import re
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from sandbox.exchange import ExchangeFailed
from sandbox.members import File, Member
from sandbox.server import Sandbox
from sandbox.views import Message

PHOTOS = Path(__file__).parent / "photos"
CHANNEL = "darkroom"
NAME, CLASS_WORD = "thnos", "monster"
PROMPT = f"<lora:{NAME}:0.8> in a suit at a fancy dinner"
READY_S, TRAINING_S, PICTURE_S = 120.0, 900.0, 180.0  # when to give up; each is many times what it takes
STOP_S = 40.0
_STEP = re.compile(r"step ([\d,]+) of ([\d,]+)")


@dataclass
class Step:
    """One thing that the members did, and what came of it."""

    what: str
    seconds: float = 0.0
    ok: bool = False
    detail: str = ""


@dataclass
class Demo:
    """Plays the job in a running sandbox and keeps the record."""

    sandbox: Sandbox
    out: Path
    console: Console
    log: Path
    steps: list[Step] = field(default_factory=list)

    async def play(self) -> bool:
        """All steps in their order, up to the first that fails; whether none did."""
        ada, ben = self.sandbox.member("ada"), self.sandbox.member("ben")
        with Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn(),
            console=self.console, transient=True,
        ) as bars:  # fmt: skip
            try:
                await self._start(bars)
                trained = await self._train(bars, ada)
                await self._draw(bars, ada, f"ada writes /imagine prompt:{PROMPT}", "imagine", prompt=PROMPT)
                await self._press_example(bars, ada, trained)
                await self._share(bars, ada)
                shared = f"<lora:ada/{NAME}:0.8> wearing a crown at the beach"
                await self._draw(bars, ben, f"ben writes /imagine prompt:{shared}", "shared", prompt=shared)
                await self._settings(bars, ada)
                await self._refusal(bars, ben)
            except (ExchangeFailed, TimeoutError, StepFailed) as fault:
                self.steps[-1].detail = str(fault)
        return bool(self.steps) and all(step.ok for step in self.steps)

    @asynccontextmanager
    async def _step(self, bars: Progress, what: str) -> AsyncIterator["Showing"]:
        step, began = Step(what), time.monotonic()
        self.steps.append(step)
        task = bars.add_task(what, total=None, state="")
        try:
            yield Showing(step, bars, task)
            step.ok = True
        finally:
            step.seconds = round(time.monotonic() - began, 2)
            bars.remove_task(task)
            mark = "[green]✔[/]" if step.ok else "[red]✘[/]"
            detail = f" · {escape(step.detail)}" if step.detail else ""
            self.console.print(f"{mark} {escape(what)} [dim]{step.seconds:.1f} s{detail}[/]")

    async def _start(self, bars: Progress) -> None:
        async with self._step(bars, "Redis, the bot and a worker start"):
            await self.sandbox.wait_ready(command="train", timeout_s=READY_S)

    async def _train(self, bars: Progress, ada: Member) -> Message:
        photos = {
            f"photo{number}": File(path.name, path.read_bytes())
            for number, path in enumerate(sorted(PHOTOS.glob("*.jpg")), 1)
        }
        async with self._step(bars, f"ada attaches {len(photos)} photos to /train name:{NAME}") as showing:
            exchange = await ada.slash(
                "train", channel=CHANNEL, name=NAME, class_word=CLASS_WORD, consent=True, **photos
            )
            card = await exchange.response(timeout_s=30)
            showing.step.detail = f"acknowledged after {exchange.acknowledged_after_s:.2f} s"
        async with self._step(bars, f"the worker learns {NAME}") as showing:
            done = await self._finished(showing, card, TRAINING_S, buttons=4)
            self._keep(done, "examples")
            showing.step.detail = done.embeds[0]["footer"]["text"]
        return done

    async def _draw(self, bars: Progress, who: Member, what: str, name: str, **options: Any) -> Message:
        async with self._step(bars, what) as showing:
            exchange = await who.slash("imagine", channel=CHANNEL, **options)
            card = await exchange.response(timeout_s=30)
            done = await self._finished(showing, card, PICTURE_S, buttons=3)
            self._keep(done, name)
            showing.step.detail = done.embeds[0]["footer"]["text"]
        return done

    async def _press_example(self, bars: Progress, ada: Member, trained: Message) -> None:
        label = trained.buttons[1].label
        async with self._step(bars, f"ada presses “{label}” under the training") as showing:
            card = await (await ada.click(trained, label)).response(timeout_s=30)
            done = await self._finished(showing, card, PICTURE_S, buttons=3)
            self._keep(done, "button")

    async def _share(self, bars: Progress, ada: Member) -> None:
        async with self._step(bars, f"ada shares {NAME} with the server") as showing:
            answer = await (await ada.slash("adapter share", channel=CHANNEL, name=NAME)).response()
            showing.step.detail = answer.content

    async def _settings(self, bars: Progress, ada: Member) -> None:
        async with self._step(bars, "ada asks for the exact settings of her picture") as showing:
            picture = next(
                m for m in self.sandbox.messages(CHANNEL) if "Settings" in _labels(m) and "Again" in _labels(m)
            )
            answer = await (await ada.click(picture, "Settings")).response()
            if "Steps: " not in answer.content or answer.ephemeral_to != ada.id:
                raise StepFailed(f"the settings are not there: {answer.content!r}")
            showing.step.detail = answer.content.strip("`\n").splitlines()[-1]

    async def _refusal(self, bars: Progress, ben: Member) -> None:
        async with self._step(bars, "ben misspells the name, and is told the nearest") as showing:
            answer = await (
                await ben.slash("imagine", channel=CHANNEL, prompt="<lora:thanos:0.8> in a suit")
            ).response()
            if f"ada/{NAME}" not in answer.content or answer.ephemeral_to != ben.id:
                raise StepFailed(f"no help in {answer.content!r}")
            showing.step.detail = answer.content

    async def _finished(self, showing: "Showing", card: Message, timeout_s: float, *, buttons: int) -> Message:
        """Follow the card until the bot has put its buttons under the result."""

        def done(message: Message) -> bool:
            if message.id != card.id:
                return False
            showing.follow(message)
            if message.embeds and message.embeds[0].get("title") in {"That did not work", "Cancelled"}:
                raise StepFailed(message.text)
            return len(message.buttons) >= buttons

        return await self.sandbox.wait_for(done, channel=CHANNEL, timeout_s=timeout_s)

    def _keep(self, message: Message, name: str) -> None:
        if not message.files:
            raise StepFailed("there is no picture in the result")
        for file in message.files:
            (self.out / f"{name}-{file.filename}").write_bytes(file.data)

    def write(self, ok: bool) -> None:
        """`transcript.json`: the steps, and the channel as it stands."""
        channel = [
            {
                "author": message.author, "text": message.text, "buttons": _labels(message),
                "files": [file.filename for file in message.files],
            }
            for message in self.sandbox.messages(CHANNEL)
        ]  # fmt: skip
        violations = [f"{violation.rule}: {violation.detail}" for violation in self.sandbox.violations]
        record = {
            "ok": ok, "seconds": round(sum(step.seconds for step in self.steps), 1),
            "steps": [asdict(step) for step in self.steps], "channel": channel, "violations": violations,
        }  # fmt: skip
        (self.out / "transcript.json").write_text(json.dumps(record, indent=2, ensure_ascii=False) + "\n")


@dataclass
class Showing:
    """One step on the screen."""

    step: Step
    bars: Progress
    task: Any

    def follow(self, card: Message) -> None:
        """Move the bar to where the card is."""
        found = _STEP.search(card.text)
        if found is not None:
            step, steps = (int(number.replace(",", "")) for number in found.groups())
            self.bars.update(self.task, completed=step, total=steps, state=f"{step} of {steps}")


class StepFailed(Exception):
    """A step did not give what it is there for."""


def _labels(message: Message) -> list[str]:
    return [button.label for button in message.buttons]


@asynccontextmanager
async def darkroom(sandbox: Sandbox, data: Path, log: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    """`darkroom up` against this sandbox: the same command as in production, in a data folder of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DARKROOM_", "REDIS_"))}
    environment |= {
        "DISCORD_TOKEN": sandbox.token, "DISCORD_API_BASE": sandbox.api_base,
        "DISCORD_GATEWAY_URL": sandbox.gateway_url, "DISCORD_CDN_BASE": sandbox.cdn_base,
        "DARKROOM_DATA": str(data), "DARKROOM_LOG_FORMAT": "console", "NO_COLOR": "1",
    }  # fmt: skip
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "bot.cli", "up", env=environment, cwd=data, stdin=asyncio.subprocess.DEVNULL,
            stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run_demo(out: Path, *, headless: bool, port: int) -> int:
    """Play the job; without ``headless`` stay up for a person to go on. The exit code."""
    console = Console()
    out.mkdir(parents=True, exist_ok=True)
    log, stopped = out / "darkroom.log", asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stopped.set)
    data = Path(tempfile.mkdtemp(prefix="darkroom-demo-"))
    try:
        async with Sandbox(port=port) as sandbox, darkroom(sandbox, data, log) as process:
            if not headless:
                console.print(f"Watch it live: [bold]{sandbox.page_url}[/] (any browser; you are Ada)\n")
            demo = Demo(sandbox, out, console, log)
            ok = await _play_until_stopped(demo, process, stopped)
            demo.write(ok)
            if not ok:
                console.print(f"[red]The demo did not get through.[/] What the bot and the worker said: {log}")
            elif not headless and not stopped.is_set():
                console.print(
                    f"\nThe pictures and transcript.json are in {out}. Go on yourself at [bold]{sandbox.page_url}[/]:"
                    "\ntype / to see the commands, or press a button. Ctrl-C ends the demo."
                )
                await stopped.wait()
            return 0 if ok else 1
    finally:
        shutil.rmtree(data, ignore_errors=True)


async def _play_until_stopped(demo: Demo, process: asyncio.subprocess.Process, stopped: asyncio.Event) -> bool:
    """Whether all steps were played before somebody stopped the demo or Darkroom ended by itself."""
    playing = asyncio.create_task(demo.play())
    ending, stopping = asyncio.create_task(process.wait()), asyncio.create_task(stopped.wait())
    await asyncio.wait({playing, ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
    for task in (ending, stopping):
        task.cancel()
    if not playing.done():
        playing.cancel()
        with suppress(asyncio.CancelledError):
            await playing
        if process.returncode is not None:
            demo.console.print(f"[red]Darkroom ended by itself (exit code {process.returncode}).[/]")
        return False
    return playing.result()
