"""Connections lead out of this network, whatever a name resolves to, and however an address is written."""

from __future__ import annotations

import ipaddress

import aiohttp
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from bot.addresses.connecting import NotOutside, is_outside, open_session
from bot.addresses.sites import CIVITAI_FILES, Site
from tests.bot.addresses.internet import Internet


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1",
        "224.0.0.1", "255.255.255.255", "198.18.0.1", "192.0.2.1", "240.0.0.1", "192.88.99.1",
        "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "ff02::1", "2001:db8::1", "fec0::1", "100::1", "3fff::1",
        "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "2002:7f00:1::1", "2002:a9fe:a9fe::",
        "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "2001:0:7f00:1::",
    ],
)  # fmt: skip
def test_addresses_within_this_network_are_none_to_connect_to(address: str) -> None:
    assert not is_outside(ipaddress.ip_address(address), 443)


@pytest.mark.parametrize("address", ["1.1.1.1", "104.18.22.206", "2606:4700::6812:16ce", "64:ff9b::101:101"])
def test_public_addresses_are_connected_to_at_the_port_of_https_alone(address: str) -> None:
    assert is_outside(ipaddress.ip_address(address), 443)
    assert not is_outside(ipaddress.ip_address(address), 6379)


@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://[::1]/", "https://[::ffff:127.0.0.1]/"])
async def test_an_address_in_place_of_a_name_is_checked_as_well(url: str) -> None:
    async with open_session() as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get(url)
    assert isinstance(caught.value.os_error, NotOutside)


async def test_a_name_is_checked_at_the_connection_so_that_rebinding_gains_nothing(internet: Internet) -> None:
    internet.lies["evil.example"] = ["169.254.169.254"]
    async with open_session(resolver=internet, may_connect=internet.may_connect, context=internet.context) as session:
        with pytest.raises(aiohttp.ClientConnectorError) as caught:
            await session.get("https://evil.example/")
    assert isinstance(caught.value.os_error, NotOutside)
    assert not internet.asked


async def test_a_certificate_for_another_name_is_refused(internet: Internet) -> None:
    async with open_session(resolver=internet, may_connect=internet.may_connect, context=internet.context) as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get("https://elsewhere.example/")


async def test_proxies_of_the_environment_are_passed_over(internet: Internet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    internet.answer("civitai.com/", b"here")
    async with (
        open_session(resolver=internet, may_connect=internet.may_connect, context=internet.context) as session,
        session.get("https://civitai.com/") as response,
    ):
        assert await response.read() == b"here"


SITE = Site("Civitai", "civitai.com", CIVITAI_FILES, "CIVITAI_TOKEN", token="secret")
PARTS = ["https://", "http:", "//", "civitai.com", "b2.civitai.com", "evil.example", "@", ":", "443", "/", "\\", "?",
         "#", "%40", "%2f", ".", "[", "]", "\t", "\n", " ", "\u3002", "\u2044", "x"]  # fmt: skip


@given(
    st.lists(st.sampled_from(PARTS), max_size=9).map("".join) | st.text(max_size=40).map("https://civitai.com".__add__)
)
def test_what_is_allowed_is_read_as_the_same_host_by_who_connects(url: str) -> None:
    if SITE.allows(url):
        read = yarl.URL(url, encoded=True)
        assert (read.scheme, read.port, read.user, read.password) == ("https", 443, None, None)
        assert read.host in {"civitai.com", *CIVITAI_FILES}
        assert bool(SITE.headers(url)) == (read.host == "civitai.com")
