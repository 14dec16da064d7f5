"""Asking a site: every redirect checked, answers bounded, and errors that say what to do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TypeVar
from urllib.parse import urljoin, urlsplit

import aiohttp
import msgspec
import yarl

from bot.addresses import refusals
from bot.addresses.connecting import WITHIN, NotOutside
from bot.addresses.sites import Site

T = TypeVar("T")

MOST_REDIRECTS = 5
MOST_JSON_BYTES = 8 * 1024 * 1024  # a page with a hundred versions and their pictures has two
JSON_TIMEOUT_S = 30.0
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def ask(session: aiohttp.ClientSession, site: Site, path: str, kind: type[T]) -> T:
    """The JSON at ``path`` as ``kind``. Raises UserError."""
    timeout = aiohttp.ClientTimeout(total=JSON_TIMEOUT_S, sock_connect=10)
    async with opened(session, site, site.url(path), timeout=timeout) as response:
        data = await _read(site, response)
    try:
        return msgspec.json.decode(data, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise refusals.is_broken(site, "its answer was not what its documentation promises") from error


async def _read(site: Site, response: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for chunk in response.content.iter_chunked(64 * 1024):
        data += chunk
        if len(data) > MOST_JSON_BYTES:
            raise refusals.is_broken(site, "its answer was endless")
    return bytes(data)


@asynccontextmanager
async def opened(
    session: aiohttp.ClientSession,
    site: Site,
    url: str,
    *,
    timeout: aiohttp.ClientTimeout,
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[aiohttp.ClientResponse]:
    """The answer at ``url``, of status 200 or 206, after redirects within the site's hosts. Raises UserError.

    What goes wrong while the answer is read is told in the same words.
    """
    try:
        response = await _follow(session, site, url, timeout, headers or {})
        async with response:
            _check(site, response)
            yield response
    except NotOutside as error:
        raise refusals.leads_elsewhere(site) from error
    except aiohttp.ClientConnectorError as error:
        if _any_not_outside(error.os_error):
            raise refusals.leads_elsewhere(site) from error
        raise refusals.is_broken(site, "it can't be reached") from error
    except TimeoutError as error:
        raise refusals.is_broken(site, "it is too slow") from error
    except aiohttp.ClientError as error:
        raise refusals.is_broken(site, "the connection broke") from error


async def _follow(
    session: aiohttp.ClientSession, site: Site, url: str, timeout: aiohttp.ClientTimeout, headers: Mapping[str, str]
) -> aiohttp.ClientResponse:
    for _ in range(MOST_REDIRECTS + 1):
        if not site.allows(url):
            raise refusals.leads_elsewhere(site)
        sent = {**headers, **site.headers(url)}
        # signed addresses hold for the bytes as they stand
        target = yarl.URL(url, encoded=True)
        response = await session.get(target, headers=sent, timeout=timeout, allow_redirects=False)
        if response.status not in _REDIRECTS:
            return response
        location = response.headers.get("Location", "")
        response.close()
        url = _join(site, url, location)
    raise refusals.is_broken(site, "it sends us round in circles")


def _join(site: Site, url: str, location: str) -> str:
    try:
        joined = urljoin(url, location)
        path = urlsplit(joined).path
    except ValueError as error:
        raise refusals.leads_elsewhere(site) from error
    if site.allows(joined) and path.startswith("/login"):  # Civitai's way to say 401 to a browser
        raise refusals.needs_token(site)
    return joined


def _check(site: Site, response: aiohttp.ClientResponse) -> None:
    if response.status not in {200, 206}:
        raise refusals.of_status(site, response.status, response.headers)
    if response.headers.get("Content-Encoding", "identity").lower() not in {"identity", ""}:
        raise refusals.is_broken(site, "its answer was packed, which was not asked for")


def _any_not_outside(error: BaseException | None) -> bool:
    """aiohttp joins the failures of several addresses into one; any of them inside this network is enough."""
    while error is not None:
        if isinstance(error, NotOutside) or WITHIN in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def check_declared(response: aiohttp.ClientResponse, already: int, most_bytes: int) -> int | None:
    """The size of the whole file by its headers, if they say it. Raises UserError: more than ``most_bytes``."""
    if response.content_length is None:
        return None
    size = already + response.content_length
    if size > most_bytes:
        raise refusals.is_too_large(size, most_bytes)
    return size
