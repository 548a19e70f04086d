"""MCP: what an assistant may read and plan. Its tools return the documents of the use cases; none of them signs."""
