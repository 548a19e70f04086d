"""REST: the documents of the use cases as resources under ``/v1``. A door: it parses and renders, and holds no rule."""
