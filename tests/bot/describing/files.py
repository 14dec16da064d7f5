"""Picture files with metadata as programs write it, made from the public formats."""

from __future__ import annotations

import io
import json
import struct
import zlib
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from bot.describing.programs import read_settings
from trainer.contract.infotext import Infotext

A1111 = (
    "a fox in a süit, <lora:thnos:0.8>\nNegative prompt: rain\n"
    "Steps: 25, Sampler: DPM++ 2M, CFG scale: 7, Seed: 42, Size: 512x768, Model: sd15, Version: v1.10.1"
)


def png(fields: dict[str, str], *, compressed: bool = False) -> bytes:
    """As Pillow saves it for a program: texts before the pixels."""
    info = PngInfo()
    for name, text in fields.items():
        if text.isascii():
            info.add_text(name, text, zip=compressed)
        else:
            info.add_itxt(name, text, zip=compressed)
    return _saved("PNG", pnginfo=info)


def with_exif(form: str, tags: dict[int, Any], *, comment: bytes | None = None) -> bytes:
    """A JPEG, WEBP or PNG with EXIF; ``comment`` is the user comment in its own directory."""
    exif = Image.Exif()
    for tag, value in tags.items():
        exif[tag] = value
    if comment is not None:
        exif.get_ifd(0x8769)[0x9286] = comment
    return _saved(form, exif=exif.tobytes())


def chunk(kind: bytes, data: bytes) -> bytes:
    """A PNG's chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_of_chunks(*chunks: bytes) -> bytes:
    """A PNG's signature and these."""
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def _saved(form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(buffer, form, **options)
    return buffer.getvalue()


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    """One of ComfyUI's."""
    return {"class_type": kind, "inputs": inputs, "_meta": {"title": kind}}


TEXT_TO_IMAGE = {
    "3": node("KSampler", seed=42, steps=20, cfg=7.5, sampler_name="dpmpp_2m", scheduler="karras", denoise=1.0,
              model=["11", 0], positive=["6", 0], negative=["7", 0], latent_image=["5", 0]),
    "4": node("CheckpointLoaderSimple", ckpt_name="sd15\\dream_8.safetensors"),
    "5": node("EmptyLatentImage", width=512, height=768, batch_size=1),
    "6": node("CLIPTextEncode", text="a fox in a suit", clip=["12", 0]),
    "7": node("CLIPTextEncode", text="rain", clip=["12", 0]),
    "8": node("VAEDecode", samples=["3", 0], vae=["13", 0]),
    "9": node("SaveImage", filename_prefix="ComfyUI", images=["8", 0]),
    "10": node("LoraLoader", lora_name="thnos.safetensors", strength_model=0.8, strength_clip=0.8, model=["4", 0],
               clip=["4", 1]),
    "11": node("LoraLoader", lora_name="styles/ink.safetensors", strength_model=0.5, strength_clip=1.0,
               model=["10", 0], clip=["10", 1]),
    "12": node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["11", 1]),
    "13": node("VAELoader", vae_name="ft-mse.safetensors"),
}  # fmt: skip


def graph(**changes: Any) -> str:
    """That of a picture with two LoRAs, and ``changes``: nodes by id (``n3``), None takes one out."""
    changed = {**TEXT_TO_IMAGE, **{key.removeprefix("n"): value for key, value in changes.items()}}
    return json.dumps({key: value for key, value in changed.items() if value is not None})


def found(**fields: str) -> Infotext:
    """The settings of a file's fields; ``__`` stands for ``-``."""
    settings = read_settings({key.replace("__", "-"): text for key, text in fields.items()})
    assert settings is not None
    return settings
