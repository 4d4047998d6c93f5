"""The training loop, losses, and LoRA factors that are trained themselves."""
