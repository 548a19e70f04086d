"""Authorisation of callers over the network: API keys with scopes and rate limits, and persons who approve plans."""
