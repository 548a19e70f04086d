"""Positions in liquidity pools of EVM chains: read, opened, changed and left."""
