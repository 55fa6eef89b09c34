"""From a checkpoint to a HEF package, in one go or by stages: read -> quantise -> add adapters -> write."""

from hollama.compiler.adapters import read_adapter
from hollama.compiler.package import compile_package
from hollama.compiler.pipeline import CompileSettings, compile_checkpoint

__all__ = ["CompileSettings", "compile_checkpoint", "compile_package", "read_adapter"]
