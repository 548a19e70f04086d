"""Who signs on Solana."""
