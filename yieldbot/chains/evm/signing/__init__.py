"""Who signs on EVM chains: keystores, hardware, key services, and Safes."""
