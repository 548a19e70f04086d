"""Morpho Vault V2, looked through: its adapters' Morpho Blue markets, and the MetaMorpho vaults of its older adapters.

A deposit goes to the liquidity adapter alone; a withdrawal is paid from what lies idle and then from that adapter. Its
max* are 0 by design and say nothing. Sources: morpho-org/vault-v2@bec4dd8, VaultV2.sol (accrueInterestView,
allocateInternal, exit), MorphoMarketV1AdapterV2.sol and MorphoVaultV1Adapter.sol (ids, realAssets).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from yieldbot.errors import MarketError
from yieldbot.model.amounts import BlockRef
from yieldbot.model.deployment import Deployment
from yieldbot.model.ids import Address, MarketId, evm_number
from yieldbot.model.market import Kind, Market, MarketState
from yieldbot.model.reads import Flow
from yieldbot.protocols.evm import metamorpho
from yieldbot.protocols.evm.abi import abi, checksum, short
from yieldbot.protocols.evm.erc4626 import state_of
from yieldbot.protocols.evm.share_calls import HEAD, ShareCalls, share_market
from yieldbot.protocols.evm.vault_v2_look import OWN, Adapter, liquid_ids, look
from yieldbot.protocols.reads import Reads, side_by_side

MOST_ADAPTERS, MOST_MARKETS = 8, 20
"""Most adapters of one vault, and most markets of one adapter, that are read; a vault with more is left out."""


class VaultV2Params(BaseModel):
    """A deployment's table."""

    model_config = ConfigDict(extra="forbid", defer_build=True)
    vaults: list[str]
    """Addresses of the vaults."""
    morpho: str
    """Morpho Blue's address."""
    irm: str
    """Address of the AdaptiveCurveIrm."""


class MorphoVaultV2(ShareCalls):
    """Deposit to a Vault V2; the position is its shares."""

    protocol: ClassVar[str] = "morpho_vault_v2"
    params: ClassVar[type[BaseModel]] = VaultV2Params

    def discover(self, deployment: Deployment) -> Flow[tuple[Market, ...]]:
        v2, where = abi("morpho_vault_v2"), deployment.params
        vaults = [checksum(text) for text in where["vaults"]]
        reads = Reads()
        rows = []
        for at in vaults:
            asked = {name: reads.add(abi("erc4626").read(at, name, optional=True)) for name in HEAD}
            theirs = {name: reads.add(v2.read(at, name, optional=True)) for name in ("adaptersLength", *OWN[-2:])}
            listed = [reads.add(v2.read(at, "adapters", i, optional=True)) for i in range(MOST_ADAPTERS)]
            rows.append((at, asked, theirs, listed))
        yield from reads.made()
        found = []
        for at, heads, owns, listed in rows:
            head, own = ({name: one.data for name, one in kept.items()} for kept in (heads, owns))
            parts = partial(_own, deployment, at, own) if all((*head.values(), *own.values())) else None
            fault = f"{at} is not a Morpho Vault V2"
            market = share_market(self.protocol, Kind.VAULT, deployment, at, head, parts, fault)
            there = () if "unfit" in market.params else listed
            found.append((market, [v2.one("adapters", one.data) for one in there if one.data]))
        known = yield from _adapters_of(found)
        return tuple(known)

    def observe(self, market: Market, owner: Address, block: BlockRef) -> Flow[MarketState]:
        if "unfit" in market.params:
            raise MarketError(market.params["unfit"])
        inner = [one for one in market.params["adapters"] if one.vault is not None]
        flows: list[Flow[Any]] = [look(market, owner, block)]
        flows += [metamorpho.look_through(one.vault, one.address, block) for one in inner]
        view_of, *views = yield from side_by_side(flows)
        view = view_of({one.address: view for one, (view, _) in zip(inner, views, strict=True)})
        return state_of(market, block, *view)


def _own(deployment: Deployment, at: Address, own: Mapping[str, bytes], asset: Address) -> dict[str, Any]:
    """A vault's own parameters, by the answers to ``OWN``."""
    v2 = abi("morpho_vault_v2")
    behind = {"liquidity_adapter": "liquidityAdapter", "liquidity_data": "liquidityData"}
    params = {**deployment.params, **{key: v2.one(name, own[name]) for key, name in behind.items()}}
    if v2.one("adaptersLength", own["adaptersLength"]) > MOST_ADAPTERS:
        params["unfit"] = f"{at} has more than {MOST_ADAPTERS} adapters"
    return params


