"""Other venues that move tokens between chains, and what they quote."""
