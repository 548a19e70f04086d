"""Helpers that tests of the allocator share."""
