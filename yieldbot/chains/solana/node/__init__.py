"""Nodes of Solana: clients, quorums, and the fork that a rehearsal runs on."""
