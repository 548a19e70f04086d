"""Solana: from an adapter's instructions to a confirmed transaction."""
