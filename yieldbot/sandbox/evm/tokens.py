"""The EVM sandbox's tokens."""

from __future__ import annotations

from yieldbot.model.dataclass import dataclass
from yieldbot.sandbox.evm.deployer import Contract

USDC_ONE, DAI_ONE, WETH_ONE = 10**6, 10**18, 10**18


@dataclass(frozen=True, slots=True)
class Tokens:
    """The sandbox's tokens and their USD price feeds."""

    usdc: Contract
    """USD Coin, 6 decimals."""
    dai: Contract
    """Dai, 18 decimals."""
    weth: Contract
    """Wrapped ether, 18 decimals."""
    usdc_feed: Contract
    """USDC/USD."""
    dai_feed: Contract
    """DAI/USD."""
    weth_feed: Contract
    """ETH/USD."""
