"""The tables' own rules: what each key may be, to the last value, and what stands where it is left out."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from yieldbot.config import chain_schema, schema
from yieldbot.config.chain_schema import _evm_chain, _finality, _svm_chain
from yieldbot.config.schema import _claim, _endpoint, _money, _share, _sol
from yieldbot.model.policy import NEVER

GENESIS = "solana:5eykt4UsFv8P8NJdTREpY1vzqKqZKvdp"


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        (_share, [0, 0.5, 1, 1.0], [-0.001, 1.001]),
        (_finality, ["latest", "safe", "finalized", 0, 64], [-1, True, False, 1.5, "soon", None, "64"]),
        (_endpoint, ["http://h", "https://h:1/p"], ["ftp://h", "h", "https://u:p@h", "http:/h"]),
        (_evm_chain, ["eip155:1", "eip155:8453"], ["eip155:0", GENESIS]),
        (_svm_chain, [GENESIS], ["eip155:1"]),
        (_sol, ["0.001", "0.000000001", "1"], ["0.0000000001", 0.5, "1,5"]),
        (_money, ["100.50", "0"], [0.5, True, None, "1,5", "1e5", "-1"]),
        (_claim, ["0.5", NEVER], ["sometimes", 0.5, True]),
    ],
)
def test_what_a_key_may_be(rule: Any, good: list[Any], bad: list[Any]) -> None:
    for value in good:
        assert rule(value) == value and type(rule(value)) is type(value)
    for value in bad:
        with pytest.raises(ValueError):
            rule(value)


def test_whole_numbers_of_tokens_need_no_quotes() -> None:
    assert _money(100) == "100" and _claim(5) == "5" and _sol(2) == "2"


ADDRESS = "0xcA11bde05977b3631167028862bE2a173976CA11"
KEY = "EPjFWdd5AufqSSqeM2qN1xzybapC8G4wEGGkZwyTDt1v"


def chain_table(**changes: Any) -> Any:
    needed: dict[str, Any] = {
        "name": "c",
        "chain": "eip155:1",
        "rpc_env": "X",
        "multicall3": ADDRESS,
        "max_fee_gwei": 5.0,
        "native": {"symbol": "ETH"},
        "tokens": {},
    }
    return chain_schema.ChainTable(**needed | changes)


def cluster_table(**changes: Any) -> Any:
    needed: dict[str, Any] = {"name": "c", "chain": GENESIS, "rpc_env": "X", "native": {"symbol": "SOL"}, "tokens": {}}
    return chain_schema.SvmChainTable(**needed | changes)


def test_what_stands_where_a_chains_key_is_left_out() -> None:
    chain, cluster = chain_table(), cluster_table()
    assert (chain.finality, cluster.finality) == ("latest", "finalized")
    for table in (chain, cluster):
        assert table.submit_public is False and table.submit_to_all is False
        assert table.submit_rpc_env is None and table.quorum is None
    assert (chain.max_behind_blocks, chain.priority_fee_gwei, chain.poll_seconds) == (5, 0.1, 2.0)
    assert (chain.confirm_timeout_seconds, chain.replace_after_seconds) == (300.0, 60.0)
    assert (cluster.max_unit_price_micro_lamports, cluster.max_slot_skew) == (500_000, 16)
    assert (cluster.max_fee_sol, cluster.keep_sol, cluster.lookup_tables) == ("0.001", "0.02", [])


@pytest.mark.parametrize(
    ("make", "key", "good", "bad"),
    [
        (chain_table, "quorum", 1, 0),
        (chain_table, "max_behind_blocks", 0, -1),
        (chain_table, "max_fee_gwei", 0.001, 0.0),
        (chain_table, "priority_fee_gwei", 0.0, -0.1),
        (chain_table, "poll_seconds", 0.1, 0.0),
        (chain_table, "confirm_timeout_seconds", 0.1, float("inf")),
        (chain_table, "replace_after_seconds", 1.0, float("nan")),
        (chain_table, "finality", 3, "confirmed"),
        (chain_table, "submit_public", True, 1),
        (chain_table, "rpc_env", "A_1", "1A"),
        (cluster_table, "finality", "confirmed", "latest"),
        (cluster_table, "quorum", 1, 0),
        (cluster_table, "max_unit_price_micro_lamports", 0, -1),
        (cluster_table, "max_slot_skew", 0, -1),
        (cluster_table, "max_fee_sol", "0.5", 0.5),
        (cluster_table, "lookup_tables", [KEY], ["x"]),
        (cluster_table, "chain", GENESIS, "eip155:1"),
    ],
)
def test_the_least_that_a_chains_key_may_be(make: Any, key: str, good: Any, bad: Any) -> None:
    assert getattr(make(**{key: good}), key) == good
    with pytest.raises(ValidationError):
        make(**{key: bad})


def test_a_table_takes_no_key_that_it_does_not_know_and_converts_nothing() -> None:
    for changes in ({"unknown": 1}, {"max_behind_blocks": "5"}, {"name": 5}):
        with pytest.raises(ValidationError):
            chain_table(**changes)
    made = chain_table()
    with pytest.raises(ValidationError):
        made.name = "other"


def base_table(**changes: Any) -> Any:
    return schema.BaseTable(**{"unit": "USD", "assets": {"USDC": 1.0}} | changes)


def token_table(**changes: Any) -> Any:
    return chain_schema.TokenTable(**{"address": ADDRESS, "decimals": 6} | changes)


def svm_token_table(**changes: Any) -> Any:
    return chain_schema.SvmTokenTable(**{"address": KEY, "decimals": 6} | changes)


def settings_table(**changes: Any) -> Any:
    return schema.SettingsTable(**{"schema": 1} | changes)


def wallet_table(**changes: Any) -> Any:
    return schema.WalletTable(**{"name": "main", "address": ADDRESS} | changes)


BPS = [0, 0.5, 10_000], [-0.1, 10_000.1]
SOME_BPS = [0.5, 10_000], [0, 10_000.1]
FEWER_BPS = [0, 0.5, 9_999.9], [-0.1, 10_000]
SECONDS = [1], [0]


@pytest.mark.parametrize(
    ("make", "key", "values"),
    [
        (base_table, "slippage_bps", FEWER_BPS),
        (base_table, "max_impact_bps", FEWER_BPS),
        (base_table, "max_apart_bps", SOME_BPS),
        (base_table, "max_depeg_bps", SOME_BPS),
        (base_table, "max_feed_age_seconds", SECONDS),
        (base_table, "deadline_seconds", ([1, 3600], [0, 3601])),
        (base_table, "assets", ([{"USDC": 0.0}], [{}])),
        (schema.PolicyTable, "horizon_days", ([0.5, 3650], [0, 3650.5])),
        (schema.PolicyTable, "break_even_days", ([0.5], [0])),
        (schema.PolicyTable, "haircut_bps", ([{"a": 0}, {"a": 10_000}], [{"a": -0.1}, {"a": 10_000.1}])),
        (schema.PolicyTable, "min_liquidity_multiple", ([0, 0.5], [-0.1])),
        (schema.PolicyTable, "max_exit_hours", ([0, 0.5], [-0.1])),
        (schema.PolicyTable, "cooldown_hours", ([0], [-0.1, float("inf")])),
        (schema.PolicyTable, "failure_window_hours", ([0.5], [0, float("nan")])),
        (schema.PolicyTable, "plan_ttl_seconds", SECONDS),
        (schema.PolicyTable, "run_timeout_seconds", ([1, 604_800], [0, 604_801])),
        (schema.PolicyTable, "delta_tolerance_bps", BPS),
        (schema.PolicyTable, "max_failures", SECONDS),
        (schema.PolicyTable, "approvals_needed", ([0, 20], [-1, 21])),
        (schema.PolicyTable, "stop_at_loss_bps", SOME_BPS),
        (schema.PolicyTable, "confidence", ([0.5, 0.99], [0.49, 1])),
        (schema.PolicyTable, "max_depeg_bps", ([0.5, 9_999.9], [0, 10_000])),
        (schema.PolicyTable, "max_feed_age_seconds", SECONDS),
        (schema.PolicyTable, "reward_haircut_bps", BPS),
        (schema.PolicyTable, "reward_haircut_tokens", ([{"A": 0}, {"A": 10_000}], [{"A": -0.1}, {"A": 10_000.1}])),
        (settings_table, "data_dir", (["d"], [""])),
        (settings_table, "anvil", (["a"], [""])),
        (settings_table, "descriptors", (["d"], [""])),
        (wallet_table, "keystore", (["k"], [""])),
        (wallet_table, "key_id", (["k"], [""])),
        (wallet_table, "region", (["r"], [""])),
        (wallet_table, "name", (["a", "A 1"], ["", " a"])),
        (token_table, "decimals", ([0, 36], [-1, 37])),
        (svm_token_table, "decimals", ([0, 18], [-1, 19])),
    ],
)
def test_each_number_has_its_least_and_its_most(make: Any, key: str, values: tuple[list[Any], list[Any]]) -> None:
    good, bad = values
    for value in good:
        assert getattr(make(**{key: value}), key) == value
    for value in bad:
        with pytest.raises(ValidationError):
            make(**{key: value})


def test_protocols_and_exchanges_keep_their_adapters_own_keys() -> None:
    found = chain_schema.ProtocolTable(protocol="aave_v3", name="Aave", assets=["USDC"], pool="0x1")  # type: ignore[call-arg]
    assert found.model_extra == {"pool": "0x1"}
    assert chain_schema.ExchangeTable(protocol="p", name="n", more=1).model_extra == {"more": 1}  # type: ignore[call-arg]
    for wrong in ({"assets": []}, {"assets": ["USDC"], "name": 5}):
        with pytest.raises(ValidationError):
            chain_schema.ProtocolTable(**{"protocol": "p", "name": "n"} | wrong)
    with pytest.raises(ValidationError):
        chain_schema.ExchangeTable(protocol=5, name="n")  # type: ignore[arg-type]
    for frozen in (found, chain_schema.ExchangeTable(protocol="p", name="n")):
        with pytest.raises(ValidationError):
            frozen.name = "other"
    assert token_table().pegged is False and svm_token_table().pegged is False and token_table().symbols == []
    with pytest.raises(ValidationError):
        schema.SettingsTable(schema=2)  # type: ignore[arg-type]
