"""Transactions. Each stage's type proves that the stage before it ran."""

from __future__ import annotations

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address, ChainId, MarketId


@dataclass(frozen=True, slots=True)
class Onward:
    """The further allowance that Permit2 gives for our token."""

    spender: Address
    """Who may take the token through Permit2."""
    expires_at: int
    """Unix seconds of the chain at which that allowance ends."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """An exact ERC-20 allowance that a call consumes in full."""

    token: Token
    """The token."""
    spender: Address
    """Who may spend the token."""
    raw: int
    """How much, in base units."""
    onward: Onward | None = None
    """If the spender is Permit2: the allowance of the same amount that Permit2 gives, which the call also consumes;
    None: the spender is not Permit2."""


@dataclass(frozen=True, slots=True)
class EvmCall:
    """One call to be made by our account."""

    to: Address
    """The contract that is called."""
    data: bytes
    """Calldata."""
    value: int
    """Wei sent along."""
    description: str
    """What it does, for the person who approves."""
    allowance: Allowance | None = None
    """The allowance that it consumes; None: none."""
    least: Amount | None = None
    """Minimum out of a swap, by the calldata; None for other calls."""


@dataclass(frozen=True, slots=True)
class SvmMeta:
    """One account that an instruction names."""

    address: Address
    """The account's address."""
    signer: bool = False
    """Whether it must sign."""
    writable: bool = False
    """Whether the instruction may change it."""


@dataclass(frozen=True, slots=True)
class SvmInstruction:
    """One instruction of a Solana transaction of ours."""

    program: Address
    """The program that executes the instruction."""
    accounts: tuple[SvmMeta, ...]
    """The accounts that the instruction names, in order."""
    data: bytes
    """The instruction's data, as bytes."""
    description: str
    """What it does, for the person who approves; empty for an instruction that only prepares the next one (a
    refresh)."""


Call = EvmCall | SvmInstruction


@dataclass(frozen=True, slots=True)
class UnsignedTx:
    """An EIP-1559 transaction before signing, with the leg that it belongs to."""

    chain: ChainId
    """The chain that it is for."""
    sender: Address
    """Our account."""
    to: Address
    """The contract that is called."""
    data: bytes
    """Calldata."""
    value: int
    """Wei sent along."""
    nonce: int
    """Our account's nonce."""
    gas: int
    """Gas limit."""
    max_fee_wei: int
    """Highest price of one gas, in wei."""
    priority_fee_wei: int
    """Highest priority fee for one gas, in wei."""
    description: str
    """What it does, for the person who approves."""
    plan_id: str
    """The plan or order that it belongs to."""
    leg: int
    """Index of the leg in the plan."""
    market_id: MarketId
    """The leg's market."""


@dataclass(frozen=True, slots=True)
class Delta:
    """The change of one of our balances."""

    token: Token
    """The token; for native value (without the fee) the chain's native token."""
    raw: int
    """Base units; negative: they leave our account."""
    least: int | None = None
    """For a predicted change that prices may move until the transaction is mined (a swap's output): the least that is
    accepted; None: the change must be as predicted, within the tolerance."""


@dataclass(frozen=True, slots=True)
class RollupFee:
    """What a rollup charges a transaction for its L1 data."""

    l1_wei: int = 0
    """OP stack: wei for data on L1, in addition to the gas."""
    operator_wei: int = 0
    """OP stack: wei of the operator fee, in addition to the gas, for the whole gas limit."""
    l1_gas: int = 0
    """Arbitrum: units of gas, inside the gas limit."""

    @property
    def wei(self) -> int:
        """Wei that are paid in addition to the gas."""
        return self.l1_wei + self.operator_wei

    def __add__(self, other: RollupFee) -> RollupFee:
        l1_wei, operator_wei = self.l1_wei + other.l1_wei, self.operator_wei + other.operator_wei
        return RollupFee(l1_wei, operator_wei, self.l1_gas + other.l1_gas)

    @property
    def document(self) -> dict[str, str | int]:
        """The fee as a part of JSON documents."""
        return {"l1_fee_wei": str(self.l1_wei), "operator_fee_wei": str(self.operator_wei), "l1_gas": self.l1_gas}

    def words(self, native: Token) -> tuple[str, ...]:
        """What is paid in addition to the EVM's gas, a line each; none if nothing is. native: the chain's coin."""
        parts = [f"{self.l1_gas:,} gas more for data on L1"] if self.l1_gas else []
        parts += [f"{Amount(native, self.l1_wei)} beside the gas for data on L1"] if self.l1_wei else []
        parts += [f"an operator's fee of at most {Amount(native, self.operator_wei)}"] if self.operator_wei else []
        return tuple(parts)


NO_ROLLUP_FEE = RollupFee()


@dataclass(frozen=True, slots=True)
class SimulatedTx:
    """Proof that the unsigned transaction ran on a fork."""

    tx: UnsignedTx
    """The transaction."""
    block: BlockRef
    """The block that was forked."""
    gas_used: int
    """Gas used on the fork."""
    deltas: tuple[Delta, ...]
    """Our balance changes on the fork."""
    given: frozenset[str] | None = None
    """What we gave away according to its event logs (``balances.given``); None if they were not examined."""
    rollup: RollupFee = NO_ROLLUP_FEE
    """The fee for its L1 data, which no fork charges."""


@dataclass(frozen=True, slots=True)
class ApprovedTx:
    """A simulated transaction that policy and approver accepted."""

    simulated: SimulatedTx
    """The simulated transaction."""
    digest: bytes
    """keccak-256 of the bytes to be signed."""
    approver: str
    """Who approved it."""
    expires_at: int
    """Unix seconds of the chain from which it is no longer signed."""


@dataclass(frozen=True, slots=True)
class SignedTx:
    """Signed bytes, ready for the journal and then the network."""

    approved: ApprovedTx
    """What was signed."""
    raw: bytes
    """The signed transaction's bytes."""
    hash: str
    """0x-prefixed transaction hash."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The transaction was mined and succeeded."""

    hash: str
    """Its hash."""
    block: BlockRef
    """The block that contains it."""
    gas_used: int
    """Gas used."""
    gas_price_wei: int
    """Wei paid for one gas."""
    deltas: tuple[Delta, ...]
    """Our balance changes, read from the chain."""
    fee_raw: int | None = None
    """Total fee in the native token's base units, a rollup's L1 fee included; None in records of older versions."""
    request_id: int | None = None
    """Id of the vault request that it made (EIP-7540); None if it made none, or the id is 0."""


@dataclass(frozen=True, slots=True)
class Reverted:
    """The transaction was mined and reverted: it did nothing and cost its fee."""

    hash: str
    """Its hash."""
    block: BlockRef
    """The block that contains it."""
    gas_used: int
    """Gas used."""
    reason: str
    """Why, in one line."""
    fee_raw: int | None = None
    """As ``Confirmed.fee_raw``."""


@dataclass(frozen=True, slots=True)
class Expired:
    """The transaction was not mined, and either can no longer be mined or is no longer waited for: its approval has
    ended and its nonce was cancelled, or its nonce is beyond what the chain has reached."""

    hash: str
    """Its hash."""
    reason: str
    """Why, in one line."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another transaction used the nonce."""

    hash: str
    """Hash of this transaction."""
    by: str | None
    """Hash of the other transaction; None: not known."""


Outcome = Confirmed | Reverted | Expired | Replaced
