"""Foreign checkpoints as inert data."""
