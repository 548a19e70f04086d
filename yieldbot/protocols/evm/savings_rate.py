"""Savings tokens whose owners state a rate by the second: Sky's sUSDS and sDAI, Spark Savings v2, and Spark's sUSDC,
which leads from USDC into sUSDS and back in one call (by Sky's LitePSM on Ethereum, by Spark's PSM3 on rollups).

All are ERC-4626. The rate does not fall with our deposit; what a holder may take out, and what still goes in, is what
the contract behind the exit holds. Sources: math/savings_rate.py; sparkdotfi/spark-vaults (UsdcVault.sol,
UsdcVaultL2.sol), spark-psm (PSM3.sol), makerdao/dss-lite-psm and usds-wrappers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from yieldbot.errors import MarketError
from yieldbot.math.savings_rate import RAY, PsmFees, StatedCurve, StatedRate
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import kind_of, leg_gas
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import WAD
from yieldbot.protocols.evm.abi import abi, checksum, explain, label, short
from yieldbot.protocols.evm.savings_forms import FORMS, OF_PSM, rate_reads, worth
from yieldbot.protocols.evm.share_calls import ShareCalls
from yieldbot.protocols.reads import ReadHandle, Reads

HEAD = ("asset", "decimals", "symbol")
NAMED = {
    "susds": ("usds",),
    "sdai": ("pot", "vat"),
    "spark": ("depositCap",),
    "susdc": ("psm", "susds"),
    "susdc_l2": ("psm", "susds"),
}
"""By flavour, views of the vault that show what it is."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
FULL = 10_000
"""Headroom below one part in this of the supply is flagged."""
PROBE = 10**30
"""Shares (base units) whose conversion by the vault is compared with ours."""
SLACK = 10**6
"""The two must agree to one part in this, and two base units."""
REVERTS = {
    "Dai/insufficient-balance": "at capacity: the PSM has no more DAI to give for USDC until somebody fills it",
    "SUsds/insufficient-balance": "at capacity: the PSM has no more sUSDS to give for USDC",
}


class SavingsParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    flavour: Literal["susds", "sdai", "spark", "susdc", "susdc_l2"]
    """Sky's sUSDS, sDAI, Spark Savings v2, Spark's sUSDC on Ethereum, and the one on rollups."""
    vaults: list[str] = Field(min_length=1)
    """Addresses of the vaults."""
    psm: str | None = None
    """Address of Sky's LitePSM (susdc) or of Spark's PSM3 (susdc_l2)."""

    @model_validator(mode="after")
    def _complete(self) -> SavingsParams:
        if (self.flavour in OF_PSM) != (self.psm is not None):
            raise ValueError(f"flavour {self.flavour} {'needs' if self.flavour in OF_PSM else 'takes no'} psm")
        return self


