"""A local EVM chain for the sandbox and the tests: a node with real protocols, and doubles of what no package has."""
