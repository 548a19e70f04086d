"""Lists rights over a Solana wallet's token accounts: delegates and close authorities.

SPL Token stores them in the account itself (spl-token state.rs), so no events are needed: each token account of the
owner is read from every node in use, and what any of them shows is listed.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from yieldbot.chains.allowances import AllowanceList, GrantedAllowance
from yieldbot.chains.solana.execution.balances import TOKEN_PROGRAMS, token_account
from yieldbot.chains.solana.node.answers import AccountImage
from yieldbot.chains.solana.node.client import Node
from yieldbot.chains.solana.node.quorum import Quorum
from yieldbot.errors import TransientError
from yieldbot.model.amounts import Token
from yieldbot.model.ids import Address
from yieldbot.model.known import WRAPPED_SOL
from yieldbot.model.settings import ChainSettings


async def find(nodes: Quorum, settings: ChainSettings, owner: Address, names: Mapping[Address, str]) -> AllowanceList:
    """Every delegate and foreign close authority of the owner's token accounts. names: known addresses.

    Raises TransientError if too few nodes answer, or one returns no list of accounts.
    """
    block = await nodes.first.block()
    found_once: dict[tuple[Address, Address, str], GrantedAllowance] = {}
    for _, found in await nodes.each(lambda node: _of(node, owner)):
        for address, image in found.items():
            for given in _given(settings, owner, names, address, image):
                found_once.setdefault((address, given.spender, given.words), given)
    return AllowanceList(
        block, 0, tuple(sorted(found_once.values(), key=lambda g: (g.token.symbol, g.spender, g.words)))
    )


async def _of(node: Node, owner: Address) -> dict[Address, AccountImage]:
    """The owner's token accounts, as one node shows them."""
    images: dict[Address, AccountImage] = {}
    for program in sorted(TOKEN_PROGRAMS):
        params = [owner, {"programId": program}, {"encoding": "base64", "commitment": node.commitment}]
        answer = await node.request("getTokenAccountsByOwner", params)
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
) -> list[GrantedAllowance]:
    """The rights of others over one token account."""
    held = token_account(image)
    if held is None or held.owner != owner:
        return []
    listed = next((t for t in settings.tokens.values() if t.address == held.mint), None)
    token = listed or Token(settings.chain, held.mint, f"mint {held.mint[:6]}…", 0)
    found = []
    if held.delegate is not None and held.delegated:
        place = (names.get(held.delegate), None, "", address, image.program)
        found.append(GrantedAllowance(token, held.delegate, held.delegated, listed is not None, *place))
    if held.close_authority not in (None, owner):
        spender = Address(str(held.close_authority))
        # SPL Token closes an account of wrapped SOL whatever it holds (processor.rs, process_close_account).
        native = held.mint == WRAPPED_SOL
        words = "close it, and have all its SOL" if native else "close it when it is empty, and have its SOL"
        place = (names.get(spender), None, words, address, image.program)
        found.append(GrantedAllowance(token, spender, 0, listed is not None, *place))
    return found
