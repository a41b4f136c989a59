"""Floor 2: the 20 %, one folder per vendor, strangers to each other. Found by folder, never imported by name."""
