"""Helpers that tests of the configuration share."""
