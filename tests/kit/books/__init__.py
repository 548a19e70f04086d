"""Helpers that tests of the books share."""
