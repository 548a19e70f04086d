"""MCP: what an assistant may read and plan. A door: its tools give the use cases' documents, and none signs."""
