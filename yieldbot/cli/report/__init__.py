"""A backtest as one HTML file: charts as SVG, no script, nothing that a browser would fetch."""
