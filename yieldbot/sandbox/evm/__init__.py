"""A local EVM chain for the sandbox and the tests: a node with real protocols, and doubles of contracts that no package
has."""
