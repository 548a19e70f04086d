"""What the owner allows: wallets, chains, policy. Frozen values of validated configuration; parsing is in config/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.families import Family, family_of, family_of_address
from yieldbot.model.ids import Address, ChainId

SAFE_MULTISEND = Address("0x9641d764fc13c8B624c04430C7356C1C7C8102e2")
"""MultiSendCallOnly 1.4.1 at the address that Safe's own list of deployments calls canonical."""


class FeeKind(StrEnum):
    """What a chain's transactions pay beside the gas of its EVM."""

    ETHEREUM = "ethereum"  # nothing
    OP_STACK = "op-stack"  # a fee for their data on L1, and an operator fee: beside the gas, in no limit
    ARBITRUM = "arbitrum"  # their data on L1: inside the gas, which only the chain's own node can tell


NEVER = "never"
"""What ``min_claim`` says where no reward is to be claimed."""


TRY_FIRST = ("generic",)
"""Vaults that nobody can look into."""
MAX_DEPEG_BPS, MAX_FEED_AGE_SECONDS = 100.0, 90_000
"""A dollar is worth one within 1 %; a feed speaks once a day, and an hour late at most."""
RUN_TIMEOUT_SECONDS = 14_400
"""Four hours: a plan of a dozen transactions, each final on Ethereum before the next, is done by then."""
"""Pyth writes its sponsored accounts on Solana once a minute: one that is ten behind is not gone by, whatever is
set."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A unit that several assets of a chain may be held for.

    unit: USD, ETH or SOL; assets of USD must be worth a dollar. shares: by symbol the most of our wealth that may be in
    an asset's markets; the first is the one that amounts are counted in. slippage_bps: what a swap may bring less than
    was quoted; max_impact_bps: less than independent prices say, whatever was quoted; max_apart_bps: how far those may
    lie apart; max_depeg_bps, max_feed_age_seconds: the policy's, where the base has none of its own; deadline_seconds:
    within which a swap must be mined. liquidity: whether plans may provide liquidity in pools of two of its assets;
    confidence: the policy's, for what that yields.
    """

    unit: str
    shares: Mapping[str, float]
    slippage_bps: float = 10.0
    max_impact_bps: float = 30.0
    max_apart_bps: float = 50.0
    max_depeg_bps: float = MAX_DEPEG_BPS
    max_feed_age_seconds: int = MAX_FEED_AGE_SECONDS
    deadline_seconds: int = 600
    liquidity: bool = False
    confidence: float = 0.9


