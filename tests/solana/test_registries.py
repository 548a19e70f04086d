"""Readers of Kamino vaults and of Jupiter Lend on accounts of the programs' doubles: what they find is read in full by
the row that they would pin."""

from __future__ import annotations

from typing import Any

import pytest

from tests.kit.solana_bench import CHAIN
from tests.solana import test_jupiter_lend, test_kamino_vault
from yieldbot.errors import ReadReverted
from yieldbot.model.deployment import Deployment
from yieldbot.model.discovery import Registry
from yieldbot.model.ids import Address
from yieldbot.model.reads import Flow, SvmAccount
from yieldbot.protocols import svm_adapters
from yieldbot.protocols.registries import svm_registries


def account(address: str, program: Address) -> Flow[bytes]:
    (data,) = yield [SvmAccount(Address(address), program)]
    return bytes(data)


@pytest.mark.parametrize(
    ("kind", "made"), [("kamino_vault", test_kamino_vault.start()), ("jupiter_lend", test_jupiter_lend.start())]
)
def test_what_is_found_is_read_by_the_row_that_pins_it(kind: str, made: Any) -> None:
    ledger, usdc, market, _ = made
    reader, adapter = svm_registries()[kind], svm_adapters()[kind]
    program, key = Address(market.params["program"]), market.id.rpartition("/")[2]
    given = {name: program for name in reader.params.model_fields}
    given |= {name: market.params[name] for name in given if name in market.params}
    registry = Registry(kind, CHAIN, kind, reader.params.model_validate(given).model_dump(), program)
    wanted, data = reader.accounts(registry, usdc.address), ledger.run(account(key, program))
    assert len(data) == wanted.size, "the node lists the account by its size and mint"
    assert reader.accounts(registry, program) != wanted and wanted.at
    found = ledger.run(reader.confirm(registry, key))
    assert (found.key, found.asset, found.fault, found.denied) == (key, usdc.address, "", False)
    row = reader.pinned(registry, found)
    assert row is not None and row.protocol == kind and row.listed_in is not None
    params = {**row.same, **row.extra, row.listed_in: [row.value]}
    (again,) = ledger.run(adapter.discover(Deployment(kind, CHAIN, row.name, params, (usdc,))))
    state = ledger.observe(adapter, again)
    assert again.id == market.id and state.quoted.value > 0.0
    assert 0 < found.supplied_raw <= 1.01 * state.supplied.raw, "Jupiter's layer holds more than its lenders'"
    with pytest.raises(ReadReverted, match="belongs to"):
        ledger.run(reader.confirm(registry, str(usdc.address)))
