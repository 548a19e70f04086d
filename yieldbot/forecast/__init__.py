"""What each market will pay over the next days, with an interval, and how far such forecasts could be trusted."""
