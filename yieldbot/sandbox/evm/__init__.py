"""Of sandboxes of EVM chains."""
