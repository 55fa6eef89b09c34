"""From a checkpoint's vocabulary to a self-contained tokenizer.json. Knows no weights and no package.

Source: Hugging Face's `tokenizers` defines tokenizer.json; what a GGUF file means by its vocabulary is llama.cpp's
src/llama-vocab.cpp.
"""

from hollama.compiler.tokenizers.folder import from_folder, token_text
from hollama.compiler.tokenizers.gguf import from_gguf
from hollama.compiler.tokenizers.opening import begins_with, encode, open_tokenizer

__all__ = ["begins_with", "encode", "from_folder", "from_gguf", "open_tokenizer", "token_text"]
