"""The seam between the bot and its chains: one wing a family, the same names and verbs in each."""
