"""Every reader of EVM registries: what it takes from an event or a list, and what makes it believe a market. Events and
answers are encoded here from the sources' own signatures (docs/discovery.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from yieldbot.errors import MarketError, ReadReverted
from yieldbot.model.discovery import FoundMarket, Listed, Registry
from yieldbot.model.ids import ChainId
from yieldbot.model.reads import EthCall, EthLog, Flow, Read
from yieldbot.protocols import adapters
from yieldbot.protocols.evm.abi import checksum
from yieldbot.protocols.registries import registries
from yieldbot.rpc.lockstep import Answer, run

CHAIN = ChainId("eip155:1")
AT, ASSET, OTHER, FIRST, SECOND, CURATOR = (checksum("0x" + digit * 40) for digit in "abcdef")
ZERO = "0x" + "00" * 20


def registry(kind: str) -> Registry:
    reader = registries()[kind]
    params = {name: OTHER for name in reader.params.model_fields} | {reader.address_key: AT}
    return Registry(kind, CHAIN, kind, params, AT, 1 if reader.topics else None)


def log(signature: str, topics: Sequence[str], types: Sequence[str], *values: Any) -> EthLog:
    words = [keccak(text=signature), *(bytes.fromhex(one[2:]).rjust(32, b"\0") for one in topics)]
    return EthLog(AT, tuple(words), encode(list(types), list(values)), 7, 0, "0x01")


def selector(signature: str) -> bytes:
    return keccak(text=signature)[:4]


def answered(flow: Flow[Any], answers: Mapping[tuple[str, str], bytes]) -> Any:
    """The flow's result, with answers by (contract, function); everything else reverts."""
    known = {(to.lower(), selector(name)): data for (to, name), data in answers.items()}

    async def answer(reads: Sequence[Read]) -> list[Answer]:
        found = list[Answer]()
        for one in reads:
            assert isinstance(one, EthCall)
            data = known.get((one.to.lower(), one.data[:4]))
            found.append(data if data is not None else b"" if one.optional else REVERTED)
        return found

    (result,) = asyncio.run(run([flow], answer))
    return result


REVERTED: Answer = ReadReverted("it reverted")
VAULT = {
    (FIRST, "asset()"): encode(["address"], [ASSET]),
    (FIRST, "name()"): encode(["string"], ["Strangers' vault\n\x1b[31m of USDC"]),
    (FIRST, "totalAssets()"): encode(["uint256"], [12_345]),
    (FIRST, "curator()"): encode(["address"], [CURATOR]),
    (FIRST, "governorAdmin()"): encode(["address"], [CURATOR]),
    (FIRST, "owner()"): encode(["address"], [CURATOR]),
}
EVENTS = {
    "metamorpho": log(
        "CreateMetaMorpho(address,address,address,uint256,address,string,string,bytes32)",
        [FIRST, OTHER, ASSET],
        ["address", "uint256", "string", "string", "bytes32"],
        OTHER,
        86_400,
        "name",
        "symbol",
        bytes(32),
    ),
    "morpho_vault_v2": log(
        "CreateVaultV2(address,address,bytes32,address)", [OTHER, ASSET, FIRST], ["bytes32"], bytes(32)
    ),
    "silo_v2": log(
        "NewSilo(address,address,address,address,address,address)",
        [OTHER, ASSET, OTHER],
        ["address", "address", "address"],
        FIRST,
        SECOND,
        OTHER,
    ),
    "compound_v3": log("SetFactory(address,address,address)", [FIRST, OTHER, OTHER], []),
    "pendle": log(
        "CreateNewMarket(address,address,int256,int256,uint256)",
        [FIRST, OTHER],
        ["int256", "int256", "uint256"],
        1,
        2,
        3,
    ),
}
NAMED = {"metamorpho": ASSET, "morpho_vault_v2": ASSET, "silo_v2": ASSET, "compound_v3": "", "pendle": ""}
KNOWN_BY = {
    "metamorpho": "isMetaMorpho(address)",
    "morpho_vault_v2": "isVaultV2(address)",
    "silo_v2": "isSilo(address)",
    "euler_v2": "isProxy(address)",
    "euler_earn": "isVault(address)",
}
LISTS = {
    "aave_v3": {"getReservesList()": encode(["address[]"], [[ASSET, ZERO, ASSET]])},
    "aave_v4": {
        "getAssetCount()": encode(["uint256"], [1]),
        "getSpokeCount(uint256)": encode(["uint256"], [2]),
        "getSpokeAddress(uint256,uint256)": encode(["address"], [FIRST]),
    },
    "compound_v2": {"getAllMarkets()": encode(["address[]"], [[FIRST]])},
    "fluid": {"allTokens()": encode(["address[]"], [[FIRST]])},
    "fraxlend": {"getAllPairAddresses()": encode(["address[]"], [[FIRST]])},
    "yearn_v3": {"getAllEndorsedVaults()": encode(["address[][]"], [[[FIRST], [], [FIRST]]])},
    "euler_v2": {
        "getProxyListLength()": encode(["uint256"], [1]),
        "getProxyListSlice(uint256,uint256)": encode(["address[]"], [[FIRST]]),
    },
    "euler_earn": {
        "getVaultListLength()": encode(["uint256"], [1]),
        "getVaultListSlice(uint256,uint256)": encode(["address[]"], [[FIRST]]),
    },
}


