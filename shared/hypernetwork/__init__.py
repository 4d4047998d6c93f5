"""The hypernetwork core: Perceiver, heads, checkpoints, where they are found."""
