"""From a checkpoint to a HEF package: read -> calibrate -> quantise -> write. Adapters are added to a package.

Rooms to come: HAR archives.
"""

from hollama.compiler.adapters import read_adapter
from hollama.compiler.package import compile_package
from hollama.compiler.pipeline import CompileSettings, compile_checkpoint

__all__ = ["CompileSettings", "compile_checkpoint", "compile_package", "read_adapter"]
