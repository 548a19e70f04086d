"""What is observed is remembered; a failure to remember is one line; files of others come in by the command line."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.kit import ROOT
from tests.kit.program import yieldbot
from yieldbot.app.memory import keep
from yieldbot.app.remembered import duration, moment
from yieldbot.errors import ConfigError
from yieldbot.history import query
from yieldbot.history.curves import rebuilt
from yieldbot.history.importers.table import COLUMNS
from yieldbot.history.store import Store
from yieldbot.math.curves import KinkedCurve
from yieldbot.model.amounts import Amount, Apr, BlockRef, Token
from yieldbot.model.ids import Address, MarketId, evm_chain
from yieldbot.model.market import ChainFees, Kind, Market, MarketState, Snapshot, Status

CHAIN = evm_chain(8453)
USDC = Token(CHAIN, Address("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913"), "USDC", 6)
OWNER = Address("0x00000000000000000000000000000000000000A1")
T0 = 1_767_225_600
CURVE = KinkedCurve(1e6 - 5e3, 8e5, ((0.0, 0.0), (0.8, 0.05), (1.0, 0.9)), 0.9)


def state(name: str, kind: Kind, time: int, index: float | None) -> MarketState:
    market = Market(MarketId(f"aave_v3/8453/{name}"), "aave_v3", kind, CHAIN, name, USDC, OWNER)
    block = BlockRef(CHAIN, (time - T0) // 2 + 1, "0x" + "11" * 32, time)
    return MarketState(
        market=market,
        block=block,
        held=USDC.amount(5_000 * 10**6),
        shares=1,
        share_token=None,
        liquidity=USDC.amount(2 * 10**11),
        capacity=None,
        supplied=USDC.amount(10**12),
        borrowed=USDC.amount(8 * 10**11),
        status=Status.ACTIVE,
        curve=CURVE,
        quoted=Apr(0.036),
        pools=frozenset(),
        gas_deposit=1,
        gas_withdraw=1,
        index=index,
    )


def snapshot(time: int = T0, index: float | None = 1.0) -> Snapshot:
    states = [state("usdc", Kind.LENDING, time, index), state("wallet", Kind.IDLE, time, None)]
    by_id = {one.market.id: one for one in states}
    return Snapshot(
        block=states[0].block,
        owner=OWNER,
        states=by_id,
        quarantined=(),
        fees=ChainFees(1, 1, 1.0),
        native_balance_raw=0,
        asset_usd=0.9998,
    )


def test_a_snapshot_is_kept_with_its_curve_and_the_mean_since_the_last(tmp_path: Path) -> None:
    assert keep(tmp_path, [snapshot()], pytest.fail).rows == 1
    assert keep(tmp_path, [snapshot()], pytest.fail).known == 1
    keep(tmp_path, [snapshot(T0 + 3600, 1.00001)], pytest.fail)
    first, second = query.readings(Store(tmp_path))
    assert (first.supplied, first.borrowed, first.cash, first.held) == (1e6, 8e5, 2e5, 5e3)
    assert (first.price_usd, first.supply_rate, first.utilisation) == (0.9998, 0.036, 0.8)
    assert first.reserve_factor == pytest.approx(0.1) and first.borrow_rate == pytest.approx(0.05)
    assert first.curve is not None and rebuilt(first.curve) == CURVE and first.mean_rate is None
    assert first.rates_after is not None and first.rates_after[2] == pytest.approx(CURVE.apr(1e5, 1e6), rel=1e-6)
    assert second.mean_since == T0 and second.mean_rate == pytest.approx(0.0876, rel=1e-3)


def test_whatever_goes_wrong_is_one_line(tmp_path: Path) -> None:
    said: list[str] = []
    (tmp_path / "file").write_text("")
    assert keep(tmp_path / "file", [snapshot()], said.append).failure == said[0]
    broken = replace(snapshot(), block=None)  # type: ignore[arg-type]
    assert keep(tmp_path / "h", [broken], said.append).failure == said[1]
    assert all("nothing is remembered" in line and "\n" not in line for line in said) and len(said) == 2


def test_to_remember_and_its_statistics_need_neither_pandas_nor_duckdb(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from tests.program.test_memory import *\n"
        "from yieldbot.history.market_statistics import summaries_today\n"
        "for at in (0, 600): keep(Path(sys.argv[1]), [snapshot(T0 + at)], print)\n"
        "assert summaries_today(Store(Path(sys.argv[1])), str(snapshot(T0).block.chain), T0 + 600)\n"
        "print([name for name in ('pandas', 'duckdb', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.strip() == "[]", done


def test_to_decide_by_what_is_remembered_needs_neither_pandas_nor_duckdb(tmp_path: Path) -> None:
    code = (
        "import sys; from tests.program.test_memory import *\n"
        "from yieldbot.app.expected import expected; from yieldbot.history.contradicted import remembered\n"
        "from yieldbot.history.recent import thinned\n"
        "place, at = Path(sys.argv[1]), T0 + 5 * 86_400\n"
        "for day in range(6): keep(place, [snapshot(T0 + day * 86_400, 1.0 + day / 1e4)], print)\n"
        "found = remembered(Store(place), snapshot(at))\n"
        "ids = {str(one.market.id) for one in snapshot(at).states.values()}\n"
        "lately = thinned(Store(place), str(snapshot(at).block.chain), at, 30 * 86_400, ids)\n"
        "print(len(expected(place, 30.0, at)), len(found), len(lately.times))\n"
        "print([name for name in ('pandas', 'duckdb', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.splitlines() == ["1 1 5", "[]"], done


def table(folder: Path, days: int = 5) -> Path:
    rows = [",".join(COLUMNS)]
    for day in range(days):
        for market, rate in (("pool a", 0.03), ("pool b", 0.05)):
            rows.append(f"{T0 + day * 86_400},base,aave_v3,{market},USDC,{rate + day / 1000},,0.8,1000,800,200,0.1,,")
    file = folder / "some.csv.gz"
    file.write_bytes(gzip.compress("\n".join(rows).encode()))
    return file


def test_import_and_show_in_an_empty_folder(tmp_path: Path) -> None:
    table(tmp_path)
    done = yieldbot("history", "import", "some.csv.gz", "--history", "h", "--json", cwd=tmp_path)
    assert done.code == 0 and done.document["schema"] == "yieldbot/history-import/v1"
    (file,) = done.document["files"]
    assert (file["readings"], file["kept"], file["markets"], file["faults"]) == (10, 10, 2, [])
    again = yieldbot("history", "import", "some.csv.gz", "--history", "h", cwd=tmp_path)
    assert again.code == 0 and "0 new, 10 known before" in again.out
    listed = yieldbot("history", "show", "--history", "h", "--json", cwd=tmp_path).document
    assert [(one["market"], one["readings"]) for one in listed["markets"]] == [("pool a", 5), ("pool b", 5)]
    shown = yieldbot("history", "show", "base pool b", "--history", "h", "--json", cwd=tmp_path).document
    assert [round(row["supply_rate"], 3) for row in shown["rows"]] == [0.05, 0.051, 0.052, 0.053, 0.054]
    assert [row["realised_rate"] for row in shown["rows"][:2]] == [None, pytest.approx(0.0505)]
    words = ("--every", "2d", "--from", "2026-01-02", "--to", "2026-01-04")
    stepped = yieldbot("history", "show", "pool b", "--history", "h", "--json", *words, cwd=tmp_path).document
    assert stepped["every_seconds"] == 172_800 and len(stepped["rows"]) in (1, 2)
    text = yieldbot("history", "show", "pool a", "--history", "h", cwd=tmp_path)
    assert "3.46%" in text.out and "┤" in text.out and "2026-01-01 00:00 UTC" in text.out


def test_csv_comes_back_in(tmp_path: Path) -> None:
    table(tmp_path)
    yieldbot("history", "import", "some.csv.gz", "--history", "h", cwd=tmp_path)
    (tmp_path / "out.csv").write_text(yieldbot("history", "show", "--history", "h", "--csv", cwd=tmp_path).out)
    yieldbot("history", "import", "out.csv", "--history", "h2", cwd=tmp_path)
    assert query.readings(Store(tmp_path / "h")) == query.readings(Store(tmp_path / "h2"))
    few = yieldbot("history", "show", "pool a", "--history", "h", "--csv", "--every", "2d", cwd=tmp_path).out
    assert len(few.splitlines()) == 1 + 3


def test_verify_and_compact(tmp_path: Path) -> None:
    table(tmp_path)
    yieldbot("history", "import", "some.csv.gz", "--history", "h", cwd=tmp_path)
    sound = yieldbot("history", "verify", "--history", "h", "--json", cwd=tmp_path)
    assert sound.code == 0 and sound.document["sound"] and sound.document["readings"] == 10
    assert yieldbot("history", "compact", "--history", "h", "--json", cwd=tmp_path).code == 0
    (path,) = (tmp_path / "h").rglob("*.parquet")
    path.write_bytes(path.read_bytes()[:500])
    lost = yieldbot("history", "verify", "--history", "h", cwd=tmp_path)
    assert lost.code == 1 and "IS NOT SOUND" in lost.out and path.name in lost.out.replace("\n", "")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_a_picture(tmp_path: Path, ending: str) -> None:
    table(tmp_path)
    yieldbot("history", "import", "some.csv.gz", "--history", "h", cwd=tmp_path)
    done = yieldbot("history", "show", "pool a", "--history", "h", "--plot", f"p.{ending}", cwd=tmp_path)
    assert done.code == 0 and (tmp_path / f"p.{ending}").stat().st_size > 5000, done.err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("show",), 2, "name it by --history FOLDER"),
        (("verify", "--history", "none"), 2, "is not there"),
        (("show", "pool", "--history", "h"), 2, "means 2 markets (pool a, pool b): name one"),
        (("show", "pool c", "--history", "h"), 2, "is no market"),
        (("show", "x", "--history", "none"), 2, "none is empty"),
        (("show", "--from", "soon", "--history", "h"), 2, "is no time"),
        (("show", "pool a", "--every", "5", "--history", "h"), 2, "is no step"),
        (("show", "--plot", "a.png", "--history", "h"), 2, "draws one market"),
        (("show", "pool a", "--plot", "a.gif", "--history", "h"), 2, "ends in .png or .svg"),
        (("show", "--csv", "--json", "--history", "h"), 2, "leave --json"),
        (("import", "none.csv", "--history", "h"), 2, "cannot be read"),
        (("import", "some.csv.gz", "--chain", "moon", "--history", "h"), 2, "names no chain"),
        (("import", "some.csv.gz", "--chain", "optimism", "--history", "h"), 2, "holds nothing of eip155:10"),
    ],
)
def test_bad_input_is_one_line(tmp_path: Path, words: tuple[str, ...], code: int, says: str) -> None:
    table(tmp_path)
    yieldbot("history", "import", "some.csv.gz", "--history", "h", cwd=tmp_path)
    done = yieldbot("history", *words, cwd=tmp_path)
    assert not done.err.rstrip().endswith("add --chain"), "all of this file is on one chain"
    assert done.code == code and says in (done.err if "--json" in words else done.line), done


def test_one_refused_file_does_not_keep_the_others_out(tmp_path: Path) -> None:
    table(tmp_path)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n")
    done = yieldbot("history", "import", "bad.csv", "some.csv.gz", "--history", "h", "--json", cwd=tmp_path)
    bad, good = done.document["files"]
    assert done.code == 2 and "no known kind" in bad["refused"] and good["kept"] == 10
    none = yieldbot("history", "import", "bad.csv", "bad.csv", "--history", "h", cwd=tmp_path)
    assert none.code == 2 and "and 1 other file refused" in none.line


def test_times_and_steps() -> None:
    assert (moment("2026-01-01"), moment("2026-01-01", end=True)) == (T0, T0 + 86_399)
    assert moment("2026-01-01T02:00+02:00") == T0 and moment(None) is None
    assert [duration(text) for text in ("10m", "6h", "1d", "2w", None)] == [600, 21_600, 86_400, 1_209_600, None]
    for bad in ("0h", "9999d", "h", "1.5h", "-1d"):
        with pytest.raises(ConfigError):
            duration(bad)


def test_a_chart_needs_its_chain(tmp_path: Path) -> None:
    point = {"timestamp": "2026-01-01T00:00:00Z", "tvlUsd": 1, "apy": 5, "apyBase": 5, "apyReward": None}
    (tmp_path / "pool.json").write_text(json.dumps({"status": "success", "data": [point]}))
    assert "say it by --chain" in yieldbot("history", "import", "pool.json", "--history", "h", cwd=tmp_path).line
    words = ("--chain", "base", "--asset", "USDC", "--market", "x")
    assert yieldbot("history", "import", "pool.json", *words, "--history", "h", cwd=tmp_path).code == 0
    (one,) = query.readings(Store(tmp_path / "h"))
    assert one.key.market == "x" and isinstance(one.supplied, float) and Amount(USDC, 1)


def test_markets_of_one_name_are_told_apart_by_their_chains(tmp_path: Path) -> None:
    rows = [f"{T0},{chain},aave_v3,usdc,USDC,0.03,,0.8,1000,800,200,0.1,," for chain in ("base", "ethereum")]
    (tmp_path / "a.csv").write_text("\n".join([",".join(COLUMNS), *rows]))
    yieldbot("history", "import", "a.csv", "--history", "h", cwd=tmp_path)
    done = yieldbot("history", "show", "usdc", "--history", "h", cwd=tmp_path)
    several = "means 2 markets (usdc ethereum, usdc base): name one, or add --chain"
    assert done.code == 2 and several in done.line
    assert yieldbot("history", "show", "aave_v3 USDC base", "--history", "h", cwd=tmp_path).code == 0
    assert yieldbot("history", "show", "eip155:1/usdc", "--history", "h", cwd=tmp_path).code == 0


def test_the_summary_of_an_import_says_what_is_kept(tmp_path: Path) -> None:
    """The second month cannot be written: a file is where its folder must be."""
    month = tmp_path / "h" / "eip155-8453" / "2026-02"
    month.parent.mkdir(parents=True)
    month.write_text("")
    table(tmp_path, days=40)
    done = yieldbot("history", "import", "some.csv.gz", "--history", "h", cwd=tmp_path)
    assert done.code == 1 and "only 62 new readings are remembered" in done.err
    assert "NOT all is remembered in h: 62 new readings are there, 18 could not be written" in done.out
    (tmp_path / "file").write_text("")
    none = yieldbot("history", "import", "some.csv.gz", "--history", "file/h", cwd=tmp_path)
    assert none.code == 1 and "nothing is remembered" in none.err
    assert "NOT all is remembered" in none.out and "0 new readings" in none.out and "80 could not" in none.out
