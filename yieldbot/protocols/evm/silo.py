"""Silo v2: pairs of silos, each of which lends its token against the other one's; shares by EIP-4626's functions.

A deposit here is the borrowable one. Protected deposits in the same silo are not lent, and no part of its liquidity.
Source: silo-finance/silo-contracts-v2@340a49b (Silo.sol, SiloConfig.sol, SiloERC4626Lib.sol, Hook.sol).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from yieldbot.errors import MarketError
from yieldbot.math.silo import MOST_RATE, RateTerms, SiloCurve, used_of, worth
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.gas import leg_gas
from yieldbot.model.ids import Address
from yieldbot.model.market import Exit, Kind, Market, MarketState, Status
from yieldbot.model.reads import Flow
from yieldbot.model.units import WAD
from yieldbot.protocols.doubts import in_vault
from yieldbot.protocols.evm.abi import abi, checksum, short
from yieldbot.protocols.evm.share_calls import HEAD, ShareCalls, share_market
from yieldbot.protocols.reads import Reads

HOOK_DEPOSIT, HOOK_WITHDRAW, HOOK_TRANSFER = 1 << 1, 1 << 5, 1 << 10
"""Bits of actions that call a pair's hook (Hook.sol)."""
THIN = 20
"""Liquidity below one part in this of the supply is flagged."""
AGREE = 1e-6
"""What a silo or its model states and what we compute must agree to this part."""
OWN = ("config", "factory")
PLEDGED = ("getCollateralAssets", "getDebtAssets")
"""Reads of the pair's other silo: what borrowers here pledge is lent on there."""
CONFIG_DATA = (
    *("daoFee", "deployerFee", "silo", "token", "protectedShareToken", "collateralShareToken", "debtShareToken"),
    *("solvencyOracle", "maxLtvOracle", "interestRateModel"),
)
PLACES = {name: place for place, name in enumerate(CONFIG_DATA)} | {"hookReceiver": 15}
"""Places of SiloConfig.ConfigData."""
TERMS_BYTES = 10 * 32
"""Size of the terms of InterestRateModelV2; a kink model has other ones."""


