"""What stands behind each kind of savings vault (``savings_rate.py``): where its rate is stated, what it can pay out,
and what still goes in. Pure.

Sources: sky-ecosystem/stusds SUsds.sol, makerdao/sdai SavingsDai.sol, dss pot.sol and vat.sol, dss-lite-psm
DssLitePsm.sol; sparkdotfi/spark-vaults-v2 SparkVault.sol, spark-vaults UsdcVault.sol and UsdcVaultL2.sol, spark-psm
PSM3.sol.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from yieldbot.errors import MarketError
from yieldbot.math.savings_rate import RAY, PsmFees, StatedRate
from yieldbot.model.amounts import Token
from yieldbot.model.dataclass import dataclass
from yieldbot.model.market import Market
from yieldbot.model.reads import EthCall
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.doubts import in_vault
from yieldbot.protocols.evm.abi import abi, selector_of
from yieldbot.protocols.reads import Reads

OF_PSM = {"susdc": ("gem", "dai", "pocket"), "susdc_l2": ("usdc", "susds", "pocket", "rateProvider", "owner")}
"""By flavour, views of the PSM that its table names."""
RATES = {"susds": "ssr", "sdai": "dsr", "spark": "vsr", "susdc": "ssr"}
"""By flavour, the view that states the rate; on rollups an oracle states it."""
HEADROOM_SECONDS = 3600
"""An hour of interest, which counts against a cap, is deducted from its headroom."""
OLD_SECONDS = 14 * 86_400
"""A rate that reached a rollup's oracle longer ago than this is flagged."""
UNLIMITED_RAW = 2**128
"""A cap of at least this means that there is none."""


FREE = PsmFees()
"""No fees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Behind:
    """What stands behind a vault, in base units of the market's asset where not stated otherwise."""

    cash_raw: int
    """What could be paid out now."""
    room_raw: int | None = None
    """What still goes in; None: any amount."""
    fees: PsmFees = FREE
    """Fees on the way in and out."""
    limit: str = ""
    """What limits the exit."""
    flags: tuple[str, ...] = ()
    """Unusual facts."""
    doubts: tuple[str, ...] = ()
    """Readings that contradict each other."""


Finish = Callable[[StatedRate, int, int, int], Behind]
"""What a flavour makes of its reads, from the rate, the shares that are out, the accumulator now, and unix seconds."""


def rate_reads(reads: Reads, where: Mapping[str, Any]) -> Callable[[], tuple[int, int, int]]:
    """Reads of the rate, the accumulator and its time."""
    codec, source = abi("savings_rate"), where["source"]
    if where["flavour"] == "susdc_l2":
        data = reads.add(codec.read(source, "getSUSDSData"))
        return lambda: codec.decode("getSUSDSData", data.data)
    names = (RATES[where["flavour"]], "chi", "rho")
    handles = {name: reads.add(codec.read(source, name)) for name in names}
    return lambda: tuple(codec.one(name, handle.data) for name, handle in handles.items())


def worth(where: Mapping[str, Any], token: Token, shares: int, chi: int, fees: PsmFees) -> int:
    """Base units of the asset that so many shares pay."""
    inside = shares * chi // RAY
    return fees.bought_raw(inside, token.one) if where["flavour"] in OF_PSM else inside


def _susds(reads: Reads, market: Market) -> Finish:
    """Sky mints what was earned when somebody calls; all else lies in the vault."""
    token, at = market.asset, market.address
    there = reads.add(abi("erc20").read(token.address, "balanceOf", at))

    def finish(rate: StatedRate, supply: int, chi: int, now: int) -> Behind:
        balance, owed = abi("erc20").one("balanceOf", there.data), supply * rate.chi_ray // RAY
        earned = supply * chi // RAY - owed
        return Behind(cash_raw=balance + earned, doubts=in_vault(owed, balance, token))

    return finish


