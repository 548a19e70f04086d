"""The sandbox's protocols are found by their files, and each is an adapter's."""

from pathlib import Path

import pytest
from solders.pubkey import Pubkey

from yieldbot.errors import ConfigError
from yieldbot.model.ids import Address, svm_chain
from yieldbot.protocols import adapters, exchanges, svm_adapters, svm_exchanges, svm_price_oracles
from yieldbot.protocols.solana.layout import SYSTEM_PROGRAM
from yieldbot.sandbox.evm import exchanges as sandbox_exchanges
from yieldbot.sandbox.evm import protocols
from yieldbot.sandbox.evm.exchanges import sandbox_exchange
from yieldbot.sandbox.evm.market import STANDARD, STANDARD_EXCHANGES
from yieldbot.sandbox.evm.protocols import found, sandbox_protocol
from yieldbot.sandbox.solana import exchanges as solana_exchanges
from yieldbot.sandbox.solana import market as solana_market
from yieldbot.sandbox.solana import protocols as solana_protocols
from yieldbot.sandbox.solana.images import image

CHAIN, SLOT, NOW = svm_chain(str(Pubkey.default())), 1_000, 1_700_000_000
OWNER, STRANGER = (Address(str(Pubkey(bytes([byte]) * 32))) for byte in (1, 2))


def test_each_file_is_a_protocol_that_has_an_adapter() -> None:
    files = {file.stem for file in Path(protocols.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(found()) == files and set(STANDARD) <= files
    of = {name: sandbox_protocol(name).protocol for name in found()}
    assert set(of.values()) == set(adapters()) - {"idle"}, "every adapter can be deployed"
    assert [name for name, protocol in of.items() if protocol != name] == ["erc7540"], "a vault of another kind"


def test_one_that_is_not_known_is_told_with_those_that_are() -> None:
    with pytest.raises(ConfigError, match=f"cannot deploy 'nothing'; it can deploy .*{found()[0]}"):
        sandbox_protocol("nothing")


def test_each_file_is_an_exchange_that_has_an_adapter() -> None:
    files = {file.stem for file in Path(sandbox_exchanges.__file__).parent.glob("*.py")} - {"__init__"}
    assert set(sandbox_exchanges.found()) == files == set(exchanges()), "every exchange can be deployed"
    assert set(STANDARD_EXCHANGES) <= files
    assert all(sandbox_exchange(name).protocol == name for name in files)
    with pytest.raises(ConfigError, match=r"cannot deploy the exchange 'nothing'; it can deploy .*aerodrome"):
        sandbox_exchange("nothing")


def test_each_file_of_a_solana_protocol_is_found_and_every_adapter_has_one() -> None:
    files = {file.stem for file in Path(solana_protocols.__file__).parent.glob("*.py")} - {"__init__"}
    names = [one.protocol for one in solana_protocols.found()]
    assert set(names) == files == set(svm_adapters()) - {"idle"} and names == sorted(names)


def test_each_file_of_a_solana_exchange_is_found_and_every_adapter_has_one() -> None:
    files = {file.stem for file in Path(solana_exchanges.__file__).parent.glob("*.py")} - {"__init__"}
    names = [one.protocol for one in solana_exchanges.found()]
    assert set(names) == files == {*svm_exchanges(), *svm_price_oracles()} - set(svm_adapters()) and names == sorted(
        names
    )


def test_a_market_is_made_of_what_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A protocol's rows and accounts come from its module alone: one more is on the sandbox without any other edit."""
    account = image(SYSTEM_PROGRAM, b"invented")
    row = {"protocol": "invented", "name": "Invented (double)", "program": STRANGER, "pools": [STRANGER]}

    def place(setting: solana_protocols.Setting) -> solana_protocols.Placed:
        assert setting.tokens["USDC"].symbol == "USDC" and (setting.slot, setting.timestamp) == (SLOT, NOW)
        return solana_protocols.Placed(rows=(row,), images={STRANGER: account})

    one = solana_protocols.SandboxProtocol(protocol="invented", place=place)
    monkeypatch.setattr(solana_market, "found", lambda: (one,))
    made = solana_market.market(CHAIN, SLOT, NOW, OWNER, ("invented",))
    assert made.rows == ({"assets": ["USDC"], **row},) and made.images[STRANGER] == account
    assert 'protocol = "invented"' in solana_market.chain_toml("solana", "X", CHAIN, made)
