"""yieldbot.toml, .env and chains/*.toml, read once and checked: ``from yieldbot.config.load import load``."""
