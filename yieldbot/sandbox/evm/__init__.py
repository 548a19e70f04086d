"""Parts of the EVM sandbox."""
