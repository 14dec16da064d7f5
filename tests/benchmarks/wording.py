"""A1111's rules of chunks, emphasis and BREAK, written down plainly, for one text encoder and for SDXL's two."""

from __future__ import annotations

import copy

import torch
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from trainer.contract.prompt import read_emphasis
from trainer.generation.conditioning import condition
from trainer.models.registry import EMBEDDED_FOLDER
from trainer.models.text import Conditioning, TextTower, Vectors

END = 1640  # of emoji-64's tokenizer
VOCABULARY = 1641


def make_tower(
    name: str, width: int, *, pooled: bool = False, penultimate: bool = False, pad: str | None = None
) -> TextTower:
    """A text encoder of random weights on the words of emoji-64."""
    torch.manual_seed(width)
    tokenizer = CLIPTokenizer.from_pretrained(EMBEDDED_FOLDER / "tokenizer", **({"pad_token": pad} if pad else {}))
    config = CLIPTextConfig(
        vocab_size=VOCABULARY, hidden_size=width, intermediate_size=2 * width, num_hidden_layers=2,
        num_attention_heads=4, projection_dim=16, bos_token_id=END - 1, eos_token_id=END, pad_token_id=END,
    )  # fmt: skip
    encoder = (CLIPTextModelWithProjection if pooled else CLIPTextModel)(config).eval().requires_grad_(False)
    for part, parameter in encoder.named_parameters():
        if part.endswith("bias"):
            parameter.add_(torch.rand(parameter.shape))  # so that hidden states have a mean, as in a trained one
    return TextTower(name, tokenizer, encoder, penultimate=penultimate, pooled=pooled)


ONE = (make_tower("text_encoder", 32),)
TWO = (
    make_tower("text_encoder", 32, penultimate=True),
    make_tower("text_encoder_2", 48, penultimate=True, pooled=True, pad="a</w>"),  # as SDXL's second pads: with another
)
rng = torch.Generator().manual_seed(0)
INVERSIONS: dict[str, Vectors] = {
    "thnos": {"text_encoder": torch.randn(4, 32, generator=rng), "text_encoder_2": torch.randn(4, 48, generator=rng)},
    "moss": {"text_encoder": torch.randn(1, 32, generator=rng), "text_encoder_2": torch.randn(1, 48, generator=rng)},
}
FIRST_ROW = {"thnos": VOCABULARY, "moss": VOCABULARY + 4}


# -- A1111's rules, written down plainly -------------------------------------------------------------------------------


def reference_chunks(tower: TextTower, prompt: str) -> list[tuple[list[int], list[float]]]:
    """Ids and weights of a prompt's chunks, 75 and fewer, by the steps that A1111 takes."""
    rows = {
        name: list(range(first, first + len(INVERSIONS[name]["text_encoder"]))) for name, first in FIRST_ROW.items()
    }
    triggers = {name: tower.words(name) for name in FIRST_ROW}
    done: list[tuple[list[int], list[float]]] = []
    ids: list[int] = []
    weights: list[float] = []
    last_comma = -1
    for segment in read_emphasis(prompt):
        if segment.text == "BREAK" and segment.weight == -1:
            done.append((ids, weights))
            ids, weights, last_comma = [], [], -1
            continue
        tokens, place = tower.words(segment.text), 0
        while place < len(tokens):
            if tokens[place] == tower.words(",")[0]:
                last_comma = len(ids)
            elif len(ids) == 75 and last_comma != -1 and len(ids) - last_comma <= 20:
                cut = last_comma + 1
                done.append((ids[:cut], weights[:cut]))
                ids, weights, last_comma = ids[cut:], weights[cut:], -1
            if len(ids) == 75:
                done.append((ids, weights))
                ids, weights, last_comma = [], [], -1
            here = [name for name, word in triggers.items() if tokens[place : place + len(word)] == word]
            if not here:
                ids, weights, place = [*ids, tokens[place]], [*weights, segment.weight], place + 1
                continue
            if len(ids) + len(rows[here[0]]) > 75:
                done.append((ids, weights))
                ids, weights, last_comma = [], [], -1
            ids, weights = ids + rows[here[0]], weights + [segment.weight] * len(rows[here[0]])
            place += len(triggers[here[0]])
    return [*done, (ids, weights)] if ids or not done else done


