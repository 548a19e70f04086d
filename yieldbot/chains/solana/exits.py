"""Fingerprints of Solana's markets: a proof or refusal of a market's exit is valid while its fingerprint stays the
same.

It is the SHA-256 of the deployed program (for an upgradeable one the slot of its last deployment and its upgrade
authority, else its code), of the market's parameters, of the terms that its owners set
(``protocols/solana/layout.TERMS``) and of its kind of exit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from yieldbot.chains.exits import fingerprint
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.chains.solana.node.client import Node
from yieldbot.errors import TransientError
from yieldbot.model.ids import Address, MarketId
from yieldbot.model.known import UPGRADEABLE_LOADER
from yieldbot.model.market import MarketState
from yieldbot.protocols.solana.layout import TERMS

PROGRAM_TAG, PROGRAM_BYTES = b"\x02\0\0\0", 36
"""UpgradeableLoaderState::Program: its tag, then the address of the account with its code."""
DEPLOYED_BYTES = 45
"""Bytes of UpgradeableLoaderState::ProgramData before the code: tag, slot of the last deployment, upgrade authority."""


async def fingerprints(node: Node, states: Sequence[MarketState]) -> dict[MarketId, str]:
    """Present fingerprints of the markets, by id; empty where the node cannot read the programs."""
    programs = list(dict.fromkeys(Address(state.market.params["program"]) for state in states))
    try:
        deployed = await _deployed(node, programs)
    except TransientError:
        return {}
    found = ((state, deployed.get(Address(state.market.params["program"]))) for state in states)
    return {state.market.id: print_of(state, code) for state, code in found if code is not None}


def print_of(state: MarketState, code: bytes) -> str:
    """The fingerprint of a market. code: what ``_deployed`` returns for its program. Pure."""
    fixed = {name: value for name, value in state.market.params.items() if isinstance(value, str | bool)}
    terms = {TERMS: state.market.params.get(TERMS, {})}
    market = replace(state.market, params={**fixed, **terms})
    return fingerprint(replace(state, market=market), (), (code,))


async def _deployed(node: Node, programs: Sequence[Address]) -> Mapping[Address, bytes]:
    """What identifies each program's deployed code; accounts that are no programs are left out."""
    images = await node.heads(programs, PROGRAM_BYTES)
    heads = {program: image for program, image in images.items() if image is not None}
    behind = {program: _key(image.data) for program, image in heads.items() if _upgradeable(image)}
    deployed = await node.heads(list(behind.values()), DEPLOYED_BYTES) if behind else {}
    others = [program for program in heads if program not in behind]
    whole = await node.accounts(others) if others else {}
    found: dict[Address, bytes] = {}
    for program, image in whole.items():
        if image is not None and image.executable:
            found[program] = image.program.encode() + hashlib.sha256(image.data).digest()
    for program, address in behind.items():
        if (head := deployed[address]) is not None and len(head.data) == DEPLOYED_BYTES:
            found[program] = address.encode() + head.data
    return found


def _upgradeable(image: AccountImage) -> bool:
    of_loader = image.program == UPGRADEABLE_LOADER and len(image.data) == PROGRAM_BYTES
    return of_loader and image.data.startswith(PROGRAM_TAG)


def _key(data: bytes) -> Address:
    from solders.pubkey import Pubkey

    return Address(str(Pubkey(data[4:36])))
