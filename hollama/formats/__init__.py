"""Bytes on disk <-> values: HEF, safetensors, GGUF, SentencePiece. Knows no model, no store, no network."""
