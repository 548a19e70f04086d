"""REST: the use cases' documents as resources under ``/v1``. A door: it parses and renders, and holds no rules."""
