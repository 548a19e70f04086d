"""Who may do what at a networked door: API keys with scopes, and the callers that they stand for."""
