"""Limits over time, and prices that swaps are judged by. Pure."""
