"""``yieldbot discover`` on the sandbox's real Morpho Blue: what strangers create is found, named with care, and gets
nothing until a person pins it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.kit.contracts import call, calldata, send
from tests.kit.evm.home import Home
from yieldbot.app.context import Context
from yieldbot.app.discover import DiscoverAnswer, DiscoverRequest, discover
from yieldbot.app.pin import Change, pin
from yieldbot.config.load import load
from yieldbot.errors import ConfigError
from yieldbot.history.found_store import FoundStore
from yieldbot.model.settings import Settings
from yieldbot.protocols import adapters
from yieldbot.sandbox.evm.artifacts import packaged
from yieldbot.sandbox.evm.node import Sandbox

STRANGER = "0x5151515151515151515151515151515151515151"
CREATE = "createMarket((address,address,address,address,uint256))"
TOKEN = "@uniswap/v3-periphery/node_modules/@openzeppelin/contracts/build/contracts/ERC20.json"
LLTV = 86 * 10**16


@pytest.fixture
def home(sandbox: Sandbox) -> Home:
    return Home(sandbox)


def token(sandbox: Sandbox, symbol: str) -> str:
    """A token of a stranger, with any symbol."""
    code = bytes.fromhex(packaged(TOKEN).bytecode) + encode(["string", "string"], [symbol, symbol])
    return str(send(sandbox, None, code, STRANGER)["contractAddress"])


def create(sandbox: Sandbox, collateral: str) -> str:
    """A market that a stranger creates; its id."""
    at = sandbox.addresses
    terms = (at["usdc"], collateral, at["morpho_oracle"], at["irm"], LLTV)
    send(sandbox, at["morpho"], calldata(CREATE, terms), STRANGER)
    return "0x" + keccak(encode(["(address,address,address,address,uint256)"], [terms])).hex()


def targets(settings: Settings, sandbox: Sandbox) -> dict[str, frozenset[bytes]]:
    """Everything that the signer may call for the markets of the chain's file."""
    import asyncio

    async def listed() -> dict[str, frozenset[bytes]]:
        async with sandbox.node() as node:
            flows = [adapters()[one.protocol].discover(one) for one in settings.chains["sandbox"].deployments]
            found: dict[str, frozenset[bytes]] = {}
            for markets in await node.run(flows, await node.block()):
                assert isinstance(markets, tuple)
                for market in markets:
                    found[market.id] = frozenset(
                        to.encode() + selector
                        for to, some in adapters()[market.protocol].targets(market).items()
                        for selector in some
                    )
            return found

    return asyncio.run(listed())


def by_key(document: Any, registry: str = "Morpho Blue") -> dict[str, Any]:
    (chain,) = document["chains"]
    assert chain["skipped"] is None
    return {one["key"]: one for one in chain["markets"] if one["registry"] == registry}


def pools_are_shown(home: Home, pools: list[Any]) -> None:
    """Each exchange's pools of USDC, with what their contracts hold."""
    assert {one["protocol"] for one in pools} == {"uniswap_v3", "uniswap_v4"}, pools
    assert all("USDC" in one["tokens"] and any(one["held"]) and not one["used_for"] for one in pools)
    first = next(one for one in pools if one["protocol"] == "uniswap_v3")
    usdc, place = home.sandbox.addresses["usdc"], first["tokens"].index("USDC")
    assert (
        first["held"][place]
        == int.from_bytes(call(home.sandbox, usdc, "balanceOf(address)", first["key"]), "big") / 10**6
    )
    held = [one["held"][one["tokens"].index("USDC")] for one in pools]
    assert held == sorted(held, reverse=True)


def test_what_a_stranger_creates_is_found_and_gets_nothing_before_a_person_pins_it(home: Home) -> None:
    sandbox = home.sandbox
    whole = home.json("discover")
    first, (reserve,) = by_key(whole), by_key(whole, "Aave v3").values()
    pools_are_shown(home, whole["chains"][0]["pools"])
    assert (reserve["state"], reserve["protocol"], reserve["age_days"]) == ("listed", "aave_v3", 0.0)
    assert reserve["key"] == sandbox.addresses["usdc"] and reserve["supplied"] > 1e6 and reserve["safety"] is not None
    assert {one["state"] for one in first.values()} == {"listed"} and not any(one["new"] for one in first.values())
    assert all(one["safety"] is not None for one in first.values())
    seen = {market["id"]: market["quoted_apy"] for market in home.json("markets")["jobs"][0]["markets"]}
    for one in first.values():  # no block was mined in between
        assert seen[f"morpho_blue/31337/{one['key']}"] == pytest.approx(one["quoted_apy"], rel=1e-9), one["name"]
    settings = load(sandbox.config)
    before, file = targets(settings, sandbox), sandbox.directory / "chains" / "sandbox.toml"
    fake = token(sandbox, "W\u0415TH")  # a Cyrillic letter
    key = create(sandbox, fake)
    second = by_key(home.json("discover"))
    assert set(second) == {*first, key}
    found = second[key]
    assert found["state"] == "found" and found["new"] and found["unfit"] is None and found["supplied"] == 0.0
    assert any("looks like WETH" in flag for flag in found["flags"]), found
    assert any("other scripts" in flag for flag in found["flags"])
    for wanted, keys in (
        ({"min_supplied": "1"}, first.keys()),
        ({"collateral": "WETH"}, first.keys()),  # a symbol of the file means the listed token
        ({"collateral": fake}, {key}),
        ({"curator": fake}, set()),
        ({"min_age_days": 9999.0}, set()),
        ({"new": True}, set()),  # it was new once
    ):
        shown = discover(DiscoverRequest(full=0, **wanted), Context(sandbox.config)).document
        assert by_key(shown.as_json()).keys() == keys, wanted
    safe = discover(DiscoverRequest(min_safety=35), Context(sandbox.config)).document
    assert all(one.safety is not None and one.safety >= 35 for one in safe.chains[0].markets)
    text = home.run("discover").out
    assert key in text and "looks like WETH" in text
    again = load(sandbox.config)
    assert again == settings and targets(again, sandbox) == before, "what was found widens nothing"
    assert key not in home.run("--json", "markets").out
    written = file.read_bytes()
    refused = home.run("discover", "--pin", key)
    assert refused.code == 2 and "terminal" in refused.err and f'+  "{key}"' not in refused.out
    assert key in refused.err and file.read_bytes() == written, "the change is shown, and nothing is written"


