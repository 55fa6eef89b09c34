"""Modelfiles: text to commands and back, their parameters, and the files a FROM names.

Knows nothing of stores, checkpoints' contents or prompts: `hollama create` puts those together.
"""

from hollama.modelfile.options import OPTIONS, Option, check_options, default_options, typed_parameter
from hollama.modelfile.parser import ADAPTER_OPTION, Command, Modelfile, parse
from hollama.modelfile.serialise import quote, serialise
from hollama.modelfile.sources import expand_path, source_files

__all__ = [
    "ADAPTER_OPTION",
    "OPTIONS",
    "Command",
    "Modelfile",
    "Option",
    "check_options",
    "default_options",
    "expand_path",
    "parse",
    "quote",
    "serialise",
    "source_files",
    "typed_parameter",
]