SALE = Base(unit="", shares={}, slippage_bps=50.0, max_impact_bps=100.0, max_apart_bps=200.0)
"""How rewards are sold: tokens that few trade, whose price moves more than a dollar's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Limits and preferences. Shares are fractions of wealth; money is in whole units of the asset, as decimal text
    parsed against the token when used; haircuts in bps a year by protocol or market id (the latter wins).
    max_exit_hours: a market whose way out takes longer gets no new money. try_first: flavours, protocols, names or ids
    of markets into which a hundredth goes first, of which half comes out again before the rest follows.
    min_gain_share: a plan is dropped when less than this share of the gain that was approved is left. limit_*: the most
    that goes into markets, in one move or in 24 hours; None for no limit. max_depeg_bps, max_feed_age_seconds: how far
    a pegged token's feed may be from one dollar, and how old, where tokens are swapped or new money goes into its
    markets. reward_haircut_bps: of a reward's value, for what its price does until it is sold and for the sale;
    reward_haircut_tokens: the same by symbol, which wins. min_claim: a claim is made when this much of the asset is
    left of it after haircut and gas; or NEVER. sell_rewards: whether what was claimed is swapped into the asset.
    bases: by the name that jobs use."""

    move_horizon_days: float = 7.0
    """Money that is invested moves where the move pays its cost within this time."""
    enter_horizon_days: float = 90.0
    """Idle money enters where that pays its cost within this time."""
    horizon_days: float | None = None
    """Both at once, as older files have it; None: the two above."""
    idle_buffer: str = "0"
    min_position: str = "0"
    min_move: str = "0"
    break_even_days: float | None = None
    """Bounds both horizons where it is less; None: they say when a cost must be paid."""
    max_share_market: float = 1.0
    max_share_protocol: Mapping[str, float] = field(default_factory=dict)
    max_share_markets: Mapping[str, float] = field(default_factory=dict)
    haircut_bps: Mapping[str, float] = field(default_factory=dict)
    exclude: tuple[str, ...] = ()
    max_utilisation_entry: float = 0.98
    min_liquidity_multiple: float = 1.0
    max_exit_hours: float = 0.0
    try_first: tuple[str, ...] = TRY_FIRST
    max_gas_share_of_gain: float = 1.0
    min_gain_share: float = 0.5
    plan_ttl_seconds: int = 3600
    run_timeout_seconds: int = RUN_TIMEOUT_SECONDS
    delta_tolerance_bps: float = 1.0
    auto_max_move: str = "0"
    auto_max_total: str = "0"
    limit_move: str | None = None
    limit_day: str | None = None
    limit_day_market: str | None = None
    limit_day_chain: str | None = None
    max_failures: int | None = None
    failure_window_hours: float = 24.0
    cooldown_hours: float = 0.0
    stop_at_loss_bps: float | None = None
    confidence: float = 0.9
    max_depeg_bps: float = MAX_DEPEG_BPS
    max_feed_age_seconds: int = MAX_FEED_AGE_SECONDS
    bases: Mapping[str, Base] = field(default_factory=dict)
    reward_haircut_bps: float = 2000.0
    reward_haircut_tokens: Mapping[str, float] = field(default_factory=dict)
    min_claim: str = "1"
    sell_rewards: bool = False

    @property
    def move_days(self) -> float:
        """Days within which a move of invested money pays its cost."""
        return _least(self.horizon_days or self.move_horizon_days, self.break_even_days)

    @property
    def enter_days(self) -> float:
        """Days within which idle money that enters pays its cost; never less than what moves has."""
        return _least(max(self.horizon_days or self.enter_horizon_days, self.mean_days), self.break_even_days)

    @property
    def mean_days(self) -> float:
        """Days over which rates are averaged."""
        return self.horizon_days or self.move_horizon_days

    @property
    def horizon_seconds(self) -> float:
        """The same in seconds."""
        return self.mean_days * 86_400


def _least(days: float, bound: float | None) -> float:
    """In days, above 0: what costs are divided by."""
    return max(1e-6, days if bound is None else min(days, bound))


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKey:
    """A key in AWS KMS. key_id: its id, ARN or alias/NAME; region: the ARN's, or AWS's own settings', when None."""

    key_id: str
    region: str | None = None
    endpoint_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerKey:
    """A key of a Ledger, by its BIP-32 path."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeOwner:
    """The wallet is a Safe; ``wallet``: the name of the one whose key is an owner of it and signs its proposals.
    service_url: Safe's transaction service, which proposals are posted to; None: they are only written down."""

    wallet: str
    service_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """A wallet, whose key lies in ``keystore``, or elsewhere (``held``); the other of the two is None.

    A keystore's passphrase comes from a file, an environment variable, or a prompt, in this order.
    """

    name: str
    address: Address
    keystore: Path | None = None
    passphrase_file: Path | None = None
    passphrase_env: str | None = None
    held: KmsKey | LedgerKey | SafeOwner | None = None

    @property
    def family(self) -> Family:
        """The chains that its key is for."""
        return family_of_address(self.address)

    @property
    def kind(self) -> str:
        """As ``kind`` in yieldbot.toml: keystore, kms, ledger or safe."""
        match self.held:
            case KmsKey():
                return "kms"
            case LedgerKey():
                return "ledger"
            case SafeOwner():
                return "safe"
            case None:
                return "keystore"


