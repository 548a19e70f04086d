"""Who may take what out of a Solana wallet's token accounts: delegates and close authorities, as the accounts tell.

SPL Token keeps a delegate and how much it may take in the account (spl-token state.rs), so that no event is looked for:
every account of the owner is read, from each node that is believed, and whatever any of them shows is listed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from yieldbot.chains.allowances import Found, Given
from yieldbot.chains.solana.execution.balances import TOKEN_PROGRAMS, token_account
from yieldbot.chains.solana.node.client import AccountImage, Node
from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.errors import TransientError
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.settings import ChainSettings


async def find(nodes: Quorum, settings: ChainSettings, owner: Address, names: Mapping[Address, str]) -> Found:
    """Every delegate and foreign close authority of the owner's token accounts. ``names``: known addresses.

    Raises TransientError when too few nodes answer, or one answers what is no list of accounts.
    """
    block = await nodes.first.block()
    seen: dict[tuple[Address, Address, str], Given] = {}
    for _, found in await nodes.each(lambda node: _of(node, owner)):
        for address, image in found.items():
            for given in _given(settings, owner, names, address, image):
                seen.setdefault((address, given.spender, given.words), given)
    return Found(block, 0, tuple(sorted(seen.values(), key=lambda g: (g.token.symbol, g.spender, g.words))))


async def _of(node: Node, owner: Address) -> dict[Address, AccountImage]:
    images: dict[Address, AccountImage] = {}
    for program in sorted(TOKEN_PROGRAMS):
        asked = [owner, {"programId": program}, {"encoding": "base64", "commitment": node.commitment}]
        answer = await node.request("getTokenAccountsByOwner", asked)
        try:
            for row in answer["value"]:
                account: Any = row["account"]
                data = base64.b64decode(account["data"][0], validate=True)
                images[Address(row["pubkey"])] = AccountImage(int(account["lamports"]), Address(account["owner"]), data)
        except (KeyError, TypeError, ValueError, IndexError):
            raise TransientError(f"{node.host} answers something else than a list of token accounts") from None
    return images


def _given(
    settings: ChainSettings, owner: Address, names: Mapping[Address, str], address: Address, image: AccountImage
) -> list[Given]:
    held = token_account(image)
    if held is None or held.owner != owner:
        return []
    listed = next((t for t in settings.tokens.values() if t.address == held.mint), None)
    token = listed or Token(settings.chain, held.mint, f"mint {held.mint[:6]}…", 0)
    found = []
    if held.delegate is not None and held.delegated:
        place = (names.get(held.delegate), None, "", address, image.program)
        found.append(Given(token, held.delegate, held.delegated, listed is not None, *place))
    if held.close_authority not in (None, owner):
        spender = Address(str(held.close_authority))
        # SPL Token closes an account of wrapped SOL whatever it holds (processor.rs, process_close_account).
        native = held.mint == WRAPPED_SOL
        words = "close it, and have all its SOL" if native else "close it when it is empty, and have its SOL"
        place = (names.get(spender), None, words, address, image.program)
        found.append(Given(token, spender, 0, listed is not None, *place))
    return found
