"""How files become text: one small file for each family of formats, run in a child process with limits."""
