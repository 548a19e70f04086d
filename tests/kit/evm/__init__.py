"""Helpers that tests of the EVM family share."""
