"""The interface between the bot and its chains: one package for each chain family (``evm``, ``solana``), with the same
file names and verbs."""
