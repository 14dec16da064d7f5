"""Which base models there are: in DARKROOM_BASES as folders or single files, by hub id, or the embedded one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from trainer.contract.samplers import DEFAULT_SAMPLER, find_sampler
from trainer.errors import MissingBases
from trainer.models.families import CLIP_VOCABULARY, FAMILIES, Family, PredictionType
from trainer.models.folders import check_folder, read_json, weight_files
from trainer.models.hashes import hash_files
from trainer.models.header import read_shapes, tell_family, text_config, unet_config, vae_config
from trainer.training.recipes import RecipeDefaults

EMBEDDED_NAME = "emoji-64"
EMBEDDED_FOLDER = Path(__file__).parent / "emoji64" / "weights"
PICKLES = {".ckpt", ".pt", ".pth", ".bin"}
_WAY_OUT = (
    "put a Stable Diffusion 1.x, 2.x or XL model there, as one .safetensors file or as a folder in diffusers format"
)


class BaseFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``darkroom.json`` in a base's folder, or ``<name>.json`` beside a single file.

    Every field is optional, a misspelt one is refused, and what is left out is as its family has it.
    """

    family: Family | None = None
    prediction_type: PredictionType | None = None  # None: as the scheduler's config says, or the family has it
    rescale_betas_zero_snr: bool | None = None
    width: int = 512
    height: int = 512
    max_side: int = 1024
    max_high_res_side: int | None = None  # of a second pass; None: twice as long
    bucket_step: int = 64  # sides of what is learned from are multiples of it
    num_inference_steps: int = 25
    guidance_scale: float = 7.0
    sampler: str = DEFAULT_SAMPLER  # by A1111's name, with a scheduler or without
    recipe: RecipeDefaults = RecipeDefaults()
    example_prompts: tuple[str, ...] = ("in a suit", "at the beach", "as a portrait")

    @property
    def resolutions(self) -> tuple[int, int]:
        """The least and the most that a recipe's resolution may be."""
        return max(64, min(self.width, self.height) // 2), self.max_side

    @property
    def high_res_side(self) -> int:
        """The longest side of a second pass, in pixels."""
        return self.max_high_res_side or 2 * self.max_side


@dataclass(frozen=True)
class BaseSpec:
    """A base model that can be loaded."""

    name: str
    folder: Path  # in diffusers format; of a single file: where it lies
    family: Family
    defaults: BaseFile
    embedded: bool = False
    file: Path | None = None  # one .safetensors file in the original layout, instead of a folder

    @property
    def hash(self) -> str:
        """SHA-256 of the single file, as A1111 shows it, or over the UNet's weights of a folder; 10 digits."""
        return hash_files([self.file] if self.file else sorted((self.folder / "unet").glob("*.safetensors")))

    @property
    def context_width(self) -> int | None:
        """Channels of what the UNet attends to, by which adapters for it are known; None where it does not say."""
        if self.file:
            config = unet_config(read_shapes(self.file), self.family)
        else:
            config = read_json(self.folder / "unet" / "config.json")
        width = config.get("cross_attention_dim")
        return width if isinstance(width, int) else None

    @property
    def latents(self) -> tuple[int, int]:
        """What its VAE makes of a picture: channels, and the pixels that each latent covers, per side."""
        return latents_of(
            vae_config(read_shapes(self.file), self.family) if self.file else read_json(self.folder / "vae/config.json")
        )


def latents_of(vae_config: Mapping[str, Any]) -> tuple[int, int]:
    """Of an autoencoder with that config: channels of its latents, and the pixels that each covers, per side."""
    widths = vae_config.get("block_out_channels") or vae_config["decoder_block_out_channels"]
    return int(vae_config.get("latent_channels", 4)), 2 ** (len(widths) - 1)


@dataclass(frozen=True)
class Found:
    """What there is, and a sentence for everything that looks like a base and can't be used."""

    bases: tuple[BaseSpec, ...]
    refused: tuple[str, ...] = ()


def read_base(folder: Path, *, embedded: bool = False, description: Path | None = None) -> BaseSpec:
    """Describe the base in ``folder``. Raises :class:`MissingBases` for one that is not whole, or can't be used."""
    family = check_folder(folder)
    try:
        for part in ("unet", "vae", *(tower.name for tower in FAMILIES[family].towers)):
            for file in weight_files(folder / part):
                read_shapes(file)
    except MissingBases as fault:  # such as what git-lfs leaves in its place
        raise MissingBases(f"{folder.name}: {fault}") from fault
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    defaults = _read_defaults(description or folder / "darkroom.json", family, scheduler.get("prediction_type"))
    name = EMBEDDED_NAME if embedded else folder.name
    return BaseSpec(name, folder, defaults.family or family, defaults, embedded)


def read_file_base(file: Path) -> BaseSpec:
    """Describe the base in one ``.safetensors`` file from its header. Raises :class:`MissingBases`."""
    shapes = read_shapes(file)
    family = tell_family(shapes, file.name)
    vocabularies = {text_config(shapes, tower)["vocab_size"] for tower in FAMILIES[family].towers}
    if vocabularies != {CLIP_VOCABULARY} and not (file.parent / "tokenizer").is_dir():
        raise MissingBases(
            f"{file.name} has a vocabulary of its own; put its tokenizer's vocab.json and merges.txt into"
            f" {file.parent / 'tokenizer'}"
        )
    # what fine-tunes of SDXL for v-prediction carry, so that programs need not be told
    marked: PredictionType | None = "v_prediction" if "v_pred" in shapes else None
    defaults = _read_defaults(file.with_suffix(".json"), family, marked)
    if "ztsnr" in shapes and defaults.rescale_betas_zero_snr is None:
        defaults = msgspec.structs.replace(defaults, rescale_betas_zero_snr=True)
    return BaseSpec(file.stem, file.parent, family, defaults, file=file)


def _read_defaults(description: Path, family: Family, prediction_type: str | None) -> BaseFile:
    """The operator's words over those of the family; ``prediction_type`` is what the model itself says of it."""
    given: dict[str, Any] = {}
    if description.exists():
        try:
            msgspec.json.decode(description.read_bytes(), type=BaseFile)
            given = msgspec.json.decode(description.read_bytes())
        except msgspec.DecodeError as error:
            raise MissingBases(f"{description} can't be read: {error}; mend or delete that file") from error
    layout = FAMILIES[given.get("family") or family]
    usual = dict(layout.defaults)
    given["recipe"] = {**usual.get("recipe", {}), **given.get("recipe", {})}
    given.setdefault("prediction_type", prediction_type or layout.prediction_type)
    if layout is FAMILIES["sd2"] and given["prediction_type"] == "epsilon":  # stable-diffusion-2-1-base
        usual |= {"width": 512, "height": 512, "max_side": 1024}
    defaults = msgspec.convert({**usual, **given}, BaseFile)
    try:
        find_sampler(defaults.sampler)
    except ValueError as error:
        raise MissingBases(f"{description} can't be used: {error}; correct its sampler") from error
    return defaults


def look_for_bases(
    bases_folder: Path | None, hub_ids: Sequence[str] = (), *, embedded: Path = EMBEDDED_FOLDER
) -> Found:
    """All bases in ``bases_folder`` and those of ``hub_ids`` in the local cache, or the embedded one where none is set.

    Raises :class:`MissingBases`, naming the folder and the way out, where nothing is left that can be used.
    """
    if bases_folder is None and not hub_ids:
        return Found((read_base(embedded, embedded=True),))
    bases: list[BaseSpec] = []
    refused: list[str] = []
    for place in _places(bases_folder) if bases_folder else ():
        try:
            bases.append(read_place(place))
        except MissingBases as fault:
            refused.append(str(fault))
    for hub_id in hub_ids:
        try:
            bases.append(_read_hub_base(hub_id, bases_folder))
        except MissingBases as fault:
            refused.append(str(fault))
    if not bases:
        raise MissingBases(
            refused[0] if refused else f"there is no base model in DARKROOM_BASES ({bases_folder}); {_WAY_OUT}"
        )
    _refuse_namesakes(bases)
    return Found(tuple(bases), tuple(refused))


def find_bases(bases_folder: Path | None, hub_ids: Sequence[str] = ()) -> list[BaseSpec]:
    """The bases of :func:`look_for_bases` alone."""
    return list(look_for_bases(bases_folder, hub_ids).bases)


def _places(bases_folder: Path) -> list[Path]:
    """Whatever in the folder is, or looks like, a base."""
    if not bases_folder.is_dir():
        raise MissingBases(
            f"DARKROOM_BASES is {bases_folder}, which is no folder; make it and {_WAY_OUT}, or unset DARKROOM_BASES"
            " to use the embedded emoji-64"
        )
    return [
        path
        for path in sorted(bases_folder.iterdir())
        if (path / "model_index.json").is_file() or path.suffix.lower() in {".safetensors", *PICKLES}
    ]


def read_place(place: Path) -> BaseSpec:
    """Describe the base in one file or folder. Raises :class:`MissingBases`."""
    if place.is_dir():
        return read_base(place)
    if place.suffix.lower() in PICKLES:
        raise MissingBases(
            f"{place.name} is a pickle, which can run anything when it is opened and so never is; take the model's"
            f" .safetensors file instead, or convert it: `darkroom convert {place.name} {place.stem}.safetensors`"
        )
    return read_file_base(place)


def _read_hub_base(hub_id: str, bases_folder: Path | None) -> BaseSpec:
    from trainer.models.hub import locate

    folder, name = locate(hub_id), hub_id.rpartition("/")[2]
    if folder is None:
        raise MissingBases(
            f"{hub_id} is not in the Hugging Face cache; start the worker once with a network, or run"
            f" `hf download {hub_id}`"
        )
    description = bases_folder / f"{name}.json" if bases_folder else None
    return replace(read_base(folder, description=description), name=name)


def _refuse_namesakes(bases: Sequence[BaseSpec]) -> None:
    names = [base.name for base in bases]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise MissingBases(f"there are two base models called {twice}; rename one, or take one away")
