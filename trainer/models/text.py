"""Text encoders: from token ids to what the UNet is conditioned on, alike for one CLIP tower and for SDXL's two."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

Vectors = Mapping[str, torch.Tensor]  # by tower: (n, width), the token embeddings of a textual inversion


@dataclass(frozen=True)
class Conditioning:
    """What the UNet attends to, (B, tokens, D), and SDXL's pooled text embedding (B, P)."""

    embeddings: torch.Tensor
    pooled: torch.Tensor | None = None

    def __len__(self) -> int:
        return len(self.embeddings)

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> Conditioning:
        """The same change made to both."""
        return Conditioning(change(self.embeddings), None if self.pooled is None else change(self.pooled))

    def pick(self, rows: Sequence[int]) -> Conditioning:
        """These rows, in this order."""
        index = torch.tensor(list(rows), device=self.embeddings.device)
        return self.map(lambda tensor: tensor[index])

    def repeat(self, count: int) -> Conditioning:
        """Every row ``count`` times, (a, a, b, b …)."""
        return self.map(lambda tensor: tensor.repeat_interleave(count, 0))


def concatenate(parts: Sequence[Conditioning]) -> Conditioning:
    """Batches one behind the other."""
    pooled = [part.pooled for part in parts if part.pooled is not None]
    return Conditioning(torch.cat([part.embeddings for part in parts]), torch.cat(pooled) if pooled else None)


