"""The tables of yieldbot.toml and chains/*.toml as pydantic models: exact types, no unknown key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from yieldbot.model.address import parse_address, parse_any, parse_key
from yieldbot.model.families import SOLANA, family_of
from yieldbot.model.ids import chain_id, evm_number, hd_path
from yieldbot.model.numbers import fraction, plain
from yieldbot.model.policy import NEVER
from yieldbot.model.settings import SAFE_MULTISEND

SOL_DECIMALS = SOLANA.native_decimals


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"{value:g} is no share of the wealth: write a fraction from 0 to 1, as 0.5 for 50 %")
    return value


def _money(value: Any) -> Any:
    """Decimal text in whole tokens; a TOML integer is exact too. A TOML float is not: it must be quoted."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f'{value!r} is not an amount: write whole tokens in quotes, as "100.50"')
    return plain(value, 'write whole tokens in quotes, as "100.50"')


def _file(value: str) -> str:
    if "\0" in value:
        raise ValueError(f"{value!r} is no path: it holds a null character")
    return value


def _claim(value: Any) -> Any:
    return value if value == NEVER else _money(value)


def _evm_chain(value: str) -> str:
    if evm_number(chain_id(value)) <= 0:
        raise ValueError(f'{value!r} is not an EVM chain: write eip155 and the chain\'s number, as "eip155:8453"')
    return value


def _svm_chain(value: str) -> str:
    if family_of(chain_id(value)) is not SOLANA:
        raise ValueError(f"{value!r} is no Solana cluster: write solana: and the start of its genesis hash")
    return value


def _sol(value: Any) -> Any:
    """SOL as decimal text, checked and kept in lamports as text."""
    text: str = _money(value)
    if len(fraction(text)) > SOL_DECIMALS:
        raise ValueError(f"{text!r} is finer than a lamport: write at most {SOL_DECIMALS} decimals")
    return text


