"""What was meant and what was signed: an append-only, hash-chained SQLite file. Asked, never loaded as balances."""
