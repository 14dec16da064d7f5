"""Connections that lead out of this network and nowhere else.

The address is checked where the socket to it is made, so that a name which resolves to another address the second time
(DNS rebinding) gains nothing, and neither does an address that is written in place of a name.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
MayConnect = Callable[[IPAddress, int], bool]

USER_AGENT = "Darkroom"  # Civitai's front refuses what libraries call themselves
WITHIN = "this leads to an address within this network"
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last four bytes
_NOT_OUTSIDE = tuple(
    map(
        ipaddress.ip_network,
        (
            "192.88.99.0/24",  # RFC 7526: relays of 6to4, which are no more
            "64:ff9b:1::/48",  # RFC 8215: translated within a network
            "100::/64",  # RFC 6666: discarded
            "3fff::/20",  # RFC 9637: in documents
            "fec0::/10",  # RFC 3879: what sites used among themselves
        ),
    )
)


class NotOutside(OSError):
    """The name leads to an address within this machine or network."""


def is_outside(address: IPAddress, port: int) -> bool:
    """Whether the address is one of the public internet, and the port that of https.

    An IPv4 address within an IPv6 one (mapped, 6to4, Teredo, NAT64) counts as what it leads to.
    """
    return port == 443 and all(_is_public(each) for each in (address, *_inner(address)))


def _is_public(address: IPAddress) -> bool:
    if any(address in network for network in _NOT_OUTSIDE if network.version == address.version):
        return False
    return address.is_global and not (
        address.is_multicast or (address.is_reserved and address not in _NAT64) or address.is_unspecified
    )


def _inner(address: IPAddress) -> tuple[IPAddress, ...]:
    if isinstance(address, ipaddress.IPv4Address):
        return ()
    found: list[IPAddress | None] = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or int(address) >> 32 == 0:  # ::a.b.c.d (RFC 4291, deprecated)
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return tuple(each for each in found if each is not None)


def open_session(
    *,
    may_connect: MayConnect = is_outside,
    resolver: AbstractResolver | None = None,
    context: ssl.SSLContext | None = None,
) -> aiohttp.ClientSession:
    """A session that connects to what ``may_connect`` allows alone, keeps no cookies and unpacks nothing.

    Settings of a proxy in the environment are passed over: behind one, no address could be checked.
    """

    def make_socket(info: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, place = info
        if not may_connect(ipaddress.ip_address(str(place[0]).partition("%")[0]), place[1]):
            raise NotOutside(WITHIN)
        return socket.socket(family, kind, protocol)

    connector = aiohttp.TCPConnector(
        resolver=resolver,
        use_dns_cache=False,
        ssl=context or True,
        socket_factory=make_socket,
        limit_per_host=4,
    )
    return aiohttp.ClientSession(
        connector=connector,
        auto_decompress=False,  # or some kilobytes could become gigabytes
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
        trust_env=False,
        max_line_size=16 * 1024,  # signed addresses are long
    )
