"""Tables of savings vaults in chains/*.toml against Spark's registry (sparkdotfi/spark-address-registry@5348de2)."""

from __future__ import annotations

import tomllib

import pytest

from tests.kit import ROOT

REGISTRY = {
    "ethereum": {
        ("susdc", "0xBc65ad17c5C0a2A4D159fa5a503f4992c7B545FE", "0xf6e72Db5454dd049d0788e411b06CfAF16853042"),
        ("susds", "0xa3931d71877C0E7a3148CB7Eb4463524FEc27fbD", None),
        ("sdai", "0x83F20F44975D03b1b09e64809B757c47f942BEeA", None),
        ("spark", "0x28B3a8fb53B741A8Fd78c0fb9A6B2393d896a43d", None),
        ("spark", "0xe2e7a17dFf93280dec073C995595155283e3C372", None),
        ("spark", "0xfE6eb3b609a7C8352A241f7F3A21CEA4e9209B8f", None),
    },
    "base": {("susdc_l2", "0x3128a0F7f0ea68E7B7c9B00AFa7E41045828e858", "0x1601843c5E9bC251A3272907010AFa41Fa18347E")},
    "arbitrum": {
        ("susdc_l2", "0x940098b108fB7D0a7E374f6eDED7760787464609", "0x2B05F8e1cACC6974fD79A673a341Fe1f58d27266"),
        ("spark", "0x45d91340B3B7B96985A72b5c678F7D9e8D664b62", None),
    },
    "optimism": {
        ("susdc_l2", "0xCF9326e24EBfFBEF22ce1050007A43A3c0B6DB55", "0xe0F9978b907853F354d79188A3dEfbD41978af62")
    },
    "unichain": {
        ("susdc_l2", "0x14d9143BEcC348920b68D123687045db49a016C6", "0x7b42Ed932f26509465F7cE3FAF76FfCe1275312f")
    },
    "avalanche": {("spark", "0x28B3a8fb53B741A8Fd78c0fb9A6B2393d896a43d", None)},
}
"""By chain: flavour, vault and PSM (SUSDC, SUSDS, SDAI, SPARK_VAULT_V2_*, PSM, PSM3 of src/<Chain>.sol)."""


@pytest.mark.parametrize("path", sorted((ROOT / "chains").glob("*.toml")), ids=lambda path: path.stem)
def test_savings_vaults_are_where_sparks_registry_says(path) -> None:
    chain = tomllib.loads(path.read_text())
    tables = [t for t in chain["protocols"] if t["protocol"] == "savings_rate"]
    ours = {(t["flavour"], vault, t.get("psm")) for t in tables for vault in t["vaults"]}
    assert ours == REGISTRY.get(path.stem, set())
    psms = {t["psm"] for t in chain.get("exchanges", ()) if t["protocol"] == "spark_psm"}
    assert psms <= {psm for flavour, _, psm in REGISTRY.get(path.stem, set()) if flavour == "susdc_l2"}
