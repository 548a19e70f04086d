"""Ethena's sUSDe: USDe that shares the rewards which are paid in and vest over eight hours; it leaves by a cooldown.

What vests is computed to the unit from the contract's state. What comes after it nobody has promised: at most the
income of the last ``lookback_blocks`` is expected to go on, and nothing where those blocks cannot be read. Sources:
StakedUSDe.sol and StakedUSDeV2.sol (ethena-labs/bbp-public-assets).
"""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.vesting import USUAL_SECONDS, Vesting, VestingCurve, share_worth_raw
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.keccak import keccak
from yieldbot.model.known import MULTICALL3
from yieldbot.model.market import Exit, ExitKind, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.protocols.evm import two_step_exits as _exits
from yieldbot.protocols.evm.abi import abi, checksum, label, short
from yieldbot.protocols.evm.share_calls import ShareCalls
from yieldbot.protocols.evm.vaults import FINE, LONGEST_SECONDS, SAMPLES, income_of, rates_of
from yieldbot.protocols.reads import ReadHandle, Reads

HEAD = ("asset", "decimals", "symbol")
OWN = ("vestingAmount", "lastDistributionTimestamp", "silo")
SLACK = 10**6
"""Two readings must agree to one part in this, and two base units."""
ROLES = ("SOFT_RESTRICTED_STAKER_ROLE", "FULL_RESTRICTED_STAKER_ROLE")
"""Accounts with the first may not deposit; those with the second may do nothing."""


class EthenaParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    staking: str
    """Address of sUSDe."""
    lookback_blocks: int = Field(default=7200, ge=0)
    """Blocks whose income is expected to go on after what vests now; 0: nothing is expected."""
    vesting_seconds: int = Field(default=USUAL_SECONDS, gt=0)
    """How long rewards vest; forks of the contract have times of their own."""


