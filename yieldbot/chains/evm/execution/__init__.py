"""From a planned leg to a confirmed transaction on an EVM chain."""
