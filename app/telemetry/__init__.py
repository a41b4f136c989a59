"""What operators see: structured logs that redact first, and every metric, declared once."""
