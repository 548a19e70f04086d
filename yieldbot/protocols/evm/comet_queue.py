"""What a Comet's next upgrade would change: compares the parameters in its Configurator, which the next deployment
gets, with those in force in the Comet. Pure; never raises, whatever contracts answer.

Source: compound-finance/comet, CometConfiguration.sol (Configuration, AssetConfig), Comet.sol (rates are kept by
second, factors to four decimals, caps in whole tokens), Configurator.sol and CometProxyAdmin.sol (the calls).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from yieldbot.model.controls import Pending
from yieldbot.model.dataclass import dataclass
from yieldbot.model.ids import Address
from yieldbot.model.units import SECONDS_PER_YEAR
from yieldbot.protocols.evm.abi import checksum, selector_of

if TYPE_CHECKING:
    from yieldbot.protocols.evm.control_events import ScheduledCall
    from yieldbot.protocols.evm.control_reads import Reading

PREFIX = "configuration of "
"""Prefix of the names of a Configurator's views in ``Dependency.views``; the Comet's address follows."""
SIDES = ("supply", "borrow")
RATES = tuple(f"{side}PerYearInterestRate{part}" for side in SIDES for part in ("SlopeLow", "SlopeHigh", "Base"))
FIELDS = {
    "governor": "address",
    "pauseGuardian": "address",
    "baseToken": "address",
    "baseTokenPriceFeed": "address",
    "extensionDelegate": "address",
    "supplyKink": "uint64",
    "supplyPerYearInterestRateSlopeLow": "uint64",
    "supplyPerYearInterestRateSlopeHigh": "uint64",
    "supplyPerYearInterestRateBase": "uint64",
    "borrowKink": "uint64",
    "borrowPerYearInterestRateSlopeLow": "uint64",
    "borrowPerYearInterestRateSlopeHigh": "uint64",
    "borrowPerYearInterestRateBase": "uint64",
    "storeFrontPriceFactor": "uint64",
    "trackingIndexScale": "uint64",
    "baseTrackingSupplySpeed": "uint64",
    "baseTrackingBorrowSpeed": "uint64",
    "baseMinForRewards": "uint104",
    "baseBorrowMin": "uint104",
    "targetReserves": "uint104",
}
"""Configuration's members before the collaterals, in their order, with their types."""
COUNTED = ("governor", "pauseGuardian", "baseTokenPriceFeed", "extensionDelegate", "supplyKink", "borrowKink", *RATES)
"""The members that affect what a deposit is worth, or who may change that; the others are about rewards and minimum
amounts."""
ASSET = "(address,address,uint8,uint64,uint64,uint64,uint128)"
CONFIGURATION = f"({','.join(FIELDS.values())},{ASSET}[])"
OF_ASSET = ("priceFeed", "borrowCollateralFactor", "liquidateCollateralFactor", "liquidationFactor", "supplyCap")
MOST_ASSETS = 24
"""Most collaterals of one Comet (CometConfiguration.sol: MAX_ASSETS)."""
MOST_CHANGES = 10
"""Most changes of one Comet that are shown one by one."""
DESCALE = 10**14
"""Comet stores collateral factors divided by this (CometCore.sol, packed to four decimals)."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Parameters of one Comet."""

    values: Mapping[str, Any]
    """Members by name: addresses, and integers (rates a year, 1e18 is all)."""
    assets: Mapping[Address, Mapping[str, Any]]
    """Each collateral's members by name, with ``decimals``."""


def in_force() -> tuple[tuple[str, bytes], ...]:
    """Views of a Comet that ``changes_of`` needs, as (name, calldata), without those that are read from every
    contract."""
    return tuple((name, selector_of(f"{name}()")) for name in map(_view, COUNTED) if name not in EVERYWHERE)


EVERYWHERE = ("governor", "pauseGuardian")
"""Views that are read from every contract anyway."""


def _view(name: str) -> str:
    return name.replace("PerYear", "PerSecond")


def asked(comet: Address) -> tuple[str, bytes]:
    """A Configurator's view that returns a Comet's next configuration, as (name, calldata)."""
    return PREFIX + comet, selector_of("getConfiguration(address)") + bytes(12) + bytes.fromhex(comet[2:])


def configuration(answer: bytes) -> Configuration | None:
    """The configuration that ``getConfiguration`` returned; None if it cannot be decoded or has no collateral."""
    from eth_abi.abi import decode

    try:
        ((*values, assets),) = decode([CONFIGURATION], answer)
        named = dict(zip(FIELDS, (_value(one) for one in values), strict=True))
        found = {}
        for asset, feed, decimals, borrow, liquidate, liquidation, cap in assets[:MOST_ASSETS]:
            if decimals > 36:
                return None
            row = dict(zip(OF_ASSET, (checksum(feed), borrow, liquidate, liquidation, cap), strict=True))
            found[checksum(asset)] = row | {"decimals": decimals}
    except Exception:  # a contract may answer anything
        return None
    return Configuration(named, found) if int(named["baseToken"], 16) else None


def _value(one: Any) -> Any:
    return checksum(one) if isinstance(one, str) else one


