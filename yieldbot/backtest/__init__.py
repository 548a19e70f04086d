"""Replays recorded history through the same decision code as live runs, and computes what the decisions would have
earned."""
