"""What the user asked for, made of models on disk, prompts and engines. Knows names and text; knows no HTTP."""