def changes_of(configurator: Address, comet: Reading, answer: bytes) -> tuple[Pending, ...]:
    """The changes that Comet's next upgrade would make, by its Configurator's answer; empty if that or the Comet cannot
    be read."""
    after = configuration(answer)
    if after is None:
        return ()
    found = [*_changed_values(after, comet), *_changed_assets(after, comet)]
    if len(found) > MOST_CHANGES:
        rest = len(found) - MOST_CHANGES + 1
        found = [*found[: MOST_CHANGES - 1], ("settings", f"{rest} further ones", "")]
    short = f"{comet.address[:6]}…{comet.address[-4:]}"
    source = f"{configurator} getConfiguration({comet.address})"
    return tuple(
        Pending(
            what=f"{what} of Comet {short}", after=new, before=old, source=source, id=f"{comet.address}/{what}/{new}"
        )
        for what, new, old in found
    )


def _changed_values(after: Configuration, comet: Reading) -> Iterator[tuple[str, str, str]]:
    for name in COUNTED:
        word, new = comet.word(_view(name)), after.values[name]
        if word is None:
            continue
        if isinstance(new, str):
            if word != int(new, 16):
                yield name, new, str(comet.named(_view(name)) or word)
        elif (new // SECONDS_PER_YEAR if name in RATES else new) != word:
            old = word * SECONDS_PER_YEAR if name in RATES else word
            yield name, shown(name, new), shown(name, old)


def _changed_assets(after: Configuration, comet: Reading) -> Iterator[tuple[str, str, str]]:
    live = dict(_live_assets(comet))
    if not live and after.assets:
        return  # not one could be read: there is nothing to compare with
    for asset, new in after.assets.items():
        old, decimals = live.get(asset), int(new["decimals"])
        if old is None:
            yield f"collateral {asset}", f"one of its collaterals, {_asset_words(new)}", "none"
            continue
        for name in OF_ASSET:
            value = new[name]
            if name == "supplyCap":
                value = value // 10**decimals * 10**decimals
            elif name != "priceFeed":
                value = value // DESCALE * DESCALE
            if value != old[name]:
                yield f"{name} of {asset}", shown(name, new[name], decimals), shown(name, old[name], decimals)


def _live_assets(comet: Reading) -> Iterator[tuple[Address, Mapping[str, Any]]]:
    """Comet's collaterals in force. ``getAssetInfo`` returns (index, asset, feed, scale, three factors, cap)."""
    for place in range(MOST_ASSETS):
        answer = comet.answers.get(f"collateral {place}", b"")
        if len(answer) < 256:
            continue
        words = [int.from_bytes(answer[at : at + 32], "big") for at in range(0, 256, 32)]
        if words[1] < 2**160 and words[2] < 2**160:
            feed = checksum(f"0x{words[2]:040x}")
            yield (
                checksum(f"0x{words[1]:040x}"),
                dict(zip(OF_ASSET, (feed, words[4], words[5], words[6], words[7]), strict=True)),
            )


def _asset_words(asset: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {shown(name, asset[name], int(asset['decimals']))}" for name in OF_ASSET)


def shown(name: str, value: Any, decimals: int = 0) -> str:
    """A member's value as text for a person: rates and factors in percent, caps in whole tokens."""
    if isinstance(value, str):
        return value
    if name == "supplyCap":
        return f"{value // 10**decimals:,}"
    return f"{value / 1e16:.6g} %"


def words_of_call(call: ScheduledCall, readings: Mapping[Address, Reading]) -> str:
    """Text about what a queued call of a Configurator or a CometProxyAdmin changes, with the value in force; empty for
    any other call."""
    from eth_abi.abi import decode

    try:
        if call.data[:4] == selector_of("deployAndUpgradeTo(address,address)"):
            configurator, comet = (checksum(one) for one in decode(["address", "address"], call.data[4:]))
            answer = readings[configurator].answers[PREFIX + comet]
            found = changes_of(configurator, readings[comet], answer)
            new = "; ".join(f"{one.what} becomes {one.after}, it is {one.before}" for one in found)
            return f"Comet {comet} takes over its configuration: {new or 'no change so far'}"
        now = configuration_in(readings, call)
        for name, kind in FIELDS.items():
            if now is not None and call.data[:4] == selector_of(f"set{name[0].upper()}{name[1:]}(address,{kind})"):
                _, new = decode(["address", kind], call.data[4:])
                return f"{name} becomes {shown(name, _value(new))}, it is {shown(name, now.values[name])}"
        for name, kind in zip(OF_ASSET, ("address", "uint64", "uint64", "uint64", "uint128"), strict=True):
            signature = f"updateAsset{name[0].upper()}{name[1:]}(address,address,{kind})"
            if now is not None and call.data[:4] == selector_of(signature):
                _, asset, new = decode(["address", "address", kind], call.data[4:])
                old = now.assets[checksum(asset)]
                decimals = int(old["decimals"])
                before, after = shown(name, old[name], decimals), shown(name, _value(new), decimals)
                return f"{name} of {checksum(asset)} becomes {after}, it is {before}"
    except Exception:  # calldata and answers may be anything
        return ""
    return ""


def configuration_in(readings: Mapping[Address, Reading], call: ScheduledCall) -> Configuration | None:
    """The next configuration of the Comet that is the first argument of a Configurator's call; None if it was not
    read."""
    book = readings.get(call.target)
    if book is None or len(call.data) < 36:
        return None
    comet = checksum("0x" + call.data[16:36].hex())
    return configuration(book.answers.get(PREFIX + comet, b""))
