"""A model's page on Civitai by its public API: https://developer.civitai.com/site/reference/models and model-versions.

What decides about rights and people (licence, age, likeness) stands at the model, what decides about the file at its
version, so both are read from the model's answer; an address that names a version alone is looked up first.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from bot.addresses import refusals
from bot.addresses.asking import ask
from bot.addresses.page import Page, PageKind, RemoteFile, plain_text, plain_words
from bot.addresses.reading import CIVITAI_HOSTS, CivitaiAddress
from bot.addresses.sites import Site
from bot.addresses.weights import around, recommended_weights
from bot.errors import UserError, quoted
from bot.importing.found import Licence

KINDS: dict[str, PageKind] = {
    "LORA": "lora",
    "LoCon": "lora",
    "DoRA": "lora",
    "TextualInversion": "textual_inversion",
    "Checkpoint": "checkpoint",
}
_MOST_WORDS = 20


class _File(msgspec.Struct, frozen=True, rename="camel"):
    id: int = 0
    name: str = ""
    type: str = "Model"
    sizeKB: float | None = msgspec.field(default=None, name="sizeKB")
    metadata: dict[str, Any] | None = None
    hashes: dict[str, Any] | None = None
    download_url: str | None = None
    primary: bool | None = None
    pickle_scan_result: str | None = None
    virus_scan_result: str | None = None

    @property
    def is_safetensors(self) -> bool:
        """By what Civitai says of its format, where it does, and by its name."""
        said = (self.metadata or {}).get("format")
        return self.name.lower().endswith(".safetensors") and said in {None, "SafeTensor"}


class _Version(msgspec.Struct, frozen=True, rename="camel"):
    id: int
    name: str = ""
    base_model: str | None = None
    description: str | None = None
    trained_words: list[str] | None = None
    settings: dict[str, Any] | None = None  # strength, minStrength, maxStrength where their maker set them
    availability: str | None = None
    early_access_ends_at: str | None = None
    usage_control: str | None = None
    files: list[_File] | None = None


class _Creator(msgspec.Struct, frozen=True):
    username: str | None = None


class _Model(msgspec.Struct, frozen=True, rename="camel"):
    id: int
    name: str
    type: str
    description: str | None = None
    creator: _Creator | None = None
    availability: str | None = None
    mode: str | None = None  # Archived or TakenDown; healthy models have none
    nsfw: bool = False
    poi: bool = False
    minor: bool = False
    allow_no_credit: bool | None = None
    allow_commercial_use: str | list[str] | None = None
    allow_derivatives: bool | None = None
    model_versions: list[_Version] = []


class _VersionAlone(msgspec.Struct, frozen=True, rename="camel"):
    model_id: int


async def look_up(session: aiohttp.ClientSession, site: Site, address: CivitaiAddress, *, for_operator: bool) -> Page:
    """The page at ``address``. Raises UserError: gone, not free yet, a pickle, another kind, marked as a minor."""
    model_id = address.model_id
    if model_id is None:
        path = f"/api/v1/model-versions/{address.version_id}"
        model_id = (await ask(session, site, path, _VersionAlone)).model_id
    model = await ask(session, site, f"/api/v1/models/{model_id}", _Model)
    _check_model(site, model)
    version = _choose_version(site, model, address.version_id)
    if not for_operator and "Private" in (model.availability, version.availability):
        raise refusals.is_gone(site)  # to the operator's account alone
    kind = KINDS.get(model.type)
    if kind is None:
        raise UserError(
            f"{quoted(model.name)} on {site.name} is of the type {quoted(model.type)}, which nothing here can use:"
            " LoRAs, textual inversions and checkpoints are taken."
        )
    _check_version(site, model, version)
    file = _choose_file(site, model, version, address.file_id)
    words = [plain_words(word) for listed in version.trained_words or () for word in listed.split(",") if word.strip()]
    return Page(
        site=site,
        source=CivitaiAddress(address.host, model_id, version.id).text,
        title=plain_words(model.name),
        kind=kind,
        files=(_remote(site, version, file),),
        version=plain_words(version.name) or None,
        creator=plain_words(model.creator.username) if model.creator and model.creator.username else None,
        base_model=plain_words(version.base_model) if version.base_model else None,
        trigger_words=tuple(dict.fromkeys(words))[:_MOST_WORDS],
        weights=_weights(version, model) if kind == "lora" else None,
        licence=_licence(model),
        description=" ".join(plain_text(version.description or model.description or "").split()),
        age_restricted=model.nsfw,
        real_person=model.poi,
    )


def _check_model(site: Site, model: _Model) -> None:
    if model.mode == "TakenDown":
        raise UserError(f"{site.name} has taken {quoted(model.name)} down: take another one.")
    if model.mode == "Archived":
        raise UserError(f"The maker of {quoted(model.name)} has archived it, and {site.name} keeps no file of it then.")
    if model.minor:
        raise UserError(f"{site.name} marks {quoted(model.name)} as showing a minor: such models are not taken here.")


def _choose_version(site: Site, model: _Model, version_id: int | None) -> _Version:
    if not model.model_versions:
        raise UserError(f"{quoted(model.name)} on {site.name} has no version that is published: take another one.")
    if version_id is None:
        return model.model_versions[0]  # the one that its page shows first
    for version in model.model_versions:
        if version.id == version_id:
            return version
    raise UserError(
        f"{quoted(model.name)} on {site.name} has no version {version_id} any more: give the address of its page"
        " without `?modelVersionId=`, and the newest is taken."
    )


def _check_version(site: Site, model: _Model, version: _Version) -> None:
    if version.usage_control not in {None, "Download"}:
        raise UserError(f"The maker of {quoted(model.name)} lets it be used on {site.name} alone, so it has no file.")
    if site.token is None and (until := _early_until(version)):
        raise UserError(
            f"{quoted(model.name)} is in early access{until}, for those alone who bought it: wait until it is free,"
            " or give the address of an older version."
        )


def _early_until(version: _Version) -> str:
    ends = version.early_access_ends_at
    if ends is not None:
        try:
            at = datetime.fromisoformat(ends)
        except ValueError:
            return ""
        at = at if at.tzinfo else at.replace(tzinfo=UTC)
        return f" until {at:%Y-%m-%d}" if at > datetime.now(UTC) else ""
    return " for now" if version.availability == "EarlyAccess" else ""


def _choose_file(site: Site, model: _Model, version: _Version, file_id: int | None) -> _File:
    files = [file for file in version.files or () if file.type in {"Model", "Pruned Model", "Negative"}]
    if file_id is not None:
        files = [file for file in version.files or () if file.id == file_id]
    safe = [file for file in files if file.is_safetensors]
    if safe:
        chosen = max(safe, key=lambda file: bool(file.primary))  # the first of equals
        if "Danger" in (chosen.pickle_scan_result, chosen.virus_scan_result):
            raise UserError(
                f"{site.name}'s own scan warns of {quoted(chosen.name)}, so it is not taken: take another one."
            )
        return chosen
    if pickle := next((file.name for file in files if refusals.is_pickle_name(file.name)), None):
        raise refusals.is_pickle(pickle)
    raise UserError(
        f"The version {quoted(version.name)} of {quoted(model.name)} on {site.name} has no .safetensors file: give the"
        " address of another version."
    )


def _remote(site: Site, version: _Version, file: _File) -> RemoteFile:
    url = urlsplit(file.download_url or f"https://{site.host}/api/download/models/{version.id}")
    known = url.scheme == "https" and url.netloc in CIVITAI_HOSTS
    if not known or not url.path.startswith("/api/download/models/"):
        raise refusals.leads_elsewhere(site)
    said = (file.hashes or {}).get("SHA256")
    sha256 = said.lower() if isinstance(said, str) and len(said) == 64 else None
    size = round(file.sizeKB * 1024) if file.sizeKB is not None and 0 <= file.sizeKB < 2**40 else None
    path = f"{url.path}?{url.query}" if url.query else url.path
    return RemoteFile(plain_words(file.name), path, size, sha256=sha256)


def _licence(model: _Model) -> Licence:
    uses = model.allow_commercial_use
    allowed = set(uses if isinstance(uses, list) else (uses or "").strip("{}").split(","))
    return Licence(
        credit=not model.allow_no_credit,
        commercial=bool(allowed & {"Image", "Sell"}),
        derivatives=model.allow_derivatives is not False,
    )


def _weights(version: _Version, model: _Model) -> tuple[float, float, float] | None:
    settings = version.settings or {}
    low, best, high = (_weight(settings.get(name)) for name in ("minStrength", "strength", "maxStrength"))
    if best is not None:
        near = around(best, best)
        return (low if low is not None and low <= best else near[0], best, high if high and high >= best else near[2])
    return recommended_weights(version.description or "") or recommended_weights(model.description or "")


def _weight(value: object) -> float | None:
    return round(float(value), 2) if isinstance(value, int | float) and 0.05 <= value <= 2 else None
