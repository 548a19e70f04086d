"""The stake-pool program's double in LiteSVM, with one pool."""

from __future__ import annotations

from dataclasses import replace

from tests.kit.solana_bench import CHAIN, SLOT, Ledger
from yieldbot.model.amounts import Token
from yieldbot.model.deployment import Deployment
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.market import Market
from yieldbot.protocols.solana.layout import SLOTS_PER_EPOCH
from yieldbot.protocols.solana.spl_stake_pool import ADAPTER
from yieldbot.sandbox.solana.protocols.spl_stake_pool import StakePlace, StakePoolTerms, rewarded, stake_pool, update

SOL = Token(CHAIN, WRAPPED_SOL, "SOL", 9)
USUAL = StakePoolTerms(staked=900_000 * SOL.one, reserve=20_000 * SOL.one)
EPOCH = SLOT // SLOTS_PER_EPOCH


def start(terms: StakePoolTerms = USUAL, mine: int = 10**12) -> tuple[Ledger, StakePlace, Market]:
    ledger = Ledger()
    me = ledger.get(ledger.me)
    assert me is not None
    ledger.set({ledger.me: replace(me, lamports=mine)})
    place, images = stake_pool(EPOCH, terms)
    ledger.set(images)
    params = {"program": place.program, "pools": [place.pool]}
    (market,) = ledger.run(ADAPTER.discover(Deployment("spl_stake_pool", CHAIN, "Stake (double)", params, (SOL,))))
    return ledger, place, market


def next_epoch(ledger: Ledger, place: StakePlace) -> None:
    """Advance one whole epoch: pay its rewards, and update the pool."""
    ledger.warp(SLOTS_PER_EPOCH)
    listed = ledger.get(place.validator_list)
    assert listed is not None
    ledger.set({place.validator_list: rewarded(place, listed, ledger.slot // SLOTS_PER_EPOCH)})
    ledger.send((update(place),))


def lamports(ledger: Ledger) -> int:
    image = ledger.get(ledger.me)
    assert image is not None
    return image.lamports
