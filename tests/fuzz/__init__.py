"""Coverage-guided fuzzing: see targets.py, and scripts/fuzz."""
