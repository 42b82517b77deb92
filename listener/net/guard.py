"""The SSRF guard: which addresses may be contacted, asked for every URL, redirect and connection.

Every way out of Listener (pollers, the Scrapy middleware and resolver, tweepy's adapter, webhooks)
asks the same ``Guard``. ``check_url`` judges what is written in a URL, ``check_addresses`` judges
what a name resolved to, and the connection then goes to exactly the address that was judged, so
that a name server that answers differently the second time (DNS rebinding) gains nothing.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import idna

from listener.errors import ConfigError, SourceUnavailable, TargetForbidden

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

Lookup = Callable[[str, int], Iterable[tuple[Any, ...]]]
"""Like ``socket.getaddrinfo(host, port)``: rows of (family, type, proto, name, sockaddr)."""

DEFAULT_PORTS = {"http": 80, "https": 443}
MAIL_PORTS = {"imaps": 993, "imap": 143}  # mail boxes, and nothing else of what speaks no HTTP

# Services that read a few lines of HTTP as commands of their own (a selection of the "bad ports" of
# the WHATWG Fetch standard), and databases that are often left open.
_OTHER_SERVICES = """
1 7 9 11 13 15 17 19 20 21 22 23 25 37 42 43 53 69 77 79 87 95 101 102 103 104 109 110
111 113 115 117 119 123 135 137 139 143 161 179 389 427 445 465 512 513 514 515 526 530
531 532 540 548 554 556 563 587 601 636 989 990 993 995 1719 1720 1723 2049 3306 3659
4045 4190 5060 5061 5432 6000 6379 6566 6665 6666 6667 6668 6669 6679 6697 9100 10080
11211 27017
"""
FORBIDDEN_PORTS = frozenset(int(port) for port in _OTHER_SERVICES.split())

_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")  # RFC 6052: IPv4 seen from an IPv6-only network
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")  # RFC 4291: all of the public internet
_TUNNELS = (
    ipaddress.IPv6Network("2001::/32"),  # Teredo
    ipaddress.IPv6Network("2002::/16"),  # 6to4
    ipaddress.IPv6Network("2001:db8::/32"),
    ipaddress.IPv6Network("3fff::/20"),
)
# What Python versions disagree on, and what only looks public.
_SPECIAL = (
    ipaddress.IPv4Network("100.64.0.0/10"),  # carrier-grade NAT
    ipaddress.IPv4Network("192.0.0.0/24"),  # protocol assignments; one cloud's metadata service
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays
    ipaddress.IPv4Network("168.63.129.16/32"),  # another cloud's host agent
)
_NUMERIC_LABEL = re.compile(r"(0x[0-9a-f]*|[0-9]+)\Z", re.IGNORECASE)
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?\Z")
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL leads. ``host`` is ASCII, lower case, without brackets or a trailing dot."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """Host and port as in a URL, the default port left out: what the Host header says."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = (DEFAULT_PORTS | MAIL_PORTS)[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"

    @property
    def origin(self) -> str:
        """Scheme, host and port: credentials stay within one of these."""
        return f"{self.scheme}://{self.netloc}"


def forbidden(address: str | Address) -> str | None:
    """Say why an address may not be contacted, or None when it is on the public internet.

    Looks through IPv4 addresses that are written as IPv6 (mapped, NAT64). Tunnels and compatible
    addresses (6to4, Teredo, ``::a.b.c.d``) are refused whole: no site lives there, but detours to
    inside do.
    """
    try:
        ip = ipaddress.ip_address(address.split("%", 1)[0]) if isinstance(address, str) else address
    except ValueError:
        return "not an address"
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped
        if inner is None and ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return forbidden(inner)
    for name, true in (
        ("unspecified", ip.is_unspecified),
        ("loopback", ip.is_loopback),
        ("link-local", ip.is_link_local),
        ("multicast", ip.is_multicast),
    ):
        if true:
            return name
    if isinstance(ip, ipaddress.IPv6Address):
        if ip not in _GLOBAL_UNICAST or any(ip in network for network in _TUNNELS):
            return "not public"
    elif any(ip in network for network in _SPECIAL):
        return "not public"
    if ip.is_reserved or not ip.is_global:
        return "private or reserved"
    return None


def normal_host(host: str) -> str:
    """Write a host name the one way we compare and connect with: ASCII, lower case, no trailing
    dot.

    Raises TargetForbidden for what is no host name, or an IPv4 address in an odd spelling
    (``0x7f.1``, ``127.1``, ``2130706433``), which is a disguise and nothing else.
    """
    if ":" in host:
        try:
            return str(ipaddress.IPv6Address(host.split("%", 1)[0]))
        except ValueError:
            raise _refuse(host, "is not a valid IPv6 address") from None
    name = unicodedata.normalize("NFKC", host).lower().replace("。", ".")
    name = name.removesuffix(".")
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii").lower()
        except idna.IDNAError:
            raise _refuse(host, "is not a valid host name") from None
    if not name or len(name) > 253 or ".." in name or not _HOST.match(name):
        raise _refuse(host, "is not a valid host name")
    if _NUMERIC_LABEL.match(name.rsplit(".", 1)[-1]):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise _refuse(host, "is an IP address in an odd spelling") from None
    return name


