"""Asks the trainer's child what base models there are: this side reads no model."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bot.children import ask_child
from bot.errors import UserError
from trainer.contract.inventory import Conversion, Converted, Look, Seen, SeenBase

INVENTORY, CONVERTING = "trainer.models.inventory", "trainer.models.converting"
LOOK_S = 60.0
BYTES_PER_S = 20_000_000  # of a slow disk


async def list_bases(folder: Path | None, hashes: Path | None) -> Seen:
    """All bases in ``folder``, or the embedded one. ``hashes``: the book of hashes, which take a while to count."""
    sizes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) if folder else 0
    asked = Look(folder=str(folder.absolute()) if folder else None, hashes=str(hashes.absolute()) if hashes else None)
    return await _ask(asked, LOOK_S + sizes / BYTES_PER_S)


async def look_at(place: Path) -> SeenBase:
    """The base in one file or folder. Raises UserError that says what it is instead."""
    seen = await _ask(Look(place=str(place.absolute())), LOOK_S)
    if not seen.bases:
        raise UserError(f"{seen.refused[0]}.")
    return seen.bases[0]


async def _ask(asked: Look, timeout_s: float) -> Seen:
    try:
        ended = await ask_child(INVENTORY, msgspec.json.encode(asked), timeout_s=timeout_s)
    except TimeoutError as error:
        raise UserError("The models took too long to read: is the disk busy, or far away?") from error
    _check_installed(ended.stderr)
    if not ended.lines:
        raise UserError(f"The models can't be read: {_last_line(ended.stderr)}")
    return msgspec.json.decode(ended.lines[-1], type=Seen)


async def convert(source: Path, target: Path) -> Converted:
    """A pickle's tensors as the new file ``target``, by a child with limits and without secrets. Raises UserError."""
    if not source.is_file():
        raise UserError(f"There is no file {source}: name a .ckpt, .pt, .pth or .bin file.")
    if target.suffix != ".safetensors" or target.exists() or not target.parent.is_dir():
        raise UserError(f"{target} can't be made: name a file that ends with .safetensors, which is not there yet.")
    asked = Conversion(source=str(source.absolute()), target=str(target.absolute()))
    timeout_s = LOOK_S + 4 * source.stat().st_size / BYTES_PER_S
    try:
        ended = await ask_child(CONVERTING, msgspec.json.encode(asked), timeout_s=timeout_s)
    except TimeoutError as error:
        raise UserError(f"{source.name} took longer than any model does, so it was left: do not trust it.") from error
    finally:
        for half in target.parent.glob(f".{target.name}.*"):
            half.unlink(missing_ok=True)  # of a child that was killed
    _check_installed(ended.stderr)
    if not ended.lines:
        raise UserError(f"{source.name} took more memory or time than any model of its size does: do not trust it.")
    converted = msgspec.json.decode(ended.lines[-1], type=Converted)
    if converted.error:
        raise UserError(converted.error)
    return converted


def _check_installed(stderr: str) -> None:
    if "ModuleNotFoundError: No module named 'torch'" in stderr:
        raise UserError(
            "What reads models is not installed here: run this where the worker is, such as after `make venv`."
        )


def _last_line(stderr: str) -> str:
    lines = stderr.strip().splitlines()
    return lines[-1][:300] if lines else "the process that reads them died"
