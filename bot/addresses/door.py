"""The door of this room: look a model up by its address, then fetch its file."""

from __future__ import annotations

import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver

from bot.addresses import civitai, hub
from bot.addresses.connecting import IPAddress, MayConnect, is_outside, open_session
from bot.addresses.fetching import Progress, fetch, ignore_progress
from bot.addresses.page import Page, RemoteFile
from bot.addresses.reading import HUB_HOST, Address, CivitaiAddress, read_address
from bot.addresses.resuming import fetch_on
from bot.addresses.sites import CIVITAI_FILES, HUB_FILES, Site
from bot.errors import UserError, quoted
from bot.settings import Settings


@dataclass(frozen=True)
class Keys:
    """The operator's tokens, and in tests where stand-ins of the two sites listen."""

    civitai_token: str | None = None
    hub_token: str | None = None
    civitai_base: str | None = None
    hub_base: str | None = None

    def site(self, address: Address) -> Site:
        """Who is asked about ``address``."""
        if isinstance(address, CivitaiAddress):
            token, base = self.civitai_token, self.civitai_base
            return Site("Civitai", address.host, CIVITAI_FILES, "CIVITAI_TOKEN", token, base)
        return Site("Hugging Face", HUB_HOST, HUB_FILES, "HF_TOKEN", self.hub_token, self.hub_base)

    def may_connect(self, address: IPAddress, port: int) -> bool:
        """The public internet, and the stand-ins of tests."""
        bases = [urlsplit(base) for base in (self.civitai_base, self.hub_base) if base]
        stand_ins = {(ipaddress.ip_address(base.hostname or ""), base.port) for base in bases}
        return is_outside(address, port) or (address, port) in stand_ins


def keys_of(settings: Settings) -> Keys:
    """Those of the settings."""
    civitai, hub = settings.civitai_token, settings.hf_token
    return Keys(
        civitai.get_secret_value() if civitai else None,
        hub.get_secret_value() if hub else None,
        settings.civitai_base,
        settings.hf_base,
    )


class Addresses:
    """Models by their addresses. ``async with`` it: it holds connections."""

    def __init__(
        self,
        keys: Keys,
        *,
        resolver: AbstractResolver | None = None,
        may_connect: MayConnect | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._keys = keys
        self._session = open_session(may_connect=may_connect or keys.may_connect, resolver=resolver, context=context)

    async def __aenter__(self) -> Addresses:
        """Nothing is opened before it is needed."""
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        """Close the connections."""
        await self._session.close()

    async def look_up(self, text: str) -> Page:
        """What the page at an address says of an adapter. Raises UserError: with the way out, also of a whole model."""
        page = await self._look_up(text, for_operator=False)
        if page.kind == "checkpoint":
            raise UserError(
                f"{quoted(page.title)} is a whole model, which members can't bring: whoever runs this bot can add it by"
                " `darkroom models add`."
            )
        return page

    async def look_up_base(self, text: str) -> Page:
        """What the page at an address says of a base model. Raises UserError: also of an adapter."""
        page = await self._look_up(text, for_operator=True)
        if page.kind not in {"checkpoint", None}:
            raise UserError(f"{quoted(page.title)} is an adapter and no base model: bring it by `/adapter import`.")
        return page

    async def _look_up(self, text: str, *, for_operator: bool) -> Page:
        address = read_address(text)
        site = self._keys.site(address)
        if isinstance(address, CivitaiAddress):
            return await civitai.look_up(self._session, site, address, for_operator=for_operator)
        return await hub.look_up(self._session, site, address, for_operator=for_operator)

    async def fetch(self, page: Page, path: Path, *, most_bytes: int, on_progress: Progress = ignore_progress) -> str:
        """Fetch the page's file into the new ``path``; its SHA-256. On any other end it is gone. Raises UserError."""
        return await fetch(self._session, page.site, page.file, path, most_bytes=most_bytes, on_progress=on_progress)

    async def fetch_on(
        self, page: Page, file: RemoteFile, path: Path, *, most_bytes: int, on_progress: Progress = ignore_progress
    ) -> str:
        """Fetch one of the page's files into ``path``, or the rest of it; its SHA-256. Raises UserError."""
        return await fetch_on(self._session, page.site, file, path, most_bytes=most_bytes, on_progress=on_progress)
