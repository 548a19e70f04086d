"""Maple's pools (syrupUSDC, syrupUSDT): deposits are lent to institutions; exits are requests that are served in turn.

Income is what the loan managers of loans without an end accrue by the second; money in other strategies counts as
earning nothing. Assets of a served request are paid into the wallet, so that nothing has to be collected, except for
accounts that Maple serves by hand. Sources: maple-labs/pool-v2 (MaplePool.sol, MaplePoolManager.sol),
withdrawal-manager-queue (MapleWithdrawalManager.sol), and LoanManager.sol of ``OpenTermLoan``.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.curves import DilutedCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import ExitKind, Kind, Leaving, Market, MarketState, Status
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.tx import EvmCall
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.doubts import in_vault
from yieldbot.protocols.evm import maple
from yieldbot.protocols.evm.abi import abi, checksum, label, selector_of, short
from yieldbot.protocols.evm.share_calls import ShareCalls
from yieldbot.protocols.reads import ReadHandle, Reads

HEAD = ("asset", "decimals", "symbol")
MOST_STRATEGIES = 16
"""Most strategies of one pool that are read; money in further ones counts as earning nothing."""
PRECISION = 10**27
"""Scale of a loan manager's issuance rate (LoanManager.sol, PRECISION)."""
MOST_RATE_RAW = 10**60
"""An issuance rate above this is not believed."""
DEPOSIT, REQUEST = b"P:deposit".ljust(32, b"\0"), b"P:requestRedeem".ljust(32, b"\0")
"""Names by which a pool asks its manager whether a call is allowed."""
HEADROOM_SECONDS = 3600
"""An hour of interest, which counts against the cap, is deducted from its headroom."""
FULL = 10_000
"""Headroom below one part in this of the supply is flagged."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""


class MapleParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    pools: list[str] = Field(min_length=1)
    """Addresses of the pools."""


class Maple(ShareCalls):
    """Deposit to a pool; the position is its shares, and what is requested."""

    protocol: ClassVar[str] = "maple"
    params: ClassVar[type[BaseModel]] = MapleParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        codec, reads = abi("maple"), Reads()
        rows = []
        for at in map(checksum, deployment.params["pools"]):
            head = {name: reads.add(abi("erc4626").read(at, name, optional=True)) for name in HEAD}
            rows.append((at, head, reads.add(codec.read(at, "manager", optional=True))))
        yield from reads.made()
        reads, found = Reads(), []
        for at, head, manager in rows:
            if any(len(one.data) < 32 for one in (*head.values(), manager)):
                raise MarketError(f"{deployment.name}: {at} does not answer as a pool of Maple's does")
            behind = codec.one("manager", manager.data)
            exits = reads.add(codec.read(behind, "withdrawalManager", optional=True))
            places = range(MOST_STRATEGIES)
            listed = reads.group(codec.read(behind, "strategyList", place, optional=True) for place in places)
            found.append((at, head, behind, exits, listed))
        yield from reads.made()
        markets = []
        for at, head, behind, exits, listed in found:
            asset = abi("erc4626").one("asset", head["asset"].data)
            token = next((one for one in deployment.assets if one.address == asset), None)
            if token is None:
                raise MarketError(f"{deployment.name}: {at} holds {asset}, which is not among its assets")
            symbol = label(head["symbol"].data) or short(at)
            params: dict[str, Any] = {
                "manager": behind,
                "symbol": symbol,
                "share_decimals": abi("erc4626").one("decimals", head["decimals"].data),
                "exits": codec.one("withdrawalManager", exits.data) if len(exits.data) >= 32 else "",
                "strategies": tuple(codec.one("strategyList", one) for one in listed.data if len(one) >= 32),
            }
            markets.append(
                Market(
                    id=MarketId(f"maple/{evm_number(deployment.chain)}/{at.lower()}"),
                    protocol=self.protocol,
                    kind=Kind.VAULT,
                    chain=deployment.chain,
                    name=f"{deployment.name} {symbol}",
                    asset=token,
                    address=at,
                    params=params,
                )
            )
        return tuple(markets)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        codec, erc20, where, token, at = abi("maple"), abi("erc20"), market.params, market.asset, market.address
        if not where["exits"]:
            raise MarketError(f"{market.name} names no manager of withdrawals")
        manager, exits, reads = where["manager"], where["exits"], Reads()
        supply, ours = reads.add(abi("erc4626").read(at, "totalSupply")), reads.add(erc20.read(at, "balanceOf", owner))
        cash = reads.add(erc20.read(token.address, "balanceOf", at))
        total, losses, cap, active = (
            reads.add(codec.read(manager, name))
            for name in ("totalAssets", "unrealizedLosses", "liquidityCap", "active")
        )
        asked = (1).to_bytes(32, "big") + bytes(12) + bytes.fromhex(owner[2:])
        may = [reads.add(codec.read(manager, "canCall", name, owner, asked)) for name in (DEPOSIT, REQUEST)]
        queue = [reads.add(EthCall(exits, selector_of(view), optional=True)) for view in maple.EXIT_VIEWS]
        mine, by_hand = (
            reads.add(codec.read(exits, name, owner, optional=True)) for name in ("requestIds", "manualSharesAvailable")
        )
        lent = [_strategy_reads(reads, one) for one in where["strategies"]]
        yield from reads.made()
        whole, gone = codec.one("totalAssets", total.data), codec.one("unrealizedLosses", losses.data)
        out, shares = abi("erc4626").one("totalSupply", supply.data), erc20.one("balanceOf", ours.data)
        there, left = erc20.one("balanceOf", cash.data), max(0, whole - gone)

        def worth(raw: int) -> int:
            return raw * left // out if out else 0

        number = codec.one("requestIds", mine.data) if len(mine.data) >= 32 else 0
        waiting = 0
        if number:
            (answer,) = yield [codec.read(exits, "requests", number)]
            waiting = codec.decode("requests", answer)[1]
        ready = codec.one("manualSharesAvailable", by_hand.data) if len(by_hand.data) >= 32 else 0
        way = maple.exit_of(
            [one.data for one in queue],
            lambda raw: Amount(token, worth(raw)),
            Amount(token, min(there, left)),
            block.timestamp,
        )
        if way is None or way.seconds is not None:
            raise MarketError(f"{market.name}: its exits are not served in turn, and no other kind is known here")
        leaving = _leaving(token, worth(waiting), worth(ready), waiting, ready)
        incomes = [_income(*one) for one in lent]
        income = sum(one or 0 for one in incomes) * SECONDS_PER_YEAR / PRECISION / token.one
        others = max(0, whole - shares * whole // out if out else 0) / token.one
        room = max(
            0,
            codec.one("liquidityCap", cap.data)
            - whole
            - int(income * token.one * HEADROOM_SECONDS / SECONDS_PER_YEAR)
            - 1,
        )
        words = [codec.decode("canCall", one.data) for one in may]
        closed = not codec.one("active", active.data) or (not words[0][0] and "CAP" not in words[0][1])
        status = Status.PAUSED if not words[1][0] else Status.FROZEN if closed else Status.ACTIVE
        doubts = [f"{Amount(token, gone)} of losses are not written off: new money would share them"] if gone else []
        doubts += in_vault(sum(codec.one("assetsUnderManagement", one[2].data) for one in lent) + there, whole, token)
        held = worth(shares) + (leaving.whole.raw if leaving else 0)
        flags = {
            "at-cap": room <= whole // FULL,
            str(status): status is not Status.ACTIVE,
            f"it allows us nothing new: {label(words[0][1].encode()[:24].ljust(32, b' ')) or 'closed'}": closed,
            "thin-liquidity": there * THIN < left,
            "income-partly-unknown": None in incomes,
        }
        gas = leg_gas(self.protocol)
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held),
            shares=shares,
            share_token=Token(token.chain, at, where["symbol"], where["share_decimals"]),
            liquidity=Amount(token, min(there, left)),
            capacity=Amount(token, room),
            supplied=Amount(token, left),
            borrowed=None,
            status=status,
            curve=DilutedCurve(others, income),
            quoted=Apr(income / (whole / token.one) if whole else 0.0),
            pools=frozenset({market.id}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            doubts=tuple(doubts),
            exit=replace(way, kind=ExitKind.REQUEST),
            offered=Amount(token, 0),
            leaving=leaving,
            index=left / out if out else 1.0,
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        return self.collect_exit(state, owner) or (() if state.leaving else self.request_exit(state, amount, owner))

    def request_exit(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market, inside = state.market, state.inside
        shares = state.shares if amount is None or amount >= inside else state.shares * amount.raw // max(1, inside.raw)
        if not shares or (state.leaving is not None and state.leaving.requested):  # one request at a time
            return ()
        what = f"all ({inside})" if shares == state.shares else str(amount)
        data = abi("maple").encode("requestRedeem", shares, owner)
        return (EvmCall(market.address, data, 0, f"ask for {what} in {market.name} for {short(owner)}"),)

    def collect_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        market, gone = state.market, state.leaving
        if gone is None or not gone.ready_shares:
            return ()
        data = abi("erc4626").encode("redeem", gone.ready_shares, owner, owner)
        return (EvmCall(market.address, data, 0, f"collect {gone.ready} from {market.name} to {short(owner)}"),)

    def cancel_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        market, gone = state.market, state.leaving
        if gone is None or not gone.requested_shares:
            return ()
        data = abi("maple").encode("removeShares", gone.requested_shares, owner)
        words = f"call {gone.requested} back that were asked for in {market.name} for {short(owner)}"
        return (EvmCall(market.address, data, 0, words),)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        own = {abi("maple").selector(name) for name in ("requestRedeem", "removeShares")}
        return {market.address: frozenset({*map(abi("erc4626").selector, ("deposit", "redeem")), *own})}


def _strategy_reads(reads: Reads, strategy: Address) -> tuple[ReadHandle, ReadHandle, ReadHandle]:
    codec = abi("maple")
    rate, end = (reads.add(codec.read(strategy, name, optional=True)) for name in ("issuanceRate", "domainEnd"))
    return rate, end, reads.add(codec.read(strategy, "assetsUnderManagement"))


def _income(rate: ReadHandle, end: ReadHandle, held: ReadHandle) -> int | None:
    """Base units a second (scaled by PRECISION) that a strategy accrues; None: it has money, and its income is not
    known: no loan manager, or one of loans with an end."""
    codec = abi("maple")
    if (
        len(rate.data) >= 32
        and len(end.data) < 32
        and (found := int(codec.one("issuanceRate", rate.data))) < MOST_RATE_RAW
    ):
        return found
    return None if codec.one("assetsUnderManagement", held.data) else 0


def _leaving(token: Token, asked: int, ready: int, asked_shares: int, ready_shares: int) -> Leaving | None:
    if not (asked_shares or ready_shares):
        return None
    return Leaving(
        requested=Amount(token, asked),
        ready=Amount(token, ready),
        back=Amount(token, 0),
        ready_shares=ready_shares,
        requested_shares=asked_shares,
        cancels=asked_shares > 0,
    )


ADAPTER = Maple()
