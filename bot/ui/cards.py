"""What the bot writes: the waiting card, lists, settings. The worker's own words are in `trainer/cards.py`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import discord

from bot.advanced import write_advanced
from bot.estimates import Estimate
from bot.store.records import Adapter, Job, Picture
from bot.ui import reach
from trainer.contract import infotext, looks
from trainer.contract.events import Progress
from trainer.contract.merges import describe as describe_work
from trainer.contract.requests import Recipe

LONGEST_LIST = 20  # lines; a phone's screen holds no more
RECIPE = "To train like this again, as advanced"  # above the lines that /train takes back
_LONGEST_FIELD = 1_024  # Discord's limit, as is the next
_LONGEST_DESCRIPTION = 4_096


def waiting(
    job: Job, position: int | None, *, served: bool | None, takes: Estimate | None = None
) -> discord.Embed:  # fmt: skip
    """The placeholder: what was asked for, the place in the queue and what a training takes.

    ``served``: whether a worker is there for it.
    """
    if job.lane == "train":
        title, lines = f"{job.train.name} is waiting to be learned", [f"{len(job.train.photos)} photos are safe."]
    elif job.lane == "merge":
        title, lines = f"{job.merge.name} is waiting to be made", [_merging(job)]
    else:
        title, lines = "Waiting to be drawn", [looks.quote(job.imagine.prompt)]
    if served is False:
        lines.append(f"No worker with the model {job.base} is running at the moment. This starts as soon as one does.")
    elif served is None:
        lines.append("The queue does not answer at the moment. This goes on as soon as it does; nothing is lost.")
    elif position is not None:
        ahead = position - 1
        lines.append("You are next." if ahead == 0 else f"Place {position} in the queue: {ahead} before you.")
    if takes is not None:
        lines.append(takes.words)
    embed = discord.Embed(title=title, description="\n".join(lines), colour=looks.WAITING)
    if job.lane == "imagine" and job.imagine.ignored:
        words = looks.one_line(" ".join(job.imagine.ignored), _LONGEST_FIELD)
        embed.add_field(name=looks.IGNORED, value=words, inline=False)
    return embed.set_footer(text=job.base)


def fitting(lines: Sequence[str], longest: int, more: str) -> str:
    """As many whole lines as fit into so many characters and a list; ``more`` says how many are left out."""
    for count in range(min(len(lines), LONGEST_LIST), -1, -1):
        left = [more.format(len(lines) - count)] if count < len(lines) else []
        text = "\n".join([*lines[:count], *left])
        if looks.units(text) <= longest:
            return text
    raise ValueError(f"not even {more!r} fits into {longest} characters")


def simple(title: str, text: str, colour: int) -> discord.Embed:
    """A card of one sentence."""
    return discord.Embed(title=title, description=text, colour=colour)


def requeued(job: Job) -> discord.Embed:
    """The worker went away; another one takes over."""
    text = "The machine that worked on this stopped; it goes on where it was."
    if job.lane == "merge":
        text = "The machine that worked on this stopped; it begins anew."
    if job.lane == "train" and not job.paused_step:
        text = "The machine that worked on this stopped before anything of it was kept; it begins anew."
    if job.wish == "finish":
        text += f" It ends after step {max(1, job.wish_step, job.paused_step or 0):,}, as you wished."
    return simple("In the queue again", text, looks.WAITING)


def paused(job: Job) -> discord.Embed:
    """The member paused it; where it goes on, and how long that can last."""
    if job.paused_step and job.paused_steps:
        text = (
            f"It stands at step {job.paused_step:,} of {job.paused_steps:,}, and goes on from there. What it has"
            " learned is kept for a week, and its photos with it."
        )
    elif job.attempt:
        text = "It stopped before anything of it was kept, so it begins anew. Its photos are kept for a week."
    else:
        text = "It has not begun yet. Its photos are kept for a week."
    return simple(f"{job.train.name} is paused", text, looks.WAITING)


def resumed(job: Job) -> str:
    """What the member is told who let it go on."""
    how = "It goes on where it was" if job.paused_step else "It begins anew" if job.attempt else "It begins"
    return f"{how}, as soon as there is room."


def failed(job: Job) -> discord.Embed:
    """It did not work, and why; of what may not be shown, the reason is for its member alone."""
    if job.refused:
        return simple("Not shown", looks.NOT_SHOWN, looks.STOPPED)
    return simple("That did not work", job.error or "The job failed.", looks.FAILED)


def refused(job: Job) -> discord.Embed:
    """To its member alone: what came of a job may not be shown, and why."""
    return simple("Not shown", f"{link(job)}\n\n{job.error}", looks.STOPPED)


def cancelled(job: Job) -> discord.Embed:
    """Somebody stopped it, or nobody said how it should go on."""
    return simple("Cancelled", job.error or "This job was stopped.", looks.STOPPED)


# -- /jobs ------------------------------------------------------------------------------------------------------------


def jobs_list(
    active: Sequence[Job],
    positions: Mapping[str, int | None],
    progress: Mapping[str, Progress | None],
    finished: Sequence[Job],
) -> discord.Embed:
    """A member's own jobs: those under way with how far they are, then the last ones that ended."""
    embed = discord.Embed(title="Your jobs", colour=looks.WORKING if active else looks.WAITING)
    lines = [f"{link(job)} · {_state(job, positions.get(job.id), progress.get(job.id))}" for job in active]
    embed.description = (
        fitting(lines, _LONGEST_DESCRIPTION, "and {} more")
        or "Nothing is under way. `/train` teaches a subject, `/imagine` draws."
    )
    if finished:
        past = [f"{link(job)} · {_ended(job)}" for job in finished[:5]]
        embed.add_field(name="Before", value=fitting(past, _LONGEST_FIELD, "and {} more"), inline=False)
    return embed


