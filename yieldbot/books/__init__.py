"""The accounting: what our transactions did to what we own, what it was worth, what it cost and gained. Pure."""
