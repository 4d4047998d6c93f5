"""The frozen base model: loading, placing, its layers, its prompts and answers."""
