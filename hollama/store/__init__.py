"""Models on disk, laid out as Ollama lays them out. Knows no server, no engine and no registry."""
