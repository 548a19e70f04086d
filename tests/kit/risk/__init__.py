"""Helpers that tests of risk share."""
