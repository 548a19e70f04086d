"""Morpho Blue: supply to single markets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError
from yieldbot.math.curves import AdaptiveCurve
from yieldbot.math.morpho import TARGET_UTILISATION, YEAR, MarketTotals, accrue, assets_down, assets_up, borrow_rate
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.glance import MANY, Glance
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import EthCall, Flow
from yieldbot.model.rewards import Reward
from yieldbot.model.tx import Allowance, EvmCall
from yieldbot.model.units import WAD
from yieldbot.protocols.doubts import in_vault
from yieldbot.protocols.evm.abi import abi, checksum, explain, label, short
from yieldbot.protocols.evm.doubts import feed_reads, feeds_of, feeds_reads, oracle_read, unpriced
from yieldbot.protocols.evm.morpho_slots import stored_markets
from yieldbot.protocols.reads import Reads

THIN = 20
"""Liquidity below one part in this of the supply is flagged."""


class MorphoParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    morpho: str
    """Morpho Blue's address."""
    irm: str
    """The AdaptiveCurveIrm that all markets must have."""
    markets: list[str]
    """Market ids: 0x and 64 hex digits."""


@dataclass(frozen=True, slots=True)
class BlueMarket:
    """One market, accrued to a block."""

    totals: MarketTotals
    """Supply and debt."""
    rate_at_target: int
    """Borrow rate at target utilisation, per second, scaled by 1e18."""

    @property
    def utilisation(self) -> float:
        return self.totals.borrow_assets / self.totals.supply_assets if self.totals.supply_assets else 0.0

    @property
    def liquidity_raw(self) -> int:
        return self.totals.supply_assets - self.totals.borrow_assets

    def worth(self, shares: int) -> int:
        """Base units of the asset for supply shares, rounded down."""
        return assets_down(shares, self.totals.supply_assets, self.totals.supply_shares)

    def worth_up(self, shares: int) -> int:
        """Base units of the asset for supply shares, rounded up."""
        return assets_up(shares, self.totals.supply_assets, self.totals.supply_shares)

    def curve(self, token: Token, held_raw: int) -> AdaptiveCurve:
        """The market's rate as a function of our whole holding, of which ``held_raw`` is in it already."""
        return AdaptiveCurve(
            others=(self.totals.supply_assets - held_raw) / token.one,
            borrowed=self.totals.borrow_assets / token.one,
            fee=self.totals.fee / WAD,
            rate_at_target=self.rate_at_target * YEAR / WAD,
        )

    def flags(self) -> dict[str, bool]:
        """What may be unusual about the market, and whether it is."""
        totals = self.totals
        return {
            "above-kink": totals.borrow_assets * WAD > TARGET_UTILISATION * totals.supply_assets,
            "thin-liquidity": self.liquidity_raw * THIN < totals.supply_assets,
        }

    def quoted(self) -> Apr:
        """The present supply rate."""
        rate, _ = borrow_rate(self.totals, self.rate_at_target, self.totals.last_update)
        return Apr(rate * YEAR / WAD * self.utilisation * (1 - self.totals.fee / WAD))


def blue_reads(morpho: Address, irm: Address, market_id: bytes) -> list[EthCall]:
    """The reads that ``blue_market`` decodes."""
    blue = abi("morpho_blue")
    return [blue.read(morpho, "market", market_id), blue.read(irm, "rateAtTarget", market_id)]


def blue_market(answers: Sequence[bytes], now: int) -> BlueMarket:
    """The market at ``now`` (unix seconds), with interest accrued as the next transaction would."""
    blue = abi("morpho_blue")
    supply, shares, borrow, borrow_shares, updated, fee = blue.decode("market", answers[0])
    totals = MarketTotals(supply, shares, borrow, borrow_shares, updated, fee)
    return BlueMarket(*accrue(totals, blue.one("rateAtTarget", answers[1]), now))


