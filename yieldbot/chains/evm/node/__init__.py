"""Nodes of EVM chains: clients, quorums, and forks that a rehearsal runs on."""
