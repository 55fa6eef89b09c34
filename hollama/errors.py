"""The tree of everything hollama refuses to do. Knows no room's internals.

HollamaError                      status 500 unless said otherwise; the message is what a user reads
├── RequestError            400   a request that cannot be served as it stands
│   ├── NameInvalid         400   a model name that breaks the grammar
│   ├── ModelNotFound       404   no such model in the store
│   ├── ContextOverflow     400   more tokens than the compiled context holds
│   └── ServerBusy          503   the queue is full
├── FormatError                   bytes that lie: HEF, GGUF, safetensors, SentencePiece, LoRA
├── TemplateError           400   a prompt template that does not parse
│   └── TemplateFailed            a template that parses, but fails or does not end when executed
├── ModelfileError          400   a Modelfile that does not parse
├── OptionInvalid                 a request option of the wrong type
├── StoreError                    the models' folder: blobs, manifests
├── CreateError                   a model that cannot be made as asked
├── CompileError            400   a checkpoint that cannot become a package
├── EvaluationError               data or settings that a model cannot be evaluated with
├── BackendError                  an accelerator that cannot load or run a package
│   ├── BackendLost               the device or its process is gone; the model must be loaded again
│   └── OutOfPages                no memory for more tokens or another context, until one is closed
├── PluginError                   a plugin that clashes, misspells a hook or fails to load
├── ConfigError                   an environment variable or option that cannot be understood
├── UsageError                    a command line that cannot be understood
└── ClientError                   what a server answered, or that none answers
"""

from __future__ import annotations


class HollamaError(Exception):
    """Base of the tree; `status` is the HTTP status a server answers it with."""

    status = 500


class RequestError(HollamaError):
    status = 400


class NameInvalid(RequestError):
    pass


class ModelNotFound(RequestError):
    status = 404


class ContextOverflow(RequestError):
    pass


class ServerBusy(RequestError):
    status = 503


class FormatError(HollamaError):
    pass


class HefError(FormatError):
    pass


class HarError(FormatError):
    pass


class SafetensorsError(FormatError):
    pass


class GgufError(FormatError):
    pass


class SentencePieceError(FormatError):
    pass


class AdapterError(FormatError):
    pass


class TemplateError(HollamaError):
    status = 400


class TemplateFailed(TemplateError):
    status = 500


class ModelfileError(HollamaError):
    status = 400


class OptionInvalid(HollamaError):
    pass


class StoreError(HollamaError):
    pass


class DigestInvalid(StoreError):
    status = 400


class CreateError(HollamaError):
    pass


class CompileError(HollamaError):
    status = 400


class EvaluationError(HollamaError):
    pass


class BackendError(HollamaError):
    pass


class BackendLost(BackendError):
    pass


class OutOfPages(BackendError):
    pass


class PluginError(HollamaError):
    pass


class ConfigError(HollamaError):
    pass


class UsageError(HollamaError):
    pass


class ClientError(HollamaError):
    """What went wrong between the command line and a server. `status` is 0 where there was no answer."""

    def __init__(self, message: str, *, status: int = 0, unreachable: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.unreachable = unreachable
