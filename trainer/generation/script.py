"""What a picture's prompts say at each of its steps: edited by steps, composed by AND, encoded once each."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from trainer.adapters.slots import Mix, SlotBank
from trainer.contract.drawings import Emphasis
from trainer.contract.prompt import compose, index_at, schedule
from trainer.generation.conditioning import condition
from trainer.models.loading import Base
from trainer.models.text import Conditioning, Vectors

KEPT = 256  # encoded texts; of SD1.5 each is a quarter of a megabyte

Encode = Callable[[str], Conditioning]
Scheduled = tuple[tuple[int, Conditioning], ...]  # each with the last step that it is for


@dataclass(frozen=True)
class Script:
    """By call of the UNet: what it is to draw, in parts with weights, and what it is to keep away from."""

    parts: tuple[tuple[Scheduled, float], ...]
    negative: Scheduled

    @property
    def is_composed(self) -> bool:
        """Whether it takes more than one plain prompt, so that it can't do without the negative one."""
        return len(self.parts) > 1 or self.parts[0][1] != 1

    def at(self, call: int) -> tuple[Conditioning, list[tuple[Conditioning, float]]]:
        """The negative prompt and the parts, each a Conditioning of one row, at a call counted from 0."""
        return _at(self.negative, call), [(_at(part, call), weight) for part, weight in self.parts]


def write_script(
    encode: Encode, prompt: str, negative_prompt: str, steps: int, hires_steps: int | None = None
) -> Script:
    """Take both prompts apart and encode their texts; ``hires_steps`` those of a second pass, which this is then for.

    For a sampler that calls the model twice a step, steps are twice as many.

    Raises :class:`trainer.contract.prompt.PromptError`.
    """

    def encode_all(text: str) -> Scheduled:
        return tuple((last, encode(words)) for last, words in schedule(text, steps, hires_steps))

    parts = tuple((encode_all(part.text), part.weight) for part in compose(prompt))
    return Script(parts, encode_all(negative_prompt))


def _at(scheduled: Scheduled, call: int) -> Conditioning:
    return scheduled[index_at([last for last, _ in scheduled], call)][1]


class PromptEncoder:
    """The text encoders of a base with their adapters; what was encoded lately is not encoded again."""

    def __init__(self, base: Base, banks: Mapping[str, SlotBank], prepare: Callable[[], None]) -> None:
        """``banks``: those of the text encoders, by part; ``prepare`` is called before they are."""
        self._base, self._banks, self._prepare = base, banks, prepare
        self._encoded: OrderedDict[tuple[object, ...], tuple[object, Conditioning]] = OrderedDict()

    def encode(
        self,
        text: str,
        mixes: Mapping[str, Mix],
        inversions: Mapping[str, Vectors],
        *,
        emphasis: Emphasis = "original",
        clip_skip: int = 1,
    ) -> Conditioning:
        """The conditioning of one text, one row. ``mixes``: the adapters of each text encoder, by part.

        Raises :class:`trainer.contract.prompt.PromptError`.
        """
        acting = tuple(
            (part, tuple((id(delta), weight) for delta, weight in mix)) for part, mix in mixes.items() if mix
        )
        words = tuple((trigger, id(vectors)) for trigger, vectors in inversions.items())
        key = (text, acting, words, emphasis, clip_skip)
        if key not in self._encoded:
            self._prepare()
            for part, bank in self._banks.items():
                bank.activate([mixes.get(part, ())])
            try:
                made = condition(self._base.towers, [text], inversions, emphasis=emphasis, clip_skip=clip_skip)
            finally:
                for bank in self._banks.values():
                    bank.activate([])
            # what the key names by its id is kept, so that nobody else gets that id
            self._encoded[key] = (dict(mixes), dict(inversions)), made
            if len(self._encoded) > KEPT:
                self._encoded.popitem(last=False)
        self._encoded.move_to_end(key)
        return self._encoded[key][1]
