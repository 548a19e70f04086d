"""A local Solana for the sandbox and the tests: LiteSVM behind JSON-RPC, with doubles of lending programs."""
