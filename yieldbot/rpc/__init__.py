"""JSON-RPC and JSON over HTTP: one endpoint with its limits, adapters' flows in lockstep, comparing answers."""