def answer_of(sandbox: Sandbox, *keys: str) -> tuple[DiscoverAnswer, Context]:
    context = Context(sandbox.config)
    return discover(DiscoverRequest(keys=keys), context), context


def test_a_pinned_market_is_a_line_in_the_chains_file_and_nothing_else_changes(sandbox: Sandbox) -> None:
    key, other = create(sandbox, sandbox.addresses["dai"]), create(sandbox, token(sandbox, "DAI"))
    found, context = answer_of(sandbox, key)
    assert [one.shown.key for one in found.markets] == [key]
    file = sandbox.directory / "chains" / "sandbox.toml"
    file.write_text("# ours\n" + file.read_text())
    before, shown = file.read_text(), list[Change]()
    assert pin([key], found.markets, context, shown.append, lambda: False) == ()
    assert file.read_text() == before and any(key in line for line in shown[0].lines)
    (fact,) = shown[0].facts
    assert "DAI 86 %" in fact and "0 USDC supplied" in fact and "safety" in fact and sandbox.addresses["dai"] in fact
    for bad in (other, "0x" + "12" * 32):
        with pytest.raises(ConfigError, match="no registry"):
            pin([bad], found.markets, context, shown.append, lambda: True)
    assert pin([key], found.markets, context, shown.append, lambda: True) == (file,)
    after = file.read_text()
    lost = [line for line in before.splitlines() if line not in after.splitlines()]
    assert len(lost) == 1 and lost[0].startswith("markets = ["), "only the list has changed"
    settings = load(sandbox.config)
    (blue,) = [one for one in settings.chains["sandbox"].deployments if one.protocol == "morpho_blue"]
    assert key in blue.params["markets"] and other not in blue.params["markets"]
    home = Home(sandbox)
    assert key in home.run("--json", "markets").out
    found, context = answer_of(sandbox, key)
    with pytest.raises(ConfigError, match="already"):
        pin([key], found.markets, context, shown.append, lambda: True)


def test_what_was_read_is_kept_and_another_chain_is_noticed(home: Home) -> None:
    sandbox = home.sandbox
    home.json("discover")
    settings = load(sandbox.config)
    store = FoundStore(settings.data_dir)
    (registry,) = [one for one in settings.chains["sandbox"].registries if one.kind == "morpho_blue"]
    known = store.known(registry.id)
    assert known.spans == ((0, known.height),) and known.last_run is not None
    store.forget_spans(registry.id)
    assert known.height is not None
    store.add(registry.id, (), (0, known.height // 2))
    key = create(sandbox, sandbox.addresses["dai"])
    (chain,) = home.json("discover")["chains"]
    assert key in {one["key"] for one in chain["markets"]}
    assert len(store.known(registry.id).spans) == 1, "only the rest was read"
    store.reached(registry.id, known.height, "0x" + "77" * 32)
    document = home.json("discover")
    notes = _notes(document["chains"][0]["registries"])
    assert any("another one than at the last reading" in note for note in notes)
    assert len(by_key(document)) == 3


def _notes(registries: Iterable[Any]) -> list[str]:
    return [note for one in registries for note in one["notes"]]


def test_check_says_of_each_registry_whether_it_is_one(home: Home) -> None:
    found = {one["what"]: one for one in home.json("check")["checks"]}
    assert "events are read from block 0" in found["sandbox registry Morpho Blue"]["said"]
    assert found["sandbox registry Aave v3"]["said"].endswith("markets")
    file, at = home.sandbox.directory / "chains" / "sandbox.toml", home.sandbox.addresses
    head, _, tail = file.read_text().rpartition('kind = "morpho_blue"')
    file.write_text(f'{head}kind = "metamorpho"\nfactory = "{at["irm"]}"{tail}')
    found = {one["what"]: one for one in home.json("check", code=2)["checks"]}
    assert "does not answer as metamorpho does" in found["sandbox registry Morpho Blue"]["said"]
    seen = home.json("discover", code=0)
    assert not by_key(seen), "a contract that is no registry lists nothing"
    file.write_text(file.read_text().replace("from_block = 0", 'from_block = "x"'))
    refused = home.run("discover")
    assert refused.code == 2 and "registries[2].from_block" in refused.err
