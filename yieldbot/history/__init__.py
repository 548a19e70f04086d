"""What was observed and predicted in the past, and what came of it."""
