"""EVM chains: what is read, built, rehearsed, signed and sent there."""