class MorphoBlue:
    """Supply to a Morpho Blue market; the position is shares inside Morpho."""

    protocol: ClassVar[str] = "morpho_blue"
    params: ClassVar[type[BaseModel]] = MorphoParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        blue, where = abi("morpho_blue"), deployment.params
        morpho, irm = checksum(where["morpho"]), checksum(where["irm"])
        ids = [bytes.fromhex(text.removeprefix("0x")) for text in where["markets"]]
        answers = yield [blue.read(morpho, "idToMarketParams", market_id) for market_id in ids]
        if len(ids) > MANY:  # what only a full reading needs is read with it
            parts = (blue.decode("idToMarketParams", answer) for answer in answers)
            rows = zip(ids, parts, strict=True)
            return tuple(_market(deployment, morpho, irm, market_id, part, b"", None) for market_id, part in rows)
        reads = Reads()
        found = []
        for market_id, answer in zip(ids, answers, strict=True):
            part = blue.decode("idToMarketParams", answer)
            symbol = reads.add(abi("erc20").read(checksum(part[1]), "symbol", optional=True))
            found.append((market_id, part, symbol, reads.group(feeds_reads(checksum(part[2])))))
        yield from reads.made()
        return tuple(
            _market(deployment, morpho, irm, market_id, part, symbol.data, feeds_of(feeds.data))
            for market_id, part, symbol, feeds in found
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        if "unfit" in market.params:
            raise MarketError(market.params["unfit"])
        if "feeds" not in market.params:
            market = yield from _completed(market)
        blue, token = abi("morpho_blue"), market.asset
        market_id = bytes.fromhex(market.params["id"])
        oracle, feeds = market.params["oracle"], market.params["feeds"]
        reads = Reads()
        position = reads.add(blue.read(market.address, "position", market_id, owner))
        lies = reads.add(abi("erc20").read(token.address, "balanceOf", market.address))
        price = reads.add(oracle_read(oracle))
        stored = reads.group(blue_reads(market.address, market.params["irm"], market_id))
        rounds = reads.group(feed_reads(feeds))
        yield from reads.made()
        found = blue_market(stored.data, block.timestamp)
        shares = blue.decode("position", position.data)[0]
        held_raw = found.worth(shares)
        supplied = found.totals.supply_assets
        doubts = in_vault(found.liquidity_raw, abi("erc20").one("balanceOf", lies.data), token)
        if int(market.params["collateral"], 16) and (
            why := unpriced(oracle, price.data, feeds, rounds.data, block.timestamp)
        ):
            doubts = (*doubts, why)
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held_raw),
            shares=shares,
            share_token=None,
            liquidity=Amount(token, found.liquidity_raw),
            capacity=None,
            supplied=Amount(token, supplied),
            borrowed=Amount(token, found.totals.borrow_assets),
            status=Status.ACTIVE,
            curve=found.curve(token, held_raw),
            quoted=found.quoted(),
            pools=frozenset({market.id}),
            gas_deposit=leg_gas("morpho_blue").deposit,
            gas_withdraw=leg_gas("morpho_blue").withdraw,
            flags=(*(flag for flag, is_set in found.flags().items() if is_set), *doubts),
            doubts=doubts,
            exit=Exit(cash=Amount(token, found.liquidity_raw)),
            index=found.totals.share_price,
        )

    def glance(self, markets: Sequence[Market], owner: Address, block: BlockRef) -> Flow[tuple[Glance, ...]]:
        """The ceiling is the market's own curve. Its rate rises with utilisation, which only falls as we deposit."""
        known = [market for market in markets if "unfit" not in market.params]
        if not known:
            yield ()
            return ()
        ids = [bytes.fromhex(market.params["id"]) for market in known]
        stored = yield from stored_markets(known[0].address, known[0].params["irm"], ids, owner)
        glances = []
        for market, one in zip(known, stored, strict=True):
            found = BlueMarket(*accrue(one.totals, one.rate_at_target, block.timestamp))
            glances.append(
                Glance(
                    market=market,
                    block=block,
                    held=Amount(market.asset, found.worth_up(one.shares)),
                    supplied=Amount(market.asset, found.totals.supply_assets),
                    borrowed=Amount(market.asset, found.totals.borrow_assets),
                    cash=Amount(market.asset, found.liquidity_raw),
                    capacity=None,
                    quoted=found.quoted(),
                    ceiling=found.curve(market.asset, 0),
                    gas_deposit=leg_gas("morpho_blue").deposit,
                    gas_withdraw=leg_gas("morpho_blue").withdraw,
                    flags=tuple(flag for flag, is_set in found.flags().items() if is_set),
                )
            )
        return tuple(glances)

    def deposit(self, state: MarketState, amount: Amount, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        return (
            EvmCall(
                to=market.address,
                data=abi("morpho_blue").encode("supply", _params(market), amount.raw, 0, owner, b""),
                value=0,
                description=f"supply {amount} to {market.name} for {short(owner)}",
                allowance=Allowance(market.asset, market.address, amount.raw),
            ),
        )

    def withdraw(self, state: MarketState, amount: Amount | None, owner: Address) -> tuple[EvmCall, ...]:
        market = state.market
        assets, shares = (0, state.shares) if amount is None else (amount.raw, 0)
        what = f"all ({state.held})" if amount is None else str(amount)
        data = abi("morpho_blue").encode("withdraw", _params(market), assets, shares, owner, owner)
        return (EvmCall(market.address, data, 0, f"withdraw {what} from {market.name} to {short(owner)}"),)

    def claim(self, state: MarketState, reward: Reward, owner: Address) -> tuple[EvmCall, ...]:
        return ()

    def claim_targets(self, market: Market, reward: Reward) -> dict[Address, frozenset[bytes]]:
        return {}

    def explain_revert(self, data: bytes) -> str | None:
        return explain("morpho_blue", data)

    def spenders(self, market: Market) -> tuple[Address, ...]:
        return (market.address,)

    def targets(self, market: Market) -> dict[Address, frozenset[bytes]]:
        blue = abi("morpho_blue")
        return {market.address: frozenset({blue.selector("supply"), blue.selector("withdraw")})}


def _market(
    deployment: Deployment,
    morpho: Address,
    irm: Address,
    market_id: bytes,
    terms: tuple[Any, ...],
    symbol: bytes,
    feeds: tuple[Address, ...] | None,
) -> Market:
    """One market of the list. The fault of an unusable one is kept in its params, and quarantines only this market when
    it is observed. feeds: None until it is read in full, in a long list."""
    loan, collateral, oracle, its_irm = (checksum(address) for address in terms[:4])
    name, key = f"{deployment.name} {short('0x' + market_id.hex())}", f"0x{market_id.hex()}"
    params: dict[str, object] = {"loan": loan, "collateral": collateral, "oracle": oracle, "irm": its_irm}
    if feeds is not None:
        params["feeds"] = feeds
    params |= {"lltv": terms[4], "id": market_id.hex()}
    token = next((t for t in deployment.assets if t.address == loan), None)
    if int(loan, 16) == 0:
        params["unfit"] = f"{morpho} has no market {key}"
    elif token is None:
        params["unfit"] = f"market {key} lends {loan}, which is not among {deployment.name}'s assets in chains/*.toml"
    elif its_irm != irm:
        params["unfit"] = f"market {key} follows the rate model {its_irm}, not {irm}"
    if against := label(symbol):
        name = _name(deployment.name, against, terms[4])
    return Market(
        id=MarketId(f"morpho_blue/{evm_number(deployment.chain)}/{key}"),
        protocol=MorphoBlue.protocol,
        kind=Kind.LENDING,
        chain=deployment.chain,
        name=name,
        asset=token or deployment.assets[0],
        address=morpho,
        params=params,
    )


def _completed(market: Market) -> Flow[Market]:
    """A market of a long list with what its full reading needs: the collateral's symbol and the oracle's feeds."""
    where, reads = market.params, Reads()
    symbol = reads.add(abi("erc20").read(where["collateral"], "symbol", optional=True))
    feeds = reads.group(feeds_reads(where["oracle"]))
    yield from reads.made()
    against = label(symbol.data)
    name = _name(market.deployment, against, where["lltv"]) if against else market.name
    return replace(market, name=name, params={**where, "feeds": feeds_of(feeds.data)})


def _name(deployment: str, against: str, lltv: int) -> str:
    return f"{deployment} {against} {lltv * 100 / WAD:g} %"


def _params(market: Market) -> tuple[Any, ...]:
    where = market.params
    return where["loan"], where["collateral"], where["oracle"], where["irm"], where["lltv"]


ADAPTER = MorphoBlue()
