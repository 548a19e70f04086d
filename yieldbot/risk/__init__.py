"""Limits and prices by which risk is judged: pure."""
