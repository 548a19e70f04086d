"""Helpers that tests of decisions share."""
