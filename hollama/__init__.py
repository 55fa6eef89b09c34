"""A drop-in backend for the Ollama ecosystem on edge accelerators and their exact emulator."""
