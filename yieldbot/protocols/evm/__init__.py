"""Adapters of protocols on EVM chains, one file each."""
