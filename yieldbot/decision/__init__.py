"""Decides what to do, from a snapshot, the journal's records and the policy. Pure."""
