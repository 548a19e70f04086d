"""Files of others become readings; what is wrong with them is named, none of it crashes, none is silently taken."""

from __future__ import annotations

import gzip
import json
import math
import tomllib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kit.draws import draws
from yieldbot.errors import ConfigError
from yieldbot.history import query
from yieldbot.history.importers.read import Given, markets, read_file
from yieldbot.history.importers.table import COLUMNS
from yieldbot.history.networks import AAVE_V3_POOLS
from yieldbot.history.reading import MarketKey, Reading, Taken
from yieldbot.history.store import Store
from yieldbot.resources import folder

NOW = 1_790_000_000
DAY = 86_400
START = 1_700_006_400
HEAD = ",".join(COLUMNS)


def line(at: int, rate: object = 0.05, chain: str = "base", market: str = "m", **more: object) -> str:
    cells: dict[str, object] = {
        "timestamp": at,
        "chain": chain,
        "protocol": "aave_v3",
        "market": market,
        "asset": "USDC",
        "supply_rate": rate,
    }
    cells |= more
    return ",".join(str(cells.get(name, "")) for name in COLUMNS)


def taken(folder: Path, *lines: str, told: Given | None = None, head: str = HEAD) -> Taken:
    file = folder / "some.csv"
    file.write_text("\n".join([head, *lines]) + "\n")
    return read_file(file, told or Given(), NOW)


def days(count: int, **more: object) -> list[str]:
    return [line(START + DAY * day, rate=0.03 + 0.001 * day, **more) for day in range(count)]  # type: ignore[arg-type]


def kinds(found: Taken) -> Counter[str]:
    return Counter(fault.kind for fault in found.faults)


def test_a_row_of_the_documented_table(tmp_path: Path) -> None:
    row = line(
        START,
        borrow_rate=0.07,
        utilisation=0.8,
        supplied=1e6,
        borrowed=8e5,
        cash=2e5,
        reserve_factor=0.1,
        frozen="true",
        paused=0,
    )
    (one,) = taken(tmp_path, row).readings
    assert one.key.chain == "eip155:8453" and (one.key.market, one.key.protocol, one.key.asset) == (
        "m",
        "aave_v3",
        "USDC",
    )
    assert (one.time, one.supply_rate, one.borrow_rate, one.utilisation) == (START, 0.05, 0.07, 0.8)
    assert (one.supplied, one.borrowed, one.cash, one.reserve_factor, one.status) == (1e6, 8e5, 2e5, 0.1, "frozen")


def test_what_lacks_is_empty_and_columns_may_be_absent(tmp_path: Path) -> None:
    found = taken(tmp_path, f"{START},8453,m,0.05,x", head="timestamp,chain,market,supply_rate,colour")
    (one,) = found.readings
    assert (one.supplied, one.utilisation, one.status, one.key.asset) == (None, None, "active", "")
    assert [fault.what for fault in found.faults] == ["columns that are not read: colour"]


def test_times_are_seconds_or_iso_and_utc_where_no_zone_is_named(tmp_path: Path) -> None:
    written = ["2023-11-15T00:00:00Z", "2023-11-16", "2023-11-17 02:00:00+02:00", str(START + 3 * DAY), "1.7002656e9"]
    found = taken(tmp_path, *[line(0, rate=0.01 * n).replace("0,", f"{at},", 1) for n, at in enumerate(written)])
    assert [one.time for one in found.readings] == [START + DAY * n for n in range(4)]
    assert kinds(found) == {"duplicate": 1}


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        (line(START, rate="five"), "'five' is no number"),
        (line(START, rate="inf"), "not finite"),
        (line(START, supplied=-1), "below 0"),
        (line(NOW + 3 * DAY), "in the future"),
        (line(START * 1000), "milliseconds?"),
        (line(5), "before 2015"),
        (line(START, chain="atlantis"), "names no chain"),
        (line(START, market=""), "names no market"),
        (line(START, frozen="perhaps"), "neither true nor false"),
        (line(START).replace(str(START), "yesterday"), "neither unix seconds nor ISO 8601"),
        (line(START) + ",more", "has 15 cells, not 14"),
        (line(START, rate=3.0), "300.0000% a year of m is not taken"),
        (line(START, rate=-0.01), "-1.0000% a year"),
        (line(START, borrow_rate=12), "borrow rate of 1200"),
        (line(START, utilisation=1.5), "utilisation of 150.00%"),
        (line(START, reserve_factor=2), "reserve factor"),
        (line(START, chain="a-b:c"), "names no chain"),
    ],
)
def test_a_row_that_is_none_is_named_with_its_line(tmp_path: Path, bad: str, says: str) -> None:
    found = taken(tmp_path, line(START + DAY), bad)
    assert len(found.readings) == 1
    (fault,) = [one for one in found.faults if not one.taken]
    assert fault.where == "some.csv line 3" and says in fault.what


