"""Signers of EVM chains: keystores, AWS KMS, Ledger; and proposals to a Safe."""
