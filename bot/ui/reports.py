"""What is said of photos before they are learned: on the card of a training that waits, and to their owner alone.

A card is seen by everybody in the channel. So it shows neither the photos nor what their files are called.
"""

from __future__ import annotations

import io

import discord

from bot.estimates import Estimate
from bot.findings import Report, cut_lines, lines
from bot.reviews import left_without, why_not_drop
from bot.store.records import Job
from bot.ui.cards import fitting
from trainer.contract import looks

SHEET = "crops.jpg"
_LONGEST = 3_000  # of an embed's 4,096 characters
_TWICE = "What is shown twice teaches as much as once."


def held(job: Job, report: Report, takes: Estimate | None = None) -> discord.Embed:
    """The card of a training that waits for an answer: what was found, and what can be done."""
    text = [f"{_count(report)} would teach it little:", _listed(lines(report)), "", _what_is_left(job, report)]
    if takes is not None:
        text.append(f"With all of them: {takes.words}")
    text.append("Nothing is learned before you choose. After a day it is stopped, and the photos are deleted.")
    embed = discord.Embed(title=f"{job.train.name} waits for your word", colour=looks.WORKING)
    embed.description = "\n".join(text)
    return embed.set_footer(text=job.base)


def private(report: Report, sheet: bytes, *, kept: bool) -> tuple[discord.Embed, discord.File]:
    """The whole report with the crop sheet; ``kept``: whether the photos are, for a training."""
    count, side = len(report.photos), report.scale.resolution
    found = lines(report, named=True)
    text = [_listed(found)] if found else ["All of them can be learned from."]
    if any("repeated" in finding.faults for finding in report.findings):
        text.append(_TWICE)
    if cut := cut_lines(report):
        text += ["", _listed(cut)]
    text += ["", f"What is inside the frames is learned, {side} × {side} pixels or as many in another shape."]
    if not kept:
        text.append("Your photos are deleted again, and nothing was learned from them.")
    colour = looks.WORKING if found else looks.DONE
    title = f"{_count(report)} would teach little" if found else f"{count} good photos"
    embed = discord.Embed(title=title, description="\n".join(text), colour=colour)
    embed.set_image(url=f"attachment://{SHEET}")
    return embed, discord.File(io.BytesIO(sheet), SHEET)


def _count(report: Report) -> str:
    return f"{len(report.findings)} of the {len(report.photos)} photos"


def _listed(said: list[str]) -> str:
    return fitting([f"• {looks.sentence(line)}" for line in said], _LONGEST // 2, "and {} more")


def _what_is_left(job: Job, report: Report) -> str:
    return why_not_drop(report, job) or f"Without them {len(left_without(report, job))} are left."
