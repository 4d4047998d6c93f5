"""Adapters behind an OpenAI-compatible endpoint: an existing engine, started and given the adapters' names."""
