"""The tables of yieldbot.toml as pydantic models: exact types, no unknown key. Those of chains/*.toml are in
chain_schema.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from yieldbot.config.assistant import AssistantTable
from yieldbot.config.notices import NoticesTable, NotifyTable
from yieldbot.config.secrets import SecretTable
from yieldbot.config.serve import ServeTable
from yieldbot.config.toml_types import EnvName, FilePath, Name
from yieldbot.model.address import parse_address, parse_any, parse_key, parse_own
from yieldbot.model.alarm_limits import CODES
from yieldbot.model.families import SOLANA
from yieldbot.model.ids import hd_path
from yieldbot.model.numbers import fraction, plain
from yieldbot.model.policy import NEVER

SOL_DECIMALS = SOLANA.native_decimals


def _share(value: float) -> float:
    """A fraction of the wealth, 0 to 1."""
    if not 0 <= value <= 1:
        raise ValueError(f"{value:g} is no share of the wealth: write a fraction from 0 to 1, as 0.5 for 50 %")
    return value


def _money(value: Any) -> Any:
    """Whole tokens as decimal text. A TOML integer is exact and accepted; a TOML float is not and must be quoted."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise ValueError(f'{value!r} is not an amount: write whole tokens in quotes, as "100.50"')
    return plain(value, 'write whole tokens in quotes, as "100.50"')


def _claim(value: Any) -> Any:
    """Whole tokens as decimal text, or "never"."""
    return value if value == NEVER else _money(value)


def _sol(value: Any) -> Any:
    """SOL as decimal text, of 9 decimals at most."""
    text: str = _money(value)
    if len(fraction(text)) > SOL_DECIMALS:
        raise ValueError(f"{text!r} is finer than a lamport: write at most {SOL_DECIMALS} decimals")
    return text


def _path(value: str) -> str:
    """A BIP-32 path."""
    hd_path(value)
    return value


def _endpoint(value: str) -> str:
    """An http(s) URL without credentials."""
    if not value.startswith(("http://", "https://")) or "@" in value:
        raise ValueError("it is no address: write http:// or https://, host and port, and no credentials")
    return value


def _code(value: str) -> str:
    """A code of an alarm."""
    if value not in CODES:
        raise ValueError(f"{value!r} is no alarm: write one of {', '.join(CODES)}")
    return value


def _part(value: float) -> float:
    """A fraction above 0, up to 1."""
    if not 0 < value <= 1:
        raise ValueError(f"{value:g} is not a valid fraction: write one above 0 and up to 1, as 0.95 for 95 %")
    return value


