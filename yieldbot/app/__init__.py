"""Use cases: the functions that the interfaces call: the command line, REST, MCP and chats."""
