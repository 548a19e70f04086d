"""Forecasts of the rate that each market will pay over 1 to 30 days, with intervals, and the measured skill of the
forecasters."""
