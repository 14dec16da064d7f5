"""Which VAEs an operator offers beside those of the base models: in ``vae/`` of DARKROOM_BASES, folders or files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec

from trainer.errors import MissingBases
from trainer.models.families import FAMILIES, Family
from trainer.models.folders import read_json, weight_files
from trainer.models.hashes import hash_files
from trainer.models.header import VAE, Shapes, read_shapes, vae_config
from trainer.models.registry import PICKLES, BaseSpec, latents_of

FOLDER = "vae"
Layout = Literal["original", "diffusers"]  # of one file's keys


class VaeFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``darkroom.json`` in a VAE's folder, or ``<name>.json`` beside a single file."""

    family: Family | None = None


@dataclass(frozen=True)
class VaeSpec:
    """A VAE that can be loaded."""

    name: str
    path: Path  # a folder in diffusers format, or one .safetensors file
    family: Family  # whose latents it knows: those of SD 1.x and SD 2.x are the same
    latents: tuple[int, int]  # channels, and the pixels that each covers, per side

    @property
    def hash(self) -> str:
        """SHA-256 of the file, as A1111 shows it, or of a folder's weights; 10 digits."""
        return hash_files([self.path] if self.path.is_file() else weight_files(self.path))

    def fits(self, base: BaseSpec) -> bool:
        """Whether it knows the latents of this base."""
        ours, theirs = FAMILIES[self.family], FAMILIES[base.family]
        return ours.scaling_factor == theirs.scaling_factor and self.latents == base.latents


@dataclass(frozen=True)
class FoundVaes:
    """What there is, and a sentence for everything that looks like a VAE and can't be used."""

    vaes: tuple[VaeSpec, ...] = ()
    refused: tuple[str, ...] = ()


def look_for_vaes(bases_folder: Path | None) -> FoundVaes:
    """All VAEs in ``vae/`` of ``bases_folder``, by name; there need not be any."""
    folder = None if bases_folder is None else bases_folder / FOLDER
    if folder is None or not folder.is_dir():
        return FoundVaes()
    found: dict[str, VaeSpec] = {}
    refused: list[str] = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or not (path.is_dir() or path.suffix.lower() in {".safetensors", *PICKLES}):
            continue
        try:
            spec = _read_folder(path) if path.is_dir() else _read_file(path)
            if found.setdefault(spec.name.lower(), spec) is not spec:
                raise MissingBases(f"there are two VAEs called {spec.name}; rename one, or take one away")
        except MissingBases as fault:
            refused.append(str(fault))
    return FoundVaes(tuple(found.values()), tuple(refused))


def _read_folder(folder: Path) -> VaeSpec:
    config = read_json(folder / "config.json")
    if config.get("_class_name") not in {"AutoencoderKL", "AutoencoderTiny"} or not weight_files(folder):
        raise MissingBases(
            f"{FOLDER}/{folder.name} is no VAE in diffusers format; put its config.json and its .safetensors weights"
            " there"
        )
    for file in weight_files(folder):
        read_shapes(file)
    own = _family_of_scale(config.get("scaling_factor"))
    family = _read_family(folder / "darkroom.json") or own or _family_of_name(folder.name)
    return VaeSpec(folder.name, folder, family, latents_of(config))


def _read_file(file: Path) -> VaeSpec:
    if file.suffix.lower() in PICKLES:
        raise MissingBases(
            f"{FOLDER}/{file.name} is a pickle, which can run anything when it is opened and so never is; take the"
            " VAE's .safetensors file instead"
        )
    family = _read_family(file.with_suffix(".json")) or _family_of_name(file.stem)
    _, config = describe_file(file, family)
    return VaeSpec(file.stem, file, family, latents_of(config))


def describe_file(file: Path, family: Family) -> tuple[Layout, Mapping[str, Any]]:
    """How the keys of a VAE's file are laid out, and its AutoencoderKL's config. Raises :class:`MissingBases`."""
    shapes = {bare_name(name): shape for name, shape in read_shapes(file).items() if is_weight(name)}
    layout: Layout = "diffusers" if any(name.startswith("encoder.down_blocks.") for name in shapes) else "original"
    try:
        if layout == "diffusers":
            return layout, _diffusers_config(shapes, family)
        return layout, vae_config({VAE + name: shape for name, shape in shapes.items()}, family)
    except (KeyError, IndexError) as error:
        raise MissingBases(
            f"{FOLDER}/{file.name} is no VAE of Stable Diffusion, for it lacks {error}; take one in the original layout"
            " or in that of diffusers"
        ) from error


def bare_name(name: str) -> str:
    """A key of a file without the prefix that it has in whole models."""
    return name.removeprefix(VAE)


def is_weight(name: str) -> bool:
    """Whether a key is one of the VAE's, and not of a whole model's other parts or of how it was trained."""
    return bare_name(name).startswith(("encoder.", "decoder.", "quant_conv.", "post_quant_conv."))


def _diffusers_config(shapes: Shapes, family: Family) -> dict[str, Any]:
    """The AutoencoderKL's config, read off the names that diffusers gives. Raises KeyError."""
    downs = {name.split(".")[2] for name in shapes if name.startswith("encoder.down_blocks.")}
    layers = {name.split(".")[4] for name in shapes if name.startswith("encoder.down_blocks.0.resnets.")}
    widths = [
        shapes[f"encoder.down_blocks.{level}.resnets.0.conv1.weight"][0] for level in range(len(downs))
    ]  # fmt: skip
    return {
        "sample_size": 8 * FAMILIES[family].sample_size,
        "latent_channels": shapes["post_quant_conv.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": len(layers),
        "down_block_types": ["DownEncoderBlock2D"] * len(downs),
        "up_block_types": ["UpDecoderBlock2D"] * len(downs),
        "scaling_factor": FAMILIES[family].scaling_factor,
    }


def _read_family(description: Path) -> Family | None:
    """What the operator says."""
    if not description.exists():
        return None
    try:
        return msgspec.json.decode(description.read_bytes(), type=VaeFile).family
    except (msgspec.DecodeError, OSError) as error:
        raise MissingBases(f"{description} can't be read: {error}; mend or delete that file") from error


def _family_of_scale(scale: object) -> Family | None:
    return next((family for family, layout in FAMILIES.items() if layout.scaling_factor == scale), None)


def _family_of_name(name: str) -> Family:
    """No header tells SDXL's VAE from the one of SD 1.x and 2.x, but its name does: ``sdxl_vae``, ``xlVAEC``."""
    return "sdxl" if "xl" in name.lower() else "sd1"