def describe(job: Job) -> str:
    """A job in a few words, for lists and choices."""
    if job.lane == "train":
        return f"learning {job.train.name}"
    if job.lane == "merge":
        return f"{'exporting' if job.is_export else 'making'} {job.merge.name}"
    return looks.cut(" ".join(looks.clean(job.imagine.prompt).split()), 60)


def link(job: Job) -> str:
    """A job in a few words that lead to its message."""
    words = looks.plain(describe(job))
    if job.message_id is None:
        return words
    place = job.guild_id if job.guild_id is not None else "@me"
    return f"[{words}](https://discord.com/channels/{place}/{job.channel_id}/{job.message_id})"


def _state(job: Job, position: int | None, progress: Progress | None) -> str:
    if job.cancel_requested_at is not None:
        return "stopping"
    if job.state == "running" and progress is not None:
        left = f", about {looks.duration(progress.seconds_left)} left" if progress.seconds_left is not None else ""
        return f"step {progress.step:,} of {progress.steps:,}{left}"
    if job.held is not None:
        return "paused" if job.held == "paused" else "waits for your answer"
    if job.state == "running":
        return "just started"
    return f"place {position} in the queue" if position is not None else "next"


def _ended(job: Job) -> str:
    when = f" <t:{int(job.finished_at)}:R>" if job.finished_at else ""
    if job.refused:
        return f"not shown{when}: {job.error}"
    return {"succeeded": "done", "failed": "did not work", "cancelled": "cancelled"}.get(job.state, job.state) + when


# -- adapters ---------------------------------------------------------------------------------------------------------


def adapters_list(adapters: Sequence[Adapter], viewer_id: int, guild_id: int | None) -> discord.Embed:
    """What a member can use there: their own, then those that are shared, by why they can."""
    groups: dict[str, list[Adapter]] = {"Yours": [], "Shared with this server": [], "Shared with you": []}
    for adapter in adapters:
        how = "Yours" if adapter.owner_id == viewer_id else reach.shared_how(adapter, viewer_id, guild_id)
        groups.setdefault(how, []).append(adapter)
    embed = discord.Embed(title="Adapters you can use", colour=looks.DONE if adapters else looks.WAITING)
    if not adapters:
        embed.description = "None yet. `/train` makes one from 3 to 10 photos."
    for title, group in groups.items():
        lines = [_line(adapter, viewer_id) for adapter in group]
        if lines:
            more = "and {} more; typing in `adapter` finds them"
            embed.add_field(name=title, value=fitting(lines, _LONGEST_FIELD, more), inline=False)
    return embed


def tag(adapter: Adapter, viewer_id: int) -> str:
    """How this viewer writes the adapter in a prompt, at its best weight."""
    return written(adapter, adapter.name_for(viewer_id))


def written(adapter: Adapter, name: str) -> str:
    """The tag of that name, with the adapter's best weight; a whole model has none."""
    return f"<lora:{name}>" if adapter.kind == "checkpoint" else f"<lora:{name}:{adapter.weight_best:g}>"


def _line(adapter: Adapter, viewer_id: int) -> str:
    is_shared = adapter.shared_with or adapter.named or adapter.public_at is not None
    mark = " · shared" if adapter.owner_id == viewer_id and is_shared else ""
    what = " · ".join(filter(None, (looks.plain(adapter.class_word), adapter.base)))
    return f"`{tag(adapter, viewer_id)}` {what}{mark}"


def how_to_use(adapter: Adapter, viewer_id: int) -> str:
    """What this viewer writes in a prompt."""
    if adapter.kind == "textual_inversion":
        return (
            f"Write `{adapter.trigger}` in a prompt, or `({adapter.trigger}:1.2)` for more of it;"
            f" `<ti:{adapter.name_for(viewer_id)}>` says whose is meant."
        )
    how = f"Write `{tag(adapter, viewer_id)}` in a prompt."
    if adapter.class_word:
        words = f"`{adapter.trigger} {adapter.class_word}`"
        return f"{how} Its trigger is `{adapter.trigger}`; where a prompt lacks it, {words} takes the tag's place."
    return f"{how} A button under its pictures puts in its trigger words." if adapter.trigger_words else how


