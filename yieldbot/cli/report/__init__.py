"""A backtest as one HTML file: charts as SVG, no scripts, nothing for a browser to load."""
