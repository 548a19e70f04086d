"""Helpers that tests of the command line share."""