def test_every_reader_is_held_here() -> None:
    assert set(EVENTS) | set(LISTS) | {"morpho_blue"} == set(registries())


@pytest.mark.parametrize("kind", EVENTS)
def test_an_event_names_its_market_and_a_short_one_nothing(kind: str) -> None:
    reader, event = registries()[kind], EVENTS[kind]
    assert event.topics[0] in reader.topics
    first, *others = reader.listed(registry(kind), event)
    assert first == Listed(FIRST, NAMED[kind], 7, "0x01")
    assert [one.key for one in others] == ([SECOND] if kind == "silo_v2" else [])
    for bad in (EthLog(AT, event.topics[:1], event.data, 7, 0, ""), EthLog(AT, (), b"", 7, 0, "")):
        with pytest.raises(ValueError, match="topics"):
            reader.listed(registry(kind), bad)


@pytest.mark.parametrize("kind", LISTS)
def test_a_list_names_each_market_once(kind: str) -> None:
    answers = {(AT, name): data for name, data in LISTS[kind].items()}
    answers[FIRST, "hub()"] = encode(["address"], [AT])
    found = answered(registries()[kind].listing(registry(kind)), answers)
    assert [one.key for one in found] == [ASSET if kind == "aave_v3" else FIRST]
    assert isinstance(answered(registries()[kind].listing(registry(kind)), {}), MarketError)
    with pytest.raises(ValueError, match="no events"):
        registries()[kind].listed(registry(kind), EVENTS["silo_v2"])


@pytest.mark.parametrize("kind", KNOWN_BY)
def test_a_vault_counts_only_if_its_registry_knows_it(kind: str) -> None:
    flow = registries()[kind].confirm
    yes, no = ({**VAULT, (AT, KNOWN_BY[kind]): encode(["bool"], [known])} for known in (True, False))
    found = answered(flow(registry(kind), FIRST), yes)
    curator = "" if kind == "silo_v2" else CURATOR
    assert (found.key, found.asset, found.supplied_raw, found.curator) == (FIRST, ASSET, 12_345, curator)
    assert found.name == "Strangers' vault \N{REPLACEMENT CHARACTER}[31m of USDC" and not found.fault
    assert answered(flow(registry(kind), FIRST), no).denied
    assert isinstance(answered(flow(registry(kind), FIRST), VAULT), MarketError), "a registry that says nothing"
    bare = answered(flow(registry(kind), FIRST), {(AT, KNOWN_BY[kind]): encode(["bool"], [True])})
    assert bare.fault and not bare.denied


def test_absurd_amounts_and_names_are_nothing() -> None:
    known = {(AT, "isSilo(address)"): encode(["bool"], [True]), (FIRST, "asset()"): encode(["address"], [ASSET])}
    odd = {(FIRST, "totalAssets()"): b"\xff" * 32, (FIRST, "name()"): b"\xff" * 7}
    found = answered(registries()["silo_v2"].confirm(registry("silo_v2"), FIRST), known | odd)
    assert (found.supplied_raw, found.name, found.asset) == (0, "", ASSET)
    old = {(FIRST, "name()"): b"MKR".ljust(32, b"\0")}
    assert answered(registries()["silo_v2"].confirm(registry("silo_v2"), FIRST), known | old).name == "MKR"


