"""Rows of chains/*.toml that are wrong: the market is quarantined alone, with its reason."""

from dataclasses import replace

from tests.bench.accuracy import Accuracy
from yieldbot.errors import MarketError
from yieldbot.model.market import MarketState

NEEDS: tuple[str, ...] = ()


async def test_one_bad_address_spoils_no_other_market(chain: Accuracy) -> None:
    """A wrong vault or market id in chains/*.toml is quarantined alone, with its reason."""
    node = chain.node
    block = await node.block()
    for protocol, key, wrong in (
        ("erc4626", "vaults", chain.job.asset.address),
        ("morpho_blue", "markets", "0x" + "ab" * 32),
    ):
        adapter = chain.adapters[protocol]
        for deployment in (d for d in chain.job.chain.deployments if d.protocol == protocol):
            if deployment.params.get("flavour") == "generic":
                continue
            both = replace(deployment, params={**deployment.params, key: [wrong, *deployment.params[key]]})
            (found,) = await node.run([adapter.discover(both)], block)
            assert not isinstance(found, MarketError)
            bad, *good = await node.run([adapter.observe(m, chain.owner, block) for m in found], block)
            assert isinstance(bad, MarketError) and wrong.lower() in str(bad).lower()
            assert good and all(isinstance(state, MarketState) for state in good)


async def test_a_vault_of_another_morpho_is_refused(chain: Accuracy) -> None:
    (meta,) = (d for d in chain.job.chain.deployments if d.params.get("flavour") == "metamorpho")
    generic, *_ = (d for d in chain.job.chain.deployments if d.params.get("flavour") == "generic")
    wrong = replace(meta, params={**meta.params, "vaults": generic.params["vaults"]})
    block = await chain.node.block()
    (found,) = await chain.node.run([chain.adapters["erc4626"].discover(wrong)], block)
    assert not isinstance(found, MarketError)
    (state,) = await chain.node.run([chain.adapters["erc4626"].observe(found[0], chain.owner, block)], block)
    assert isinstance(state, MarketError) and "MetaMorpho" in str(state)
