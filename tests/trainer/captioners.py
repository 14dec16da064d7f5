"""A captioner as an operator would put one into a folder: a tiny BLIP that has learned two sentences."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from PIL import Image
from transformers import (
    BertTokenizer,
    BlipConfig,
    BlipForConditionalGeneration,
    BlipImageProcessorPil,
    BlipTextConfig,
    BlipVisionConfig,
)

# of red pictures and of blue ones
CAPTIONS = {"red": "a purple monster at a table", "blue": "a cat in the garden"}
_WORDS = sorted({word for caption in CAPTIONS.values() for word in caption.split()})
_EYES = {"do_resize": True, "size": {"height": 32, "width": 32}, "resample": 3, "do_normalize": True,
         "image_mean": [0.48, 0.46, 0.41], "image_std": [0.27, 0.26, 0.28],
         "image_processor_type": "BlipImageProcessor", "processor_class": "BlipProcessor"}  # fmt: skip


def make_captioner(folder: Path) -> Path:
    """The files that the hub has of such a model."""
    folder.mkdir(exist_ok=True)
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_WORDS]
    tokenizer = BertTokenizer(vocab={name: place for place, name in enumerate(names)})
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(_EYES))
    torch.manual_seed(0)
    small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = BlipTextConfig(
        vocab_size=len(names) + 1, bos_token_id=len(names), eos_token_id=3, sep_token_id=3, pad_token_id=0,
        encoder_hidden_size=32, max_position_embeddings=64, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0,
        **small,
    )  # fmt: skip
    vision = BlipVisionConfig(image_size=32, patch_size=16, **small)
    model = BlipForConditionalGeneration(BlipConfig(text_config=text.to_dict(), vision_config=vision.to_dict()))
    _teach(model, tokenizer, BlipImageProcessorPil(**_EYES))
    model.save_pretrained(folder)
    return folder


def _teach(model: BlipForConditionalGeneration, tokenizer: BertTokenizer, eyes: BlipImageProcessorPil) -> None:
    pixels = eyes([Image.new("RGB", (32, 32), colour) for colour in CAPTIONS], return_tensors="pt").pixel_values
    ids = tokenizer(list(CAPTIONS.values()), padding=True, return_tensors="pt").input_ids
    ids[:, 0] = model.config.text_config.bos_token_id
    labels = ids.masked_fill(ids == 0, -100)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(40):
        loss = model(pixel_values=pixels, input_ids=ids, attention_mask=(ids != 0).long(), labels=labels).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
