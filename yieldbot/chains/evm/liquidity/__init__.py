"""Positions in liquidity pools of EVM chains: reading, opening, changing and leaving them."""
