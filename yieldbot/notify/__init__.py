"""Notices by Telegram, Slack, Discord, mail, ntfy and webhooks: what is sent, and when, is decided in ``app``."""
