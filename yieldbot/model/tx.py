"""Transactions. Each stage's type proves that the stage before it ran."""

from __future__ import annotations

from dataclasses import dataclass

from yieldbot.model.amounts import Amount, BlockRef, Token
from yieldbot.model.ids import Address, ChainId, MarketId


@dataclass(frozen=True, slots=True)
class Onward:
    """Whom Permit2 lets take our token in its turn, and until when (unix seconds, the chain's)."""

    spender: Address
    expires_at: int


@dataclass(frozen=True, slots=True)
class Allowance:
    """An exact ERC-20 allowance that a call consumes in full. onward: where its spender is Permit2, to whom that is to
    give an allowance of exactly the same, which the call consumes too."""

    token: Token
    spender: Address
    raw: int
    onward: Onward | None = None


@dataclass(frozen=True, slots=True)
class EvmCall:
    """One call to be made by our account."""

    to: Address
    data: bytes
    value: int
    """Wei sent along."""
    description: str
    """What the call does, for the person who approves."""
    allowance: Allowance | None = None
    """The allowance that the call consumes in full; None where it takes no token of ours."""
    least: Amount | None = None
    """A swap's minimum out, as written into the call's own bytes; None for any other call."""


@dataclass(frozen=True, slots=True)
class SvmMeta:
    """One account that an instruction names."""

    address: Address
    signer: bool = False
    writable: bool = False


@dataclass(frozen=True, slots=True)
class SvmInstruction:
    """One instruction of a Solana transaction of ours."""

    program: Address
    accounts: tuple[SvmMeta, ...]
    data: bytes
    description: str
    """What it does, for the person who approves; empty for one that only serves the next (a refresh)."""


Call = EvmCall | SvmInstruction


@dataclass(frozen=True, slots=True)
class UnsignedTx:
    """An EIP-1559 transaction before signing, with the leg it belongs to. ``leg``: its index in the plan."""

    chain: ChainId
    sender: Address
    to: Address
    data: bytes
    value: int
    nonce: int
    gas: int
    max_fee_wei: int
    priority_fee_wei: int
    description: str
    plan_id: str
    leg: int
    market_id: MarketId


@dataclass(frozen=True, slots=True)
class Delta:
    """How a balance of ours changes: raw base units of token (the chain's native token for gas-less value).

    least: of a predicted change the least that is right too, where prices move it until it is mined (what a swap
    brings); None: it must be as predicted, within tolerance.
    """

    token: Token
    raw: int
    least: int | None = None


@dataclass(frozen=True, slots=True)
class RollupFee:
    """What a transaction pays for its data on L1. OP stack, in wei and beside the gas: ``l1_wei``, and ``operator_wei``
    for its whole gas limit. Arbitrum, in units and inside the gas: ``l1_gas``."""

    l1_wei: int = 0
    operator_wei: int = 0
    l1_gas: int = 0

    @property
    def wei(self) -> int:
        """Beside the gas."""
        return self.l1_wei + self.operator_wei

    def __add__(self, other: RollupFee) -> RollupFee:
        l1_wei, operator_wei = self.l1_wei + other.l1_wei, self.operator_wei + other.operator_wei
        return RollupFee(l1_wei, operator_wei, self.l1_gas + other.l1_gas)

    @property
    def document(self) -> dict[str, str | int]:
        """Its place in JSON documents."""
        return {"l1_fee_wei": str(self.l1_wei), "operator_fee_wei": str(self.operator_wei), "l1_gas": self.l1_gas}

    def words(self, native: Token) -> tuple[str, ...]:
        """What is paid apart from the gas of the EVM; none where nothing is. native: the chain's own coin."""
        said = [f"{self.l1_gas:,} gas more for data on L1"] if self.l1_gas else []
        said += [f"{Amount(native, self.l1_wei)} beside the gas for data on L1"] if self.l1_wei else []
        said += [f"an operator's fee of at most {Amount(native, self.operator_wei)}"] if self.operator_wei else []
        return tuple(said)


NO_ROLLUP_FEE = RollupFee()


@dataclass(frozen=True, slots=True)
class SimulatedTx:
    """Proof that the unsigned transaction ran on a fork at ``block``: gas it used and our balance changes there.

    given: what its events said of ours was given away (``execution/balances.given``), None where nobody looked. rollup:
    what it pays for its data on L1, which no fork charges.
    """

    tx: UnsignedTx
    block: BlockRef
    gas_used: int
    deltas: tuple[Delta, ...]
    given: frozenset[str] | None = None
    rollup: RollupFee = NO_ROLLUP_FEE


@dataclass(frozen=True, slots=True)
class ApprovedTx:
    """A simulated transaction that policy and approver accepted. digest: keccak-256 of the bytes to be signed."""

    simulated: SimulatedTx
    digest: bytes
    approver: str
    expires_at: int


@dataclass(frozen=True, slots=True)
class SignedTx:
    """Signed bytes, ready for the journal and then the network. hash: 0x-prefixed transaction hash."""

    approved: ApprovedTx
    raw: bytes
    hash: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """Mined with success; deltas as the chain shows them.

    fee_raw: what it cost in the native token's base units, a rollup's fee for its L1 data included; None in rows of
    older programs. request_id: the number of the request that it made of a vault (EIP-7540), None where it is 0 or
    there is none.
    """

    hash: str
    block: BlockRef
    gas_used: int
    gas_price_wei: int
    deltas: tuple[Delta, ...]
    fee_raw: int | None = None
    request_id: int | None = None


@dataclass(frozen=True, slots=True)
class Reverted:
    """Mined without success: it did nothing, and cost its fee all the same (``fee_raw``: see ``Confirmed``)."""

    hash: str
    block: BlockRef
    gas_used: int
    reason: str
    fee_raw: int | None = None


@dataclass(frozen=True, slots=True)
class Expired:
    """Never mined: its approval has ended and its nonce was cancelled, so that it can no longer be; or its nonce lies
    beyond what the chain has reached, and it is no longer waited for."""

    hash: str
    reason: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """Another transaction took the nonce."""

    hash: str
    by: str | None


Outcome = Confirmed | Reverted | Expired | Replaced


@dataclass(frozen=True, slots=True)
class BalanceCheck:
    """Amounts of ours in one token before and after, for comparison of simulated and real."""

    token: Token
    before: Amount
    after: Amount
