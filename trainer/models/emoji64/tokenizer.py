"""The tokenizer of emoji-64: CLIP's byte-level BPE with a small vocabulary learned from the captions.

All 256 bytes stand alone and at the end of a word, so any text can be encoded (Radford et al. 2021, as in OpenAI's
``simple_tokenizer``); only the merges differ from CLIP's.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import torch
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
MAX_LENGTH = 77


def byte_alphabet() -> list[str]:
    """The printable character that stands for each byte value, in GPT-2's order."""
    keep = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = {value: chr(value) for value in keep}
    for extra, value in enumerate(value for value in range(256) if value not in letters):
        letters[value] = chr(256 + extra)
    return [letters[value] for value in (*keep, *(value for value in range(256) if value not in keep))]


def learn_merges(words: Counter[str], count: int) -> list[tuple[str, str]]:
    """The ``count`` most frequent merges of BPE (Sennrich et al. 2016, algorithm 1) over lower-case ASCII words."""
    split = {word: (*word[:-1], word[-1] + "</w>") for word in words}
    merges: list[tuple[str, str]] = []
    for _ in range(count):
        pairs: Counter[tuple[str, str]] = Counter()
        for word, times in words.items():
            for pair in zip(split[word], split[word][1:], strict=False):
                pairs[pair] += times
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append(best)
        for word, symbols in split.items():
            split[word] = _merge(symbols, best)
    return merges


def _merge(symbols: tuple[str, ...], pair: tuple[str, str]) -> tuple[str, ...]:
    merged: list[str] = []
    for symbol in symbols:
        if merged and (merged[-1], symbol) == pair:
            merged[-1] += symbol
        else:
            merged.append(symbol)
    return tuple(merged)


def build_tokenizer(texts: Iterable[str], folder: Path, merges: int = 1200) -> CLIPTokenizer:
    """Learn a vocabulary from ``texts`` and write ``vocab.json`` and ``merges.txt`` into ``folder``."""
    words: Counter[str] = Counter()
    for text in texts:
        words.update(word for word in "".join(c if c.isalpha() else " " for c in text.lower()).split())
    # once more, every word alike: rare names get tokens of their own, too
    for word in list(words):
        words[word] = 10 + min(words[word], 500)
    pairs = learn_merges(words, merges)
    alphabet = byte_alphabet()
    tokens = [*alphabet, *(letter + "</w>" for letter in alphabet), *("".join(pair) for pair in pairs), START, END]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.json").write_text(json.dumps({token: index for index, token in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in pairs))
    tokenizer = load_tokenizer(folder)
    tokenizer.save_pretrained(folder)
    return tokenizer


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer in ``folder``."""
    return CLIPTokenizer(
        str(folder / "vocab.json"), str(folder / "merges.txt"),
        unk_token=END, bos_token=START, eos_token=END, pad_token=END, model_max_length=MAX_LENGTH,
    )  # fmt: skip


def tokenize(tokenizer: CLIPTokenizer, texts: list[str]) -> torch.Tensor:
    """Token ids (N, 77), padded as Stable Diffusion pads."""
    return tokenizer(texts, padding="max_length", max_length=MAX_LENGTH, truncation=True, return_tensors="pt").input_ids