def test_a_clock_that_runs_back_is_left_out(tmp_path: Path) -> None:
    rows = days(5)
    found = taken(tmp_path, *rows[:3], line(START + 10), *rows[3:])
    assert [one.time for one in found.readings] == [START + DAY * n for n in range(5)]
    assert [fault.where for fault in found.faults if fault.kind == "clock"] == ["some.csv line 5"]


def test_a_file_with_its_newest_row_first_is_turned_round(tmp_path: Path) -> None:
    found = taken(tmp_path, *days(5)[::-1])
    assert [one.time for one in found.readings] == [START + DAY * n for n in range(5)]
    assert kinds(found) == {"note": 1}


def test_the_first_of_two_rows_of_one_time_counts(tmp_path: Path) -> None:
    found = taken(tmp_path, line(START, 0.01), line(START, 0.02), line(START, 0.01))
    assert [one.supply_rate for one in found.readings] == [0.01]
    assert ["contradicts line 2" in fault.what for fault in found.faults] == [True, False]
    assert "the same as line 2" in found.faults[1].what


def test_a_gap_is_named_and_what_is_around_it_counts(tmp_path: Path) -> None:
    rows = days(12)
    found = taken(tmp_path, *rows[:5], *rows[7:])
    (fault,) = found.faults
    assert (fault.kind, fault.taken) == ("gap", True) and "nothing is known for 72 h" in fault.what


def test_faults_of_markets_of_one_name_on_two_chains_name_the_chain(tmp_path: Path) -> None:
    still = [line(START + DAY * n, chain="optimism") for n in range(60)]
    rows = days(60)
    found = taken(tmp_path, *rows[:5], *rows[7:], *still)
    assert [(one.kind, one.where.partition(",")[0]) for one in found.faults] == [
        ("still", "eip155:10 m"),
        ("gap", "eip155:8453 m"),
    ]


def test_a_market_that_dies_is_named(tmp_path: Path) -> None:
    found = taken(tmp_path, *days(20), *days(8, market="dead"))
    (fault,) = found.faults
    assert (fault.kind, fault.where) == ("ended", "dead") and len(found.readings) == 28


def test_rates_that_stand_still_are_named(tmp_path: Path) -> None:
    found = taken(tmp_path, *[line(START + DAY * n) for n in range(40)])
    assert kinds(found) == {"still": 1}


