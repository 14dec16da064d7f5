"""From what a member writes to what the model gets: tags looked up, triggers put where they are missing."""

from __future__ import annotations

from bot.adapters import Adapters
from bot.errors import UserError, quoted
from bot.orders import Order
from bot.store.records import AdapterPick
from trainer.contract import looks
from trainer.contract import prompt as language


class ReadPrompt(Order, frozen=True):
    """A prompt whose tags have been resolved for the member who wrote it."""

    prompt: str  # as used
    written: str
    adapters: tuple[AdapterPick, ...]


def with_adapter(written: str, name: str | None, weight: float | None) -> str:
    """The prompt with the tag that the options ``adapter`` and ``weight`` stand for, unless it names that one already.

    Raises UserError for a weight that would act on nothing, and for a name that is a tag.
    """
    if name is None or not name.strip():
        if weight is not None:
            raise UserError("There is a weight but no adapter: choose one in `adapter`, or write `<lora:name:0.8>`.")
        return written
    name = name.strip()
    if set(name) & set("<:>"):
        raise UserError(f"{quoted(name)} is no adapter's name: write the name alone, for example `thnos`.")
    if name.lower() in _named(written):
        if weight is not None:
            raise UserError(
                f"{quoted(name)} stands in the prompt already: write its weight there, or take the tag out."
            )
        return written
    return f"<lora:{name}:{1.0 if weight is None else weight:g}> {written}"


def _named(written: str) -> set[str]:
    """The adapters that a prompt names; none where it can't be read, which :func:`read_prompt` then says."""
    try:
        return {network.name.lower() for network in language.parse(written).networks}
    except language.PromptError:
        return set()


async def read_prompt(
    adapters: Adapters, written: str, *, viewer_id: int, guild_id: int | None, strict: bool = False
) -> ReadPrompt:
    """Resolve a prompt. Raises UserError: it can't be read, or names an adapter that this viewer can't use."""
    try:
        parsed = language.parse(written)
    except language.PromptError as error:
        raise UserError(looks.sentence(str(error))) from error
    picks: list[AdapterPick] = []
    triggers: dict[str, tuple[str, str]] = {}
    for network in parsed.networks:
        adapter = await adapters.resolve(network.name, viewer_id=viewer_id, guild_id=guild_id)
        picks.append(AdapterPick(adapter_id=adapter.id, written=network.name, blob=adapter.blob, weight=network.weight))
        triggers[network.name] = (adapter.trigger, adapter.class_word)
    return ReadPrompt(
        prompt=language.place_triggers(parsed, triggers, strict=strict), written=written, adapters=tuple(picks)
    )
