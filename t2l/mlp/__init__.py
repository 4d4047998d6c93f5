"""The published Text-to-LoRA architecture and its text encoders."""
