"""What was intended and signed: an append-only, hash-chained SQLite file. It is never taken for a balance."""
