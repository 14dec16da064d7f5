"""From what a member writes to what the model gets: tags looked up, triggers put where they are missing."""

from __future__ import annotations

from collections.abc import Sequence

from bot.adapters import Adapters
from bot.errors import UserError, quoted
from bot.orders import Order
from bot.store.records import Adapter, AdapterPick
from trainer.contract import looks
from trainer.contract import prompt as language


class ReadPrompt(Order, frozen=True):
    """A prompt whose tags have been resolved for the member who wrote it."""

    prompt: str  # as used
    written: str
    adapters: tuple[AdapterPick, ...]
    ignored: tuple[str, ...] = ()  # what of it was repaired or left out, a sentence each


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
    adapters: Adapters,
    written: str,
    negative_prompt: str = "",
    *,
    viewer_id: int,
    guild_id: int | None,
    strict: bool = False,
) -> ReadPrompt:
    """Resolve a prompt. Raises UserError: it can't be read, or names an adapter that this viewer can't use.

    A textual inversion needs no tag: its trigger word does, in either prompt.
    """
    try:
        parsed = language.parse(written)
        named = [
            (network, await adapters.resolve(network.name, viewer_id=viewer_id, guild_id=guild_id))
            for network in parsed.networks
        ]
        # what was brought in, or merged of such, has no class word: its words are offered under the picture
        triggers = {
            network.name: (adapter.trigger, adapter.class_word) for network, adapter in named if adapter.class_word
        }
        inversions = {
            network.name: adapter.trigger for network, adapter in named if adapter.kind == "textual_inversion"
        }
        prompt = language.place_triggers(parsed, triggers, inversions, strict=strict)
        words = language.find_words(prompt) + language.find_words(negative_prompt)
    except language.PromptError as error:
        raise UserError(looks.sentence(str(error))) from error
    _check_distinct([adapter for _, adapter in named], viewer_id)
    taken = {adapter.trigger for _, adapter in named}  # a word means what was named rather than somebody's inversion
    bare = await adapters.of_triggers(
        [word for word in words if word not in taken], viewer_id=viewer_id, guild_id=guild_id
    )
    picks = [_pick(adapter, network.name, network.weight, network.te_weight) for network, adapter in named]
    picks += [_pick(adapter, adapter.name_for(viewer_id), 1.0, tagged=False) for adapter in bare]
    if len(picks) > language.MAX_NETWORKS:
        raise UserError(
            f"The prompt uses {len(picks)} adapters, with {len(bare)} of them by their trigger words:"
            f" {language.MAX_NETWORKS} are the most, so take some out."
        )
    return ReadPrompt(prompt=prompt, written=written, adapters=tuple(picks), ignored=parsed.ignored)


def as_pasted(prompt: str, written: str, picks: Sequence[AdapterPick]) -> str:
    """The prompt as a picture's settings carry it: read strictly, as all that is pasted, it is ``prompt`` again.

    That is as it was ``written``, unless triggers took the place of tags: then they are words, and the tags come last.
    """
    inversions = {pick.written: pick.trigger for pick in picks if pick.kind == "textual_inversion"}
    try:
        if language.place_triggers(language.parse(written), {}, inversions, strict=True) == prompt:
            return written
    except language.PromptError:  # nothing that was read here
        return written
    carried = " ".join([prompt, *(tag(pick, pick.written) for pick in picks if pick.tagged)])
    return carried if len(carried) <= language.MAX_PROMPT else written


def tag(pick: AdapterPick, name: str) -> str:
    """The tag of an adapter behind a prompt in which its words stand already."""
    if pick.kind == "textual_inversion":
        return f"<ti:{name}>"
    if pick.kind == "checkpoint":
        return f"<lora:{name}>"
    return f"<lora:{name}:{pick.weight:g}{'' if pick.te_weight is None else f':{pick.te_weight:g}'}>"


def _pick(
    adapter: Adapter, written: str, weight: float, te_weight: float | None = None, *, tagged: bool = True
) -> AdapterPick:
    return AdapterPick(
        adapter_id=adapter.id, written=written, blob=adapter.blob, weight=weight, kind=adapter.kind,
        trigger=adapter.trigger, tagged=tagged, te_weight=te_weight,
    )  # fmt: skip


def _check_distinct(named: Sequence[Adapter], viewer_id: int) -> None:
    """A word stands for one adapter's vectors. Raises UserError."""
    by_word: dict[str, Adapter] = {}
    for adapter in named:
        if adapter.kind == "textual_inversion" or adapter.method == "pivotal":
            other = by_word.setdefault(adapter.trigger, adapter)
            if other.id != adapter.id:
                raise UserError(
                    f"{quoted(other.name_for(viewer_id))} and {quoted(adapter.name_for(viewer_id))} both answer to"
                    f" {quoted(adapter.trigger)}: draw with one of them at a time."
                )
