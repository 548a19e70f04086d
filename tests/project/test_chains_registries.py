"""[[registries]] of chains/*.toml: Morpho's contracts and blocks are those of its package, Aave's pools those of the
tables, and what each kind would pin is a table that its adapter takes."""

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.kit import ROOT
from tests.project.lists import NPM, lists
from yieldbot.app.found_markets import deployments_of, place_of
from yieldbot.config.chain import REGISTRIES, load_chain
from yieldbot.model.discovery import FoundMarket
from yieldbot.model.families import family_of

FILES = sorted((ROOT / "chains").glob("*.toml"))
OF_MORPHO = {"morpho_blue": "morpho", "metamorpho": "metaMorphoFactory", "morpho_vault_v2": "vaultV2Factory"}
LEGACY = "0xA9c3D3a366466Fa809d1Ae982Fb2c46E5fC41101"
"""Factory of MetaMorpho 1.0, the same on both chains; the package has only the newer one."""


def tables(path: Path, kind: str) -> list[dict[str, Any]]:
    return [one for one in tomllib.loads(path.read_text()).get("registries", []) if one["kind"] == kind]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_morphos_registries_are_those_of_its_package(path: Path) -> None:
    number = tomllib.loads(path.read_text())["chain"].removeprefix("eip155:")
    known, blocks = lists()["morpho"].get(number, {}), lists()["morpho_blocks"].get(number, {})
    for kind, name in OF_MORPHO.items():
        for table in tables(path, kind):
            own = table["morpho"] if kind == "morpho_blue" else table["factory"]
            assert (table["morpho"], table["irm"]) == (known["morpho"], known["adaptiveCurveIrm"])
            if own != LEGACY:
                assert (own, table["from_block"]) == (known[name], blocks[name])
    if path.stem in ("ethereum", "base"):
        assert sum(len(tables(path, kind)) for kind in OF_MORPHO) == 4


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_pool_and_comptroller_of_the_tables_has_a_registry(path: Path) -> None:
    chain = tomllib.loads(path.read_text())
    for kind, key in (("aave_v3", "pool"), ("compound_v2", "comptroller"), ("compound_v3", "configurator")):
        used = {one[key] for one in chain["protocols"] if one["protocol"] == kind and key in one}
        assert used == {one[key] for one in tables(path, kind)}
    hubs = (lists()["aave_v4"].get(path.stem) or {"hubs": {}})["hubs"]
    assert [one["hub"] for one in tables(path, "aave_v4")] == list(hubs.values())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_what_a_registry_finds_fits_a_table(path: Path) -> None:
    """Its row is one that the adapter's own schema accepts."""
    chain = load_chain(path, tomllib.loads(path.read_text()), {})
    (asset, *_) = chain.tokens.values()
    assert len({one.id for one in chain.registries}) == len(chain.registries)
    for registry in chain.registries:
        found = FoundMarket(key=str(asset.address), asset=asset.address)
        row, why = place_of(registry, found)
        assert row is not None and why is None
        (made,) = deployments_of([(row, asset)], chain)
        assert made.protocol == row.protocol and made.assets == (asset,)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_pendles_factories_and_routers_are_those_of_its_package(path: Path) -> None:
    lists()
    number = tomllib.loads(path.read_text())["chain"].split(":")[1]
    file, of_pendle = NPM / f"@pendle/core-v2/deployments/{number}-core.json", tables(path, "pendle")
    if of_pendle:
        known = json.loads(file.read_text())
        versions = [re.findall(r"marketFactoryV\d", one["source"]) for one in of_pendle]
        assert [one["factory"] for one in of_pendle] == [known[version] for (version,) in versions]
        assert {one["router"] for one in of_pendle} == {known["router"]}


def test_every_kind_is_described() -> None:
    page = (ROOT / "docs" / "discovery.md").read_text()
    for path in (FILES[0], ROOT / "chains" / "solana.toml"):
        chain = load_chain(path, tomllib.loads(path.read_text()), {})
        assert [kind for kind in REGISTRIES[family_of(chain.chain)]() if f"`{kind}`" not in page] == []