def weights(adapter: Adapter) -> str:
    """Those that are recommended."""
    low, best, high = adapter.weight_low, adapter.weight_best, adapter.weight_high
    return f"{low:g} to {high:g}, {best:g} at best" if low < high else f"{best:g}"


def photos_kept(adapter: Adapter) -> str:
    """How long they are kept; with an adapter that is deleted they go at once."""
    return "deleted" if adapter.photos_kept_until is None else f"kept until <t:{int(adapter.photos_kept_until)}:D>"


def asks_to_forget(adapter: Adapter) -> str:
    """What its owner is told before deleting it."""
    if adapter.origin == "imported":
        return f"`{adapter.name}` was brought in from a file: once deleted, it has to be imported again."
    if adapter.origin == "merged":
        return (
            f"`{adapter.name}` was made of others: once deleted, it has to be merged again, as long as they are there."
        )
    gone = "are gone" if adapter.photos_kept_until is None else "are kept, and deleted with it"
    return (
        f"`{adapter.name}` was trained on {adapter.photos} photos, which {gone}: once deleted, it can't be made again"
        " without them."
    )


# -- settings ---------------------------------------------------------------------------------------------------------


def seeds(pictures: Sequence[Picture]) -> str:
    """What the settings of several pictures differ in, for the first one's to stand beside; nothing for one."""
    if len(pictures) < 2:
        return ""
    varied = [infotext.read(picture.parameters).settings.get("Variation seed", "") for picture in pictures]
    if len({picture.seed for picture in pictures}) == 1 and len(set(varied)) > 1:
        return f"Variation seeds: {', '.join(varied)}"
    return f"Seeds: {', '.join(str(picture.seed) for picture in pictures)}"


def _merging(job: Job) -> str:
    return looks.one_line(describe_work(job.merge.work), _LONGEST_FIELD)


def exporting(job: Job) -> discord.Embed:
    """What an export's owner sees until the file is there."""
    text = f"{_merging(job)}\nThe file comes here as soon as it is written; after a quarter of an hour, say it again."
    return simple(f"{job.merge.name} is being exported", text, looks.WAITING)


def merge_settings(adapter: Adapter, job: Job) -> str:
    """What it was made of, how, and what that is worth."""
    rows = {
        "Name": adapter.name, "Made of": describe_work(job.merge.work),
        "Parents": ", ".join(parent.name for parent in job.merge.parents) or "none of members",
        "Trigger": adapter.trigger, "Class word": adapter.class_word,
        "Base": f"{adapter.base} ({adapter.base_hash})", **({"Rank": adapter.rank} if adapter.rank else {}),
        "Report": adapter.report, "Seconds": round(adapter.seconds), "Trainer": adapter.trainer_version,
        "File": adapter.blob,
    }  # fmt: skip
    return "\n".join(f"{name}: {value}" for name, value in rows.items() if value != "")


def file_settings(adapter: Adapter) -> str:
    """What is known of an adapter that was brought in."""
    made, identity = {}, adapter.identity
    if identity is not None:
        made = {
            "Kind": f"{identity.algorithm or 'textual inversion'}, {identity.layout}", "Made for": identity.made_for,
            "Trained on": identity.base or "",
        }  # fmt: skip
    rows = {
        "Name": adapter.name, "Trigger words": ", ".join(adapter.trigger_words), **made,
        "Base": f"{adapter.base} ({adapter.base_hash})" if adapter.base else "",
        "Rank": adapter.rank or "", "Weights": weights(adapter), "From": adapter.source or "", "File": adapter.blob,
    }  # fmt: skip
    return "\n".join(f"{name}: {value}" for name, value in rows.items() if value != "")


def training_settings(adapter: Adapter, recipe: Recipe) -> str:
    """The exact settings of a training, and how it was asked for."""
    rows = {
        "Name": adapter.name, "Trigger": adapter.trigger, "Class word": adapter.class_word,
        "Kind": adapter.subject_kind, "Method": adapter.method, "Base": f"{adapter.base} ({adapter.base_hash})",
        "Photos": adapter.photos, "Steps": adapter.steps, **({"Rank": adapter.rank} if adapter.rank else {}),
        "Weights": weights(adapter),
        "Final loss": f"{adapter.final_loss:.4f}", "Seconds": round(adapter.seconds),
        "Trainer": adapter.trainer_version, "File": adapter.blob,
    }  # fmt: skip
    made = "\n".join(f"{name}: {value}" for name, value in rows.items())
    return f"{made}\n\n{RECIPE}\n{write_advanced(recipe)}"
