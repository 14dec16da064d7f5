"""CLIP's tokenizer, the same in all three families but for what it pads with; its merges come with Darkroom."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from transformers import CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

from trainer.errors import MissingBases
from trainer.models.families import CLIP_VOCABULARY

TOKENS = 77  # of a chunk, begin and end among them
_MERGES = Path(__file__).parent / "clip" / "merges.txt"


def load_tokenizer(beside: Path, pad_token: str, vocabulary: int) -> CLIPTokenizer:
    """The tokenizer of a text encoder with ``vocabulary`` embeddings.

    It is CLIP's own where that is as many, else that of the folder ``beside``. Raises :class:`MissingBases` where it
    is another one that is needed.
    """
    if vocabulary != CLIP_VOCABULARY and beside.is_dir():
        tokenizer = CLIPTokenizer.from_pretrained(
            str(beside), pad_token=pad_token, model_max_length=TOKENS, local_files_only=True
        )
    else:
        words, merges = _read_clip()
        tokenizer = CLIPTokenizer(vocab=words, merges=merges, pad_token=pad_token, model_max_length=TOKENS)
    if len(tokenizer) != vocabulary:
        raise MissingBases(
            f"the text encoder knows {vocabulary:,} words, but the tokenizer {len(tokenizer):,}; put vocab.json and"
            f" merges.txt of the model into {beside}"
        )
    return tokenizer


@cache
def _read_clip() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of CLIP (Radford et al. 2021), numbered as its own code numbers them: all bytes, all bytes
    that end a word, what each merge makes, and the two ends of a text."""
    lines = _MERGES.read_text(encoding="utf-8").splitlines()[1:]
    merges = [(left, right) for left, right in (line.split() for line in lines)]
    signs = list(bytes_to_unicode().values())
    words = [*signs, *(sign + "</w>" for sign in signs), *(left + right for left, right in merges)]
    return {word: id for id, word in enumerate([*words, "<|startoftext|>", "<|endoftext|>"])}, merges
