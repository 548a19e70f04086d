"""yieldbot.toml, .env and chains/*.toml, read once and validated: ``from yieldbot.config.load import load``."""
