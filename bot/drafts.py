"""What members wrote and were refused, kept for a quarter of an hour, so that nobody types it twice."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from bot.checks import MOST_PICTURES, MOST_SCALE
from bot.errors import UserError
from bot.grids import Sides
from bot.imagining import make_wish
from bot.orders import ImagineOrder, Order, Origin
from bot.pasted import holds_settings
from bot.prompts import with_adapter
from bot.sources import FromPicture, read_margins, settle
from trainer.contract import infotext
from trainer.contract.drawings import Source
from trainer.contract.events import BaseInfo

KEPT_S = 15 * 60.0  # as long as Discord lets its answer be followed up
MOST_KEPT = 1_000  # of some kilobytes each; the oldest goes first
_KEYS = {
    "steps": "Steps", "sampler": "Sampler", "guidance": "CFG scale", "guidance_rescale": "CFG Rescale", "seed": "Seed",
    "size": "Size", "model": "Model", "clip_skip": "Clip skip", "strength": "Denoising strength",
    "variation_seed": "Variation seed", "variation_strength": "Variation seed strength",
}  # of A1111, by option  # fmt: skip


class Draft(Order, frozen=True):
    """What is to be drawn, as text. ``settings`` is A1111's line of them, in which a size may be a word."""

    prompt: str = ""
    negative_prompt: str = ""
    settings: str = ""
    strict: bool = True
    count: int = 1
    exact: bool = False
    styles: str | None = None  # by name, with commas between them
    source: Source | None = None  # of the picture that it began with
    wanted: FromPicture = FromPicture()
    sides: Sides | None = None  # of a grid

    @property
    def text(self) -> str:
        """All of it in A1111's text form."""
        parts = [infotext.write(self.prompt, self.negative_prompt, {}), self.settings]
        if self.sides is not None:
            parts += [f"x: {self.sides.x}", f"y: {self.sides.y}" if self.sides.y else ""]
        return "\n".join(part for part in parts if part)


def draft_of(text: str, source: Source | None = None) -> Draft:
    """A draft of a text in A1111's form; what is pasted is always strict."""
    found = infotext.read(text)
    settings = infotext.write("", "", found.settings)
    return Draft(prompt=found.prompt, negative_prompt=found.negative_prompt, settings=settings, source=source)


def draft_of_options(options: Mapping[str, Any]) -> Draft:
    """What stands in the options of `/imagine` or `/grid`; pasted ``settings`` say what no other option does.

    What the text has no place for is kept as it is, and left out where it is what was wrong.
    """
    prompt = str(options["prompt"])
    with suppress(UserError):  # that is what is told
        prompt = with_adapter(prompt, options.get("adapter"), options.get("weight"))
    pasted = infotext.read(f"-\n{options.get('settings') or ''}").settings
    given = {key: options[name] for name, key in _KEYS.items() if options.get(name) is not None}
    return Draft(
        prompt=prompt,
        negative_prompt=str(options.get("negative_prompt") or ""),
        settings=infotext.write("", "", pasted | given),
        strict=bool(options.get("strict")) or bool(pasted),
        count=min(max(int(options.get("count") or 1), 1), MOST_PICTURES),
        exact=bool(options.get("exact")),
        styles=options.get("style"),
        wanted=FromPicture(
            image=options.get("image"), mask=options.get("mask"), outpaint=_margins(options.get("outpaint")),
            high_res=_scale(options.get("high_res")), upscale=_scale(options.get("upscale")),
        ),
        sides=Sides(x=options["x"], y=options.get("y")) if options.get("x") is not None else None,
    )  # fmt: skip


def _margins(written: str | None) -> str | None:
    with suppress(UserError):
        read_margins(written)
        return written
    return None


def _scale(number: float | None) -> float | None:
    return number if number is not None and 1 <= number <= MOST_SCALE else None


def order_of(draft: Draft, origin: Origin, bases: Sequence[BaseInfo]) -> ImagineOrder:
    """The order of a draft, whose prompt is still to be read. Raises UserError."""
    pairs = infotext.read(f"-\n{draft.settings}").settings
    size = pairs.pop("Size", None)
    line = infotext.write("", "", pairs) if pairs or size else draft.settings
    has_source = draft.source is not None or draft.wanted.image is not None
    wish = make_wish(
        draft.prompt, line, bases, negative_prompt=draft.negative_prompt or None, count=draft.count, size=size,
        has_source=has_source,
    )  # fmt: skip
    order = ImagineOrder(
        origin=origin,
        prompt=wish.prompt,
        prompt_written=wish.prompt,
        negative_prompt=wish.negative_prompt,
        base=wish.base,
        seed=wish.seed,
        count=wish.count,
        strict=draft.strict or holds_settings(draft.prompt),
        exact=draft.exact,
        settings=wish.settings,
        aspect=wish.aspect,
        source=draft.source,
        ignored=wish.ignored,
    )
    return settle(order, draft.wanted)


class Drafts:
    """The drafts that were refused, by opaque ids; in memory alone, for they are nobody's but their member's."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, int, Draft]] = OrderedDict()

    def keep(self, draft: Draft, member_id: int) -> str:
        """Keep it for this member; its id."""
        while self._kept and (len(self._kept) >= MOST_KEPT or self._is_old(next(iter(self._kept)))):
            self._kept.popitem(last=False)
        draft_id = secrets.token_hex(8)
        self._kept[draft_id] = self._clock(), member_id, draft
        return draft_id

    def get(self, draft_id: str, member_id: int) -> Draft:
        """The member's draft. Raises UserError: gone, or somebody else's."""
        if draft_id in self._kept and not self._is_old(draft_id):
            _, owner_id, draft = self._kept[draft_id]
            if owner_id == member_id:
                return draft
        raise UserError("What you wrote is not kept any more: copy it from the message above, and send it anew.")

    def _is_old(self, draft_id: str) -> bool:
        return self._clock() - self._kept[draft_id][0] > KEPT_S
