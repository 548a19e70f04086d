"""Configuration: what is right loads exactly; each mistake is one line with file, key and remedy."""

from __future__ import annotations

from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.kit.config.files import CHAIN, POOL, PROVIDER, SETTINGS, USDC, WALLET, swapped, written
from yieldbot.config.load import chain_names, env_file, environment, load
from yieldbot.config.policy_file import notes_of, policy_file, policy_with
from yieldbot.config.schema import PolicyTable
from yieldbot.errors import ConfigError
from yieldbot.model.policy import SALE, Policy
from yieldbot.model.settings import KmsKey, LedgerKey


def test_what_is_right_loads_exactly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TESTNET_RPC_URL", raising=False)
    settings = load(written(tmp_path, env="TESTNET_RPC_URL=http://127.0.0.1:8545\n"))
    (job,) = settings.jobs
    assert (job.wallet.address, job.chain.chain, job.asset.address) == (WALLET, "eip155:31337", USDC)
    assert job.chain.rpc_urls == ("http://127.0.0.1:8545",)
    assert settings.data_dir == tmp_path / "data"
    assert job.wallet.keystore == tmp_path / "keys/main.json"
    assert settings.policy == Policy(
        move_horizon_days=14, min_move="100.5", exclude=("compound_v3",), max_share_protocol={"aave_v3": 0.5}
    )
    (deployment,) = job.chain.deployments
    assert deployment.protocol == "aave_v3" and deployment.params["pool"] == POOL


def test_the_real_environment_wins_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, env="TESTNET_RPC_URL=http://in-the-file\nOTHER=from-file\n")
    monkeypatch.setenv("TESTNET_RPC_URL", "http://real")
    assert load(path).jobs[0].chain.rpc_urls == ("http://real",)
    assert environment(path)["OTHER"] == "from-file"
    assert env_file(path) == (tmp_path / ".env", {"TESTNET_RPC_URL": "http://in-the-file", "OTHER": "from-file"})


def test_no_url_is_not_an_error_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TESTNET_RPC_URL", raising=False)
    assert load(written(tmp_path)).jobs[0].chain.rpc_urls == ()


def test_a_bad_url_is_refused_and_never_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TESTNET_RPC_URL", "htp://node.example/SECRET")
    with pytest.raises(ConfigError, match="TESTNET_RPC_URL") as refused:
        load(written(tmp_path))
    assert "SECRET" not in str(refused.value)


