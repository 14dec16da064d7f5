"""Prompts that stand for several: styles put in, then choices made with each picture's own seed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from random import Random

import msgspec

from bot import checks
from bot.adapters import Adapters
from bot.errors import UserError
from bot.grid_changes import Cell
from bot.grids import Sides, expand
from bot.orders import ImagineOrder, Shot
from bot.prompts import ReadPrompt, read_prompt
from bot.styles import Styles
from bot.wildcards import Wildcards
from trainer.contract import looks
from trainer.contract import prompt as language

_Lists = Mapping[str, Sequence[str]]


class Templates:
    """From what a member wrote to the prompt of each picture: styles put in, choices made, tags looked up."""

    def __init__(self, adapters: Adapters, wildcards: Wildcards, styles: Styles) -> None:
        self._adapters, self._wildcards, self._styles = adapters, wildcards, styles

    async def read(self, order: ImagineOrder, styles: str | None = None) -> ImagineOrder:
        """The order with its written prompt read; with a shot for each picture where there are choices in it.

        ``styles`` are names with commas between them. Raises UserError.
        """
        order = await self._styles.apply(order, styles)
        checks.count(order)
        checks.numbers(order)
        seed = checks.seed(order.seed)
        seeds = range(seed, seed + order.count) if _holds_choices(order) else (seed,)
        own = {name: getattr(order, name) for name in Shot.__struct_fields__}
        shots, ignored = await self._read_for(order, [Shot(**{**own, "seed": each}) for each in seeds])
        read = _with_first(order, shots, ignored)
        return msgspec.structs.replace(read, seed=seed, shots=shots if len(shots) > 1 else ())

    async def read_grid(
        self,
        order: ImagineOrder,
        sides: Sides,
        bases: Sequence[str],
        styles: str | None = None,
        *,
        has_source: bool = False,
    ) -> ImagineOrder:
        """The order with a shot for each place of a grid, all with one seed unless a side changes that.

        ``bases`` are the names of those that there are; ``has_source``: a picture to draw from comes with the order.
        Raises UserError.
        """
        order = await self._styles.apply(order, styles)
        checks.numbers(order)
        seed = checks.seed(order.seed)
        plain = Cell(
            order.prompt_written, order.negative_prompt, order.settings, seed, order.aspect, order.base, tuple(bases),
            has_source=has_source,
        )  # fmt: skip
        grid, cells = expand(plain, sides.x, sides.y)
        shots, ignored = await self._read_for(order, [_shot_of(cell, order) for cell in cells])
        return msgspec.structs.replace(
            order, prompt=shots[0].prompt, adapters=shots[0].adapters, seed=seed, shots=shots, grid=grid,
            base=next((cell.base for cell in cells if cell.base is not None), None), ignored=order.ignored + ignored,
        )  # fmt: skip

    async def choose_anew(self, order: ImagineOrder) -> ImagineOrder:
        """An order of pictures that were drawn, now with other seeds: what was made of choices chooses anew.

        Whether whoever orders may use what the writer of a template named is checked where the order is accepted.
        Raises UserError.
        """
        if not any(shot.template or shot.negative_template for shot in order.shots):
            return order
        try:
            shots, ignored = await self._read_for(order, [_as_written(shot) for shot in order.shots])
        except UserError as error:
            if order.writer_id in {None, order.origin.member_id}:
                raise
            raise UserError(  # the reason may name what is the writer's alone
                "This prompt can't choose anew, for something in it has changed: write your own with `/imagine`."
            ) from error
        return msgspec.structs.replace(_with_first(order, shots, ignored), shots=shots)

    async def _read_for(self, order: ImagineOrder, shots: Sequence[Shot]) -> tuple[tuple[Shot, ...], tuple[str, ...]]:
        origin = order.origin
        writer_id = origin.member_id if order.writer_id is None else order.writer_id
        return await self.read_shots(shots, viewer_id=writer_id, guild_id=origin.guild_id, strict=order.strict)

    async def read_shots(
        self, shots: Sequence[Shot], *, viewer_id: int, guild_id: int | None, strict: bool = False
    ) -> tuple[tuple[Shot, ...], tuple[str, ...]]:
        """Read the written prompt of each, which has its seed; and what of them has no effect. Raises UserError."""
        lists = await self._lists(shots, viewer_id, guild_id)
        read: dict[tuple[str, str], ReadPrompt] = {}
        ignored: list[str] = []
        done = []
        for shot in map(_clean, shots):
            chosen, unknown = await _choose(shot, lists)
            texts = chosen.prompt_written, chosen.negative_prompt
            if texts not in read:
                read[texts] = await read_prompt(
                    self._adapters, *texts, viewer_id=viewer_id, guild_id=guild_id, strict=strict
                )
            found = read[texts]
            ignored += (*unknown, *found.ignored)
            done.append(msgspec.structs.replace(chosen, prompt=found.prompt, adapters=found.adapters))
        return tuple(done), tuple(dict.fromkeys(ignored))

    async def _lists(self, shots: Iterable[Shot], viewer_id: int, guild_id: int | None) -> _Lists:
        """The lists of the place, where one is named."""
        texts = {text for shot in shots for text in (shot.prompt_written, shot.negative_prompt)}
        if not any(language.find_lists(text) for text in texts):
            return {}
        return await self._wildcards.lists(guild_id=guild_id, member_id=viewer_id)


def _shot_of(cell: Cell, order: ImagineOrder) -> Shot:
    return Shot(
        prompt=cell.prompt, prompt_written=cell.prompt, negative_prompt=cell.negative_prompt, seed=cell.seed,
        settings=cell.settings, aspect=cell.aspect, source=order.source,
    )  # fmt: skip


def _with_first(order: ImagineOrder, shots: Sequence[Shot], ignored: tuple[str, ...]) -> ImagineOrder:
    """The order with the prompt of its first picture."""
    first = {name: getattr(shots[0], name) for name in Shot.__struct_fields__ if name != "seed"}
    return msgspec.structs.replace(order, **first, ignored=order.ignored + ignored)


def _clean(shot: Shot) -> Shot:
    """Without what nobody sees in its prompts: forms bring it, too."""
    prompt, negative = looks.clean(shot.prompt_written), looks.clean(shot.negative_prompt)
    return msgspec.structs.replace(shot, prompt_written=prompt, negative_prompt=negative)


def _as_written(shot: Shot) -> Shot:
    """With the texts that its choices were made of."""
    return msgspec.structs.replace(
        shot,
        prompt_written=shot.template or shot.prompt_written,
        negative_prompt=shot.negative_template or shot.negative_prompt,
    )


def _holds_choices(shot: Shot) -> bool:
    return any("{" in text or language.find_lists(text) for text in (shot.prompt_written, shot.negative_prompt))


async def _choose(shot: Shot, lists: _Lists) -> tuple[Shot, tuple[str, ...]]:
    """The shot with the choices made in both of its prompts, each with dice of its own; and what has no effect.

    So ``{day|night}`` and ``{night|day}`` in the negative prompt are never the same. Raises UserError.
    """
    if not _holds_choices(shot):
        return shot, ()
    try:
        prompt, negative = [
            await asyncio.to_thread(language.resolve, text, lists, Random(shot.seed))
            for text in (shot.prompt_written, shot.negative_prompt)
        ]
    except language.PromptError as error:
        raise UserError(looks.sentence(str(error))) from error
    chosen = msgspec.structs.replace(
        shot,
        prompt_written=prompt.text,
        negative_prompt=negative.text,
        template=shot.prompt_written if prompt.text != shot.prompt_written else "",
        negative_template=shot.negative_prompt if negative.text != shot.negative_prompt else "",
    )
    return chosen, (*prompt.ignored, *negative.ignored)
