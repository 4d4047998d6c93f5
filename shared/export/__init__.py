"""Adapters in the formats of other runtimes: llama.cpp, Ollama, MLX, vLLM, or merged into their base."""
