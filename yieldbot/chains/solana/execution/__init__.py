"""From a planned leg to a finalised transaction on Solana."""
