"""Which addresses a merchant may make us call (the SSRF guard): public ones, by every way of writing them."""

import ipaddress
import re
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple
from urllib.parse import urlsplit

from daozhang.core.faults import Fault

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
# Not public, though not every Python says so: 6to4 and its relay, site-local, documentation.
_NOT_PUBLIC = tuple(ipaddress.ip_network(net) for net in ("2002::/16", "192.88.99.0/24", "fec0::/10", "3fff::/20", "64:ff9b:1::/48"))
_NUMBER = re.compile(r"0x[0-9a-f]*|[0-9]+", re.I)
_ISATAP = 0x5EFE
_METADATA = frozenset({"169.254.169.254", "100.100.100.200", "fd00:ec2::254", "192.0.0.192"})


class Forbidden(Fault):
    """We do not call this address; ``zh`` and ``en`` say why."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


class Target(NamedTuple):
    """An address taken apart. Which numbers the host has is looked up, and judged, when we connect."""

    scheme: str
    host: str
    port: int
    path: str


def parse(url: str, *, plain_allowed: bool) -> Target:
    """Raises Forbidden. ``plain_allowed``: http too, which is for tests only."""
    if not url.isascii() or any(letter <= " " or letter == "\\" for letter in url) or len(url) > 2048:
        raise Forbidden("地址只能用可见的 ASCII 字符", "an address has visible ASCII characters only")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise Forbidden("地址写得不对", "the address is not well-formed") from None
    if parts.scheme not in (("https", "http") if plain_allowed else ("https",)):
        raise Forbidden("地址要以 https:// 开头(测试地址也可以是 http://)", "an address begins with https:// (a test address may be http://, too)")
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise Forbidden("地址里不能有用户名", "no user name stands in an address")
    if not parts.hostname:
        raise Forbidden("地址里没有主机", "the address has no host")
    if _odd_number(parts.hostname):
        raise Forbidden("IP 地址要写成四段十进制,如 203.0.113.7", "write an IP address as four decimal numbers, such as 203.0.113.7")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80), path)


def _odd_number(host: str) -> bool:
    """True for 2130706433, 0177.0.0.1, 0x7f.1, 127.1: numbers that some read as an address, each in its own way."""
    if not _NUMBER.fullmatch(host.rstrip(".").rpartition(".")[2]):
        return False
    try:
        IPv4Address(host)
    except ValueError:
        return True
    return False


def why_forbidden(address: str) -> str:
    """Why an IP address is not to be called; empty when it may be. An unreadable one may not."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "unreadable"
    if str(ip) in _METADATA:
        return "metadata"
    if ip.is_loopback:
        return "loopback"
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        return why_forbidden(str(ip.ipv4_mapped))  # only another way of writing it
    if any(ip in net for net in _NOT_PUBLIC):
        return "private"
    for inner in _inside(ip):
        if why := why_forbidden(str(inner)):
            return "private" if why == "loopback" else why  # a tunnel's end is not this machine, whatever it claims
    if ip in _NAT64:
        return ""  # a public IPv4 address
    if ip.is_link_local:
        return "link-local"
    if ip.is_multicast:
        return "multicast"
    if ip.is_unspecified or ip.is_reserved or ip.is_private or not ip.is_global:
        return "private"
    return ""


def _inside(ip: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """IPv4 addresses that an IPv6 address stands for."""
    if isinstance(ip, IPv4Address):
        return []
    found = list(ip.teredo or ())
    if ip in _NAT64 or int(ip) >> 32 == 0:  # NAT64, and the deprecated IPv4-compatible form
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    if int(ip) >> 32 & 0xFFFF == _ISATAP and int(ip) >> 48 & 0xFFFF in (0, 0x0200):
        found.append(IPv4Address(int(ip) & 0xFFFFFFFF))
    return found
