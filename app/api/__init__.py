"""Floor 4: HTTP only. Parses, authorises, and puts answers into envelopes; all thought is in the gateway."""
