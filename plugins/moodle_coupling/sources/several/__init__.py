"""Several sources that feed one environment, in order of authority."""