class Ethena(ShareCalls):
    """Stake USDe; the position is sUSDe."""

    protocol: ClassVar[str] = "ethena"
    params: ClassVar[type[BaseModel]] = EthenaParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        at, where = checksum(deployment.params["staking"]), deployment.params
        reads = Reads()
        head = {name: reads.add(abi("erc4626").read(at, name, optional=True)) for name in HEAD}
        own = {name: reads.add(abi("ethena").read(at, name, optional=True)) for name in OWN}
        yield from reads.made()
        if any(len(one.data) < 32 for one in (*head.values(), *own.values())):
            raise MarketError(f"{deployment.name}: {at} does not answer as Ethena's staking contract does")
        asset = abi("erc4626").one("asset", head["asset"].data)
        token = next((one for one in deployment.assets if one.address == asset), None)
        if token is None:
            raise MarketError(f"{deployment.name} stakes {asset}, which is not among its assets in chains/*.toml")
        symbol = label(head["symbol"].data) or short(at)
        params = {
            "symbol": symbol,
            "share_decimals": abi("erc4626").one("decimals", head["decimals"].data),
            "silo": abi("ethena").one("silo", own["silo"].data),
            "vesting_seconds": where.get("vesting_seconds", USUAL_SECONDS),
        }
        if where.get("lookback_blocks", 7200):
            params["lookback_blocks"] = where.get("lookback_blocks", 7200)
        return (
            Market(
                id=MarketId(f"ethena/{evm_number(deployment.chain)}/{at.lower()}"),
                protocol=self.protocol,
                kind=Kind.VAULT,
                chain=deployment.chain,
                name=f"{deployment.name} {symbol}",
                asset=token,
                address=at,
                params=params,
            ),
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        vault, erc20, codec, at = abi("erc4626"), abi("erc20"), abi("ethena"), market.address
        token, where, now = market.asset, market.params, block.timestamp
        reads = Reads()
        vesting = [reads.add(codec.read(at, name)) for name in OWN[:2]]
        balance, aside = (reads.add(erc20.read(token.address, "balanceOf", one)) for one in (at, where["silo"]))
        supply, ours = reads.add(vault.read(at, "totalSupply")), reads.add(erc20.read(at, "balanceOf", owner))
        stated = reads.add(codec.read(at, "getUnvestedAmount"))
        duration = reads.add(vault.read(at, "cooldownDuration"))
        mine = reads.group(_exits.request_reads({}, at, owner))
        barred = [reads.add(codec.read(at, "hasRole", _role(name), owner, optional=True)) for name in ROLES]
        past = _past_reads(reads, market)
        yield from reads.made()
        amount, paid_at = (codec.one(name, one.data) for name, one in zip(OWN[:2], vesting, strict=True))
        paid = Vesting(amount, paid_at, int(where["vesting_seconds"]))
        if paid.paid_at > now:
            raise MarketError(f"{market.name}: rewards of the time {paid.paid_at}, the block of {now}")
        there, out = erc20.one("balanceOf", balance.data), vault.one("totalSupply", supply.data)
        if (total := there - paid.unvested_raw(now)) < 0:
            raise MarketError(f"{market.name}: it holds {Amount(token, there)}, less than has yet to vest")
        shares, cooldown = erc20.one("balanceOf", ours.data), vault.one("cooldownDuration", duration.data)
        requests = _exits.exit_requests({}, mine.data, cooldown)
        gone = _exits.leaving({}, token, requests, (0, 0, 0), now, cooldown)
        inside = share_worth_raw(shares, total, out)
        held = inside + (gone.whole.raw if gone else 0)
        doubts = []
        theirs, unvested = codec.one("getUnvestedAmount", stated.data), there - total
        if abs(theirs - unvested) > unvested // SLACK + 2:
            doubts.append(f"{theirs} base units have yet to vest by its own count, {unvested} by ours")
        if (set_aside := erc20.one("balanceOf", aside.data)) < requests.assets:
            doubts.append(
                f"{Amount(token, requests.assets)} of ours cool down, {Amount(token, set_aside)} are set aside"
            )
        if not out:
            doubts.append("no share of it is out: whoever is first can be robbed by a gift to it")
        left = paid.seconds_left(now)
        trailing = _trailing(market, past, now, share_worth_raw(_probe(market), total, out), total)
        income = paid.raw_per_year / token.one if left else 0.0
        later = 0.0 if trailing is None else min(trailing, income) if left else trailing
        soft, full = (len(one.data) >= 32 and bool(codec.one("hasRole", one.data)) for one in barred)
        status = Status.PAUSED if full else Status.FROZEN if soft else Status.ACTIVE
        flags = {
            str(status): status is not Status.ACTIVE,
            "nothing-vests": not left,
            "later-income-unknown": trailing is None,
            f"cooldown {cooldown / 86_400:g} days": cooldown > 0,
        }
        others = max(0, total - inside) / token.one
        gas = leg_gas(self.protocol)
        way = Exit(cash=Amount(token, total))
        if cooldown:
            seconds = cooldown if cooldown <= LONGEST_SECONDS else None
            way = Exit(kind=ExitKind.COOLDOWN, seconds=seconds, cash=way.cash, limit="exits wait for a cooldown")
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held),
            shares=shares,
            share_token=Token(token.chain, at, where["symbol"], where["share_decimals"]),
            liquidity=Amount(token, total),
            capacity=None,
            supplied=Amount(token, total + held - inside),
            borrowed=None,
            status=status,
            curve=VestingCurve(others, income, float(left), later),
            quoted=Apr((income if left else later) / (total / token.one) if total else 0.0),
            pools=frozenset({market.id}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            doubts=tuple(doubts),
            exit=way,
            offered=Amount(token, 0) if cooldown else None,
            leaving=gone,
            index=(total + 1) / (out + 1),
        )

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        data, words = abi("erc4626").encode("deposit", amount.raw, owner), f"stake {amount} in {market.name}"
        given = Allowance(market.asset, market.address, amount.raw)
        return (EvmCall(market.address, data, 0, f"{words} for {short(owner)}", given),)

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market, vault = state.market, abi("erc4626")
        if state.exit.kind in _exits.TWO_STEPS:  # the next of its steps
            return _exits.collect(state, owner) or (() if state.leaving else _exits.request(state, amount, owner))
        first = _exits.collect(state, owner)  # set aside before the cooldown was abolished
        if amount is None:  # by shares, so that nothing is left behind
            data, what = vault.encode("redeem", state.shares, owner, owner), f"all ({state.inside})"
        else:
            data, what = vault.encode("withdraw", amount.raw, owner, owner), str(amount)
        call = EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}")
        return (*first, call) if state.shares else first

    def request_exit(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        return _exits.request(state, amount, owner)

    def collect_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        return _exits.collect(state, owner)

    def cancel_exit(self, state: MarketState, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        names = ("deposit", "withdraw", "redeem", "cooldownShares", "unstake")
        return {market.address: frozenset(map(abi("erc4626").selector, names))}


def _role(name: str) -> bytes:
    return bytes(keccak(name.encode()))


def _probe(market: Market) -> int:
    one: int = 10 ** market.params["share_decimals"]
    return FINE * one


def _past_reads(reads: Reads, market: Market) -> list[tuple[ReadHandle, ReadHandle, ReadHandle]]:
    """Price, total and time at the begin and in the middle of the lookback, oldest first."""
    vault, lag = abi("erc4626"), int(market.params.get("lookback_blocks", 0))
    if not lag:
        return []
    return [
        (
            reads.add(vault.read(market.address, "convertToAssets", _probe(market), optional=True, lag_blocks=blocks)),
            reads.add(vault.read(market.address, "totalAssets", optional=True, lag_blocks=blocks)),
            reads.add(vault.read(MULTICALL3, "getCurrentBlockTimestamp", optional=True, lag_blocks=blocks)),
        )
        for blocks in (max(1, lag * part // SAMPLES) for part in range(SAMPLES, 0, -1))
    ]


def _trailing(
    market: Market, past: list[tuple[ReadHandle, ReadHandle, ReadHandle]], now: int, price: int, total_raw: int
) -> float | None:
    """Whole tokens a year that all holders have earned over the lookback, the least of its parts; None: not known."""
    vault: Any = abi("erc4626")
    if not past or any(len(one.data) < 32 for row in past for one in row):
        return None
    rows: list[tuple[int, int, int]] = [
        (
            vault.one("getCurrentBlockTimestamp", time.data),
            vault.one("convertToAssets", then.data),
            vault.one("totalAssets", whole.data),
        )
        for then, whole, time in past
    ]
    rows.append((now, price, total_raw))
    try:
        rates_of([row[:2] for row in rows], market.name, int(market.params["lookback_blocks"]))
    except MarketError:
        return None
    return max(0.0, income_of(rows)) / market.asset.one


ADAPTER = Ethena()
