"""Uniswap's second router in the place of the first."""

from __future__ import annotations

ROUTER02 = "@uniswap/swap-router-contracts/artifacts/contracts/SwapRouter02.sol/SwapRouter02.json"
