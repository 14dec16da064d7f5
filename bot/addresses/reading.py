"""What a member pastes, read as the address of a model: pure, and only the exact hosts of the two sites.

Civitai: https://developer.civitai.com/site/reference/ and its AIR, https://developer.civitai.com/site/guide/air.
Hugging Face: https://huggingface.co/docs/hub/models-downloading.
"""

from __future__ import annotations

import re
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit

import msgspec

from bot.errors import UserError, quoted

LONGEST = 2000
CIVITAI_HOSTS = {  # by what is pasted: who is asked
    "civitai.com": "civitai.com",
    "www.civitai.com": "civitai.com",
    "civitai.green": "civitai.green",
    "www.civitai.green": "civitai.green",
    "civitai.red": "civitai.red",
    "www.civitai.red": "civitai.red",
}
HUB_HOST = "huggingface.co"
_HUB_HOSTS = frozenset({HUB_HOST, "www.huggingface.co", "hf.co"})
_NOT_MODELS = frozenset({"datasets", "spaces", "docs", "api", "models", "papers", "collections", "blog", "posts"})
_NUMBER = re.compile(r"[1-9][0-9]{0,11}", re.ASCII)
_REPO_PART = re.compile(r"[A-Za-z0-9](?:[\w.-]{0,94}[\w-])?", re.ASCII)
_REVISION = re.compile(r"[\w-][\w./-]{0,199}", re.ASCII)
_AIR = re.compile(
    r"(?:urn:)?air:[\w.-]*:[\w.-]*:civitai:(?P<model>[1-9]\d{0,11})(?:@(?P<version>[1-9]\d{0,11}))?"
    r"(?:\+(?P<file>[1-9]\d{0,11}))?(?:\.\w{1,20})?",
    re.ASCII | re.IGNORECASE,
)
EXAMPLES = "`https://civitai.com/models/123` or `https://huggingface.co/owner/name`"


class CivitaiAddress(msgspec.Struct, frozen=True):
    """A model on Civitai, or one version of it; ``model_id`` is None where only the version is named."""

    host: str
    model_id: int | None
    version_id: int | None = None
    file_id: int | None = None

    @property
    def text(self) -> str:
        """The address of its page, as short as it can be said."""
        if self.model_id is None:
            return f"https://{self.host}/api/download/models/{self.version_id}"
        version = f"?modelVersionId={self.version_id}" if self.version_id else ""
        return f"https://{self.host}/models/{self.model_id}{version}"


class HubAddress(msgspec.Struct, frozen=True):
    """A repository on Hugging Face, or one file in it."""

    repo: str  # owner/name
    revision: str = "main"
    file: str | None = None

    @property
    def text(self) -> str:
        """The address of its page."""
        revision = quote(self.revision, safe="")
        if self.file is not None:
            return f"https://{HUB_HOST}/{self.repo}/blob/{revision}/{quote(self.file)}"
        return f"https://{HUB_HOST}/{self.repo}" + (f"/tree/{revision}" if revision != "main" else "")


Address = CivitaiAddress | HubAddress


def read_address(text: str) -> Address:
    """The model that ``text`` is the address of. Asks nobody. Raises UserError with the way out."""
    text = text.strip().removeprefix("<").removesuffix(">")  # as Discord's members write what shall bring no preview
    if found := _AIR.fullmatch(text):
        model, version, file = (int(found[name]) if found[name] else None for name in ("model", "version", "file"))
        return CivitaiAddress("civitai.com", model, version, file)
    address = _split(text)
    if address.hostname in CIVITAI_HOSTS:
        return _read_civitai(address, CIVITAI_HOSTS[address.hostname])
    if address.hostname in _HUB_HOSTS:
        return _read_hub(address)
    raise UserError(
        f"{quoted(text, 80)} lies on neither Civitai nor Hugging Face: give the address of a page there, such as"
        f" {EXAMPLES}, or attach the file."
    )


def _split(text: str) -> SplitResult:
    if len(text) > LONGEST or not text.isascii() or not text.isprintable() or " " in text or "\\" in text:
        raise UserError(f"{quoted(text, 80)} is no web address: paste one such as {EXAMPLES}.")
    try:
        address = urlsplit(text)
        port = address.port
    except ValueError as error:
        raise UserError(f"{quoted(text, 80)} is no web address: paste one such as {EXAMPLES}.") from error
    if address.scheme != "https":
        raise UserError(f"{quoted(text, 80)} does not begin with `https://`: paste an address such as {EXAMPLES}.")
    if address.username is not None or address.password is not None or port is not None or ":" in address.netloc:
        raise UserError(
            f"The address of {quoted(address.hostname or '', 80)} has a user or a port in it: paste it as the browser"
            " shows it."
        )
    return address


def _read_civitai(address: SplitResult, host: str) -> CivitaiAddress:
    parts = [part for part in address.path.split("/") if part]
    asked = parse_qs(address.query)
    version, file = _number(asked.get("modelVersionId")), _number(asked.get("fileId"))
    match parts:
        case ["models", model, *_] if _NUMBER.fullmatch(model):
            return CivitaiAddress(host, int(model), version, file)
        case ["api", "download", "models", only] if _NUMBER.fullmatch(only):
            return CivitaiAddress(host, None, int(only), file)
        case ["model-versions", only] | ["api", "v1", "model-versions", only] if _NUMBER.fullmatch(only):
            return CivitaiAddress(host, None, int(only), file)
    raise UserError(
        f"{quoted(address.path or '/', 60)} on Civitai is no model's page: open the model there and paste the address"
        " of its page, such as `https://civitai.com/models/123`."
    )


def _number(values: list[str] | None) -> int | None:
    if not values:
        return None
    if not _NUMBER.fullmatch(values[0]):
        raise UserError(
            f"{quoted(values[0])} is no number of a version on Civitai: paste the address of its page again."
        )
    return int(values[0])


def _read_hub(address: SplitResult) -> HubAddress:
    parts = [unquote(part) for part in address.path.split("/") if part]
    if len(parts) >= 2 and parts[0] not in _NOT_MODELS and all(_is_repo_part(part) for part in parts[:2]):
        repo = "/".join(parts[:2])
        match parts[2:]:
            case []:
                return HubAddress(repo)
            case ["tree", revision] if _is_revision(revision):
                return HubAddress(repo, revision)
            case ["blob" | "resolve" | "raw", revision, *inside] if inside and _is_revision(revision):
                if all(_is_file_part(part) for part in inside):
                    return HubAddress(repo, revision, "/".join(inside))
    raise UserError(
        f"{quoted(address.path or '/', 60)} on Hugging Face is no model's page: paste one such as"
        " `https://huggingface.co/owner/name`, or that of a file there."
    )


def _is_repo_part(part: str) -> bool:
    return _REPO_PART.fullmatch(part) is not None and ".." not in part and "--" not in part


def _is_revision(revision: str) -> bool:
    return _REVISION.fullmatch(revision) is not None and ".." not in revision


def _is_file_part(part: str) -> bool:
    return part not in {"", ".", ".."} and part.isprintable() and not set(part) & set("/\\") and len(part) <= 250
