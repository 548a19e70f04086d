"""Adapters of programs on Solana, one file each."""
