"""Services that swap and bridge tokens between chains: their quotes, shown beside ours and never signed."""
