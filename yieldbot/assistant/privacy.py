"""Keeps addresses and secrets on this machine: names stand for addresses in everything that is sent to a model, and
are replaced by the addresses again in what it returns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

_ADDRESS = re.compile(
    r"(?<![0-9A-Za-z])(?:0[xX][0-9a-fA-F]{64,}|0[xX][0-9a-fA-F]{40}|[0-9a-f]{64}|[1-9A-HJ-NP-Za-km-z]{86,88}"
    r"|(?=[1-9A-HJ-NP-Za-km-z]*[0-9])(?=[1-9A-HJ-NP-Za-km-z]*[A-Z])[1-9A-HJ-NP-Za-km-z]{32,44})(?![0-9A-Za-z])"
)
_SHORT = re.compile(r"(?<![0-9A-Za-z])([0-9A-Za-z]{4,40})(?:…|\\u2026|\.{2,3})([0-9A-Za-z]{4,40})(?![0-9A-Za-z])")
"""What may be an address with its middle left out, which still tells whose account it is."""
_ALIAS = re.compile(r"(?<![A-Za-z0-9-])(?:address|wallet|id)-[a-z][a-z0-9-]*(?![A-Za-z0-9])")
SHORTEST_SECRET = 6
HIDDEN = "(hidden)"


class Names:
    """The names of one conversation. An address keeps its name while the conversation lasts."""

    def __init__(self, wallets: Mapping[str, str], secrets: Iterable[str], send_addresses: bool = False) -> None:
        """wallets: our accounts' names by address. secrets: texts that must never be sent."""
        self._send = send_addresses
        self._secrets = sorted({one for one in secrets if len(one) >= SHORTEST_SECRET}, key=len, reverse=True)
        self._alias: dict[str, str] = {}
        self._address: dict[str, str] = {}
        for address, name in wallets.items():
            slug = re.sub(r"[^a-z]+", "-", name.lower()).strip("-") or "own"
            self._give(address, self._free(f"wallet-{slug}"))
        self._own = dict(self._alias)
        bare = (re.escape(address.removeprefix("0x")) for address in self._own)
        self._inside = re.compile("|".join(f"(?:0x)?{one}" for one in bare), re.IGNORECASE) if self._own else None

    def text_out(self, text: str) -> str:
        """A text as it may be sent."""
        for secret in self._secrets:
            text = text.replace(secret, HIDDEN)
        if self._send:
            return text
        text = _SHORT.sub(self._own_short, _ADDRESS.sub(self._alias_of, text))
        return text if self._inside is None else self._inside.sub(self._own_inside, text)

    def text_in(self, text: str) -> str:
        """A text of the model with the addresses in place of their names."""
        return _ALIAS.sub(lambda one: self._address.get(one[0], one[0]), text)

    def out(self, value: Any) -> Any:
        """JSON values as they may be sent, names of fields too."""
        if isinstance(value, str):
            return self.text_out(value)
        if isinstance(value, Mapping):
            return {self.text_out(str(name)): self.out(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.out(part) for part in value]
        return value

    def inward(self, value: Any) -> Any:
        """JSON values of the model with the addresses in place of their names."""
        if isinstance(value, str):
            return self.text_in(value)
        if isinstance(value, Mapping):
            return {name: self.inward(part) for name, part in value.items()}
        if isinstance(value, list | tuple):
            return [self.inward(part) for part in value]
        return value

    def _own_short(self, one: re.Match[str]) -> str:
        """The name of ours that a shortened address is of; any other text stays."""
        for address, alias in self._own.items():
            begin, end = (part.lower() if address.startswith("0x") else part for part in one.groups())
            if address.removeprefix("0x").startswith(begin.removeprefix("0x")) and address.endswith(end):
                return alias
        return one[0]

    def _own_inside(self, one: re.Match[str]) -> str:
        """The name of ours whose address is part of a longer text."""
        bare = one[0].lower().removeprefix("0x")
        for address, alias in self._own.items():
            if address.lower().removeprefix("0x") == bare:
                return f" {alias} "
        return one[0]

    def _alias_of(self, one: re.Match[str]) -> str:
        address = one[0]
        known = self._alias.get(_same(address))
        if known is None:
            kind = "address" if len(address) <= 44 else "id"
            known = self._give(address, self._free(f"{kind}-{_letters(len(self._alias))}"))
        return known

    def _give(self, address: str, alias: str) -> str:
        self._alias[_same(address)], self._address[alias] = alias, address
        return alias

    def _free(self, alias: str) -> str:
        while alias in self._address:
            alias += "-x"
        return alias


def _same(address: str) -> str:
    return address.lower() if address[:2] in ("0x", "0X") else address


def _letters(number: int) -> str:
    """A number in letters: names must not hold digits, which would be read as figures."""
    text = ""
    number += 1
    while number:
        number, rest = divmod(number - 1, 26)
        text = chr(97 + rest) + text
    return text
