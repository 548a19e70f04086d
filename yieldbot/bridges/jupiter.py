"""Jupiter's quotes for swaps on Solana: the request's URL, and the decoded answer. Pure. Source: Jupiter's API
reference, GET /swap/v1/quote (https://dev.jup.ag); the form has been the same since /v6/quote.

As with LI.FI, nothing of an answer is ever signed, and its price decides nothing. Jupiter learns tokens and amount, not
our address.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode

from yieldbot.bridges.answers import Quoted, not_believed, raw_amount, short
from yieldbot.model.amounts import Amount, Token
from yieldbot.model.families import family_of
from yieldbot.model.ids import ChainId

NAME = "Jupiter"
URL = "https://lite-api.jup.ag/swap/v1/quote"
MOST_HOPS = 20
"""Most parts of a route whose exchanges are named."""


def serves(chain: ChainId) -> bool:
    """Whether Jupiter supports this chain: Solana's main cluster, and the sandbox for tests with a server of ours."""
    return not family_of(chain).bridged


def request(given: Amount, wanted: Token, slippage_bps: float, url: str = URL) -> str:
    """The URL that asks for a quote of an exact input. ``url``: the service's address."""
    return f"{url}?" + urlencode(
        {
            "inputMint": given.token.address,
            "outputMint": wanted.address,
            "amount": given.raw,
            "slippageBps": int(slippage_bps),
            "swapMode": "ExactIn",
        }
    )


def answered(document: object, given: Amount, wanted: Token) -> Quoted:
    """The quote in a JSON answer. Raises MarketError for an answer that lacks something, or is for other tokens or
    another amount than the request."""
    if not isinstance(document, Mapping):
        raise not_believed(NAME, "it is no object")
    requested = {"inputMint": given.token.address, "outputMint": wanted.address, "inAmount": str(given.raw)}
    for key, value in requested.items():
        if document.get(key) != value:
            raise not_believed(NAME, f"it is for {key} {short(document.get(key))}, not {value}")
    out, least = (raw_amount(NAME, document, key) for key in ("outAmount", "otherAmountThreshold"))
    if not 0 < least <= out:
        raise not_believed(NAME, f"its least output {least} does not lie between nothing and its output {out}")
    return Quoted(_exchanges(document), given, Amount(wanted, out), Amount(wanted, least), 0.0, 0.0, 0.0, NAME)


def _exchanges(document: Mapping[str, object]) -> str:
    """The exchanges of its route, each once."""
    plan = document.get("routePlan")
    steps = plan[:MOST_HOPS] if isinstance(plan, list) else []
    infos = [step.get("swapInfo") for step in steps if isinstance(step, Mapping)]
    labels = [str(info.get("label")) for info in infos if isinstance(info, Mapping) and info.get("label")]
    return short(" + ".join(dict.fromkeys(labels)))
