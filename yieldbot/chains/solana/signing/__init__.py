"""Signers of Solana: encrypted key files."""
