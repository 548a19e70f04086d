"""Memory: what was observed and predicted in the past, and how predictions came out."""
