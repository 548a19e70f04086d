"""What is to be done, from a snapshot, the journal's memory and the policy: pure."""