def _adapters_of(found: Sequence[tuple[Market, list[Address]]]) -> Flow[list[Market]]:
    """The vaults, with their adapters and what these invest in."""
    v2, reads, rows = abi("morpho_vault_v2"), Reads(), []
    names = ("parentVault", "morpho", "adaptiveCurveIrm", "marketIdsLength", "morphoVaultV1")
    for market, listed in found:
        for at in listed if "unfit" not in market.params else ():
            own = [reads.add(v2.read(at, name, optional=True)) for name in names]
            ids = [reads.add(v2.read(at, "marketIds", i, optional=True)) for i in range(MOST_MARKETS)]
            rows.append((market, at, own, ids))
    if reads.handles:
        yield from reads.made()
    adapters: dict[MarketId, list[Adapter]] = {market.id: [] for market, _ in found}
    inner: list[tuple[Market, Address, Address]] = []
    for market, at, own, ids in rows:
        parent, morpho, irm, length, older = (one.data for one in own)
        one = Adapter(address=at)
        mine = bool(parent) and v2.one("parentVault", parent) == market.address
        if mine and length and (_is(morpho, market.params["morpho"]) and _is(irm, market.params["irm"])):
            if v2.one("marketIdsLength", length) <= MOST_MARKETS:
                lent = [handle.data.hex() for handle in ids if handle.data]
                one = Adapter(address=at, ids=tuple(dict.fromkeys((*lent, *liquid_ids(market, at)))), lends=True)
        elif mine and older:
            inner.append((market, at, v2.one("morphoVaultV1", older)))
        adapters[market.id].append(one)
    wanted = sorted({(m.params["morpho"], i) for m, _ in found for one in adapters[m.id] for i in one.ids})
    flows: list[Flow[Any]] = [_vaults(inner), _terms(wanted)]
    vaults, terms = yield from side_by_side(flows)
    return [_with_adapters(market, adapters[market.id], vaults, terms) for market, _ in found]


def _is(answer: bytes, address: str) -> bool:
    return len(answer) == 32 and int.from_bytes(answer, "big") == int(address, 16)


def _vaults(inner: Sequence[tuple[Market, Address, Address]]) -> Flow[dict[Address, Market]]:
    """By adapter, the MetaMorpho vault that it deposits to. inner: (the vault above, the adapter, the vault)."""
    vault_abi, reads = abi("erc4626"), Reads()
    each = [
        (
            reads.group([vault_abi.read(at, name, optional=True) for name in HEAD]),
            reads.group(metamorpho.discovery_reads(at)),
        )
        for _, _, at in inner
    ]
    if not inner:
        return {}
    yield from reads.made()
    made = []
    for (market, _, at), (head, rest) in zip(inner, each, strict=True):
        if not all(head.data) or vault_abi.one("asset", head.data[0]) != market.asset.address:
            continue
        params = metamorpho.params_of(market.params, rest.data)
        key = MarketId(f"erc4626/{evm_number(market.chain)}/{at.lower()}")
        if "unfit" not in params:
            made.append(replace(market, id=key, protocol="erc4626", name=short(at), address=at, params=params))
    if made:
        made = yield from metamorpho.with_oracles(made, inner[0][0].params["morpho"])
    known = {one.address: one for one in made}
    return {adapter: known[at] for _, adapter, at in inner if at in known}


def _terms(wanted: Sequence[tuple[str, str]]) -> Flow[dict[str, tuple[Any, ...]]]:
    """By market id its terms. wanted: (Morpho's address, id)."""
    blue = abi("morpho_blue")
    if not wanted:
        return {}
    answers = yield [blue.read(checksum(morpho), "idToMarketParams", bytes.fromhex(i)) for morpho, i in wanted]
    return {i: blue.decode("idToMarketParams", one) for (_, i), one in zip(wanted, answers, strict=True)}


def _with_adapters(
    market: Market, adapters: Sequence[Adapter], vaults: dict[Address, Market], terms: dict[str, tuple[Any, ...]]
) -> Market:
    """The vault, with its adapters and the oracle and collateral of each market that they lend in."""
    adapters = [replace(one, vault=vaults.get(one.address)) for one in adapters]
    ids = tuple(dict.fromkeys(i for one in adapters for i in one.ids))
    lent = {i: terms[i] for i in ids if int(terms[i][1], 16)}
    collaterals: dict[str, str] = {metamorpho.pool_key(market, i): checksum(term[1]) for i, term in lent.items()}
    collaterals |= {one.vault.id: one.vault.address for one in adapters if one.vault is not None}
    params = {
        **market.params,
        "adapters": tuple(adapters),
        "markets": ids,
        "oracles": {i: checksum(term[2]) for i, term in lent.items()},
        "collaterals": collaterals,
    }
    return replace(market, params=params)


ADAPTER = MorphoVaultV2()
