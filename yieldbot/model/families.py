"""Families of chains: their names, units and native tokens. Everything that depends on a family is a field here or a
method of ``chains/ports.Chain``; no other code asks which family a chain belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable

from yieldbot.model.address import parse_address, parse_key
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.known import WRAPPED_SOL

EVM_NATIVE = Address("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE")
"""Stands for an EVM chain's native token where a token's address is needed (a widespread convention; there is no
contract)."""
SVM_NATIVE = Address("11111111111111111111111111111111")
"""Solana's system program: it stands for SOL in a wallet, as opposed to the mint of wrapped SOL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The properties that all chains of one family share."""

    name: str
    """``evm`` or ``solana``."""
    member: str
    """Adjective with its article, for messages: ``an EVM``."""
    namespace: str
    """CAIP-2 namespace of its chain ids."""
    height: str
    """What its chains count: ``block`` or ``slot``."""
    gas: str
    """Unit of computation: ``gas`` or ``compute units``."""
    paid: str
    """Name of a plan's on-chain cost: ``gas`` or ``fees and rent``."""
    holds_rent: bool
    """Whether an account that is opened holds rent, which comes back when it is closed."""
    native: Address
    """Address that stands for the native token."""
    native_decimals: int
    """Decimals of the native token."""
    nobody: Address
    """An account whose key nobody has (SHA-256 of a sentence), for observing markets without a wallet."""
    token_namespace: str
    """CAIP-19 namespace of its token ids."""
    case_matters: bool
    """Whether addresses that differ only in case are different."""
    most_feed_age_seconds: int | None
    """Largest age of a price, whatever the policy allows; None: the policy alone bounds it."""
    claims_rewards: bool
    """Whether adapters of its protocols claim rewards."""
    coin_unit: str | None
    """Unit of a base (``policy.bases``) that the native token can have; None: there is none."""
    wrapped_coin: Address | None
    """The token that stands for the native one in protocols, and has its price feed (wrapped SOL); None: there is
    none."""
    parse_address: Callable[[str], Address]
    """Parses an address as written in a file. Raises ValueError."""
    place: Callable[[str], bool]
    """Whether a text could be the contract, key or hash in a market's id."""
    held_elsewhere: bool
    """Whether a wallet's key may be in AWS KMS or on a Ledger, or the wallet be a Safe; if not, only a keystore can
    hold it."""
    bridged: bool
    """Whether aggregators of swaps and bridges serve its chains and we can read their answers."""
    rotki_chain: str | None
    """Name of its only chain in rotki's token ids; None: the CAIP-2 id is used."""
    finds_past: bool
    """Whether older event logs are read to find more allowances and costs."""

    def address_key(self, address: Address) -> str:
        """The address as ids and comparisons spell it."""
        return address if self.case_matters else address.lower()

    def feed_age_seconds(self, allowed: int) -> int:
        """The largest accepted age of a price, if the policy allows ``allowed`` seconds."""
        return allowed if self.most_feed_age_seconds is None else min(allowed, self.most_feed_age_seconds)


_PLACE = re.compile(r"0x(?:[0-9a-f]{40}|[0-9a-f]{64})")


def _is_key(text: str) -> bool:
    try:
        return bool(parse_key(text))
    except ValueError:
        return False


EVM = Family(
    name="evm",
    member="an EVM",
    namespace="eip155",
    height="block",
    gas="gas",
    paid="gas",
    holds_rent=False,
    native=EVM_NATIVE,
    native_decimals=18,
    nobody=Address("0x8Cc3dc171DeCf9F74C4Ae2eC4701732AdFc69c5c"),
    token_namespace="erc20",
    case_matters=False,
    most_feed_age_seconds=None,
    claims_rewards=True,
    coin_unit=None,
    wrapped_coin=None,
    parse_address=parse_address,
    place=lambda text: _PLACE.fullmatch(text) is not None,
    held_elsewhere=True,
    bridged=True,
    rotki_chain=None,
    finds_past=True,
)
SOLANA = Family(
    name="solana",
    member="a Solana",
    namespace="solana",
    height="slot",
    gas="compute units",
    paid="fees and rent",
    holds_rent=True,
    native=SVM_NATIVE,
    native_decimals=9,
    nobody=Address("AUVJEBgsprpaEBboRBZyKWoQWoTs85V4ZsKeKhyVLRQh"),
    token_namespace="token",
    case_matters=True,
    most_feed_age_seconds=600,
    claims_rewards=False,
    coin_unit="SOL",
    wrapped_coin=WRAPPED_SOL,
    parse_address=parse_key,
    place=_is_key,
    held_elsewhere=False,
    bridged=False,
    rotki_chain="solana",
    finds_past=False,
)
FAMILIES = (EVM, SOLANA)


def family_of(chain: ChainId) -> Family:
    """The family of a chain id, by its namespace. Raises ValueError for an unknown one."""
    namespace = chain.partition(":")[0]
    for family in FAMILIES:
        if family.namespace == namespace:
            return family
    raise ValueError(f"{chain} is of no family that is known: eip155 or solana")


def family_named(name: str) -> Family:
    """The family with this name. Raises ValueError for an unknown one."""
    for family in FAMILIES:
        if family.name == name:
            return family
    raise ValueError(f"{name} is no family that is known: {' or '.join(family.name for family in FAMILIES)}")


def family_of_address(address: Address) -> Family:
    """The family of an address: EVM addresses begin with 0x, which base58 cannot."""
    return EVM if address.startswith("0x") else SOLANA


def native_of(chain: ChainId, symbol: str) -> Token:
    """The chain's native token."""
    family = family_of(chain)
    return Token(chain, family.native, symbol, family.native_decimals)


def token_key(token: Token) -> str:
    """A token's address as ids and comparisons spell it."""
    return family_of(token.chain).address_key(token.address)
