"""Helpers that tests of the Solana family share."""
