"""``key``: makes, lists, rotates and revokes the keys of the REST interface; each is noted in the journal."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from yieldbot.access.caller import normal
from yieldbot.access.keys import StoredKey, network, scopes_of
from yieldbot.access.quotas import DAY, quota_of
from yieldbot.access.ring import KeyRing
from yieldbot.app.access_notes import note
from yieldbot.app.api_key_documents import ApiKey, KeysDocument, NewKeyDocument, RevokedKeysDocument
from yieldbot.errors import ConfigError
from yieldbot.model.dataclass import dataclass
from yieldbot.model.spelling import did_you_mean

if TYPE_CHECKING:
    from yieldbot.app.context import Context

_LENGTH = re.compile(r"^([0-9]{1,5})([hdw])$")
_SECONDS = {"h": 3_600, "d": 86_400, "w": 604_800}
LONGEST_DAYS = 3_650


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKeyRequest:
    """Make a key."""

    name: str
    """Its name: letters, digits, dots and dashes."""
    scopes: str
    """What it may do, as ``read,plan``."""
    accounts: tuple[str, ...] = ()
    """Wallets' names or addresses: the only accounts that it sees; empty: all."""
    expires: str | None = None
    """How long it is valid, as ``60d``; None: 90 days."""
    networks: tuple[str, ...] = ()
    """Networks that it may be used from, as CIDR; empty: any."""
    quota: str | None = None
    """Requests that it may make a day, as ``5000/d``; None: no limit but those of all keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotateKeyRequest:
    """Make a key's successor."""

    name: str
    """The key's name."""
    overlap: str = "24h"
    """How long the old key stays valid beside the new one, as ``24h``; ``0h``: it expires at once."""


def new(request: NewKeyRequest, context: Context) -> NewKeyDocument:
    """Makes a key and records that in the journal. Raises ConfigError for an invalid name, scope, account, lifetime or
    network."""
    now = int(time.time())
    life = seconds_of(request.expires or "90d", "--expires")
    if life == 0:
        raise ConfigError("--expires 0: write a length as 60d")
    text, stored = _ring(context).new(
        request.name,
        scopes_of(request.scopes),
        now,
        accounts=_accounts(request.accounts, context),
        networks=tuple(network(one) for one in request.networks),
        expires_at=now + life,
        quota=None if request.quota is None else quota_of(request.quota),
    )
    note(context, f"key new {stored.name} ({', '.join(sorted(stored.scopes))})", "made")
    return NewKeyDocument(key=text, details=details(stored, now))


def rotate(request: RotateKeyRequest, context: Context) -> NewKeyDocument:
    """Makes the successor of a key; both are valid for the overlap. Raises ConfigError where no valid key has this
    name."""
    now, overlap = int(time.time()), seconds_of(request.overlap, "--overlap")
    text, stored = _ring(context).rotate(request.name, now, overlap)
    note(context, f"key rotate {stored.name}", "made")
    return NewKeyDocument(key=text, details=details(stored, now), overlap_until=now + overlap)


def revoke(name: str, context: Context) -> RevokedKeysDocument:
    """Revokes every key of this name at once. Raises ConfigError where there is none."""
    ended = _ring(context).revoke(name, int(time.time()))
    note(context, f"key revoke {name}", f"{len(ended)} ended")
    return RevokedKeysDocument(name=name, revoked=tuple(one.prefix for one in ended))


def revoke_one(prefix: str, context: Context, by: str, where: str) -> RevokedKeysDocument:
    """Revokes the key with this prefix at once, for a caller. by, where: who asks, and from which IP address."""
    ring = _ring(context)
    stored, ended = ring.find(prefix), ring.revoke_one(prefix, int(time.time()))
    name = "" if stored is None else stored.name
    note(context, f"key revoke {name} ({prefix})", "0 ended" if ended is None else "1 ended", by, where)
    return RevokedKeysDocument(name=name, revoked=() if ended is None else (prefix,))


def list_(context: Context) -> KeysDocument:
    """All keys, without secrets."""
    now = int(time.time())
    return KeysDocument(keys=tuple(details(one, now) for one in _ring(context).all()))


def details(stored: StoredKey, now: int) -> ApiKey:
    """A key as shown to a user at ``now`` (unix seconds)."""
    return ApiKey(
        name=stored.name,
        prefix=stored.prefix,
        scopes=tuple(sorted(stored.scopes)),
        accounts=None if stored.accounts is None else tuple(sorted(stored.accounts)),
        networks=stored.networks,
        created_at=stored.created_at,
        expires_at=stored.expires_at,
        used_at=stored.used_at,
        ended=stored.ended(now),
        quota=stored.quota,
        used_today=None if stored.quota is None else stored.counted[1] if stored.counted[0] >= now // DAY else 0,
        ends_soon=stored.ended(now) is None and stored.ends_soon(now),
    )


def seconds_of(text: str, flag: str) -> int:
    """Seconds of a duration such as ``12h``, ``60d`` or ``8w``. Raises ConfigError."""
    found = _LENGTH.fullmatch(text.strip())
    length = int(found[1]) * _SECONDS[found[2]] if found else None
    if length is None or length > LONGEST_DAYS * 86_400:
        raise ConfigError(f"{flag} {text}: write a length as 12h, 60d or 8w, at most {LONGEST_DAYS} days")
    return length


def _ring(context: Context) -> KeyRing:
    return KeyRing.of(context.settings.data_dir)


def _accounts(named: tuple[str, ...], context: Context) -> frozenset[str] | None:
    """Addresses of the named accounts. Raises ConfigError for a name that no wallet has."""
    if not named:
        return None
    wallets = context.settings.wallets
    known = {normal(str(wallet.address)) for wallet in wallets.values()}
    found = [normal(str(wallets[one].address)) if one in wallets else normal(one) for one in named]
    for one, address in zip(named, found, strict=True):
        if address not in known:
            raise ConfigError(f"--account {one}: no wallet has this name or address: {did_you_mean(one, wallets)}")
    return frozenset(found)
