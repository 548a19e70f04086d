"""API keys: their form, and whether a presented key is valid. Pure.

A key is ``yb_PREFIX_SECRET``: eight characters to recognise it by, then 256 random bits in base64url. Only the SHA-256
of the secret is stored: with 256 random bits a slow hash would add nothing.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re

from yieldbot.access.caller import Caller, Scope
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.spelling import did_you_mean

DAY = 86_400
UNUSED_DAYS = 90
"""A key that was not used for this long is no longer valid."""
REMIND_DAYS = 7
"""How long before its end a key is reported as ending soon."""
SECRET_BYTES = 32
PREFIX_BYTES = 4
_KEY = re.compile(r"^yb_([0-9a-f]{8})_([A-Za-z0-9_-]{43})$")
NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredKey:
    """A key as stored: everything except the secret."""

    prefix: str
    """Eight hexadecimal digits, shown to people to recognise it by."""
    name: str
    """Its name; a key and its successors by rotation share one."""
    digest: str
    """SHA-256 of the secret, in hexadecimal."""
    scopes: frozenset[Scope]
    """The rights of the key."""
    accounts: frozenset[str] | None
    """Addresses of the only accounts that it may see; None: all."""
    networks: tuple[str, ...]
    """The networks that it may be used from, as CIDR; empty: any."""
    created_at: int
    """When the key was made, in unix seconds."""
    expires_at: int | None
    """Unix seconds from which it is no longer valid; None: it does not end."""
    used_at: int | None
    """When it was last used, to the minute; None: never."""
    revoked_at: int | None
    """Unix seconds from which it is no longer valid because it was revoked, or rotated with an overlap; None:
    neither."""
    quota: int | None = None
    """Requests that it may make a day (UTC); None: no limit. A key and its successors share one count."""
    counted: tuple[int, int] = (0, 0)
    """(number of the day since 1970-01-01, requests on that day): the last stored count of its quota."""

    def ended(self, now: int) -> str | None:
        """Why it is no longer valid at ``now`` (unix seconds); None while it is."""
        if self.revoked_at is not None and now >= self.revoked_at:
            return "it was revoked"
        if self.expires_at is not None and now >= self.expires_at:
            return "it has expired"
        if now >= (self.used_at or self.created_at) + UNUSED_DAYS * DAY:
            return f"it was not used for {UNUSED_DAYS} days"
        return None

    def end(self) -> tuple[int, str]:
        """(when it ends if it is not used before, in unix seconds; the reason)."""
        unused = (self.used_at or self.created_at) + UNUSED_DAYS * DAY
        if self.expires_at is not None and self.expires_at <= unused:
            return self.expires_at, "it expires"
        return unused, f"it is not used for {UNUSED_DAYS} days"

    def ends_soon(self, now: int) -> bool:
        """Whether a reminder is due: it ends within a week."""
        return now < self.end()[0] <= now + REMIND_DAYS * DAY

    @property
    def caller(self) -> Caller:
        """The caller that it stands for."""
        return Caller(self.name, self.scopes, self.accounts, self.prefix)


def digest(secret: str) -> str:
    """The form in which a secret is stored."""
    return hashlib.sha256(secret.encode()).hexdigest()


def made(random: bytes) -> tuple[str, str, str]:
    """(a key's text, its prefix, its secret), made from 36 random bytes."""
    if len(random) != PREFIX_BYTES + SECRET_BYTES:
        raise ValueError(f"{PREFIX_BYTES + SECRET_BYTES} random bytes are needed, not {len(random)}")
    prefix = random[:PREFIX_BYTES].hex()
    secret = base64.urlsafe_b64encode(random[PREFIX_BYTES:]).rstrip(b"=").decode()
    return f"yb_{prefix}_{secret}", prefix, secret


def parts(text: str) -> tuple[str, str] | None:
    """(prefix, secret) of a key's text; None if the text is not a key."""
    found = _KEY.fullmatch(text)
    return (found[1], found[2]) if found else None


def refused(stored: StoredKey | None, secret: str, address: str, now: int) -> str | None:
    """Why a presented key is not valid; None if it is. The secret is compared in constant time, and also if there is no
    such key, so that an existing prefix is not answered faster than others.

    address: the caller's IP address, as text.
    """
    right = hmac.compare_digest(digest(secret), stored.digest if stored else "0" * 64)
    if stored is None or not right:
        return "no such key"
    if (ended := stored.ended(now)) is not None:
        return ended
    return None if inside(address, stored.networks) else "it may not be used from this address"


def inside(address: str, networks: tuple[str, ...]) -> bool:
    """Whether an IP address is in one of the networks; no networks: any address is."""
    if not networks:
        return True
    try:
        found = plain(address)
    except ValueError:
        return False
    return any(found in ipaddress.ip_network(network) for network in networks)


def plain(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An IP address; an IPv4 address that is written as an IPv6 one (::ffff:10.0.0.1) as the IPv4 address that it is.
    Raises ValueError."""
    found = ipaddress.ip_address(address)
    return found.ipv4_mapped or found if isinstance(found, ipaddress.IPv6Address) else found


def plain_network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network; one of IPv4 addresses that are written as IPv6 ones as the IPv4 network that it is. Raises
    ValueError."""
    found = ipaddress.ip_network(text, strict=True)
    if isinstance(found, ipaddress.IPv6Network) and found.prefixlen >= 96 and found.network_address.ipv4_mapped:
        return ipaddress.IPv4Network((found.network_address.ipv4_mapped, found.prefixlen - 96))
    return found


def network(text: str) -> str:
    """A network in CIDR notation as it is stored, as 10.0.0.0/8; a single address is a network by itself. Raises
    ConfigError."""
    try:
        return str(plain_network(text.strip()))
    except ValueError:
        raise ConfigError(f"--ip {text}: write a network as 10.0.0.0/8 or 2001:db8::/32, without host bits") from None


def scopes_of(text: str) -> frozenset[Scope]:
    """The scopes in a list such as ``read,plan``. Raises ConfigError."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    known = ", ".join(Scope)
    if not names:
        raise ConfigError(f"--scope: name at least one of {known}")
    for name in names:
        if name not in set(Scope):
            raise ConfigError(f"--scope {name}: {did_you_mean(name, Scope)}")
    return frozenset(Scope(name) for name in names)
