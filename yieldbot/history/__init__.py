"""What was seen and expected in the past, and what came of it."""
