"""LoRA weights: algebra, live in a model, on disk."""