def _sdai(reads: Reads, market: Market) -> Finish:
    """The Pot's Dai is an entry in the Vat's books (45 decimals), from which it is minted to whoever leaves."""
    codec, token, where = abi("savings_rate"), market.asset, market.params
    pot = bytes(12) + bytes.fromhex(where["source"][2:])
    books = reads.add(EthCall(where["vat"], selector_of("dai(address)") + pot))
    mine = reads.add(codec.read(where["source"], "pie", market.address))
    whole = reads.add(codec.read(where["source"], "Pie"))

    def finish(rate: StatedRate, supply: int, chi: int, now: int) -> Behind:
        pies = codec.one("Pie", whole.data)
        there = (int.from_bytes(books.data[:32], "big") + pies * (chi - rate.chi_ray)) // RAY
        owed = in_vault(pies * chi // RAY, there, token)
        return Behind(
            cash_raw=there,
            doubts=(*owed, *in_vault(supply * chi // RAY, codec.one("pie", mine.data) * chi // RAY, token)),
        )

    return finish


def _spark(reads: Reads, market: Market) -> Finish:
    """Spark's liquidity layer takes most of what comes in; what is left pays for exits."""
    codec, token, at = abi("savings_rate"), market.asset, market.address
    there = reads.add(abi("erc20").read(token.address, "balanceOf", at))
    cap, least, most = (reads.add(codec.read(at, name)) for name in ("depositCap", "minVsr", "maxVsr"))

    def finish(rate: StatedRate, supply: int, chi: int, now: int) -> Behind:
        total, balance = supply * chi // RAY, abi("erc20").one("balanceOf", there.data)
        hour = total * (rate.rate_ray - RAY) * HEADROOM_SECONDS // RAY
        low, high = (
            (codec.one(name, one.data) - RAY) * SECONDS_PER_YEAR / RAY
            for name, one in (("minVsr", least), ("maxVsr", most))
        )
        cap_raw = codec.one("depositCap", cap.data)
        gone = max(0, total - balance) / total if total else 0.0
        return Behind(
            cash_raw=balance,
            room_raw=None if cap_raw >= UNLIMITED_RAW else max(0, cap_raw - total - hour),
            limit=f"Spark has taken {gone:z.0%} of it to invest elsewhere; exits are paid from the rest",
            flags=(f"its owners set the rate between {low:z.2%} and {high:z.2%} a year",),
        )

    return finish


def _susdc(reads: Reads, market: Market) -> Finish:
    """sUSDC of Ethereum: USDC is sold to the LitePSM for DAI that it holds, and bought back from its pocket."""
    codec, erc20, token, where = abi("savings_rate"), abi("erc20"), market.asset, market.params
    behind = reads.add(erc20.read(where["susds"], "balanceOf", market.address))
    pocket = reads.add(erc20.read(token.address, "balanceOf", where["pocket"]))
    allowed = reads.add(erc20.read(token.address, "allowance", where["pocket"], where["psm"]))
    dai = reads.add(erc20.read(where["dai"], "balanceOf", where["psm"]))
    tin, tout = (reads.add(codec.read(where["psm"], name)) for name in ("tin", "tout"))

    def finish(rate: StatedRate, supply: int, chi: int, now: int) -> Behind:
        fees = PsmFees(codec.one("tin", tin.data), codec.one("tout", tout.data))
        cash = min(erc20.one("balanceOf", pocket.data), erc20.one("allowance", allowed.data))
        return Behind(
            cash_raw=cash,
            room_raw=fees.sold_raw(erc20.one("balanceOf", dai.data), token.one),
            fees=fees,
            limit="exits are paid from the USDC that Sky's PSM holds",
            doubts=_short(supply, erc20.one("balanceOf", behind.data)),
        )

    return finish


def _susdc_l2(reads: Reads, market: Market) -> Finish:
    """sUSDC of rollups: PSM3 gives sUSDS that it holds for USDC, and USDC of its pocket for sUSDS."""
    codec, erc20, token, where = abi("savings_rate"), abi("erc20"), market.asset, market.params
    psm, pocket = where["psm"], where["pocket"]
    behind = reads.add(erc20.read(where["susds"], "balanceOf", market.address))
    stock = reads.add(erc20.read(where["susds"], "balanceOf", psm))
    there = reads.add(erc20.read(token.address, "balanceOf", pocket))
    allowed = reads.add(erc20.read(token.address, "allowance", pocket, psm))
    named = reads.add(codec.read(psm, "pocket"))

    def finish(rate: StatedRate, supply: int, chi: int, now: int) -> Behind:
        if (pocket_now := codec.one("pocket", named.data)) != pocket:
            raise MarketError(f"{market.name}: its PSM's USDC has just been moved to {pocket_now}")
        cash = erc20.one("balanceOf", there.data)
        if pocket != psm:
            cash = min(cash, erc20.one("allowance", allowed.data))
        old = now - rate.rho
        return Behind(
            cash_raw=cash,
            room_raw=worth(where, token, erc20.one("balanceOf", stock.data), chi, PsmFees()),
            limit="exits are paid from the USDC that Spark's PSM3 holds",
            flags=(f"its oracle learnt the rate {old / 86_400:z.0f} days ago",) if old > OLD_SECONDS else (),
            doubts=_short(supply, erc20.one("balanceOf", behind.data)),
        )

    return finish


def _short(supply: int, there: int) -> tuple[str, ...]:
    """The doubt if a vault has fewer sUSDS than shares are out (both 18 decimals)."""
    return () if there >= supply else (f"{supply} of its shares are out, it has {there} sUSDS",)


FORMS: dict[str, Callable[[Reads, Market], Finish]] = {
    "susds": _susds,
    "sdai": _sdai,
    "spark": _spark,
    "susdc": _susdc,
    "susdc_l2": _susdc_l2,
}
"""By flavour, the reads of what stands behind a vault."""