def is_address(host: str) -> bool:
    """Whether a normal host is an IP address and needs no name server."""
    return ":" in host or host.rsplit(".", 1)[-1].isdigit()


class Guard:
    """The judge of targets. ``private_hosts`` ("host" or "host:port") are let through, whatever
    they resolve to.

    ``lookup`` stands in for the system's resolver in tests.
    """

    def __init__(
        self, private_hosts: frozenset[str] = frozenset(), *, lookup: Lookup | None = None
    ) -> None:
        self._allowed = frozenset(_entry(host) for host in private_hosts)
        self._lookup: Lookup = lookup or _system_lookup

    def allows(self, host: str, port: int) -> bool:
        """Whether the operator named this host in LISTENER_ALLOW_PRIVATE_HOSTS."""
        try:
            name = normal_host(host)
        except TargetForbidden:
            return False
        return (name, None) in self._allowed or (name, port) in self._allowed

    def check_url(self, url: str) -> Target:
        """Judge a URL by what is written in it, without asking a name server.

        Raises TargetForbidden: another scheme than http(s), a name and password inside, no host, a
        port of another service, an address inside the network. Messages never hold the path or the
        query.
        """
        return self._check(url, DEFAULT_PORTS, lambda port: port not in FORBIDDEN_PORTS)

    def check_mail_url(self, url: str) -> Target:
        """The same for a mailbox: ``imaps://host``, on the ports of mail only.

        Raises TargetForbidden.
        """
        return self._check(url, MAIL_PORTS, lambda port: port in MAIL_PORTS.values())

    def _check(self, url: str, ports: Mapping[str, int], is_fine: Callable[[int], bool]) -> Target:
        if _UNSAFE.search(url):
            raise TargetForbidden("The address holds spaces, backslashes or control characters.")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise TargetForbidden("The address is not a valid URL.") from None
        scheme = parts.scheme.lower()
        if scheme not in ports:
            starts = " or ".join(f"{one}://" for one in ports)
            raise TargetForbidden(
                f"Addresses must start with {starts}, not {scheme or 'nothing'}:."
            )
        if "@" in parts.netloc:
            raise TargetForbidden(
                "The address holds a user name or password.",
                hint="Put credentials into the connection instead.",
            )
        if not parts.hostname:
            raise TargetForbidden("The address has no host.")
        host = normal_host(parts.hostname)
        port = ports[scheme] if port is None else port
        target = Target(scheme, host, port)
        if self.allows(host, port):
            return target
        if not 0 < port <= 65535 or not is_fine(port):
            what = "the web" if ports is DEFAULT_PORTS else "mail"
            raise TargetForbidden(f"Port {port} of {host} belongs to another service than {what}.")
        if is_address(host):
            self.check_addresses(host, port, [host])
        elif host == "localhost" or host.endswith(".localhost"):
            raise _refuse(host, "is this machine")  # by RFC 6761, whatever a name server says
        return target

    def check_addresses(self, host: str, port: int, addresses: Sequence[str]) -> list[str]:
        """Judge what ``host`` resolved to; pure, so that any resolver can use it. Returns the
        addresses.

        Raises TargetForbidden when a single one is not public: a mixed answer is how rebinding
        starts.
        """
        if self.allows(host, port):
            return list(addresses)
        for address in addresses:
            why = forbidden(address)
            if why:
                raise _refuse(host, f"points inside the network ({address}: {why})")
        return list(addresses)

    def resolve(self, host: str, port: int) -> list[str]:
        """Ask the resolver and judge the answer: addresses that may be connected to, in its order.

        Raises TargetForbidden, or SourceUnavailable when the name has no address.
        """
        name = normal_host(host)
        if is_address(name):
            return self.check_addresses(name, port, [name])
        try:
            rows = self._lookup(name, port)
            addresses = list(dict.fromkeys(str(row[4][0]) for row in rows))
        except (OSError, UnicodeError) as error:
            raise SourceUnavailable(
                f"The name {name} could not be resolved ({error}).",
                hint="Check the address and this machine's DNS.",
            ) from error
        if not addresses:
            raise SourceUnavailable(f"The name {name} has no address.")
        return self.check_addresses(name, port, addresses)


def _system_lookup(host: str, port: int) -> Iterable[tuple[Any, ...]]:
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _entry(text: str) -> tuple[str, int | None]:
    """Read "host", "host:port", "::1" or "[::1]:8000". Raises ConfigError."""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port = rest.removeprefix(":")
    elif text.count(":") > 1:
        host, port = text, ""
    else:
        host, _, port = text.partition(":")
    try:
        return normal_host(host), int(port) if port else None
    except (TargetForbidden, ValueError):
        raise ConfigError(
            f"LISTENER_ALLOW_PRIVATE_HOSTS: {text!r} is neither a host nor host:port."
        ) from None


def _refuse(host: str, why: str) -> TargetForbidden:
    return TargetForbidden(
        f"{host[:100]} {why}.",
        hint="If this is meant, name the host in LISTENER_ALLOW_PRIVATE_HOSTS.",
    )