class SavingsRate(ShareCalls):
    """Deposit to a savings vault; the position is its shares."""

    protocol: ClassVar[str] = "savings_rate"
    params: ClassVar[type[BaseModel]] = SavingsParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        where, codec = deployment.params, abi("savings_rate")
        flavour = where["flavour"]
        reads, rows = Reads(), []
        for at in map(checksum, where["vaults"]):
            head = {name: reads.add(abi("erc4626").read(at, name, optional=True)) for name in HEAD}
            named = {name: reads.add(codec.read(at, name, optional=True)) for name in NAMED[flavour]}
            rows.append((at, head, named))
        psm = checksum(where["psm"]) if where.get("psm") else None
        behind = {name: reads.add(codec.read(psm, name, optional=True)) for name in OF_PSM.get(flavour, ()) if psm}
        yield from reads.made()
        found = [self._market(deployment, at, _words(head), _words(named), _words(behind)) for at, head, named in rows]
        if flavour == "susdc":
            found = yield from _with_wrapper(found)
        return tuple(found)

    def _market(
        self,
        deployment: Deployment,
        at: Address,
        head: Mapping[str, bytes],
        named: Mapping[str, bytes],
        behind: Mapping[str, bytes],
    ) -> Market:
        """One vault; a fault is kept as ``unfit``, and quarantines only this market when it is observed."""
        flavour = str(deployment.params["flavour"])
        token, symbol, params = deployment.assets[0], short(at), dict[str, Any](flavour=flavour)
        if any(len(head[name]) < 32 for name in HEAD) or any(
            len(word) < 32 for word in (*named.values(), *behind.values())
        ):
            params["unfit"] = f"{at} does not answer as a vault of the flavour {flavour} does"
        else:
            asset = abi("erc4626").one("asset", head["asset"])
            symbol = label(head["symbol"]) or symbol
            params |= {"symbol": symbol, "share_decimals": abi("erc4626").one("decimals", head["decimals"])}
            match = next((one for one in deployment.assets if one.address == asset), None)
            if match is None:
                params["unfit"] = f"{at} holds {asset}, which is not among {deployment.name}'s assets in chains/*.toml"
            else:
                token = match
                params |= _contracts(flavour, at, deployment.params.get("psm"), named, behind)
                if flavour in OF_PSM and params["usdc"] != asset:
                    params["unfit"] = f"{params['psm']} pays {params['usdc']}, {at} pays {asset}"
        return Market(
            id=MarketId(f"savings_rate/{evm_number(deployment.chain)}/{at.lower()}"),
            protocol=self.protocol,
            kind=Kind.VAULT,
            chain=deployment.chain,
            name=f"{deployment.name} {symbol}",
            asset=token,
            address=at,
            params=params,
        )

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token, codec, at = market.params, market.asset, abi("savings_rate"), market.address
        if "unfit" in where:
            raise MarketError(where["unfit"])
        reads = Reads()
        out = reads.add(codec.read(at, "totalSupply"))
        ours = reads.add(abi("erc20").read(at, "balanceOf", owner))
        own = reads.add(abi("erc4626").read(at, "convertToAssets", PROBE))
        stated = rate_reads(reads, where)
        finish = FORMS[where["flavour"]](reads, market)
        yield from reads.made()
        rate = StatedRate(*stated())
        if fault := rate.fault(block.timestamp):
            raise MarketError(f"{market.name}: {fault}")
        chi, shares = rate.chi_at(block.timestamp), abi("erc20").one("balanceOf", ours.data)
        supply = codec.one("totalSupply", out.data)
        seen = finish(rate, supply, chi, block.timestamp)
        free = PsmFees()
        held, total = worth(where, token, shares, chi, seen.fees), worth(where, token, supply, chi, free)
        theirs, computed = abi("erc4626").one("convertToAssets", own.data), worth(where, token, PROBE, chi, free)
        doubts = list(seen.doubts)
        if abs(theirs - computed) > computed // SLACK + 2:
            doubts.append(f"it converts {PROBE} shares to {theirs}, its rate gives {computed}")
        status = Status.PAUSED if seen.fees.tout > WAD else Status.FROZEN if seen.fees.tin >= WAD else Status.ACTIVE
        cash, cost = min(seen.cash_raw, total), seen.fees.round_trip if status is Status.ACTIVE else 0.0
        flags = {
            "at-cap": seen.room_raw is not None and seen.room_raw <= total // FULL,
            str(status): status is not Status.ACTIVE,
            "thin-liquidity": cash * THIN < total,
        }
        gas = leg_gas(kind_of(self.protocol, where))
        return MarketState(
            market=market,
            block=block,
            held=Amount(token, held),
            shares=shares,
            share_token=Token(token.chain, at, where["symbol"], where["share_decimals"]),
            liquidity=Amount(token, cash),
            capacity=None if seen.room_raw is None else Amount(token, seen.room_raw),
            supplied=Amount(token, total),
            borrowed=None,
            status=status,
            curve=StatedCurve(rate.apr, held / token.one, cost),
            quoted=Apr(rate.apr),
            pools=frozenset({market.id, f"savings_rate/{evm_number(market.chain)}/{where['source'].lower()}"}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *seen.flags, *doubts),
            entry_cost_bps=cost * 10_000,
            doubts=tuple(doubts),
            exit=Exit(cash=Amount(token, cash), limit=seen.limit),
            index=chi / RAY,
        )

    def explain_revert(self, data: bytes) -> str | None:
        message = explain("savings_rate", data)
        return REVERTS.get(message, message) if message is not None else None


def _words(handles: Mapping[str, ReadHandle]) -> dict[str, bytes]:
    return {name: handle.data for name, handle in handles.items()}


def _contracts(
    flavour: str, at: Address, psm: str | None, named: Mapping[str, bytes], behind: Mapping[str, bytes]
) -> dict[str, object]:
    """The contracts behind a vault, for ``Market.params``. ``source``: where the rate is stated."""
    codec = abi("savings_rate")
    said = {name: codec.one(name, word) for name, word in named.items() if name != "depositCap"}
    of_psm = {name: codec.one(name, word) for name, word in behind.items()}
    match flavour:
        case "sdai":
            return {"source": said["pot"], "vat": said["vat"]}
        case "susdc":
            found = {"psm": checksum(str(psm)), "wrapper": said["psm"], "source": said["susds"], "susds": said["susds"]}
            return {**found, "usdc": of_psm["gem"], "dai": of_psm["dai"], "pocket": of_psm["pocket"]}
        case "susdc_l2":
            if (said["psm"], said["susds"]) != (checksum(str(psm)), of_psm["susds"]):
                return {"unfit": f"{at} is not of the PSM {psm}", "psm": psm, "usdc": of_psm["usdc"]}
            parts = {name: of_psm[name] for name in ("usdc", "susds", "pocket", "owner")}
            return {**parts, "psm": checksum(str(psm)), "source": of_psm["rateProvider"]}
    return {"source": at}


def _with_wrapper(found: list[Market]) -> Flow[list[Market]]:
    """The vaults of sUSDC, those unfit whose wrapper is not of the LitePSM that the table names."""
    codec, reads = abi("savings_rate"), Reads()
    asked = [reads.add(codec.read(m.params["wrapper"], "psm", optional=True)) for m in found if "wrapper" in m.params]
    if not asked:
        return found
    yield from reads.made()
    answers = iter(asked)
    for market in found:
        if "wrapper" not in market.params:
            continue
        word = next(answers).data
        if len(word) < 32 or codec.one("psm", word) != market.params["psm"]:
            assert isinstance(market.params, dict)
            market.params["unfit"] = f"{market.address} is not of the PSM {market.params['psm']}"
    return found


ADAPTER = SavingsRate()
