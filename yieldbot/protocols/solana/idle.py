"""A Solana wallet itself as a market: earns nothing, accepts anything, pays at once."""

from __future__ import annotations

import struct
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError, ReadReverted
from yieldbot.model.amounts import Amount, BlockRef
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, MarketId, market_chain
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM, WRAPPED_SOL
from yieldbot.model.market import Kind, Market, MarketState
from yieldbot.model.reads import Flow, SvmAccount, SvmLamports
from yieldbot.model.tx import SvmInstruction
from yieldbot.protocols.idle import idle_state
from yieldbot.protocols.solana.layout import ata

AMOUNT_AT = 64
"""SPL Token's account: mint 0, owner 32, amount 64 (u64)."""
MINT_SUPPLY_AT, MINT_DECIMALS_AT = 36, 44
"""SPL Token's mint: authority 0, supply 36 (u64), decimals 44 (u8)."""


@dataclass(frozen=True, slots=True)
class Mint:
    """The contents of a mint's account."""

    program: Address
    """Its token program: SPL Token or Token-2022."""
    decimals: int
    """Decimals of its token."""
    supply_raw: int
    """The supply in base units; 0 for wrapped SOL, whose mint does not count it."""


def mint_of(address: Address) -> Flow[Mint]:
    """A mint, in one or two rounds. Raises MarketError where it is none."""
    program = TOKEN_PROGRAM
    try:
        (data,) = yield [SvmAccount(address, program)]
    except ReadReverted:
        program = TOKEN_2022_PROGRAM
        (data,) = yield [SvmAccount(address, program)]
    if len(data) <= MINT_DECIMALS_AT:
        raise MarketError(f"{address} is no mint")
    return Mint(program, data[MINT_DECIMALS_AT], struct.unpack_from("<Q", data, MINT_SUPPLY_AT)[0])


class IdleSvmParams(BaseModel):
    """The wallet has no table of its own."""

    model_config = ConfigDict(extra="forbid", defer_build=True)


class IdleSvm:
    """Tokens in the wallet; for SOL what exceeds ``keep_lamports``, wrapped SOL included."""

    protocol: ClassVar[str] = "idle"
    params: ClassVar[type[BaseModel]] = IdleSvmParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        markets = []
        for token in deployment.assets:
            mint = yield from mint_of(token.address)
            markets.append(
                Market(
                    MarketId(f"idle/{market_chain(token.chain)}/{token.address}"),
                    self.protocol,
                    Kind.IDLE,
                    token.chain,
                    deployment.name,
                    token,
                    token.address,
                    {"token_program": mint.program, "keep_lamports": deployment.params.get("keep_lamports", 0)},
                )
            )
        return tuple(markets)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        program = market.params["token_program"]
        account, lamports = yield [
            SvmAccount(ata(owner, market.asset.address, program), program, optional=True),
            SvmLamports(owner),
        ]
        raw = struct.unpack_from("<Q", account, AMOUNT_AT)[0] if account else 0
        if market.asset.address == WRAPPED_SOL:
            raw += max(0, int.from_bytes(lamports, "little") - market.params["keep_lamports"])
        return idle_state(market, block, Amount(market.asset, raw))

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[SvmInstruction, ...]:
        return ()

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[SvmInstruction, ...]:
        return ()

    def claim(self, state: MarketState, owner: Address) -> tuple[SvmInstruction, ...]:
        return ()

    def explain_error(self, program: Address, code: int) -> str | None:
        return None

    def tags(self, market: Market) -> dict[Address, frozenset[bytes]]:
        return {}


ADAPTER = IdleSvm()