def test_chains_beside_the_file_come_first(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert chain_names(path)["testnet"] == tmp_path / "chains" / "testnet.toml"


def test_a_market_is_excluded_by_its_id_or_its_name(tmp_path: Path) -> None:
    names = f'"Aave v3", "aave_v3/31337/{POOL.lower()}/{USDC.lower()}"]'
    settings = load(written(tmp_path, settings=swapped(SETTINGS, '"compound_v3"]', names)))
    assert settings.policy.try_first == ("generic",)
    assert settings.policy.exclude == ("Aave v3", f"aave_v3/31337/{POOL.lower()}/{USDC.lower()}")


def test_the_older_horizon_is_read_and_what_to_write_is_said(tmp_path: Path) -> None:
    settings = load(written(tmp_path, settings=swapped(SETTINGS, "move_horizon_days = 14", "horizon_days = 14")))
    policy = settings.policy
    assert (policy.move_days, policy.enter_days, policy.mean_days) == (14, 14, 14)
    (warning,) = settings.warnings
    assert warning.startswith(
        f"{settings.source}: policy.horizon_days is an older key for two: write move_horizon_days = 14"
    )
    assert "enter_horizon_days = 14" in warning and "(7 and 90 are recommended)" in warning
    (tmp_path / "two").mkdir()
    both = "enter_horizon_days = 60\nmove_horizon_days = 14"
    settings = load(written(tmp_path / "two", settings=swapped(SETTINGS, "move_horizon_days = 14", both)))
    assert (settings.policy.move_days, settings.policy.enter_days) == (14, 60) and not settings.warnings


def test_a_newer_horizon_counts_beside_the_older_one(tmp_path: Path) -> None:
    both = "horizon_days = 30\nmove_horizon_days = 14"
    settings = load(written(tmp_path, settings=swapped(SETTINGS, "move_horizon_days = 14", both)))
    assert (settings.policy.move_days, settings.policy.enter_days) == (14, 30)
    assert "write move_horizon_days = 14 and enter_horizon_days = 30, which is the same" in settings.warnings[0]
    own = tmp_path / "own.toml"
    own.write_text("[policy]\nhorizon_days = 30\n")
    changed = policy_with(own, {"move_horizon_days": 3})
    assert (policy_file(own).move_days, changed.move_days, changed.enter_days) == (30, 3, 30)
    assert notes_of(own)[0].startswith(f"{own}: policy.horizon_days is an older key")


def test_a_market_whose_table_was_taken_out_can_be_given_up(tmp_path: Path) -> None:
    gone = "erc4626/31337/0x" + "ab" * 20
    text = swapped(SETTINGS, '"compound_v3"]', f'"compound_v3", "{gone}"]')
    file = written(tmp_path, settings=text)
    settings = load(file)
    assert settings.policy.exclude == ("compound_v3", gone)
    (warning,) = settings.warnings
    assert f"policy.exclude names {gone}, which no table of its chain has" in warning
    file.write_text(SETTINGS)
    assert load(file).warnings == ()
    for wrong_id in (gone + "cd", gone.replace("31337", "5"), gone.replace("erc4626", "erc4627"), gone[:-2]):
        file.write_text(text.replace(gone, wrong_id))
        with pytest.raises(ConfigError, match=r"policy.exclude\[2\]"):
            load(file)


def test_the_policy_table_has_exactly_the_policys_fields() -> None:
    assert set(PolicyTable.model_fields) == {field.name for field in fields(Policy)}


IN_SETTINGS = [
    (
        "move_horizon_days = 14",
        "move_horizont_days = 14",
        "policy.move_horizont_days",
        "did you mean move_horizon_days?",
    ),
    ("schema = 1", "schema = 2", "schema", "write 1"),
    ("schema = 1", "", "schema", "is missing"),
    ("move_horizon_days = 14", 'move_horizon_days = "14"', "policy.move_horizon_days", "write a number"),
    ("move_horizon_days = 14", "move_horizon_days = true", "policy.move_horizon_days", "write a number"),
    ("move_horizon_days = 14", "move_horizon_days = 0", "policy.move_horizon_days", "greater than 0"),
    ("move_horizon_days = 14", 'forecaster = "paid-3"', "policy.forecaster", "did you mean paid-3d?"),
    ('min_move = "100.5"', 'min_move = "much"', "policy.min_move", "whole tokens in quotes"),
    ('min_move = "100.5"', "min_move = 100.5", "policy.min_move", "whole tokens in quotes"),
    ('min_move = "100.5"', 'min_move = "-1"', "policy.min_move", "0 or more"),
    ('min_move = "100.5"', 'min_gain = "-1"', "policy.min_gain", "0 or more"),
    ('min_move = "100.5"', 'min_move = "0.0000001"', "policy.min_move", "finer than USDC's 6 decimals"),
    ("aave_v3 = 0.5", "aave_v3 = 1.5", "policy.max_share_protocol.aave_v3", "0.5 for 50 %"),
    ("aave_v3 = 0.5", "aave_v3 = nan", "policy.max_share_protocol.aave_v3", "fraction from 0 to 1"),
    ("aave_v3 = 0.5", "aave = 0.5", "policy.max_share_protocol.aave", "did you mean aave_v3 or aave_v4?"),
    ('"compound_v3"]', '"compuond_v3"]', "policy.exclude[1]", "did you mean compound_v3?"),
    ('"compound_v3"]', '"aave_v3/31337/0x12"]', "policy.exclude[1]", "unknown market"),
    ('"compound_v3"]', '"compound_v3"]\ntry_first = ["genric"]', "policy.try_first[1]", "unknown protocol"),
    ('"compound_v3"]', f'"aave_v3/1/{POOL.lower()}"]', "policy.exclude[1]", "unknown market"),
    ('"compound_v3"]', f'"aave_v3/31337/{POOL}"]', "policy.exclude[1]", "lower case"),
    ('wallet = "main"', 'wallet = "mian"', "jobs[1].wallet", "did you mean main?"),
    ('chain = "testnet"', 'chain = "tesnet"', "jobs[1].chain", "did you mean testnet?"),
    ('asset = "USDC"', 'asset = "USCD"', "jobs[1].asset", "did you mean USDC?"),
    (WALLET, WALLET.replace("E7", "e7"), "wallets[1].address", "bad checksum"),
    (WALLET, "0x" + "0" * 40, "wallets[1].address", "is the zero address"),
    (WALLET, WALLET.lower(), "wallets[1].address", WALLET),
    (WALLET, WALLET[:-1], "wallets[1].address", "40 hex digits"),
    ('keystore = "keys/main.json"', "", "wallets[1].keystore", "is missing"),
    ('keystore = "keys/main.json"', 'key_id = "x"', "wallets[1].key_id", "remove it, or correct kind"),
    ('keystore = "keys/main.json"', 'kind = "kms"', "wallets[1].key_id", "is missing"),
    ('keystore = "keys/main.json"', 'kind = "ledger"', "wallets[1].path", "is missing"),
    ('keystore = "keys/main.json"', 'kind = "trezor"', "wallets[1].kind", "'keystore', 'kms', 'ledger' or 'safe'"),
    ('keystore = "k', 'kind = "kms"\nkey_id = "x"\nkeystore = "k', "wallets[1].keystore", "remove it"),
    ('keystore = "k', "path = \"m/44'/60'/0'/0/0\"\nkeystore = \"k", "wallets[1].path", 'kind = "ledger"'),
    ('keystore = "keys/main.json"', 'kind = "ledger"\npath = "44/60"', "wallets[1].path", "m/44'/60'/0'/0/0"),
    (
        'keystore = "keys/main.json"',
        'kind = "kms"\nkey_id = "x"\npassphrase_env = "X"',
        "wallets[1].passphrase_env",
        "remove it, or correct kind",
    ),
    (
        'keystore = "keys/main.json"',
        'kind = "kms"\nkey_id = "x"\nendpoint_url = "http://me:secret@host"',
        "wallets[1].endpoint_url",
        "no credentials",
    ),
    ("[[jobs]]", "[[job]]", "job", "did you mean jobs?"),
    ("[policy]", "[policy", "", "is not TOML"),
]

IN_CHAIN = [
    ('protocol = "aave_v3"', 'protocol = "aave_v33"', "protocols[1].protocol", "did you mean aave_v3?"),
    (POOL, POOL.swapcase().replace("0X", "0x"), "protocols[1].pool", POOL),
    (POOL, "0x12", "protocols[1].pool", "40 hex digits"),
    ("pool =", "pol =", "protocols[1].pol", "did you mean pool?"),
    ('assets = ["USDC"]', 'assets = ["USDT"]', "protocols[1].assets[1]", "did you mean USDC?"),
    ('assets = ["USDC"]', "assets = []", "protocols[1].assets", "is empty"),
    ("decimals = 6", "decimals = 6.0", "tokens.USDC.decimals", "a whole number"),
    ("max_fee_gwei = 50", "max_fee_gwei = 0", "max_fee_gwei", "out of range"),
    ("max_fee_gwei = 50", 'max_fee_gwei = 50\nfinality = "soon"', "finality", "no finality"),
    ("max_fee_gwei = 50", "max_fee_gwei = 50\nfinality = -1", "finality", "no finality"),
    ("max_fee_gwei = 50", "max_fee_gwei = 50\nfinality = true", "finality", "no finality"),
    ("max_fee_gwei = 50", "max_fee_gwei = 50\nfinality = 1.5", "finality", "no finality"),
    ("max_fee_gwei = 50", "", "max_fee_gwei", "is missing"),
    ('name = "testnet"', 'name = "tesnet"', "name", "'testnet'"),
    ('chain = "eip155:31337"', 'chain = "base"', "chain", "CAIP-2"),
    ('chain = "eip155:31337"', 'chain = "cosmos:hub"', "chain", "not an EVM chain"),
    ('chain = "eip155:31337"', 'chain = "solana:mainnet"', "tokens.USDC.address", "no Solana address"),
]


@pytest.mark.parametrize(("old", "new", "key", "remedy"), IN_SETTINGS)
def test_a_mistake_in_yieldbot_toml_is_one_line(tmp_path: Path, old: str, new: str, key: str, remedy: str) -> None:
    said = _refused(written(tmp_path, settings=swapped(SETTINGS, old, new)))
    assert said.startswith(f"{tmp_path / 'yieldbot.toml'}: {key}") and remedy in said


@pytest.mark.parametrize(("old", "new", "key", "remedy"), IN_CHAIN)
def test_a_mistake_in_a_chains_file_is_one_line(tmp_path: Path, old: str, new: str, key: str, remedy: str) -> None:
    said = _refused(written(tmp_path, chain=swapped(CHAIN, old, new)))
    assert said.startswith(f"{tmp_path / 'chains' / 'testnet.toml'}: {key}") and remedy in said


@pytest.mark.parametrize("said", ["latest", "safe", "finalized", 0, 1, 64])
def test_finality_is_a_tag_or_a_count_of_blocks(tmp_path: Path, said: str | int) -> None:
    """A tag is no count and a count no tag: what is waited for before an outcome counts."""
    written_as = f'"{said}"' if isinstance(said, str) else said
    chain = swapped(CHAIN, "max_fee_gwei = 50", f"max_fee_gwei = 50\nfinality = {written_as}")
    found = load(written(tmp_path, chain=chain)).jobs[0].chain.finality
    assert found == said and type(found) is type(said)


def test_missing_unreadable_and_repeated(tmp_path: Path) -> None:
    assert "yieldbot init" in _refused(tmp_path / "none.toml")
    twice = SETTINGS + '\n[[jobs]]\nwallet = "main"\nchain = "testnet"\nasset = "USDC"\n'
    path = written(tmp_path, settings=twice)
    assert "jobs[2]" in _refused(path)
    path.write_bytes(b"\xff\xfe\x00")
    assert "UTF-8" in _refused(path)
    assert "is a folder: name the yieldbot.toml in it" in _refused(tmp_path)


def _refused(path: Path) -> str:
    with pytest.raises(ConfigError) as refused:
        load(path)
    said = str(refused.value)
    assert "\n" not in said and refused.value.exit_code == 2
    return said


def test_a_line_of_env_that_is_none_is_named_and_not_quoted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = written(tmp_path)
    (tmp_path / ".env").write_text("GOOD=1\n=https://key@host\nALSO=2\n")
    said = _refused(path)
    assert ".env: line 2: is not NAME=value" in said and "key" not in said
    assert not caplog.records  # nothing else is told


def test_a_number_out_of_range_is_told_the_range(tmp_path: Path) -> None:
    path = written(tmp_path, settings=SETTINGS.replace("move_horizon_days = 14", "move_horizon_days = 0"))
    assert "move_horizon_days: 0 is out of range: write a number greater than 0" in _refused(path)


def test_a_key_may_lie_in_aws_or_in_a_ledger(tmp_path: Path) -> None:
    kms = 'kind = "kms"\nkey_id = "alias/bot"\nregion = "eu-central-1"\nendpoint_url = "http://127.0.0.1:5000"'
    (wallet,) = load(written(tmp_path, settings=swapped(SETTINGS, 'keystore = "keys/main.json"', kms))).wallets.values()
    assert wallet.held == KmsKey(key_id="alias/bot", region="eu-central-1", endpoint_url="http://127.0.0.1:5000")
    assert (wallet.kind, wallet.keystore) == ("kms", None)
    (tmp_path / "other").mkdir()
    ledger = 'kind = "ledger"\npath = "m/44\'/60\'/0\'/0/0"'
    text = swapped(SETTINGS, 'keystore = "keys/main.json"', ledger)
    (wallet,) = load(written(tmp_path / "other", settings=text)).wallets.values()
    assert (wallet.kind, wallet.held, wallet.keystore) == ("ledger", LedgerKey(path="m/44'/60'/0'/0/0"), None)


def test_how_rewards_are_sold_follows_the_policy_and_a_safe_keeps_them(tmp_path: Path) -> None:
    exchange = f'\n[[exchanges]]\nprotocol = "uniswap_v2"\nname = "v2"\nfactory = "{POOL}"\nrouter = "{PROVIDER}"\n'
    sells = "sell_rewards = true\nmax_depeg_bps = 40\nmax_feed_age_seconds = 50"
    text = swapped(SETTINGS, "move_horizon_days = 14", f"move_horizon_days = 14\n{sells}")
    path = written(tmp_path, settings=text, chain=CHAIN + exchange)
    (job,) = load(path).jobs
    assert job.sale == replace(SALE, max_depeg_bps=40, max_feed_age_seconds=50)
    path.write_text(text.replace("sell_rewards = true", ""))
    assert load(path).jobs[0].sale is None
    based = '\n[policy.bases.USD]\nunit = "USD"\nassets = { USDC = 0.7 }\nmax_depeg_bps = 30\n'
    path.write_text(swapped(text, 'asset = "USDC"', 'base = "USD"') + based)
    chain = tmp_path / "chains" / "testnet.toml"
    chain.write_text(swapped(CHAIN, "decimals = 6", f'decimals = 6\nfeed = "{POOL}"') + exchange)
    (job,) = load(path).jobs
    limits = {"max_depeg_bps": 30, "max_feed_age_seconds": 50}
    assert job.sale == replace(SALE, unit="USD", shares={"USDC": 0.7}, **limits), "the base's own limits come first"
    safe = f'[[wallets]]\nname = "safe"\naddress = "{POOL}"\nkind = "safe"\nowner = "main"\n'
    path.write_text(swapped(text, 'wallet = "main"', 'wallet = "safe"') + safe)
    assert load(path).jobs[0].sale is None


def test_an_exchange_has_one_router(tmp_path: Path) -> None:
    exchange = f'\n[[exchanges]]\nprotocol = "uniswap_v3"\nname = "v3"\nfactory = "{POOL}"\nrouter02 = "{PROVIDER}"\n'
    path = written(tmp_path, chain=CHAIN + exchange)
    assert load(path).jobs[0].chain.exchanges[0].params["router02"] == PROVIDER
    (tmp_path / "chains" / "testnet.toml").write_text(CHAIN + exchange + f'router = "{POOL}"\n')
    said = _refused(path)
    assert "testnet.toml: exchanges[1]: router and router02 are both named: keep one of them" in said


def test_sol_is_a_unit_of_solana_alone(tmp_path: Path) -> None:
    based = '\n[policy.bases.SOL]\nunit = "SOL"\nassets = { USDC = 1.0 }\n'
    path = written(tmp_path, settings=swapped(SETTINGS, 'asset = "USDC"', 'base = "SOL"') + based)
    assert "jobs[1].base: SOL is no unit of testnet: it is Solana's own" in _refused(path)
