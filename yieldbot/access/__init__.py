"""Who may do what at a door that others can reach: keys with scopes, and the callers that they stand for."""
