"""Transactions. Each stage's type proves that the stage before it ran."""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, ChainId, MarketId


@dataclass(frozen=True, slots=True)
class Onward:
    """Whom Permit2 lets spend our token in its turn."""

    spender: Address
    """Who."""
    expires_at: int
    """Unix seconds of the chain."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """An exact ERC-20 allowance that a call consumes in full."""

    token: Token
    """Of what."""
    spender: Address
    """For whom."""
    raw: int
    """Base units."""
    onward: Onward | None = None
    """Where the spender is Permit2: to whom it is to give an allowance of exactly the same, which the call consumes
    too."""


@dataclass(frozen=True, slots=True)
class EvmCall:
    """One call to be made by our account."""

    to: Address
    """Contract."""
    data: bytes
    """Calldata."""
    value: int
    """Wei."""
    description: str
    """What it does, for the person who approves."""
    allowance: Allowance | None = None
    """That it consumes; None: none."""
    least: Amount | None = None
    """Minimum out by its own bytes (a swap); None for any other."""


@dataclass(frozen=True, slots=True)
class SvmMeta:
    """One account that an instruction names."""

    address: Address
    """Which account."""
    signer: bool = False
    """It signs."""
    writable: bool = False
    """The instruction may change it."""


@dataclass(frozen=True, slots=True)
class SvmInstruction:
    """One instruction of a Solana transaction of ours."""

    program: Address
    """That runs it."""
    accounts: tuple[SvmMeta, ...]
    """It names, in order."""
    data: bytes
    """Its bytes."""
    description: str
    """What it does, for the person who approves; empty for one that only serves the next (a refresh)."""


Call = EvmCall | SvmInstruction


@dataclass(frozen=True, slots=True)
class UnsignedTx:
    """An EIP-1559 transaction before signing, with the leg that it belongs to."""

    chain: ChainId
    """Where."""
    sender: Address
    """Our account."""
    to: Address
    """Contract."""
    data: bytes
    """Calldata."""
    value: int
    """Wei."""
    nonce: int
    """Of our account."""
    gas: int
    """Limit."""
    max_fee_wei: int
    """Highest price of one gas."""
    priority_fee_wei: int
    """Highest tip for one gas."""
    description: str
    """What it does, for the person who approves."""
    plan_id: str
    """Of the plan or order that it belongs to."""
    leg: int
    """Index of the leg in the plan."""
    market_id: MarketId
    """The leg's."""


@dataclass(frozen=True, slots=True)
class Delta:
    """How a balance of ours changes."""

    token: Token
    """Of what; the chain's native token for value without the fee."""
    raw: int
    """Base units."""
    least: int | None = None
    """Of a predicted change the least that is right too, where prices move it until it is mined (a swap's output);
    None: it must be as predicted, within tolerance."""


@dataclass(frozen=True, slots=True)
class RollupFee:
    """What a rollup charges a transaction for its L1 data."""

    l1_wei: int = 0
    """OP stack: wei beside the gas."""
    operator_wei: int = 0
    """OP stack: wei beside the gas, for the whole gas limit."""
    l1_gas: int = 0
    """Arbitrum: units of gas, inside the gas limit."""

    @property
    def wei(self) -> int:
        """Wei that are paid beside the gas."""
        return self.l1_wei + self.operator_wei

    def __add__(self, other: RollupFee) -> RollupFee:
        l1_wei, operator_wei = self.l1_wei + other.l1_wei, self.operator_wei + other.operator_wei
        return RollupFee(l1_wei, operator_wei, self.l1_gas + other.l1_gas)

    @property
    def document(self) -> dict[str, str | int]:
        """Its part of JSON documents."""
        return {"l1_fee_wei": str(self.l1_wei), "operator_fee_wei": str(self.operator_wei), "l1_gas": self.l1_gas}

    def words(self, native: Token) -> tuple[str, ...]:
        """What is paid apart from the gas of the EVM; none where nothing is. native: the chain's own coin."""
        parts = [f"{self.l1_gas:,} gas more for data on L1"] if self.l1_gas else []
        parts += [f"{Amount(native, self.l1_wei)} beside the gas for data on L1"] if self.l1_wei else []
        parts += [f"an operator's fee of at most {Amount(native, self.operator_wei)}"] if self.operator_wei else []
        return tuple(parts)


NO_ROLLUP_FEE = RollupFee()


@dataclass(frozen=True, slots=True)
class SimulatedTx:
    """Proof that the unsigned transaction ran on a fork."""

    tx: UnsignedTx
    """Which."""
    block: BlockRef
    """The fork's."""
    gas_used: int
    """On the fork."""
    deltas: tuple[Delta, ...]
    """Our balance changes there."""
    given: frozenset[str] | None = None
    """What its events say of ours was given away (``execution/deltas.given``); None where that was not examined."""
    rollup: RollupFee = NO_ROLLUP_FEE
    """The fee for its L1 data, which no fork charges."""


@dataclass(frozen=True, slots=True)
class ApprovedTx:
    """A simulated transaction that policy and approver accepted."""

    simulated: SimulatedTx
    """Which."""
    digest: bytes
    """keccak-256 of the bytes to be signed."""
    approver: str
    """Who."""
    expires_at: int
    """Unix seconds."""


@dataclass(frozen=True, slots=True)
class SignedTx:
    """Signed bytes, ready for the journal and then the network."""

    approved: ApprovedTx
    """What was signed."""
    raw: bytes
    """The bytes."""
    hash: str
    """0x-prefixed transaction hash."""


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Mined with success."""

    hash: str
    """Of the transaction."""
    block: BlockRef
    """It is in."""
    gas_used: int
    """By it."""
    gas_price_wei: int
    """Wei paid for one gas."""
    deltas: tuple[Delta, ...]
    """As the chain shows them."""
    fee_raw: int | None = None
    """Total fee in the native token's base units, a rollup's L1 fee included; None in records of older versions."""
    request_id: int | None = None
    """Of the request that it made of a vault (EIP-7540); None where that is 0 or there is none."""


@dataclass(frozen=True, slots=True)
class Reverted:
    """Mined without success: it did nothing, and cost its fee all the same."""

    hash: str
    """Of the transaction."""
    block: BlockRef
    """It is in."""
    gas_used: int
    """By it."""
    reason: str
    """Why, in one line."""
    fee_raw: int | None = None
    """As of ``Confirmed``."""


@dataclass(frozen=True, slots=True)
class Expired:
    """Never mined, and no longer possible or awaited: its approval has ended and its nonce was cancelled, or its nonce
    lies beyond what the chain has reached."""

    hash: str
    """Of the transaction."""
    reason: str
    """Why, in one line."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another transaction took the nonce."""

    hash: str
    """Of this transaction."""
    by: str | None
    """Hash of the other one; None: not known."""


Outcome = Confirmed | Reverted | Expired | Replaced
