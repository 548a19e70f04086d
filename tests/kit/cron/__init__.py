"""A schedule's thousands of passes in one process, on a sandbox whose time is moved on between them."""