AlarmCode = Annotated[str, AfterValidator(_code)]
Part = Annotated[float, AfterValidator(_part)]
BlackName = Annotated[str, Field(min_length=1, max_length=200)]
Share = Annotated[float, AfterValidator(_share)]
Money = Annotated[str, BeforeValidator(_money)]
Sol = Annotated[str, BeforeValidator(_sol)]
Claim = Annotated[str, BeforeValidator(_claim)]
AddressText = Annotated[str, AfterValidator(parse_address)]
KeyText = Annotated[str, AfterValidator(parse_key)]
OwnAddressText = Annotated[str, AfterValidator(parse_own)]
AnyAddressText = Annotated[str, AfterValidator(parse_any)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
UrlText = Annotated[str, AfterValidator(_endpoint)]


class TomlTable(BaseModel):
    """A TOML table: types are not converted and unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, defer_build=True)


class WalletTable(TomlTable):
    """A [[wallets]] table. OF_KIND lists the keys of each kind."""

    name: Name
    """The name that [[jobs]] tables use."""
    address: OwnAddressText
    """The account's address."""
    kind: Literal["keystore", "kms", "ledger", "safe"] = "keystore"
    """What holds its key: a keystore file, AWS KMS, a Ledger, or (a Safe) its owners."""
    keystore: FilePath | None = None
    """File with the encrypted key."""
    passphrase_file: FilePath | None = None
    """File with the keystore's passphrase."""
    passphrase_env: EnvName | None = None
    """Environment variable with the keystore's passphrase."""
    key_id: Annotated[str, Field(min_length=1)] | None = None
    """AWS KMS: id, ARN or alias/NAME of the key."""
    region: Annotated[str, Field(min_length=1)] | None = None
    """AWS KMS: the region."""
    endpoint_url: UrlText | None = None
    """AWS KMS: URL of another endpoint than Amazon's own."""
    path: Annotated[str, AfterValidator(_path)] | None = None
    """Ledger: BIP-32 path of the key."""
    owner: Name | None = None
    """Safe: name of the wallet that signs its proposals."""
    service_url: UrlText | None = None
    """Safe: URL of Safe's transaction service."""


OF_KIND = {
    "keystore": ("keystore", "passphrase_file", "passphrase_env"),
    "kms": ("key_id", "region", "endpoint_url"),
    "ledger": ("path",),
    "safe": ("owner", "service_url"),
}
"""Keys of a [[wallets]] table by its kind; the first one of each kind is required."""


class JobTable(TomlTable):
    """A [[jobs]] table; exactly one of ``asset`` and ``base`` is set."""

    wallet: str
    """Name of a [[wallets]] table."""
    chain: str
    """Name of a file in chains/."""
    asset: str | None = None
    """Symbol of a token of the chain."""
    base: str | None = None
    """Name of a [policy.bases] table."""


class BaseTable(TomlTable):
    """A [policy.bases.NAME] table (``model.policy.Base``). None: that class's default applies."""

    unit: Literal["USD", "ETH", "SOL"]
    """What its assets are held for: USD, ETH or SOL."""
    assets: Annotated[dict[str, Share], Field(min_length=1)]
    """Largest fraction of the wealth by symbol; amounts are counted in the first asset."""
    slippage_bps: Annotated[float, Field(ge=0, lt=10_000)] | None = None
    """Largest shortfall of a swap's output against its quote, in bp."""
    max_impact_bps: Annotated[float, Field(ge=0, lt=10_000)] | None = None
    """Largest shortfall of a swap's output against the best independent price, in bp."""
    max_apart_bps: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """How far independent prices may differ from each other, in bp."""
    max_depeg_bps: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """How far a pegged asset's price may be from its unit, in bp."""
    max_feed_age_seconds: Annotated[int, Field(gt=0)] | None = None
    """Largest age of a feed's price, in seconds."""
    deadline_seconds: Annotated[int, Field(gt=0, le=3600)] | None = None
    """Seconds within which a swap must be mined."""
    liquidity: bool | None = None
    """Whether plans may provide liquidity to pools of two of its assets."""


class AlarmsTable(TomlTable):
    """[policy.alarms]; ``model.alarm_limits.AlarmLimits`` documents the fields. None: its default applies."""

    off: list[AlarmCode] | None = None
    """Codes of alarms that are never raised."""
    stop_only: list[AlarmCode] | None = None
    """Codes of alarms that take no money back."""
    off_for: dict[str, list[AlarmCode]] | None = None
    """Codes that are off, by names of markets."""
    cooldown_hours: NotNegative | None = None
    collateral_cooldown_hours: NotNegative | None = None
    clear_readings: Annotated[int, Field(gt=0, le=1000)] | None = None
    utilisation: Part | None = None
    falling_utilisation: Part | None = None
    cash_fall: Part | None = None
    cash_exit_bps: NotNegative | None = None
    cash_multiple: NotNegative | None = None
    collateral_utilisation: Part | None = None
    collaterals: list[Annotated[str, Field(min_length=1), AfterValidator(str.upper)]] | None = None
    """Symbols of assets that count as collateral."""
    peg_stop_bps: Annotated[float, Field(gt=0, lt=10_000)] | None = None
    peg_leave_bps: Annotated[float, Field(gt=0, lt=10_000)] | None = None
    peg_hours: NotNegative | None = None
    peg_sources: Annotated[int, Field(ge=1, le=10)] | None = None
    share_price_fall_bps: Annotated[float, Field(gt=0, lt=10_000)] | None = None
    share_price_rise_bps: Annotated[float, Field(gt=0, le=1_000_000)] | None = None
    supply_jump: Positive | None = None
    tvl_fall: Part | None = None
    bad_debt_bps: Annotated[float, Field(gt=0, lt=10_000)] | None = None
    unserved_days: NotNegative | None = None
    oracle_off: NotNegative | None = None
    spike_of_mean: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    spike_of_peers: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = None
    spike_least: NotNegative | None = None


class PolicyTable(TomlTable):
    """[policy] (``model.policy.Policy``, which documents the fields in full). None: that class's default applies."""

    move_horizon_days: Annotated[float, Field(gt=0, le=3650)] | None = None
    enter_horizon_days: Annotated[float, Field(gt=0, le=3650)] | None = None
    horizon_days: Annotated[float, Field(gt=0, le=3650)] | None = None
    """Days over which costs are spread and yields are compared."""
    forecaster: str | None = None
    """Name of the forecaster whose rates decisions use."""
    risk_free: Annotated[str, Field(min_length=1, max_length=200)] | None = None
    """Id of the market or series of memory whose rate yields are compared with."""
    idle_buffer: Money | None = None
    """Whole tokens that stay in the wallet."""
    min_position: Money | None = None
    """Least holding in a market, in whole tokens."""
    min_move: Money | None = None
    """Least change of a holding, in whole tokens."""
    min_gain_bps: NotNegative | None = None
    """Least gain of a plan's moves a year, in bp of the wealth."""
    min_gain: Money | None = None
    """Least gain a year for each move of a plan, in whole tokens."""
    break_even_days: Positive | None = None
    """Days within which a plan must earn its cost."""
    max_share_market: Share | None = None
    """Largest fraction of the wealth in one market."""
    max_share_collateral: Share | None = None
    """Largest fraction of the wealth that one collateral backs, seen through all vaults in between."""
    max_share_protocol: dict[str, Share] | None = None
    """Largest fraction of the wealth by name: the limit of all markets with that name together."""
    max_share_markets: dict[str, Share] | None = None
    """Largest fraction of the wealth by name: the limit of each market with that name."""
    haircut_bps: dict[str, Annotated[float, Field(ge=0, le=10_000)]] | None = None
    """Expected loss by name, in bp a year."""
    exclude: list[str] | None = None
    """Names of markets that get no new money."""
    min_safety: Annotated[int, Field(ge=0, le=100)] | None = None
    """Safety grade (0 to 100) below which a market gets no new money."""
    max_expected_loss_bps: NotNegative | None = None
    """Expected loss a year, in bp, above which a market gets no new money."""
    blacklist: list[BlackName] | None = None
    """Names, symbols and addresses that are no longer trusted: money leaves any market that is one of them or is backed
    by one."""
    alarms: AlarmsTable | None = None
    """Thresholds of alarms."""
    max_utilisation_entry: Share | None = None
    """Utilisation above which a market gets no new money."""
    min_liquidity_multiple: NotNegative | None = None
    """A market's cash must be at least this multiple of our holding."""
    max_exit_hours: NotNegative | None = None
    """Longest exit of a market that may get new money, in hours."""
    by_request: list[str] | None = None
    """Names of markets whose requests somebody else serves, and that may get new money all the same."""
    try_first: list[str] | None = None
    """Names of markets whose first deposit begins with a trial."""
    max_gas_share_of_gain: Share | None = None
    """Largest cost of a plan, as a fraction of its gain over the horizon."""
    min_gain_share: Share | None = None
    """Fraction of the approved gain that must remain when the plan is executed."""
    plan_ttl_seconds: Annotated[int, Field(gt=0)] | None = None
    """Seconds after which a plan expires."""
    run_timeout_seconds: Annotated[int, Field(gt=0, le=604_800)] | None = None
    """Seconds after which a run is stopped."""
    delta_tolerance_bps: Annotated[float, Field(ge=0, le=10_000)] | None = None
    """How far balance changes may differ from the simulation, in bp."""
    auto_max_move: Money | None = None
    """Largest move that is approved without a person, in whole tokens."""
    auto_max_total: Money | None = None
    """Largest sum of a plan's moves that is approved without a person, in whole tokens."""
    approvals_needed: Annotated[int, Field(ge=0, le=20)] | None = None
    """How many persons must sign a plan; 0: one person at the terminal approves."""
    limit_move: Money | None = None
    """Most that goes into a market in one move, in whole tokens."""
    limit_day: Money | None = None
    """Most that goes into all markets in 24 hours, in whole tokens."""
    limit_day_market: Money | None = None
    """Most that goes into one market in 24 hours, in whole tokens."""
    limit_day_chain: Money | None = None
    """Most that goes into one chain's markets in 24 hours, in whole tokens."""
    max_failures: Annotated[int, Field(gt=0)] | None = None
    """Number of failed plans after which nothing is planned."""
    failure_window_hours: Positive | None = None
    """Hours for which a failed plan counts."""
    cooldown_hours: NotNegative | None = None
    """Hours for which a market gets no new money after a withdrawal or revert there."""
    stop_at_loss_bps: Annotated[float, Field(gt=0, le=10_000)] | None = None
    """Loss of a holding, in bp, at which nothing more is planned."""
    confidence: Annotated[float, Field(ge=0.5, lt=1)] | None = None
    """Confidence level at which the net yield of liquidity must hold."""
    max_depeg_bps: Annotated[float, Field(gt=0, lt=10_000)] | None = None
    """How far a pegged token's price may be from one dollar, in bp."""
    max_feed_age_seconds: Annotated[int, Field(gt=0)] | None = None
    """Largest age of a feed's price, in seconds."""
    reward_haircut_bps: Annotated[float, Field(ge=0, le=10_000)] | None = None
    """Deduction from a reward's value, in bp."""
    reward_haircut_tokens: dict[str, Annotated[float, Field(ge=0, le=10_000)]] | None = None
    """Deduction from a reward's value by the reward token's symbol, in bp."""
    min_claim: Claim | None = None
    """Least value of a claim after haircut and gas, in whole tokens; or "never"."""
    sell_rewards: bool | None = None
    """Whether claimed rewards are swapped into the asset."""
    exit_min_price_bps: Annotated[float, Field(ge=0, lt=10_000)] | None = None
    """How far below one dollar, in bp, a pegged asset may be sold after an exit."""
    auto_exit: bool | None = None
    """Whether exits into our own wallet are approved without a person."""
    bases: dict[Name, BaseTable] | None = None
    """Units that several assets are held for, by the name that jobs use."""


class WatchTable(TomlTable):
    """Addresses that the watch follows."""

    addresses: Annotated[list[AnyAddressText], Field(max_length=200)] = []
    """Addresses whose deposits and withdrawals in our markets are reported, however small."""


class SettingsTable(TomlTable):
    """yieldbot.toml (``model.settings.Settings``)."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    """Version of the file's format."""
    data_dir: FilePath = ".yieldbot"
    """Folder of the journal, the lock and the logs."""
    anvil: FilePath | None = None
    """Path of the anvil program; None: it is looked up."""
    descriptors: FilePath | None = None
    """Folder of ERC-7730 descriptors."""
    signer: FilePath | None = None
    """Socket of the signer that `serve` hands plans to."""
    wallets: list[WalletTable] = []
    """Our accounts."""
    jobs: list[JobTable] = []
    """The jobs: each a wallet, a chain, and an asset or base."""
    policy: PolicyTable = PolicyTable.model_construct()
    """Limits and preferences."""
    watch: WatchTable = WatchTable.model_construct()
    """What the watch follows."""
    notices: Annotated[list[NoticesTable], Field(max_length=20)] = []
    """Where notices go."""
    secrets: Annotated[dict[EnvName, SecretTable], Field(max_length=100)] = {}
    """Values of variables that come from a command or a file of their own."""
    notify: NotifyTable = NotifyTable.model_construct()
    """When summaries are made."""
    serve: ServeTable = ServeTable.model_construct()
    """What a server does, and when."""
    assistant: AssistantTable = AssistantTable.model_construct()
    """The assistant."""


class SecretsFile(TomlTable):
    """The [secrets] tables of a yieldbot.toml alone."""

    secrets: Annotated[dict[EnvName, SecretTable], Field(max_length=100)]
    """Values of variables."""


class PolicyFile(TomlTable):
    """A file that contains only a policy."""

    policy: PolicyTable
    """Limits and preferences."""
