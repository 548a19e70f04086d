"""Accounting: what our transactions did to our balances, what that was worth, cost and gained. Pure."""
