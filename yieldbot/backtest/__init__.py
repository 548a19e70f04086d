"""Recorded history through the very decisions of live runs, and what they would have earned."""
