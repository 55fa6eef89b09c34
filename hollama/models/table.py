"""All architectures by name. A new one is a file and a line here."""

from collections.abc import Mapping

from hollama.errors import CompileError
from hollama.models import bert, gpt2, llama, nomic_bert, qwen2, qwen3
from hollama.models.architecture import Architecture

ARCHITECTURES: Mapping[str, Architecture] = {
    module.ARCHITECTURE.name: module.ARCHITECTURE for module in (bert, gpt2, llama, nomic_bert, qwen2, qwen3)
}


def by_class(names: object) -> Architecture:
    """The architecture of a Hugging Face config's `architectures`. Raises CompileError with what there is."""
    wanted = [name for name in names if isinstance(name, str)] if isinstance(names, list) else []
    for architecture in ARCHITECTURES.values():
        if any(name in architecture.classes for name in wanted):
            return architecture
    known = ", ".join(name for architecture in ARCHITECTURES.values() for name in architecture.classes)
    raise CompileError(f'unsupported architecture "{", ".join(wanted) or "unknown"}"; there are {known}')


def by_name(name: object) -> Architecture:
    """The architecture of a GGUF file's `general.architecture`."""
    if isinstance(name, str) and name in ARCHITECTURES:
        return ARCHITECTURES[name]
    raise CompileError(f'unsupported architecture "{name}"; there are {", ".join(ARCHITECTURES)}')
