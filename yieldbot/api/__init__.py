"""REST: the use cases' documents as resources under ``/v1``. An interface: it parses and renders, and holds no
rules."""
