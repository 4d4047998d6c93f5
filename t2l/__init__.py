"""Text-to-LoRA: a one-line task description in, a LoRA adapter out."""