def test_a_file_of_another_chain(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is of eip155:8453 and holds nothing of eip155:10"):
        taken(tmp_path, *days(3), told=Given(chain="optimism"))
    found = taken(tmp_path, *days(3), *days(3, chain="10"), told=Given(chain="optimism"))
    assert [one.chain for one in markets(found.readings)] == ["eip155:10"]
    assert found.faults[0].what == "3 rows of eip155:8453 are left out: eip155:10 was asked for"


def test_gzip_and_parquet_say_the_same(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    plain = taken(tmp_path, *days(9))
    packed = tmp_path / "some.csv.gz"
    packed.write_bytes(gzip.compress((tmp_path / "some.csv").read_bytes()))
    assert read_file(packed, now=NOW).readings == plain.readings
    table = {
        "timestamp": [datetime.fromtimestamp(one.time, UTC) for one in plain.readings],
        "chain": ["base"] * 9,
        "protocol": ["aave_v3"] * 9,
        "market": ["m"] * 9,
        "asset": ["USDC"] * 9,
        "supply_rate": [one.supply_rate for one in plain.readings],
        "frozen": [False] * 9,
    }
    parquet.write_table(pyarrow.table(table), tmp_path / "some.parquet")
    assert read_file(tmp_path / "some.parquet", now=NOW).readings == plain.readings


def test_rates_that_look_like_percent_are_named(tmp_path: Path) -> None:
    file = tmp_path / "f.csv"
    file.write_text("\n".join([HEAD, *(line(START + day * DAY, rate) for day, rate in enumerate((2.1, 2.2, 2.3)))]))
    assert [one.what for one in read_file(file, now=NOW).faults if "fractions" in one.what and one.taken] != []


def test_files_that_are_none(tmp_path: Path) -> None:
    file = tmp_path / "f"
    packed = gzip.compress(("\n".join([HEAD, *days(2000)])).encode())
    for content, says in (
        (b"", "is empty"),
        (b"PAR1 and no more", "no Parquet file"),
        (b'{"status": "error"}', "names no chain: say it by --chain"),
        (b"a,a\n1,2\n", "named twice"),
        (b"a,b\n1,2\n", "no known kind"),
        (HEAD.encode(), "holds no reading"),
        (b"\x1f\x8bno gzip at all", "cannot be unpacked"),
        ((HEAD + "\nx,y\n").encode(), "has 2 cells, not 14"),
        ((HEAD + "\n" + line(START, 5.2)).encode(), "520.0000% a year of m is not taken.: rates are fractions"),
        (HEAD.replace(",", ";").encode(), "semicolons or tabs"),
    ):
        file.write_bytes(content)
        with pytest.raises(ConfigError, match=says):
            read_file(file, now=NOW)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_file(tmp_path / "absent", now=NOW)
    for chart, says in ((b"{ not json", "no JSON"), (b'{"status": "error"}', "no chart of DefiLlama")):
        file.write_bytes(chart)
        with pytest.raises(ConfigError, match=says):
            read_file(file, Given(chain="base"), NOW)
    file.write_bytes(packed[: len(packed) // 2])
    cut = read_file(file, now=NOW)
    assert 0 < len(cut.readings) < 2000 and "unfinished" in cut.faults[0].what
    middle = len(packed) // 2
    file.write_bytes(packed[:middle] + bytes(50) + packed[middle + 50 :])
    with pytest.raises(ConfigError, match=r"is damaged .*, nothing of it is taken"):
        read_file(file, now=NOW)


def test_a_quote_that_does_not_end_costs_its_own_line(tmp_path: Path) -> None:
    stray = line(START + DAY, market='">m')
    found = taken(tmp_path, line(START), stray, line(START + 2 * DAY), line(START + 3 * DAY, market='"m"'))
    assert [(one.key.market, one.time) for one in found.readings] == [
        ("m", START), ("m", START + 2 * DAY), ("m", START + 3 * DAY)
    ]  # fmt: skip
    (fault,) = [one for one in found.faults if not one.taken]
    assert "quote that does not end" in fault.what and fault.where.endswith(("line 3", ":3", "3"))


@settings(max_examples=draws(25, 60), deadline=None)
@given(st.binary(max_size=300) | st.text('0123456789.,-eE\n"nainf', max_size=300).map(str.encode))
def test_no_bytes_crash_the_importer(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("f") / "f"
    packed = gzip.compress("\n".join([HEAD, *days(50)]).encode())
    for whole in (
        content,
        HEAD.encode() + b"\n" + content,
        b'{"data": [' + content,
        packed[:100] + content + packed[100 + len(content) :],
    ):
        file.write_bytes(whole)
        try:
            assert all(isinstance(one, Reading) for one in read_file(file, Given(chain="base"), NOW).readings)
        except ConfigError as failure:
            assert str(failure).isprintable()


def test_pools_of_aave_are_those_of_the_chains_files() -> None:
    found = {}
    for file in folder("chains").glob("*.toml"):
        table = tomllib.loads(file.read_text())
        for one in table.get("protocols", ()):
            if one["name"] == "Aave v3":
                found[table["chain"]] = one["pool"].lower()
    assert found == AAVE_V3_POOLS


CHART = {
    "status": "success",
    "data": [
        {"timestamp": "2023-11-15T23:01:11.000Z", "tvlUsd": 5_000_000, "apy": 6.0, "apyBase": 5.0, "apyReward": 1.0},
        {"timestamp": "2023-11-16T23:01:31.000Z", "tvlUsd": 5_100_000, "apy": 4.0, "apyBase": None, "apyReward": 1.0},
        {"timestamp": "2023-11-17T23:01:31.000Z", "tvlUsd": 5_200_000, "apy": None, "apyBase": None},
        "nonsense",
    ],
}


def test_a_chart_of_defillama(tmp_path: Path) -> None:
    file = tmp_path / "aa-bb.json"
    file.write_text(json.dumps(CHART))
    found = read_file(file, Given(chain="ethereum", protocol="morpho", asset="USDC"), NOW)
    first, second, third = found.readings
    assert first.key.market == "aa-bb" and first.key.chain == "eip155:1" and first.key.protocol == "morpho"
    assert first.supply_rate == pytest.approx(math.log(1.05)) and second.supply_rate == pytest.approx(math.log(1.03))
    assert third.supply_rate is None
    assert first.rewards == ({"token": "", "rate": 0.01, "ends_at": None},)
    assert (first.supplied, first.cash) == (5e6, 5e6) and "guess" in first.flags[0]
    assert kinds(found) == {"row": 1, "note": 1}
    other = read_file(file, Given(chain="ethereum", asset="WETH", market="m"), NOW).readings[0]
    assert (other.key.market, other.supplied, other.cash) == ("m", None, None)


@pytest.mark.parametrize("height", ["-1", "1.5", "1e300", "99999999999999999999"])
def test_a_height_that_is_none_is_a_fault(tmp_path: Path, height: str) -> None:
    found = taken(tmp_path, f"{START},base,m,7", f"{START},base,m,{height}", head="timestamp,chain,market,height")
    assert len(found.readings) == 1 and "no block's number" in found.faults[0].what


def test_any_text_can_be_kept(tmp_path: Path) -> None:
    key = MarketKey(chain="eip155:1", market="\ud800 =1+1\n\x00é", asset='U,S"D')
    Store(tmp_path).append([Reading(key=key, time=START)])
    (one,) = query.readings(Store(tmp_path))
    assert one.key.market == "? =1+1\n\x00é" and one.key.asset == key.asset


def test_an_ended_market_is_named_with_its_chain_where_another_has_its_id(tmp_path: Path) -> None:
    found = taken(tmp_path, *days(20), *days(8, market="usdc"), *days(20, market="usdc", chain="ethereum"))
    (fault,) = [one for one in found.faults if one.kind == "ended"]
    assert fault.where == "eip155:8453 usdc"