def _finality(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    if value in ("latest", "safe", "finalized"):
        return value
    raise ValueError(f'{value!r} is no finality: write "latest", "safe", "finalized" or a count of blocks')


def _path(value: str) -> str:
    hd_path(value)
    return value


def _endpoint(value: str) -> str:
    if not value.startswith(("http://", "https://")) or "@" in value:
        raise ValueError("it is no address: write http:// or https://, host and port, and no credentials")
    return value


Share = Annotated[float, AfterValidator(_share)]
Money = Annotated[str, BeforeValidator(_money)]
Claim = Annotated[str, BeforeValidator(_claim)]
AddressText = Annotated[str, AfterValidator(parse_address)]
KeyText = Annotated[str, AfterValidator(parse_key)]
AnyAddressText = Annotated[str, AfterValidator(parse_any)]
FilePath = Annotated[str, Field(min_length=1), AfterValidator(_file)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._()+-]*$")]
EnvName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class TomlTable(BaseModel):
    """A TOML table: types are not converted and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class WalletTable(TomlTable):
    """A [[wallets]] table. Each kind has keys of its own: OF_KIND."""

    name: Name
    """As jobs call it."""
    address: AnyAddressText
    """Our account."""
    kind: Literal["keystore", "kms", "ledger", "safe"] = "keystore"
    """Where its key lies."""
    keystore: FilePath | None = None
    """File with the encrypted key."""
    passphrase_file: FilePath | None = None
    """File with the keystore's passphrase."""
    passphrase_env: EnvName | None = None
    """Environment variable with it."""
    key_id: Annotated[str, Field(min_length=1)] | None = None
    """Of AWS KMS: id, ARN or alias/NAME."""
    region: Annotated[str, Field(min_length=1)] | None = None
    """Of AWS KMS."""
    endpoint_url: Annotated[str, AfterValidator(_endpoint)] | None = None
    """Of AWS KMS, where it is not AWS's own."""
    path: Annotated[str, AfterValidator(_path)] | None = None
    """Of a Ledger: BIP-32 path."""
    owner: Name | None = None
    """Of a Safe: name of the wallet that signs its proposals."""
    service_url: Annotated[str, AfterValidator(_endpoint)] | None = None
    """Of a Safe: its transaction service."""


OF_KIND = {
    "keystore": ("keystore", "passphrase_file", "passphrase_env"),
    "kms": ("key_id", "region", "endpoint_url"),
    "ledger": ("path",),
    "safe": ("owner", "service_url"),
}
"""The keys of a [[wallets]] table by its kind; the first of them must be there."""


class JobTable(TomlTable):
    """A [[jobs]] table: one of ``asset`` and ``base``."""

    wallet: str
    """Name of a [[wallets]] table."""
    chain: str
    """Name of a chain's file."""
    asset: str | None = None
    """Symbol of a token of the chain."""
    base: str | None = None
    """A name of [policy.bases]."""


class BaseTable(TomlTable):
    """A [policy.bases] table: the fields of model.policy.Base."""

    unit: Literal["USD", "ETH", "SOL"]
    assets: Annotated[dict[str, Share], Field(min_length=1)]
    """Largest fraction of the wealth by symbol; the first asset is the one that amounts are counted in."""
    slippage_bps: Annotated[float, Field(ge=0, lt=10_000)] | None = None
    max_impact_bps: Annotated[float, Field(ge=0, lt=10_000)] | None = None
    max_apart_bps: Annotated[float, Field(gt=0, le=10_000)] | None = None
    max_depeg_bps: Annotated[float, Field(gt=0, le=10_000)] | None = None
    max_feed_age_seconds: Annotated[int, Field(gt=0)] | None = None
    deadline_seconds: Annotated[int, Field(gt=0, le=3600)] | None = None
    liquidity: bool | None = None


class PolicyTable(TomlTable):
    """[policy]: the fields of model.policy.Policy; a key that is not set keeps that class's default."""

    horizon_days: Annotated[float, Field(gt=0, le=3650)] | None = None
    idle_buffer: Money | None = None
    min_position: Money | None = None
    min_move: Money | None = None
    break_even_days: Positive | None = None
    max_share_market: Share | None = None
    max_share_protocol: dict[str, Share] | None = None
    max_share_markets: dict[str, Share] | None = None
    haircut_bps: dict[str, Annotated[float, Field(ge=0, le=10_000)]] | None = None
    exclude: list[str] | None = None
    max_utilisation_entry: Share | None = None
    min_liquidity_multiple: NotNegative | None = None
    max_exit_hours: NotNegative | None = None
    try_first: list[str] | None = None
    max_gas_share_of_gain: Share | None = None
    min_gain_share: Share | None = None
    plan_ttl_seconds: Annotated[int, Field(gt=0)] | None = None
    run_timeout_seconds: Annotated[int, Field(gt=0, le=604_800)] | None = None
    delta_tolerance_bps: Annotated[float, Field(ge=0, le=10_000)] | None = None
    auto_max_move: Money | None = None
    auto_max_total: Money | None = None
    limit_move: Money | None = None
    limit_day: Money | None = None
    limit_day_market: Money | None = None
    limit_day_chain: Money | None = None
    max_failures: Annotated[int, Field(gt=0)] | None = None
    failure_window_hours: Positive | None = None
    cooldown_hours: NotNegative | None = None
    stop_at_loss_bps: Annotated[float, Field(gt=0, le=10_000)] | None = None
    confidence: Annotated[float, Field(ge=0.5, lt=1)] | None = None
    max_depeg_bps: Annotated[float, Field(gt=0, lt=10_000)] | None = None
    max_feed_age_seconds: Annotated[int, Field(gt=0)] | None = None
    reward_haircut_bps: Annotated[float, Field(ge=0, le=10_000)] | None = None
    reward_haircut_tokens: dict[str, Annotated[float, Field(ge=0, le=10_000)]] | None = None
    min_claim: Claim | None = None
    sell_rewards: bool | None = None
    bases: dict[Name, BaseTable] | None = None


class SettingsTable(TomlTable):
    """yieldbot.toml (model.settings.Settings)."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    """Version of the file's format."""
    data_dir: FilePath = ".yieldbot"
    """Where the journal lies."""
    anvil: FilePath | None = None
    """Path of anvil."""
    descriptors: FilePath | None = None
    """Folder of ERC-7730 descriptors."""
    wallets: list[WalletTable] = []
    """Our accounts."""
    jobs: list[JobTable] = []
    """What is to be managed."""
    policy: PolicyTable = PolicyTable()
    """Limits and preferences."""


class NativeTable(TomlTable):
    """[native]: the chain's own token."""

    symbol: Name
    """Of the token."""
    feed: AddressText | None = None
    """Chainlink-style US dollar feed."""


class TokenTable(TomlTable):
    """A [tokens] table."""

    address: AddressText
    """Contract."""
    decimals: Annotated[int, Field(ge=0, le=36)]
    """Checked against the contract."""
    feed: AddressText | None = None
    """Chainlink-style US dollar feed."""
    pegged: bool = False
    """Pegged to the US dollar."""
    symbols: list[str] = []
    """What the contract may call itself beside the table's name."""


class SvmTokenTable(TomlTable):
    """A [tokens] table of a Solana cluster."""

    address: KeyText
    """Mint."""
    decimals: Annotated[int, Field(ge=0, le=18)]
    """Checked against the mint."""
    feed: KeyText | None = None
    """Pyth price account."""
    pegged: bool = False
    """Pegged to the US dollar."""


class SvmNativeTable(TomlTable):
    """[native]: SOL."""

    symbol: Name
    """Of the token."""
    feed: KeyText | None = None
    """Pyth price account."""


class ProtocolTable(BaseModel):
    """A [[protocols]] table; its other keys are the adapter's own, validated by the adapter's class."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    protocol: str
    name: Name
    """As tables show it."""
    assets: Annotated[list[str], Field(min_length=1)]
    """Symbols of tokens that may be held there."""


class ExchangeTable(BaseModel):
    """An [[exchanges]] or [[witnesses]] (price oracles) table; its other keys are the adapter's own."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True)

    protocol: str
    name: Name
    """As tables show it."""


class MerklTable(TomlTable):
    """[merkl]: where Merkl's rewards are read and claimed."""

    distributor: AddressText
    """The contract that pays rewards."""
    url: Annotated[str, AfterValidator(_endpoint)] = "https://api.merkl.xyz"
    """Merkl's API, which learns our address."""


class ChainTable(TomlTable):
    """chains/<name>.toml of an EVM chain (model.settings.ChainSettings)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    chain: Annotated[str, AfterValidator(_evm_chain)]
    rpc_env: EnvName
    multicall3: AddressText
    max_fee_gwei: Positive
    priority_fee_gwei: NotNegative = 0.1
    fee_kind: Literal["ethereum", "op-stack", "arbitrum"] = "ethereum"
    finality: Annotated[str | int, BeforeValidator(_finality)] = "latest"
    poll_seconds: Positive = 2.0
    confirm_timeout_seconds: Positive = 300.0
    replace_after_seconds: Positive = 60.0
    quorum: Annotated[int, Field(ge=1)] | None = None
    max_behind_blocks: Annotated[int, Field(ge=0)] = 5
    submit_rpc_env: EnvName | None = None
    submit_public: bool = False
    submit_to_all: bool = False
    safe_multisend: AddressText = SAFE_MULTISEND
    native: NativeTable
    tokens: dict[Name, TokenTable]
    protocols: list[ProtocolTable] = []
    exchanges: list[ExchangeTable] = []
    merkl: MerklTable | None = None


class SvmChainTable(TomlTable):
    """chains/<name>.toml of a Solana cluster (model.settings.ChainSettings, SvmLimits)."""

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
    chain: Annotated[str, AfterValidator(_svm_chain)]
    rpc_env: EnvName
    finality: Literal["confirmed", "finalized"] = "finalized"
    poll_seconds: Positive = 1.0
    confirm_timeout_seconds: Positive = 180.0
    quorum: Annotated[int, Field(ge=1)] | None = None
    submit_rpc_env: EnvName | None = None
    submit_public: bool = False
    submit_to_all: bool = False
    max_unit_price_micro_lamports: Annotated[int, Field(ge=0)] = 500_000
    max_fee_sol: Annotated[str, BeforeValidator(_sol)] = "0.001"
    keep_sol: Annotated[str, BeforeValidator(_sol)] = "0.02"
    max_slot_skew: Annotated[int, Field(ge=0)] = 16
    lookup_tables: list[KeyText] = []
    native: SvmNativeTable
    tokens: dict[Name, SvmTokenTable]
    protocols: list[ProtocolTable] = []
    exchanges: list[ExchangeTable] = []
    witnesses: list[ExchangeTable] = []
