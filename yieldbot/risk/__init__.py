"""Limits over time, safety grades, expected loss, alarms, and the prices that swaps are checked against. Pure."""
