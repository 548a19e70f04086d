"""Reads, with each look, who may mint or freeze the assets and collaterals of markets: their mints' authorities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from yieldbot.chains.solana.controls import authority
from yieldbot.errors import TransientError
from yieldbot.model.controls import NO_ONE, ContractFacts, Controller, ControllerKind, Look, Part
from yieldbot.model.ids import Address
from yieldbot.model.known import TOKEN_2022_PROGRAM, TOKEN_PROGRAM
from yieldbot.model.text import one_line
from yieldbot.protocols.solana.mints import rights_of, signers_of

if TYPE_CHECKING:
    from yieldbot.chains.solana.node.answers import AccountImage
    from yieldbot.chains.solana.node.client import Node
    from yieldbot.model.market import Snapshot
    from yieldbot.model.settings import ChainSettings

LEAST_SHARE = 0.01
"""Fraction of a market's money from which a collateral's mint is read."""
MOST_COLLATERALS = 12
"""Most collaterals of one market whose mints are read."""


async def with_issuers(node: Node, chain: ChainSettings, snapshot: Snapshot, look: Look) -> Look:
    """The look with the mints of each market's asset and largest collaterals among its contracts. Mints that cannot be
    read are named in a note."""
    symbols = {str(token.address): symbol for symbol, token in chain.tokens.items()}
    wanted: dict[str, list[tuple[Address, Part, str]]] = {}
    for market in look.controls:
        state = snapshot.states.get(market)
        if state is None:
            continue
        asset = state.market.asset
        parts = look.backing[market].parts[:MOST_COLLATERALS] if market in look.backing else ()
        wanted[market] = [(asset.address, Part.ASSET, asset.symbol)] + [
            (Address(one.backing), Part.COLLATERAL, one.symbol or symbols.get(one.backing, "collateral"))
            for one in parts
            if one.share >= LEAST_SHARE and ":" not in one.backing and one.backing != asset.address
        ]
    mints = list(dict.fromkeys(mint for many in wanted.values() for mint, _, _ in many))
    try:
        images = await node.accounts(mints) if mints else {}
        who = await _authorities(node, chain, look, images)
    except TransientError as failure:
        note = f"who may make its markets' tokens was not read: {one_line(str(failure), 200)}"
        return replace(look, notes=(*look.notes, note))
    controls = dict(look.controls)
    for market, many in ((found, wanted[found]) for found in look.controls if found in wanted):
        facts = tuple(facts_of_mint(mint, part, name, images.get(mint), who, look.block) for mint, part, name in many)
        controls[market] = replace(controls[market], contracts=(*controls[market].contracts, *facts))
    return replace(look, controls=controls)


async def _authorities(
    node: Node, chain: ChainSettings, look: Look, images: Mapping[Address, AccountImage | None]
) -> dict[Address, Controller]:
    """The controller of each authority of the mints."""
    named = [who for image in images.values() for _, who in _rights(image) or () if who is not None]
    found = look.known.get("multisigs")
    multisigs = [Address(str(one)) for one in found.values()] if isinstance(found, dict) else []
    multisigs += chain.svm.multisigs if chain.svm is not None else ()
    read = await node.accounts(list(dict.fromkeys((*named, *multisigs)))) if named else {}
    return {one: controller_of(one, read) for one in dict.fromkeys(named)}


def controller_of(address: Address, images: Mapping[Address, AccountImage | None]) -> Controller:
    """The controller of a mint's authority: a token program's own multisig, or any controller that an upgrade authority
    can have. Pure."""
    image = images.get(address)
    signers = signers_of(image.data) if image is not None and image.program in TOKEN_PROGRAMS else None
    if signers is None:
        return authority(address, images)
    return Controller(kind=ControllerKind.SAFE, address=address, threshold=signers[0], owners=signers[1])


TOKEN_PROGRAMS = (TOKEN_PROGRAM, TOKEN_2022_PROGRAM)


def facts_of_mint(
    mint: Address,
    part: Part,
    name: str,
    image: AccountImage | None,
    who: Mapping[Address, Controller],
    block: int,
) -> ContractFacts:
    """The facts about one mint. who: the controllers by authority. Pure."""
    rights = _rights(image)
    if rights is None:
        return ContractFacts(address=mint, part=part, name=name, block=block, missing=("who may mint it",))
    found = tuple((right, NO_ONE if one is None else who[one]) for right, one in rights)
    return ContractFacts(address=mint, part=part, name=name, rights=found, block=block)


def _rights(image: AccountImage | None) -> tuple[tuple[str, Address | None], ...] | None:
    return rights_of(image.data) if image is not None and image.program in TOKEN_PROGRAMS else None