@dataclass
class TextTower:
    """A tokenizer and its CLIP text encoder; ``name`` is the folder's, text_encoder or text_encoder_2.

    ``penultimate``: SDXL reads the last but one layer, unnormalised (Podell et al. 2023, §2.1). ``pooled``: its pooled
    and projected output is used, too.
    """

    name: str
    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel | CLIPTextModelWithProjection
    penultimate: bool = False
    pooled: bool = False
    can_skip: bool = False  # whether A1111's "Clip skip" says anything to it
    recall: Callable[[], None] | None = None  # set while the encoder's weights are not in memory: reads them again
    _begin: int = field(init=False)
    _end: int = field(init=False)
    _pad: int = field(init=False)

    def __post_init__(self) -> None:
        self._begin, self._end = self.tokenizer.bos_token_id, self.tokenizer.eos_token_id
        self._pad = self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self._end

    @property
    def length(self) -> int:
        """Tokens of a chunk, begin and end among them: 77."""
        return int(self.tokenizer.model_max_length)

    @property
    def vocabulary(self) -> int:
        """Ids from here on stand for vectors of textual inversions."""
        return int(self.text_encoder.get_input_embeddings().num_embeddings)

    @property
    def width(self) -> int:
        """Of a token's embedding."""
        return int(self.text_encoder.get_input_embeddings().embedding_dim)

    def words(self, text: str) -> list[int]:
        """The ids of a text, without begin and end, however many."""
        return list(self.tokenizer(text, add_special_tokens=False).input_ids)

    def chunk(self, ids: Sequence[int]) -> list[int]:
        """Begin, up to 75 ids, end, padding: ``length`` in all; what is longer is cut off."""
        kept = [self._begin, *ids[: self.length - 2], self._end]
        return kept + [self._pad] * (self.length - len(kept))

    def encode(
        self, ids: torch.Tensor, vectors: torch.Tensor | None = None, clip_skip: int = 1
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Hidden states (B, 77, width) of ids (B, 77), and the pooled embedding (B, P) or None.

        Ids from ``vocabulary`` on are rows of ``vectors`` (n, width), which are put in behind the embedding table: the
        table itself, and its gradient and optimizer state, are never touched (Gal et al. 2022 train new rows alone).
        ``clip_skip``: the hidden states are those of the last layer but ``clip_skip`` - 1, normalised as the last is,
        if the tower ``can_skip`` (A1111's "Clip skip").
        """
        skips = clip_skip > 1 and self.can_skip
        if self.recall is not None:
            self.recall()
        embedding = self.text_encoder.get_input_embeddings()
        known = ids < self.vocabulary
        hook = None
        if vectors is not None:
            rows = (ids - self.vocabulary).clamp(min=0)

            def put(_module: torch.nn.Module, _args: object, output: torch.Tensor) -> torch.Tensor:
                return torch.where(known.unsqueeze(-1), output, vectors[rows].to(output.dtype))

            hook = embedding.register_forward_hook(put)
        try:
            # an id of its own for what is not in the table: CLIP finds the end of a text by its id, the highest
            out = self.text_encoder(torch.where(known, ids, 0), output_hidden_states=self.penultimate or skips)
        finally:
            if hook is not None:
                hook.remove()
        hidden = out.hidden_states[-2] if self.penultimate else out.last_hidden_state
        if skips:
            layer = max(len(out.hidden_states) - clip_skip, 0)
            text_model = getattr(self.text_encoder, "text_model", self.text_encoder)
            hidden = text_model.final_layer_norm(out.hidden_states[layer])
        return hidden, out.text_embeds if self.pooled else None


def tokenize(
    towers: Sequence[TextTower], prompts: Sequence[str], inversions: Mapping[str, Vectors] | None = None
) -> dict[str, torch.Tensor]:
    """Ids (B, 77) of plain prompts by tower; a trigger of ``inversions`` becomes the ids of its vectors.

    The ids of several inversions follow each other from ``tower.vocabulary`` on, in the order of the mapping.
    """
    return {
        tower.name: torch.tensor(
            [tower.chunk(replace_triggers(tower, tower.words(prompt), inversions or {})) for prompt in prompts]
        )
        for tower in towers
    }


def replace_triggers(tower: TextTower, ids: Sequence[int], inversions: Mapping[str, Vectors]) -> list[int]:
    """``ids`` with the tokens of every trigger word replaced by the ids of its vectors, as A1111 matches tokens."""
    return [token for piece in split_triggers(tower, ids, inversions) for token in piece]


def split_triggers(tower: TextTower, ids: Sequence[int], inversions: Mapping[str, Vectors]) -> Iterator[Sequence[int]]:
    """The same in pieces that belong together: a single token, or all vectors of a trigger."""
    first, found = tower.vocabulary, []
    for trigger, vectors in inversions.items():
        count = len(vectors[tower.name])
        found.append((tower.words(trigger), range(first, first + count)))
        first += count
    found.sort(key=lambda pair: -len(pair[0]))  # the longest match first
    place = 0
    while place < len(ids):
        for word, rows in found:
            if word and list(ids[place : place + len(word)]) == word:
                yield rows
                place += len(word)
                break
        else:
            yield ids[place : place + 1]
            place += 1


def join_vectors(tower: TextTower, inversions: Mapping[str, Vectors]) -> torch.Tensor | None:
    """The vectors of all inversions for one tower, (n, width), in the order in which :func:`tokenize` numbers them."""
    return torch.cat([vectors[tower.name] for vectors in inversions.values()]) if inversions else None


def encode_tokens(
    towers: Sequence[TextTower],
    ids: Mapping[str, torch.Tensor],
    inversions: Mapping[str, Vectors] | None = None,
    weights: Mapping[str, torch.Tensor] | None = None,
    *,
    keep_mean: bool = True,
    clip_skip: int = 1,
) -> Conditioning:
    """Conditioning of tokenized prompts: the towers' hidden states side by side, the last tower's pooled embedding.

    ``weights``: the emphasis of every token, (B, 77) by tower; each tower's hidden states are weighed for themselves,
    and ``keep_mean`` restores their mean.
    """
    hidden, pooled = [], None
    for tower in towers:
        device = tower.text_encoder.get_input_embeddings().weight.device
        states, own = tower.encode(ids[tower.name].to(device), join_vectors(tower, inversions or {}), clip_skip)
        if weights:
            states = weigh(states, weights[tower.name].to(device), keep_mean=keep_mean)
        hidden.append(states)
        pooled = own if own is not None else pooled
    return Conditioning(torch.cat(hidden, dim=-1) if len(hidden) > 1 else hidden[0], pooled)


def weigh(states: torch.Tensor, weights: torch.Tensor, *, keep_mean: bool = True) -> torch.Tensor:
    """Hidden states (B, 77, width) times the weights of their tokens (B, 77), each row's mean restored, as A1111 does.

    A row without emphasis stays as it is, to the bit; a mean of 0, which an untrained encoder has, restores nothing.
    """
    weighed = states.float() * weights.unsqueeze(-1)
    if not keep_mean:
        return weighed.to(states.dtype)
    lost = states.float().mean((1, 2), keepdim=True) / weighed.mean((1, 2), keepdim=True)
    plain = (weights == 1).all(1)[:, None, None]
    return torch.where(plain, states, (weighed * lost.nan_to_num(1, 1, 1)).to(states.dtype))