class SiloParams(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    silos: list[str] = Field(min_length=1)
    """Addresses of silos, whose interest rate model is InterestRateModelV2."""


def _parts(own: bytes, theirs: bytes, names: Mapping[str, Address], asset: Address) -> dict[str, Any]:
    mine, other = (abi("silo").decode("getConfig", one) for one in (own, theirs))
    return {**_terms(mine, other), **names}


class Silo(ShareCalls):
    """Deposit to a silo as borrowable collateral; the position is its shares."""

    protocol: ClassVar[str] = "silo"
    params: ClassVar[type[BaseModel]] = SiloParams

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        vault, silo = abi("erc4626"), abi("silo")
        listed = [checksum(text) for text in deployment.params["silos"]]
        reads = Reads()
        heads = {
            at: {name: reads.add(vault.read(at, name, optional=True)) for name in HEAD}
            | {name: reads.add(silo.read(at, name, optional=True)) for name in OWN}
            for at in listed
        }
        yield from reads.made()
        configs = {
            at: silo.one("config", head["config"].data)
            for at, head in heads.items()
            if all(len(one.data) >= 32 for one in head.values())
        }
        reads = Reads()
        pairs = {at: reads.add(silo.read(config, "getSilos", optional=True)) for at, config in configs.items()}
        own = {at: reads.add(silo.read(config, "getConfig", at, optional=True)) for at, config in configs.items()}
        yield from reads.made()
        fit = {at: pair for at, pair in pairs.items() if len(pair.data) >= 64 and own[at].data}
        others = {at: _other(at, silo.decode("getSilos", pair.data)) for at, pair in fit.items()}
        reads = Reads()
        theirs = {
            at: reads.add(silo.read(configs[at], "getConfig", other, optional=True)) for at, other in others.items()
        }
        models = {at: silo.decode("getConfig", own[at].data)[PLACES["interestRateModel"]] for at in fit}
        terms = {
            at: reads.add(abi("silo_rate").read(checksum(model), "getConfig", at, optional=True))
            for at, model in models.items()
        }
        yield from reads.made()
        found = []
        for at in listed:
            own_of, fault = None, f"{at} does not answer as a silo of Silo v2 does"
            head = {name: one.data for name, one in heads[at].items()}
            if at in fit and theirs[at].data:
                fault = f"{at} has an interest rate model that is not InterestRateModelV2: not read here"
                if len(terms[at].data) == TERMS_BYTES:
                    names = {
                        "config": configs[at],
                        "factory": silo.one("factory", head["factory"]),
                        "other": others[at],
                    }
                    own_of = partial(_parts, own[at].data, theirs[at].data, names)
            found.append(share_market(self.protocol, Kind.LENDING, deployment, at, head, own_of, fault))
        return tuple(found)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        where, token, silo, rate, at = market.params, market.asset, abi("silo"), abi("silo_rate"), market.address
        if "unfit" in where:
            raise MarketError(where["unfit"])
        reads = Reads()
        views = ("getSiloStorage", "getCollateralAssets", "getDebtAssets", "getLiquidity", "hookSetup")
        rows = {name: reads.add(silo.read(at, name)) for name in views}
        kept = reads.add(rate.read(where["model"], "getConfig", at))
        said = reads.add(rate.read(where["model"], "getCurrentInterestRate", at, block.timestamp))
        out = reads.add(abi("erc4626").read(at, "totalSupply"))
        ours = reads.add(abi("erc4626").read(at, "balanceOf", owner))
        lies = reads.add(abi("erc20").read(token.address, "balanceOf", at))
        owes = reads.add(silo.read(where["config"], "getDebtSilo", owner, optional=True))
        pledged = {name: reads.add(silo.read(where["other"], name, optional=True)) for name in PLEDGED}
        yield from reads.made()
        _, last, protected, old_assets, old_debt = silo.decode("getSiloStorage", rows["getSiloStorage"].data)
        assets, debt, stated = (
            silo.one(name, rows[name].data) for name in ("getCollateralAssets", "getDebtAssets", "getLiquidity")
        )
        terms, seconds = RateTerms(*rate.decode("getConfig", kept.data)), max(0, block.timestamp - last)
        used = used_of(old_assets, old_debt)
        supply, shares = (
            abi("erc4626").one(name, one.data) for name, one in (("totalSupply", out), ("balanceOf", ours))
        )
        balance = abi("erc20").one("balanceOf", lies.data)
        held, cash_raw = Amount(token, worth(shares, assets, supply)), max(0, assets - debt)
        curve = SiloCurve(
            others=(assets + 1 - held.raw) / token.one,
            borrowed=debt / token.one,
            keep=1.0 - (where["dao_fee"] + where["deployer_fee"]) / WAD,
            terms=_words(terms.after(used, seconds)),
        )
        liquidity = Amount(token, max(0, min(cash_raw, balance - protected) - 1))  # the next use may take a unit more
        doubts = list(in_vault(cash_raw + protected, balance, token))
        if stated != cash_raw:
            doubts.append(f"getLiquidity says {Amount(token, stated)}, its accounts {Amount(token, cash_raw)}")
        computed, says = terms.stated(used, seconds), rate.one("getCurrentInterestRate", said.data)
        if abs(says - computed) > AGREE * MOST_RATE / 100 + AGREE * computed:
            doubts.append(f"its rate model says {says / WAD:z.6%} a year, its terms make {computed / WAD:z.6%}")
        grown = int(old_debt * terms.growth(used, seconds))
        if abs(debt - old_debt - grown) > AGREE * grown + 2:
            makes = Amount(token, old_debt + grown)
            doubts.append(f"its borrowers owe {Amount(token, debt)}, its terms make {makes}")
        if not supply:
            doubts.append("no share of it is out")
        hook, before, after, _ = silo.decode("hookSetup", rows["hookSetup"].data)
        if (before | after) & HOOK_WITHDRAW:
            doubts.append(f"a contract of its deployer's, {short(checksum(hook))}, is called on each withdrawal")
        if len(owes.data) < 32 or int.from_bytes(owes.data[:32], "big"):
            doubts.append("its owner has a debt in this pair, which these shares may secure")
        flags = {
            "above-kink": used_of(assets, debt) > terms.ucrit,
            "thin-liquidity": liquidity.raw * THIN < assets,
            "rate-adapts": True,
            "hooked-deposits": bool((before | after) & HOOK_DEPOSIT),
            "hooked-transfers": bool((before | after) & HOOK_TRANSFER),
        }
        gas = leg_gas(self.protocol)
        beside = [silo.one(name, one.data) for name, one in pledged.items() if len(one.data) == 32]
        lent = {"backer_used": used_of(*beside) / WAD} if len(beside) == len(PLEDGED) else {}
        return MarketState(
            market=replace(market, params={**where, **lent}),
            block=block,
            held=held,
            shares=shares,
            share_token=Token(token.chain, at, where["symbol"], where["share_decimals"]),
            liquidity=liquidity,
            capacity=None,
            supplied=Amount(token, assets),
            borrowed=Amount(token, min(debt, assets)),
            status=Status.ACTIVE,
            curve=curve,
            quoted=Apr(curve.apr(float(held), 1.0)),
            pools=frozenset({market.id}),
            gas_deposit=gas.deposit,
            gas_withdraw=gas.withdraw,
            flags=(*(flag for flag, is_set in flags.items() if is_set), *doubts),
            doubts=tuple(doubts),
            exit=Exit(cash=liquidity),
            index=worth(WAD, assets, supply) / WAD * 1000.0,
        )


def _other(at: Address, pair: tuple[Any, ...]) -> Address:
    """The other silo of a pair."""
    return next((checksum(one) for one in pair if checksum(one) != at), at)


def _terms(mine: tuple[Any, ...], other: tuple[Any, ...]) -> Mapping[str, Any]:
    """What a market keeps of its silo's terms, and of the silo whose deposits its borrowers pledge."""
    kept: dict[str, Any] = {"dao_fee": mine[PLACES["daoFee"]], "deployer_fee": mine[PLACES["deployerFee"]]}
    kept |= {"model": checksum(mine[PLACES["interestRateModel"]]), "hook": checksum(mine[PLACES["hookReceiver"]])}
    oracles = {
        checksum(one[PLACES[name]])
        for one in (mine, other)
        for name in ("solvencyOracle", "maxLtvOracle")
        if int(str(one[PLACES[name]]), 16)
    }
    return kept | {"backer": checksum(other[PLACES["token"]]), "oracles": tuple(sorted(oracles))}


def _words(terms: RateTerms) -> tuple[int, ...]:
    return tuple(getattr(terms, name) for name in RateTerms.__slots__)


ADAPTER = Silo()