def reference_states(
    tower: TextTower, ids: list[int], weights: list[float]
) -> tuple[torch.Tensor, torch.Tensor | None]:
    """Hidden states (1, 77, width) of one chunk, weighed; the vectors stand behind the embedding table."""
    encoder = copy.deepcopy(tower.text_encoder)
    table = encoder.get_input_embeddings().weight
    longer = torch.cat([table, *(vectors[tower.name] for vectors in INVERSIONS.values())])
    encoder.set_input_embeddings(torch.nn.Embedding.from_pretrained(longer))
    pad = tower.tokenizer.pad_token_id
    padded = [END - 1, *ids, END] + [pad] * (75 - len(ids))
    out = encoder(torch.tensor([padded]), output_hidden_states=True)
    z = out.hidden_states[-2] if tower.penultimate else out.last_hidden_state
    original_mean = z.mean()
    z = z * torch.tensor([1.0, *weights] + [1.0] * (76 - len(ids))).reshape(1, 77, 1)
    return z * (original_mean / z.mean()), out.text_embeds if tower.pooled else None


def reference(towers: tuple[TextTower, ...], prompt: str, chunks: int) -> Conditioning:
    """Chunks beside each other, towers behind each other, empty chunks at the end; pooled from the first."""
    hidden, pooled = [], None
    for tower in towers:
        each = reference_chunks(tower, prompt)
        each += [([], [])] * (chunks - len(each))
        encoded = [reference_states(tower, *chunk) for chunk in each]
        hidden.append(torch.cat([states for states, _ in encoded], dim=1))
        pooled = encoded[0][1]
    return Conditioning(torch.cat(hidden, dim=2), pooled)


LONG = " ".join(["a fox in a suit"] * 20)
PROMPTS = {
    "plain": "a fox in a suit",
    "empty": "",
    "emphasis": "a (fox:1.4) in a [suit], ((crown))",
    "all of it": "(a fox in a suit:0.7)",
    "negative weight": "a fox (in a hat:-0.5)",
    "nothing weighs": "a fox (in a hat:0)",
    "inversion": "a photo of thnos, smiling",
    "weighed inversion": "a photo of (thnos:1.1) and [Moss], smiling",
    "break": "a fox in a suit BREAK a hat",
    "breaks at the ends": "BREAK a fox BREAK BREAK a hat BREAK",
    "break in brackets": "a (fox BREAK hat:1.2)",
    "break in a long one": f"{LONG}, a fox BREAK {LONG}",
    "long": f"{LONG}, a hat",
    "long, weighed": f"(a fox:1.3) {LONG}, (hat:1.5)",
    "comma near the border": f"{LONG[:-30]} {'a ' * 5}fox, a dog with a hat on a beach, in space, {LONG}",
    "comma at the border": "a " * 74 + ", b c",
    "comma behind the border": "a " * 75 + ", b c",
    "comma 20 back": "a " * 55 + ", " + "b " * 30,
    "comma 21 back": "a " * 54 + ", " + "b " * 30,
    "weights are carried along": "a " * 60 + ", (b b:1.3) " + "b " * 20,
    "a comma that has no room": "a " * 60 + ", " + "b " * 14 + ", c",
    "inversion at the border": "a " * 73 + "thnos b",
    "inversion that just fits": "a " * 71 + "thnos b",
    "inversion behind a comma": "a " * 70 + ", b thnos b b b",
    "comma carries inversions along": "a " * 66 + ", thnos moss b b b b b b b",
}


@torch.no_grad()
def conditioning_max_error() -> float:
    """The figure: the largest difference over all prompts, towers and pooled embeddings."""
    worst = 0.0
    for towers in (ONE, TWO):
        for prompt in PROMPTS.values():
            made = condition(towers, [prompt], INVERSIONS)
            count = max(len(reference_chunks(tower, prompt)) for tower in towers)
            plain = reference(towers, prompt, count)
            worst = max(worst, float((made.embeddings - plain.embeddings).abs().max()))
            if made.pooled is not None and plain.pooled is not None:
                worst = max(worst, float((made.pooled - plain.pooled).abs().max()))
    return worst
