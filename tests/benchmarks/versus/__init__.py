"""hollama against llama.cpp, of the same random weights on the same machine; `versus_llamacpp.py` is the front."""
