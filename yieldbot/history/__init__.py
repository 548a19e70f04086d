"""What was observed and expected in the past, and what came of it."""
