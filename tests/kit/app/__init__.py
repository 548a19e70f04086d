"""Helpers that tests of use cases share."""
