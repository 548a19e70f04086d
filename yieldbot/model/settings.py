"""Wallets, chains and jobs: frozen values of validated configuration. Parsing is in config/."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from pathlib import Path

from yieldbot.model.amounts import Token
from yieldbot.model.assistance import Assistance
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.discovery import Registry
from yieldbot.model.families import Family, family_of, family_of_address
from yieldbot.model.ids import Address, ChainId
from yieldbot.model.notices import Channel, NoticeTimes
from yieldbot.model.policy import Base, Policy
from yieldbot.model.timing import Serving

SAFE_MULTISEND = Address("0x9641d764fc13c8B624c04430C7356C1C7C8102e2")
"""Canonical address of MultiSendCallOnly 1.4.1 (safe-deployments)."""


class FeeKind(StrEnum):
    """The kind of rollup that a chain is, by what transactions pay in addition to the EVM's gas."""

    ETHEREUM = "ethereum"
    """Nothing is paid in addition to the EVM's gas."""
    OP_STACK = "op-stack"
    """A fee for L1 data and an operator fee, both charged in addition to the gas and not part of the gas limit."""
    ARBITRUM = "arbitrum"
    """L1 data is charged as gas, which only the chain's own node can estimate."""
    MANTLE = "mantle"
    """The OP stack's two fees, of which the oracle states the one for L1 data in ether, and gas is paid in MNT."""
    SCROLL = "scroll"
    """A fee for L1 data in addition to the gas, by the compressed length of the signed transaction."""
    LINEA = "linea"
    """L1 data is paid by the priority fee, whose least amount depends on the transaction's length and gas."""
    SONIC = "sonic"
    """A tenth of the gas that a limit leaves unused is charged as gas."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KmsKey:
    """A key in AWS KMS."""

    key_id: str
    """The key's id, ARN or alias/NAME."""
    region: str | None = None
    """The AWS region; None: that of the ARN, or of AWS's own settings."""
    endpoint_url: str | None = None
    """URL of another endpoint; None: Amazon's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerKey:
    """A key of a Ledger."""

    path: str
    """The key's BIP-32 path."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SafeOwner:
    """Marks a wallet that is a Safe, and names who signs for it."""

    wallet: str
    """Name of the wallet whose key is an owner of the Safe and signs its proposals."""
    service_url: str | None = None
    """URL of Safe's transaction service, which proposals are posted to; None: they are only written to data_dir."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wallet:
    """An account of ours. Its key is in a ``keystore`` or is ``held`` elsewhere; the other field is None.

    A keystore's passphrase comes from a file, an environment variable, or a prompt, in this order.
    """

    name: str
    """The name that jobs use."""
    address: Address
    """Its address, the same on all chains of its family."""
    keystore: Path | None = None
    """File with the encrypted key."""
    passphrase_file: Path | None = None
    """File with the keystore's passphrase."""
    passphrase_env: str | None = None
    """Environment variable with the keystore's passphrase."""
    held: KmsKey | LedgerKey | SafeOwner | None = None
    """What holds the key if no keystore does; None: a keystore does."""

    @property
    def family(self) -> Family:
        """The family of chains that its key is for."""
        return family_of_address(self.address)

    @property
    def kind(self) -> str:
        """The key ``kind`` in yieldbot.toml: keystore, kms, ledger or safe."""
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
    """Settings of a Solana cluster beyond those that every chain has."""

    max_unit_price_micro_lamports: int = 500_000
    """Highest bid for a compute unit."""
    max_fee_lamports: int = 1_000_000
    """Most that one transaction may pay, signature and priority fee together."""
    keep_lamports: int = 20_000_000
    """Lamports that are kept in the wallet for fees and rent."""
    max_slot_skew: int = 16
    """Slots that may lie between the accounts of one snapshot."""
    lookup_tables: tuple[Address, ...] = ()
    """Address lookup tables that transactions may use."""
    multisigs: tuple[Address, ...] = ()
    """Squads multisigs that may be the upgrade authority of a program, through one of their vaults."""
    durable_nonces: tuple[Address, ...] = ()
    """Durable nonce accounts that the watch reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merkl:
    """Where Merkl's rewards are read and claimed."""

    distributor: Address
    """The contract that pays Merkl's rewards."""
    url: str
    """Merkl's API, which learns our address."""