def confirmed(kind: str, key: str, answers: Mapping[tuple[str, str], bytes]) -> FoundMarket:
    found = answered(registries()[kind].confirm(registry(kind), key), answers)
    assert isinstance(found, FoundMarket)
    return found


def test_the_others_confirm_by_their_own_contracts() -> None:
    tokens = {(OTHER, "getReserveTokensAddresses(address)"): encode(["address"] * 3, [FIRST, ZERO, ZERO])}
    supply = {(FIRST, "totalSupply()"): encode(["uint256"], [77])}
    assert confirmed("aave_v3", ASSET, tokens | supply).supplied_raw == 77
    none = {(OTHER, "getReserveTokensAddresses(address)"): encode(["address"] * 3, [ZERO, ZERO, ZERO])}
    assert confirmed("aave_v3", ASSET, none).denied
    comet = {(FIRST, "baseToken()"): encode(["address"], [ASSET]), **supply}
    assert (
        confirmed("compound_v3", FIRST, {(AT, "factory(address)"): encode(["address"], [OTHER]), **comet}).asset
        == ASSET
    )
    assert confirmed("compound_v3", FIRST, {(AT, "factory(address)"): encode(["address"], [ZERO]), **comet}).denied
    spoke = {**VAULT, (FIRST, "assetId()"): encode(["uint256"], [3])}
    for there in (True, False):
        spoke |= {(AT, "isSpokeListed(uint256,address)"): encode(["bool"], [there])}
        added = {(AT, "getAddedAssets(uint256)"): encode(["uint256"], [88])}
        found = confirmed("aave_v4", FIRST, spoke | added)
        assert found.denied is not there and found.supplied_raw == (88 if there else 0)
    assert "tokenization spoke" in confirmed("aave_v4", FIRST, VAULT).fault
    market = {(FIRST, "exchangeRateStored()"): encode(["uint256"], [2 * 10**18]), **supply}
    lent = confirmed("compound_v2", FIRST, {(FIRST, "underlying()"): encode(["address"], [ASSET]), **market})
    assert (lent.asset, lent.supplied_raw) == (ASSET, 154)
    assert "native" in confirmed("compound_v2", FIRST, market).fault
    principal = {
        (AT, "isValidMarket(address)"): encode(["bool"], [True]),
        (FIRST, "readTokens()"): encode(["address"] * 3, [SECOND, CURATOR, OTHER]),
        (FIRST, "isExpired()"): encode(["bool"], [True]),
        (SECOND, "assetInfo()"): encode(["uint8", "address", "uint8"], [0, ASSET, 6]),
        (CURATOR, "totalSupply()"): encode(["uint256"], [5]),
    }
    expired = confirmed("pendle", FIRST, principal)
    assert (expired.asset, expired.supplied_raw, expired.fault) == (ASSET, 5, "it has expired")
    assert confirmed("pendle", FIRST, {(AT, "isValidMarket(address)"): encode(["bool"], [False])}).denied
    for kind in ("fluid", "fraxlend", "yearn_v3"):
        assert confirmed(kind, FIRST, VAULT).asset == ASSET


def test_no_market_whose_protocol_has_an_adapter_is_pinned_as_an_opaque_vault() -> None:
    """Its own adapter computes what a deposit changes, its exit and its risks; the generic one sees a share price."""
    found, own = FoundMarket(key=FIRST, asset=ASSET), {"euler_v2": "euler", "metamorpho": "erc4626", "silo_v2": "silo"}
    rows = {kind: reader.pinned(registry(kind), found) for kind, reader in registries().items()}
    pinned_by = {kind: None if row is None else row.protocol for kind, row in rows.items()}
    for kind, protocol in pinned_by.items():
        if (adapter := own.get(kind, kind)) in adapters():
            assert protocol == adapter, kind
    opaque = {kind for kind, row in rows.items() if row is not None and row.same.get("flavour") == "generic"}
    assert opaque == set() and None not in pinned_by.values()
    beyond = replace(found, limits=("its yield token does not take the asset itself",))
    assert registries()["pendle"].pinned(registry("pendle"), beyond) is None