@dataclass(frozen=True, slots=True, kw_only=True)
class SvmLimits:
    """What chains/<name>.toml says of a Solana cluster beyond what every chain has.

    max_unit_price_micro_lamports: the most bid for a compute unit. max_fee_lamports: the most that one transaction may
    pay, signature and priority together. keep_lamports: SOL that never goes into a market, for fees and rent.
    max_slot_skew: slots that may lie between the accounts of one snapshot. lookup_tables: address lookup tables that
    transactions may use.
    """

    max_unit_price_micro_lamports: int = 500_000
    max_fee_lamports: int = 1_000_000
    keep_lamports: int = 20_000_000
    max_slot_skew: int = 16
    lookup_tables: tuple[Address, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Merkl:
    """Where Merkl's rewards are asked for and claimed. ``url``: its API, which learns our address."""

    distributor: Address
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSettings:
    """chains/<name>.toml and the RPC addresses from the environment. ``finality``: latest, safe, finalized or a depth.

    ``feeds``: Chainlink-style USD feeds by token address; ``native_feed``: the native token's. ``quorum``: how many of
    rpc_urls must agree; ``max_behind_blocks``: how far one of them may lag. submit_urls: private endpoints that signed
    bytes go to instead, with rpc_urls after them only if submit_public; submit_to_all: to all at once. URLs are secrets
    (providers put keys into them): shown only as their hosts. svm: a Solana cluster's own limits, None for an EVM
    chain, to which alone multicall3, fees in gwei, max_behind_blocks, replace_after_seconds and safe_multisend belong;
    finality of a cluster is ``confirmed`` or ``finalized``, and its feeds are Pyth's price accounts. exchanges: where
    tokens can be swapped; witnesses: who says on Solana what they are worth beside the feeds; pegged: tokens that are
    meant to be worth one US dollar; symbols: what each token's contract may call itself. merkl: None where nothing is
    asked of it. fee_kind: what a transaction pays beside the gas of its EVM.
    """

    name: str
    chain: ChainId
    rpc_env: str
    rpc_urls: tuple[str, ...] = field(repr=False)
    multicall3: Address
    native_symbol: str
    native_feed: Address | None
    feeds: Mapping[Address, Address]
    tokens: Mapping[str, Token]
    deployments: tuple[Deployment, ...]
    max_fee_gwei: float
    priority_fee_gwei: float = 0.1
    finality: str | int = "latest"
    poll_seconds: float = 2.0
    confirm_timeout_seconds: float = 300.0
    replace_after_seconds: float = 60.0
    quorum: int = 1
    max_behind_blocks: int = 5
    submit_rpc_env: str | None = None
    submit_urls: tuple[str, ...] = field(default=(), repr=False)
    submit_public: bool = False
    submit_to_all: bool = False
    safe_multisend: Address = SAFE_MULTISEND
    exchanges: tuple[Deployment, ...] = ()
    price_oracles: tuple[Deployment, ...] = ()
    pegged: frozenset[Address] = frozenset()
    symbols: Mapping[Address, frozenset[str]] = field(default_factory=dict)
    svm: SvmLimits | None = None
    merkl: Merkl | None = None
    fee_kind: FeeKind = FeeKind.ETHEREUM

    @property
    def family(self) -> Family:
        return family_of(self.chain)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One wallet's one asset on one chain: the unit that is observed, allocated and executed.

    base: the unit that several assets are held for, else None; then ``asset`` is its first one, which amounts are
    counted in, and ``others`` are the rest. sale: how rewards are sold, into one of the assets; None where they are
    kept.
    """

    wallet: Wallet
    chain: ChainSettings
    asset: Token
    others: tuple[Token, ...] = ()
    base: Base | None = None
    sale: Base | None = None

    @property
    def swaps(self) -> bool:
        return self.base is not None or self.sale is not None

    def bounds(self, given: Token) -> Base | None:
        """What bounds a swap of ``given``: the base where it is an asset, else how rewards are sold; None where it may
        not be swapped."""
        return self.base if given in self.assets else self.sale

    @property
    def assets(self) -> tuple[Token, ...]:
        return (self.asset, *self.others)

    @property
    def title(self) -> str:
        """What tables call it: its asset, or its base with all of them."""
        return self.asset.symbol if self.base is None else "+".join(token.symbol for token in self.assets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that yieldbot.toml, .env and chains/*.toml say. ``source``: yieldbot.toml's path, for messages.
    warnings: what is odd in them and binds nothing, a line each."""

    source: Path
    data_dir: Path
    wallets: Mapping[str, Wallet]
    chains: Mapping[str, ChainSettings]
    jobs: tuple[Job, ...]
    policy: Policy
    anvil: Path | None = None
    descriptors: Path | None = None
    warnings: tuple[str, ...] = ()
