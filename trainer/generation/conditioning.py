"""From prompts to what the UNet attends to: chunks, emphasis and textual inversions, to A1111's letter.

A text encoder reads 75 tokens at a time. A longer prompt is read in chunks, each for itself, and their hidden states
follow each other; the UNet attends to however many there are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch

from trainer.contract.drawings import Emphasis
from trainer.contract.prompt import BREAK, Segment, read_emphasis
from trainer.models.text import Conditioning, TextTower, Vectors, encode_tokens, split_triggers

COMMA_BACKTRACK = 20  # tokens; a chunk rather ends behind a comma that is no further back than this


@dataclass
class Chunk:
    """Up to 75 tokens and what each weighs."""

    ids: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)
    after_comma: int | None = None  # how many tokens it would have if it ended behind its last comma

    def __len__(self) -> int:
        return len(self.ids)

    def add(self, ids: Sequence[int], weight: float) -> None:
        """More tokens, all of one weight."""
        self.ids += ids
        self.weights += [weight] * len(ids)

    def split(self, place: int) -> Chunk:
        """Cut off what stands behind ``place``; it is a new chunk."""
        rest = Chunk(self.ids[place:], self.weights[place:])
        del self.ids[place:], self.weights[place:]
        return rest


@torch.no_grad()
def condition(
    towers: Sequence[TextTower],
    prompts: Sequence[str],
    inversions: Mapping[str, Vectors] | None = None,
    *,
    emphasis: Emphasis = "original",
    clip_skip: int = 1,
) -> Conditioning:
    """Conditioning (B, chunks · 77, D) of prompts with emphasis; SDXL's pooled embedding is that of the first chunk.

    The prompts get as many chunks as the longest of them; what they lack is empty. ``inversions`` are vectors by the
    trigger word that stands for them. ``emphasis``: whether weights act, and whether the mean is restored then.
    ``clip_skip``: SD1's hidden states are those of the last layer but ``clip_skip`` - 1, normalised; the other families
    have a layer of their own, and A1111 leaves them that. Raises :class:`trainer.contract.prompt.PromptError`.
    """
    segments = [read_emphasis(prompt) for prompt in prompts]
    chunks = {tower.name: [list(split(tower, each, inversions or {})) for each in segments] for tower in towers}
    count = max(len(each) for of_tower in chunks.values() for each in of_tower)
    ids, weights = {}, {}
    for tower in towers:
        padded = [each + [Chunk()] * (count - len(each)) for each in chunks[tower.name]]
        flat = [chunk for each in padded for chunk in each]
        ids[tower.name] = torch.tensor([tower.chunk(chunk.ids) for chunk in flat])
        weights[tower.name] = torch.tensor([_spread(tower, chunk) for chunk in flat])
    if emphasis == "ignore":
        weights = {}
    encoded = encode_tokens(
        towers, ids, inversions, weights, keep_mean=emphasis == "original", clip_skip=clip_skip
    )  # (B · chunks, 77, D)
    pooled = None if encoded.pooled is None else encoded.pooled[::count]
    return Conditioning(encoded.embeddings.reshape(len(prompts), -1, encoded.embeddings.shape[-1]), pooled)


def split(tower: TextTower, segments: Sequence[Segment], inversions: Mapping[str, Vectors]) -> Iterator[Chunk]:
    """A prompt's tokens in chunks, at least one. The vectors of an inversion stay together.

    As A1111's ``tokenize_line``: a chunk that is full ends behind its last comma where that is near, and its tail opens
    the next one. It does so for a token that has no room any more, not for an inversion that needs more than is left.
    BREAK ends a chunk, also an empty one.
    """
    room, comma = tower.length - 2, tower.words(",")
    chunk, first = Chunk(), True
    for segment in segments:
        if segment == BREAK:
            yield chunk
            chunk, first = Chunk(), False
            continue
        for piece in split_triggers(tower, tower.words(segment.text), inversions):
            is_comma, after_comma = list(piece) == comma, chunk.after_comma
            if len(chunk) == room and not is_comma and after_comma and room - after_comma < COMMA_BACKTRACK:
                rest = chunk.split(after_comma)
                yield chunk
                chunk, first = rest, False
            if len(chunk) + len(piece) > room:
                yield chunk
                chunk, first = Chunk(), False
            chunk.add(piece, segment.weight)
            if is_comma:
                chunk.after_comma = len(chunk)
    if first or chunk.ids:
        yield chunk


def _spread(tower: TextTower, chunk: Chunk) -> list[float]:
    """The weights of all 77 tokens: begin, end and padding weigh 1."""
    return [1.0, *chunk.weights, *[1.0] * (tower.length - 1 - len(chunk))]
