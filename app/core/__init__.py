"""Floor 1: the 80 % that a vendor gets for free. Knows the domain and telemetry, no vendor and no store."""
