"""CLIP's tokenizer, made of the merges that come with Darkroom, held against ids that are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from trainer.errors import MissingBases
from trainer.models.registry import EMBEDDED_FOLDER
from trainer.models.tokenizers import load_tokenizer

CLIP_WORDS = 49408


def test_its_ids_are_those_of_clip(tmp_path: Path) -> None:
    tokenizer = load_tokenizer(tmp_path / "none", "<|endoftext|>", CLIP_WORDS)
    # as openai/CLIP's README and transformers' own tests have them
    assert tokenizer("a photo of a cat").input_ids == [49406, 320, 1125, 539, 320, 2368, 49407]
    assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id) == (49406, 49407, 49407)
    assert tokenizer.model_max_length == 77
    assert len(tokenizer) == CLIP_WORDS


def test_openclips_pads_with_an_exclamation_mark(tmp_path: Path) -> None:
    assert load_tokenizer(tmp_path / "none", "!", CLIP_WORDS).pad_token_id == 0


def test_another_vocabulary_is_read_from_the_folder_beside() -> None:
    tokenizer = load_tokenizer(EMBEDDED_FOLDER / "tokenizer", "!", 1641)
    assert len(tokenizer) == 1641
    assert tokenizer.pad_token == "!"


def test_vocab_and_merges_are_enough(tmp_path: Path) -> None:
    words = ["!", "a</w>", "b", "a", "<|startoftext|>", "<|endoftext|>"]
    (tmp_path / "vocab.json").write_text(json.dumps({word: id for id, word in enumerate(words)}))
    (tmp_path / "merges.txt").write_text("#version: 0.2\n")
    assert load_tokenizer(tmp_path, "!", 6)("a").input_ids == [4, 1, 5]


def test_a_vocabulary_of_another_size_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingBases, match=r"knows 1,700 words, but the tokenizer 1,641; put vocab\.json"):
        load_tokenizer(EMBEDDED_FOLDER / "tokenizer", "!", 1700)
    with pytest.raises(MissingBases, match=r"knows 1,700 words, but the tokenizer 49,408"):
        load_tokenizer(tmp_path / "none", "!", 1700)
