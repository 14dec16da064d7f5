"""Which base models there are: diffusers folders, each with an optional ``darkroom.json`` of defaults."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from trainer.errors import MissingBases
from trainer.training.recipes import RecipeDefaults

EMBEDDED_NAME = "emoji-64"
EMBEDDED_FOLDER = Path(__file__).parent / "emoji64" / "weights"
Family = Literal["sd1", "sd2", "sdxl"]


class BaseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``darkroom.json`` in a base's folder; every field is optional and a misspelt one is refused."""

    family: Family | None = None
    width: int = 512
    height: int = 512
    max_side: int = 1024
    bucket_step: int = 64  # sides of what is learned from are multiples of it
    num_inference_steps: int = 25
    guidance_scale: float = 7.0
    recipe: RecipeDefaults = RecipeDefaults()
    example_prompts: tuple[str, ...] = ("in a suit", "at the beach", "as a portrait")


@dataclass(frozen=True)
class BaseSpec:
    """A base model that can be loaded."""

    name: str
    folder: Path
    family: Family
    defaults: BaseFile
    embedded: bool = False

    @property
    def hash(self) -> str:
        """SHA-256 over the UNet's weights, 10 digits as A1111 shows them."""
        return _hash_weights(self.folder / "unet")


@cache
def _hash_weights(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()[:10]


def _guess_family(folder: Path) -> Family:
    """From the width of the text conditioning: 768 is SD1, 1024 SD2; two text encoders are SDXL."""
    if (folder / "text_encoder_2").is_dir():
        return "sdxl"
    width = json.loads((folder / "unet" / "config.json").read_text()).get("cross_attention_dim")
    return "sd2" if width == 1024 else "sd1"


def read_base(folder: Path, *, embedded: bool = False) -> BaseSpec:
    """Describe the base in ``folder``. Raises :class:`MissingBases` for a ``darkroom.json`` that can't be read."""
    description = folder / "darkroom.json"
    defaults = BaseFile()
    if description.exists():
        try:
            defaults = msgspec.json.decode(description.read_bytes(), type=BaseFile)
        except msgspec.DecodeError as error:
            raise MissingBases(f"{description} can't be read: {error}; mend or delete that file") from error
    name = EMBEDDED_NAME if embedded else folder.name
    return BaseSpec(name, folder, defaults.family or _guess_family(folder), defaults, embedded)


def find_bases(bases_folder: Path | None, embedded: Path = EMBEDDED_FOLDER) -> list[BaseSpec]:
    """All bases in ``bases_folder`` (each a folder with ``model_index.json``), or the embedded one where none is set.

    Raises :class:`MissingBases`, naming the folder and the way out.
    """
    if bases_folder is None:
        return [read_base(embedded, embedded=True)]
    if not bases_folder.is_dir():
        raise MissingBases(
            f"DARKROOM_BASES is {bases_folder}, which is no folder; make it and put a Stable Diffusion 1.5 model in "
            "diffusers format there, or unset DARKROOM_BASES to use the embedded emoji-64"
        )
    found = [read_base(index.parent) for index in sorted(bases_folder.glob("*/model_index.json"))]
    usable = [base for base in found if base.family != "sdxl"]  # SDXL comes with a later version
    if found and not usable:
        raise MissingBases(
            f"DARKROOM_BASES ({bases_folder}) holds only {', '.join(base.name for base in found)}, which is SDXL and"
            " can't be used yet; put a Stable Diffusion 1.x or 2.x model there"
        )
    if not usable:
        raise MissingBases(
            f"there is no base model in DARKROOM_BASES ({bases_folder}): it needs a folder with model_index.json of "
            "Stable Diffusion 1.x or 2.x in diffusers format, such as stable-diffusion-v1-5/"
        )
    return usable
