"""Readers of Solana registries: programs whose accounts are markets."""
