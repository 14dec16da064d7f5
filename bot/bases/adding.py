"""``darkroom models add``: a base model into DARKROOM_BASES, from a file, a folder or an address.

What is not whole yet lies in a folder of its own there, where no worker looks, and is moved in place in one step.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import msgspec

from bot.addresses import refusals
from bot.addresses.door import Addresses
from bot.addresses.fetching import Progress, ignore_progress
from bot.addresses.page import Page
from bot.bases.inventory import look_at
from bot.errors import UserError, quoted
from trainer.contract.hub_files import choose_files
from trainer.contract.inventory import SeenBase

STAGE = ".adding"  # in DARKROOM_BASES, so that the last step is a rename
SPARE_BYTES = 1024**3  # of the disk, which stay free
MOST_BYTES = 64 * 1024**3
CHUNK_BYTES = 1 << 22
Look = Callable[[Path], Awaitable[SeenBase]]  # what a place holds; raises UserError where that is no base
_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,63}", re.ASCII)


class Staged(msgspec.Struct, frozen=True):
    """A model that lies aside, whole and known."""

    place: Path  # a file or a folder
    folder: Path  # what is to be cleared away
    base: SeenBase
    proposed_name: str


def propose_name(title: str) -> str:
    """A base's name, made of a title: what a command line and a file system take."""
    plain = re.sub(r"[^\w.-]+", "-", title, flags=re.ASCII).strip("-._")[:64].strip("-._")
    return plain or "model"


def check_name(bases: Path, name: str) -> str:
    """``name``, if a base may be called so and none is. Raises UserError."""
    if not _NAME.fullmatch(name) or name.startswith("."):
        raise UserError(f"{quoted(name)} is no name for a model: take up to 64 of letters, digits, `-`, `_` and `.`.")
    if name == "vae" or (bases / name).exists() or (bases / f"{name}.safetensors").exists():
        raise UserError(f"There is a {quoted(name)} in {bases} already: take another name, or remove it first.")
    return name


def most_bytes(bases: Path) -> int:
    """What the disk has room for, up to the most that any model has."""
    return min(MOST_BYTES, shutil.disk_usage(bases).free - SPARE_BYTES)


async def stage_page(
    addresses: Addresses, page: Page, bases: Path, on_progress: Progress = ignore_progress, *, look: Look = look_at
) -> Staged:
    """Fetch all files of a page; what an earlier attempt fetched is not fetched again. Raises UserError."""
    room, size = most_bytes(bases), sum(file.size_bytes or 0 for file in page.files)
    key = hashlib.sha256(f"{page.site.host}{page.files[0].path}".encode()).hexdigest()[:16]
    folder = bases / STAGE / key
    already = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size - already > room:
        raise refusals.is_too_large(size, room)
    before = 0
    for file in page.files:
        path = _inside(folder, file.name if len(page.files) > 1 else "model.safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        await addresses.fetch_on(page, file, path, most_bytes=room, on_progress=_shifted(on_progress, before, size))
        before += path.stat().st_size
    for mark in folder.rglob("*.etag"):
        mark.unlink()
    name = page.title if len(page.files) > 1 or page.site.host == "huggingface.co" else page.files[0].name
    place = folder if len(page.files) > 1 else folder / "model.safetensors"
    return await _known(look, place, folder, propose_name(name.removesuffix(".safetensors")))


async def stage_local(
    source: Path, bases: Path, on_progress: Progress = ignore_progress, *, look: Look = look_at
) -> Staged:
    """Copy a file, or of a folder in diffusers format what a base needs. Raises UserError."""
    if refusals.is_pickle_name(source.name):
        raise UserError(
            f"{source.name} is a pickle, which can run anything when it is opened and so never is: convert it by"
            f" `darkroom convert {source.name} {source.stem}.safetensors`, and add that."
        )
    if not source.exists():
        raise UserError(f"There is no {source}: name a .safetensors file, a folder in diffusers format, or an address.")
    await look(source)  # before gigabytes are copied
    inside = choose_files(str(path.relative_to(source)) for path in source.rglob("*")) if source.is_dir() else [""]
    size, room = sum((source / name).stat().st_size for name in inside), most_bytes(bases)
    if size > room:
        raise refusals.is_too_large(size, room)
    folder = bases / STAGE / propose_name(source.stem)
    await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
    before = 0
    for name in inside:
        path = _inside(folder, name or "model.safetensors")
        path.parent.mkdir(parents=True, exist_ok=True)
        before = await asyncio.to_thread(_copy, source / name, path, before, size, on_progress)
    place = folder if source.is_dir() else folder / "model.safetensors"
    return await _known(look, place, folder, propose_name(source.stem if source.is_file() else source.name))


async def _known(look: Look, place: Path, folder: Path, name: str) -> Staged:
    """What was fetched, if it is a base at all; else it is cleared away. Raises UserError."""
    try:
        base = await look(place)
    except UserError as error:
        await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
        raise UserError(error.message.replace(place.name, name)) from error
    return Staged(place, folder, base, name)


def install(staged: Staged, bases: Path, name: str) -> Path:
    """Move what is staged in place, under ``name``. Raises UserError: the name is taken, or none."""
    name = check_name(bases, name)
    target = bases / (name if staged.place.is_dir() else f"{name}.safetensors")
    staged.place.rename(target)
    discard(staged)
    return target


def discard(staged: Staged) -> None:
    """Clear away what lies aside of it."""
    shutil.rmtree(staged.folder, ignore_errors=True)


def remove(bases: Path, name: str) -> list[Path]:
    """Delete a base and the description beside it; what was deleted. Raises UserError: there is none."""
    places = find_places(bases, name)
    for place in places:
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        else:
            place.unlink()
    return places


def find_places(bases: Path, name: str) -> list[Path]:
    """What of DARKROOM_BASES a base is: its file or folder, and the description beside it. Raises UserError."""
    found = []
    if _NAME.fullmatch(name):
        folder, file, description = bases / name, bases / f"{name}.safetensors", bases / f"{name}.json"
        found = [folder] if (folder / "model_index.json").is_file() else []
        found += [file] if file.is_file() else []
        found += [description] if found and description.is_file() else []
    if not found:
        raise UserError(f"There is no model {quoted(name)} in {bases}: `darkroom models list` names them.")
    return found


def _inside(folder: Path, name: str) -> Path:
    """Where a file of a repository goes: its name was read by rules, and is checked against the folder all the same."""
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise UserError(f"{quoted(name)} is no file of a model, so nothing was fetched.")
    return path


def _copy(source: Path, target: Path, before: int, size: int, on_progress: Progress) -> int:
    with source.open("rb") as read, target.open("wb") as write:
        while chunk := read.read(CHUNK_BYTES):
            write.write(chunk)
            before += len(chunk)
            on_progress(before, size)
    return before


def _shifted(on_progress: Progress, before: int, size: int) -> Callable[[int, int | None], None]:
    def tell(received: int, of_file: int | None) -> None:
        on_progress(before + received, size or of_file)

    return tell
