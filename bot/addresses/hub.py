"""A repository's page on Hugging Face by its public API: https://huggingface.co/docs/hub/api.

One question tells all of a revision: card, licence, and every file with its size and SHA-256; what is fetched then is
of that very commit.
"""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import aiohttp
import msgspec

from bot.addresses import refusals
from bot.addresses.asking import ask
from bot.addresses.page import Page, PageKind, RemoteFile, plain_words
from bot.addresses.reading import HubAddress
from bot.addresses.sites import Site
from bot.addresses.weights import recommended_weights
from bot.errors import UserError, quoted
from bot.importing.found import Licence
from trainer.contract.hub_files import choose_files

_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)
# of the licences on the hub, those that let pictures be sold: the others say otherwise, or nothing
_COMMERCIAL = frozenset(
    {"apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "openrail", "openrail++", "unlicense",
     "creativeml-openrail-m", "bigscience-openrail-m", "wtfpl"}
)  # fmt: skip
_NO_CREDIT = frozenset({"cc0-1.0", "unlicense", "wtfpl", "openrail", "openrail++", "creativeml-openrail-m"})


class _Lfs(msgspec.Struct, frozen=True):
    sha256: str | None = None
    size: int | None = None


class _Sibling(msgspec.Struct, frozen=True):
    rfilename: str
    size: int | None = None
    lfs: _Lfs | None = None


class _Repository(msgspec.Struct, frozen=True, rename="camel"):
    id: str
    sha: str | None = None
    author: str | None = None
    private: bool | None = None
    disabled: bool | None = None
    tags: list[str] = []
    card_data: dict[str, Any] | None = None
    siblings: list[_Sibling] = []


async def look_up(session: aiohttp.ClientSession, site: Site, address: HubAddress, *, for_operator: bool) -> Page:
    """The page at ``address``. Raises UserError.

    ``for_operator``: what is private to their account, too, and of a base in diffusers format all of its files.
    """
    path = f"/api/models/{address.repo}/revision/{quote(address.revision, safe='')}?blobs=true"
    found = await ask(session, site, path, _Repository)
    if found.private and not for_operator:
        raise refusals.is_gone(site)
    if found.disabled:
        raise UserError(f"{site.name} has taken {quoted(address.repo)} down: take another one.")
    files = {file.rfilename: file for file in found.siblings}
    chosen = _choose(address, files, whole=for_operator)
    commit = found.sha if found.sha and _COMMIT.fullmatch(found.sha) else address.revision
    card, tags = found.card_data or {}, set(found.tags)
    licence_name = _licence_name(card, tags)
    return Page(
        site=site,
        source=address.text,
        title=address.repo.partition("/")[2],
        kind=_kind(tags, is_folder=len(chosen) > 1),
        files=tuple(_remote(address.repo, commit, files[name]) for name in chosen),
        version=commit[:12] if address.revision == "main" else address.revision,
        creator=address.repo.partition("/")[0],
        base_model=_first(card.get("base_model")),
        trigger_words=tuple(filter(None, [_first(card.get("instance_prompt"))])),
        weights=recommended_weights(str(card.get("description") or "")),
        licence=_licence(licence_name),
        licence_name=licence_name,
        description=_first(card.get("description")) or "",
        age_restricted="not-for-all-audiences" in tags,
    )


def _choose(address: HubAddress, files: dict[str, _Sibling], *, whole: bool) -> list[str]:
    if address.file is not None:
        if address.file not in files:
            raise UserError(
                f"There is no {quoted(address.file)} in {quoted(address.repo)}: look at its files once more."
            )
        if refusals.is_pickle_name(address.file):
            raise refusals.is_pickle(address.file)
        if not address.file.lower().endswith(".safetensors"):
            raise UserError(f"{quoted(address.file)} is no .safetensors file, which alone are taken: choose another.")
        return [address.file]
    if whole and "model_index.json" in files:
        return choose_files(files)
    at_hand = sorted(name for name in files if name.lower().endswith(".safetensors") and "/" not in name)
    if len(at_hand) == 1:
        return at_hand
    if at_hand:
        some = ", ".join(quoted(name) for name in at_hand[:5])
        raise UserError(f"{quoted(address.repo)} holds several files ({some}): open one there and paste its address.")
    if "model_index.json" in files:
        raise UserError(
            f"{quoted(address.repo)} is a whole model, which members can't bring: whoever runs this bot can add it by"
            " `darkroom models add`."
        )
    if pickle := next((name for name in sorted(files) if refusals.is_pickle_name(name)), None):
        raise refusals.is_pickle(pickle)
    raise UserError(f"{quoted(address.repo)} holds no .safetensors file: give the address of another one.")


def _remote(repo: str, commit: str, file: _Sibling) -> RemoteFile:
    size = file.lfs.size if file.lfs and file.lfs.size is not None else file.size
    said = file.lfs.sha256 if file.lfs else None
    path = f"/{repo}/resolve/{quote(commit, safe='')}/{quote(file.rfilename)}"
    sha256 = said if said and _SHA256.fullmatch(said) else None
    return RemoteFile(file.rfilename, path, size, exact=size is not None, sha256=sha256)


def _kind(tags: set[str], *, is_folder: bool) -> PageKind | None:
    if is_folder:
        return "checkpoint"
    if "lora" in tags:
        return "lora"
    return "textual_inversion" if "textual_inversion" in tags else None


def _licence_name(card: dict[str, Any], tags: set[str]) -> str | None:
    return _first(card.get("license")) or next((tag[8:] for tag in sorted(tags) if tag.startswith("license:")), None)


def _licence(name: str | None) -> Licence:
    known = (name or "").lower()
    return Licence(credit=known not in _NO_CREDIT, commercial=known in _COMMERCIAL, derivatives="-nd" not in known)


def _first(value: object) -> str | None:
    """A card's word, which may be one or a list; on one line."""
    if isinstance(value, list):
        value = value[0] if value else None
    if not isinstance(value, str):
        return None
    return plain_words(value) or None
