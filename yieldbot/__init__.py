"""yieldbot: earns the best safe yield on chain, and proves each step."""

__version__ = "0.1.0"
