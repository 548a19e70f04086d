"""LI.FI's quotes for swapping and bridging: the request's URL, and the decoded answer. Pure. Source: LI.FI's API
reference, GET /v1/quote (https://docs.li.fi).

Nothing of an answer is ever signed: its transaction calls LI.FI's own contracts with bytes that our signer cannot
judge. Its prices are shown beside our quote and decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from yieldbot.bridges.answers import Quoted, not_believed, raw_amount, short
from yieldbot.errors import MarketError
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.families import family_of
from yieldbot.model.ids import Address, ChainId, evm_number

NAME = "LI.FI"
URL = "https://li.quest/v1/quote"


def serves(chain: ChainId) -> bool:
    """Whether LI.FI supports this chain."""
    return family_of(chain).bridged


def request(given: Amount, wanted: Token, owner: Address, slippage_bps: float, url: str = URL) -> str:
    """The URL that asks for a quote: swap ``given`` to ``wanted``, and bridge where their chains differ, from and to
    the account ``owner``. ``url``: the service's address."""
    return f"{url}?" + urlencode(
        {
            "fromChain": evm_number(given.token.chain),
            "toChain": evm_number(wanted.chain),
            "fromToken": given.token.address,
            "toToken": wanted.address,
            "fromAmount": given.raw,
            "fromAddress": owner,
            "toAddress": owner,
            "slippage": f"{slippage_bps / 10_000:g}",
        }
    )


def answered(document: object, given: Amount, wanted: Token, owner: Address) -> Quoted:
    """The quote in a JSON answer. Raises MarketError for an answer that lacks something, or is for other chains,
    tokens, amounts or recipients than the request."""
    action, estimate = _part(document, "action"), _part(document, "estimate")
    requested = {
        "fromChainId": evm_number(given.token.chain),
        "toChainId": evm_number(wanted.chain),
        "fromAmount": str(given.raw),
    }
    for key, value in requested.items():
        if str(action.get(key)) != str(value):
            raise _wrong(f"it is for {key} {short(action.get(key))}, not {value}")
    for key, token in (("fromToken", given.token), ("toToken", wanted)):
        address = _part(action, key).get("address")
        if str(address).lower() != token.address.lower():
            raise _wrong(f"its {key} is {short(address)}, not {token.address}")
    if str(action.get("toAddress", owner)).lower() != owner.lower():
        raise _wrong(f"it would pay {short(action.get('toAddress'))}, not {owner}")
    out, least = raw_amount(NAME, estimate, "toAmount"), raw_amount(NAME, estimate, "toAmountMin")
    if not 0 < least <= out:
        raise _wrong(f"its least output {least} does not lie between nothing and its output {out}")
    seconds = _number(estimate.get("executionDuration", 0))
    costs = [sum(_number(one.get("amountUSD", 0)) for one in _list(estimate, key)) for key in ("feeCosts", "gasCosts")]
    tool = document.get("tool") if isinstance(document, Mapping) else None
    return Quoted(short(tool), given, Amount(wanted, out), Amount(wanted, least), seconds, costs[0], costs[1], NAME)


def _part(document: object, key: str) -> Mapping[str, Any]:
    found = document.get(key) if isinstance(document, Mapping) else None
    if not isinstance(found, Mapping):
        raise _wrong(f"it lacks {key!r}")
    return found


def _list(document: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = document.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, Mapping) for one in found):
        raise _wrong(f"its {key!r} is no list of costs")
    return found


def _number(value: object) -> float:
    try:
        found = float(value if isinstance(value, str | int | float) else "none")
    except (ValueError, OverflowError):
        raise _wrong(f"{short(value)} is no number") from None
    if not 0.0 <= found < 1e15:
        raise _wrong(f"{short(value)} is no cost and no time")
    return found


def _wrong(why: str) -> MarketError:
    return not_believed(NAME, why)
