"""Readers of EVM registries: events or lists, and the reads that confirm what they name."""