@dataclass(frozen=True, slots=True)
class GrowthSource:
    """Where a token's growth against another is read: what its own contract says one token is worth (a staked ether in
    ether), now and some time ago."""

    contract: Address
    """The contract that is asked."""
    call: str
    """The name of its function, one of ``config.chain_schema.GROWTH_CALLS``."""
    lookback_blocks: int
    """Blocks over which the growth is measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainSettings:
    """chains/<name>.toml, with the RPC addresses from the environment.

    Fees in gwei, multicall3, max_behind_blocks, replace_after_seconds, safe_multisend and fee_kind apply only to EVM
    chains, ``svm`` only to Solana. URLs are secrets (providers put keys into them); only their hosts are shown.
    """

    name: str
    """The file's name without .toml, which jobs use."""
    chain: ChainId
    """CAIP-2 id."""
    rpc_env: str
    """Environment variable with the RPC URLs."""
    rpc_urls: tuple[str, ...] = field(repr=False)
    """RPC URLs."""
    multicall3: Address
    """Address of Multicall3."""
    native_symbol: str
    """Symbol of the native token."""
    native_feed: Address | None
    """The native token's US dollar feed; None: there is none."""
    feeds: Mapping[Address, Address]
    """Price feeds by token address: Chainlink-style contracts, or Pyth price accounts. In US dollars, except those in
    ``feed_units``."""
    tokens: Mapping[str, Token]
    """Tokens by symbol."""
    deployments: tuple[Deployment, ...]
    """Lending, vault and stake pool protocols."""
    max_fee_gwei: float
    """Highest price of one gas, in gwei."""
    priority_fee_gwei: float = 0.1
    """Highest priority fee for one gas, in gwei."""
    finality: str | int = "latest"
    """latest, safe, finalized or a number of blocks; on Solana confirmed or finalized."""
    poll_seconds: float = 2.0
    """Pause between two polls for a transaction's inclusion, in seconds."""
    confirm_timeout_seconds: float = 300.0
    """Longest wait for a transaction, in seconds."""
    replace_after_seconds: float = 60.0
    """Seconds after which a pending transaction is replaced at higher fees."""
    quorum: int = 1
    """How many of ``rpc_urls`` must agree."""
    max_behind_blocks: int = 5
    """How many blocks an endpoint may lag."""
    submit_rpc_env: str | None = None
    """Environment variable with private endpoints; None: transactions go to ``rpc_urls``."""
    submit_urls: tuple[str, ...] = field(default=(), repr=False)
    """Private endpoints that signed transactions go to."""
    submit_public: bool = False
    """Whether ``rpc_urls`` get a transaction too when no private endpoint takes it."""
    submit_to_all: bool = False
    """Whether all endpoints get a transaction at once, instead of one after another."""
    safe_multisend: Address = SAFE_MULTISEND
    """Contract that batches a Safe's calls (MultiSendCallOnly)."""
    safe_service_url: str | None = field(default=None, repr=False)
    """URL of Safe's transaction service, from which the watch reads prepared transactions; None: it is not used."""
    exchanges: tuple[Deployment, ...] = ()
    """Exchanges where tokens can be swapped."""
    registries: tuple[Registry, ...] = ()
    """Contracts that list markets; what they list is shown and never paid (docs/discovery.md)."""
    price_oracles: tuple[Deployment, ...] = ()
    """Price oracles in addition to the feeds (Solana; ``[[witnesses]]``)."""
    feed_units: Mapping[Address, Address] = field(default_factory=dict)
    """By feed that counts in another token (ETH for one wstETH): that token's US dollar feed."""
    pegged: frozenset[Address] = frozenset()
    """Tokens that are pegged to the US dollar."""
    symbols: Mapping[Address, frozenset[str]] = field(default_factory=dict)
    """Symbols that each token's contract may return."""
    svm: SvmLimits | None = None
    """A Solana cluster's own limits; None for an EVM chain."""
    merkl: Merkl | None = None
    """Where Merkl's rewards are read and claimed; None: Merkl is not used."""
    fee_kind: FeeKind = FeeKind.ETHEREUM
    """The kind of rollup, which determines the fee for data on L1 in addition to gas."""
    growths: Mapping[Address, GrowthSource] = field(default_factory=dict)
    """By token that grows by itself (staked ether): where that is read."""

    @property
    def hubs(self) -> tuple[Token, ...]:
        """The tokens that most pools are made with, at most three: the file's first one that is pegged to the dollar,
        its first other one, and the one that has the native token's feed."""
        tokens = list(self.tokens.values())
        kinds = ([one for one in tokens if (one.address in self.pegged) is pegged] for pegged in (True, False))
        native = [one for one in tokens if self.native_feed and self.feeds.get(one.address) == self.native_feed]
        return tuple(dict.fromkeys(one for kind in (*kinds, native) for one in kind[:1]))

    unlisted: Mapping[str, str] = field(default_factory=dict)
    """Rows whose addresses no public package lists, and where each comes from."""

    @property
    def family(self) -> Family:
        return family_of(self.chain)

    @property
    def price_feeds(self) -> Mapping[Address, Address]:
        """Price feeds by token; the wrapped native token uses the native token's feed unless it names its own."""
        coin = self.family.wrapped_coin
        return self.feeds if coin is None or self.native_feed is None else {coin: self.native_feed, **self.feeds}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One wallet's one asset (or base) on one chain: the unit that is observed, decided and carried out."""

    wallet: Wallet
    """The wallet whose money is managed."""
    chain: ChainSettings
    """The chain."""
    asset: Token
    """The asset; of a base the first one, in which amounts are counted."""
    others: tuple[Token, ...] = ()
    """The base's further assets."""
    base: Base | None = None
    """The unit that several assets are held for; None: the job has one asset."""
    sale: Base | None = None
    """Bounds for selling rewards into one of the assets; None: rewards are kept."""

    @property
    def swaps(self) -> bool:
        """Whether the job ever swaps tokens."""
        return self.base is not None or self.sale is not None

    def bounds(self, given: Token) -> Base | None:
        """The price limits of a swap that sells ``given``: the base's for an asset, else those of reward sales; None:
        it may not be swapped."""
        return self.base if given in self.assets else self.sale

    @property
    def pegged(self) -> frozenset[Address]:
        """Tokens that are worth a dollar: those marked in the chain's file, and the assets of a base with unit USD."""
        of_base = self.assets if self.base is not None and self.base.unit == "USD" else ()
        return self.chain.pegged | {token.address for token in of_base}

    @property
    def assets(self) -> tuple[Token, ...]:
        """The asset, and a base's further ones."""
        return (self.asset, *self.others)

    @property
    def swap_ends(self) -> tuple[Token, ...]:
        """Tokens of which each pool of a swap has one: the assets; for sales of rewards also the chain's hubs, through
        which a reward is sold that has no pool with an asset. So the pools that are asked for grow with the number of
        tokens, not with its square."""
        return self.assets if self.sale is None else tuple(dict.fromkeys((*self.assets, *self.chain.hubs)))

    @property
    def title(self) -> str:
        """The asset's symbol, or all of a base's, for tables."""
        return self.asset.symbol if self.base is None else "+".join(token.symbol for token in self.assets)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that yieldbot.toml, .env and chains/*.toml configure."""

    source: Path
    """Path of yieldbot.toml, for messages."""
    data_dir: Path
    """Folder of the journal, the lock and the logs."""
    wallets: Mapping[str, Wallet]
    """Wallets by name."""
    chains: Mapping[str, ChainSettings]
    """Chains by name."""
    jobs: tuple[Job, ...]
    """Jobs in the order of the file."""
    policy: Policy
    """Limits and preferences."""
    follow: tuple[str, ...] = ()
    """Addresses whose deposits and withdrawals in our markets are reported."""
    anvil: Path | None = None
    """Path of anvil; None: it is looked up."""
    descriptors: Path | None = None
    """Folder of ERC-7730 descriptors; None: none."""
    signer: Path | None = None
    """Socket of the signer that `serve` hands plans to; None: there is none."""
    notices: tuple[Channel, ...] = ()
    """Channels of notices."""
    notice_times: NoticeTimes = field(default_factory=NoticeTimes)
    """When summaries are made, and after how long without a run that is reported."""
    serving: Serving = field(default_factory=Serving)
    """The times of a server's jobs."""
    assistance: Assistance = field(default_factory=Assistance)
    """The assistant's models, prices and budgets."""
    warnings: tuple[str, ...] = ()
    """What is odd or outdated in the files, a line each."""
