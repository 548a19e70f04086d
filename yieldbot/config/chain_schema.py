"""The tables of chains/*.toml as pydantic models: exact types, and no unknown keys except an adapter's own."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from yieldbot.config.schema import AddressText, KeyText, NotNegative, Positive, Sol, TomlTable, UrlText
from yieldbot.config.toml_types import EnvName, Name
from yieldbot.model.families import SOLANA, family_of
from yieldbot.model.ids import chain_id, evm_number
from yieldbot.model.settings import SAFE_MULTISEND


def _evm_chain(value: str) -> str:
    """A CAIP-2 id of an EVM chain."""
    if evm_number(chain_id(value)) <= 0:
        raise ValueError(f'{value!r} is not an EVM chain: write eip155 and the chain\'s number, as "eip155:8453"')
    return value


def _svm_chain(value: str) -> str:
    """A CAIP-2 id of a Solana cluster."""
    if family_of(chain_id(value)) is not SOLANA:
        raise ValueError(f"{value!r} is no Solana cluster: write solana: and the start of its genesis hash")
    return value


def _finality(value: Any) -> Any:
    """A finality tag, or a number of blocks."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if value in ("latest", "safe", "finalized"):
        return value
    raise ValueError(f'{value!r} is no finality: write "latest", "safe", "finalized" or a count of blocks')


class NativeTable(TomlTable):
    """[native]: the chain's native token."""

    symbol: Name
    """Its symbol."""
    feed: AddressText | None = None
    """Contract of its US dollar feed (Chainlink's AggregatorV3 interface)."""


class GrowthTable(TomlTable):
    """growth of a [tokens.SYMBOL] table: how fast the token grows against what it is made of."""

    call: Literal["stEthPerToken", "getExchangeRate", "getRate", "exchangeRate", "latestAnswer"]
    """Function without arguments that says what one token is worth, in a fixed unit."""
    contract: AddressText | None = None
    """The contract that has it; None: the token's own."""
    lookback_blocks: Annotated[int, Field(gt=0)]
    """Blocks over which the growth is measured, a week or so; an archive node is needed."""


class TokenTable(TomlTable):
    """A [tokens.SYMBOL] table of an EVM chain."""

    address: AddressText
    """The token's contract."""
    decimals: Annotated[int, Field(ge=0, le=36)]
    """Its decimals, checked against the contract."""
    feed: AddressText | None = None
    """Contract of its price feed (Chainlink's AggregatorV3 interface)."""
    feed_unit: str = "USD"
    """What the feed counts in: USD, the symbol of another token of the file whose feed counts in US dollars, or the
    address of a US dollar feed."""
    pegged: bool = False
    """Whether it is pegged to the US dollar."""
    growth: GrowthTable | None = None
    """How it grows by itself, as staked ether does against ether; None: it does not."""
    symbols: list[str] = Field(default_factory=list)
    """Further symbols that the contract may return instead of the table's name."""
    source: str = ""
    """Where its addresses come from if no public package lists them; ``check`` shows it."""


class SvmTokenTable(TomlTable):
    """A [tokens.SYMBOL] table of a Solana cluster."""

    address: KeyText
    """The token's mint."""
    decimals: Annotated[int, Field(ge=0, le=18)]
    """Its decimals, checked against the mint."""
    feed: KeyText | None = None
    """Its Pyth price account."""
    pegged: bool = False
    """Whether it is pegged to the US dollar."""


class SvmNativeTable(TomlTable):
    """[native]: SOL."""

    symbol: Name
    """Its symbol."""
    feed: KeyText | None = None
    """Its Pyth price account."""


class ProtocolTable(BaseModel):
    """A [[protocols]] table; its other keys are validated by the adapter's ``params`` class."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    protocol: str
    """Name of the adapter."""
    name: Name
    """Name of the deployment in tables."""
    assets: Annotated[list[str], Field(min_length=1)]
    """Symbols of tokens that may be held there."""
    source: str = ""
    """Where its addresses come from if no public package lists them; ``check`` shows it."""


class ExchangeTable(BaseModel):
    """An [[exchanges]] or [[witnesses]] (price oracles) table; its other keys are validated by the adapter's ``params``
    class."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    protocol: str
    """Name of the adapter."""
    name: Name
    """Name of the exchange or oracle in tables."""
    source: str = ""
    """Where its addresses come from if no public package lists them; ``check`` shows it."""


class RegistryTable(BaseModel):
    """A [[registries]] table: a contract or program that lists markets. Its other keys are validated by its reader's
    ``params`` class."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, defer_build=True)

    kind: str
    """Name of the reader."""
    name: Name
    """Name of the registry in tables."""
    source: str = ""
    """Where its addresses come from, if no public package lists them; ``check`` shows it."""
    from_block: Annotated[int, Field(ge=0)] | None = None
    """The block from which its events are read; None: its list is read from the contract."""


class MerklTable(TomlTable):
    """[merkl]: where Merkl's rewards are read and claimed."""

    distributor: AddressText
    """The contract that pays Merkl's rewards."""
    url: UrlText = "https://api.merkl.xyz"
    """URL of Merkl's API, which learns our address."""


