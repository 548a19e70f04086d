"""Helpers that tests of the journal share."""
