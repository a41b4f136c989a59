"""Floor 3: the use cases, the only room where adapters and store meet."""
