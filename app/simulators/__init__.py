"""Floor 2: wire-true fake vendors over one in-memory hotel, with fault injection. Strangers to adapters and store."""