class ChainTable(TomlTable):
    """chains/NAME.toml of an EVM chain (``model.settings.ChainSettings``)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    """The file's name without .toml."""
    chain: Annotated[str, AfterValidator(_evm_chain)]
    """CAIP-2 id, as eip155:8453."""
    rpc_env: EnvName
    """Environment variable with the RPC URLs."""
    multicall3: AddressText
    """Address of Multicall3."""
    max_fee_gwei: Positive
    """Highest price of one gas, in gwei."""
    priority_fee_gwei: NotNegative = 0.1
    """Highest priority fee for one gas, in gwei."""
    fee_kind: Literal["ethereum", "op-stack", "arbitrum", "mantle", "scroll", "linea", "sonic"] = "ethereum"
    """What the chain charges in addition to the gas that is used, by kind."""
    finality: Annotated[str | int, BeforeValidator(_finality)] = "latest"
    """latest, safe, finalized, or a number of blocks."""
    poll_seconds: Positive = 2.0
    """Pause between two polls for a transaction's inclusion, in seconds."""
    confirm_timeout_seconds: Positive = 300.0
    """Longest wait for a transaction, in seconds."""
    replace_after_seconds: Positive = 60.0
    """Seconds after which a pending transaction is replaced at higher fees."""
    quorum: Annotated[int, Field(ge=1)] | None = None
    """How many endpoints must agree; None: more than half."""
    max_behind_blocks: Annotated[int, Field(ge=0)] = 5
    """How many blocks an endpoint may lag."""
    submit_rpc_env: EnvName | None = None
    """Environment variable with private endpoints for signed transactions; None: there are none."""
    submit_public: bool = False
    """Whether the public endpoints get a transaction too when no private one takes it."""
    submit_to_all: bool = False
    """Whether all endpoints get a transaction at once."""
    safe_multisend: AddressText = SAFE_MULTISEND
    """Contract that batches a Safe's calls (MultiSendCallOnly)."""
    native: NativeTable
    """The native token."""
    tokens: dict[Name, TokenTable]
    """Tokens by symbol."""
    protocols: list[ProtocolTable] = Field(default_factory=list)
    """Lending, vault and staking protocols."""
    exchanges: list[ExchangeTable] = Field(default_factory=list)
    """Exchanges where tokens can be swapped."""
    registries: list[RegistryTable] = Field(default_factory=list)
    """Contracts that list markets, for ``yieldbot discover``."""
    safe_service_url: UrlText | None = None
    """URL of Safe's transaction service, from which the watch reads the transactions that Safes behind our markets
    prepare."""
    merkl: MerklTable | None = None
    """Merkl's distributor; None: Merkl is not used."""


class SvmChainTable(TomlTable):
    """chains/NAME.toml of a Solana cluster (``model.settings.ChainSettings``, ``SvmLimits``)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    """The file's name without .toml."""
    chain: Annotated[str, AfterValidator(_svm_chain)]
    """CAIP-2 id, as solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp."""
    rpc_env: EnvName
    """Environment variable with the RPC URLs."""
    finality: Literal["confirmed", "finalized"] = "finalized"
    """Commitment at which a transaction is final."""
    poll_seconds: Positive = 1.0
    """Pause between two polls for a transaction's status, in seconds."""
    confirm_timeout_seconds: Positive = 180.0
    """Longest wait for a transaction, in seconds."""
    quorum: Annotated[int, Field(ge=1)] | None = None
    """How many nodes must agree; None: more than half."""
    submit_rpc_env: EnvName | None = None
    """Environment variable with private endpoints for signed transactions; None: there are none."""
    submit_public: bool = False
    """Whether the public endpoints get a transaction too when no private one takes it."""
    submit_to_all: bool = False
    """Whether private and public endpoints get a transaction at once (with ``submit_public``)."""
    max_unit_price_micro_lamports: Annotated[int, Field(ge=0)] = 500_000
    """Highest price of one compute unit, in micro-lamports."""
    max_fee_sol: Sol = "0.001"
    """Most that one transaction may pay, in SOL."""
    keep_sol: Sol = "0.02"
    """SOL that is kept in the wallet for fees and rent."""
    max_slot_skew: Annotated[int, Field(ge=0)] = 16
    """Most slots between the accounts of one snapshot."""
    lookup_tables: list[KeyText] = Field(default_factory=list)
    """Address lookup tables that transactions may use."""
    multisigs: list[KeyText] = Field(default_factory=list)
    """Squads multisigs that may be upgrade authorities; the watch derives their vaults."""
    durable_nonces: list[KeyText] = Field(default_factory=list)
    """Durable nonce accounts that the watch reads."""
    native: SvmNativeTable
    """SOL."""
    tokens: dict[Name, SvmTokenTable]
    """Tokens by symbol."""
    protocols: list[ProtocolTable] = Field(default_factory=list)
    """Lending and stake pool programs."""
    exchanges: list[ExchangeTable] = Field(default_factory=list)
    """Exchanges where tokens can be swapped."""
    witnesses: list[ExchangeTable] = Field(default_factory=list)
    """Price oracles in addition to the feeds."""
    registries: list[RegistryTable] = Field(default_factory=list)
    """Programs whose accounts are markets, for ``yieldbot discover``."""
