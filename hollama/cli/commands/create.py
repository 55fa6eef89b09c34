"""`hollama create`: a Modelfile and the files it names become a model of the server's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hollama.cli.arguments import add_words, describe, exactly
from hollama.cli.client import Client, Json, connect
from hollama.cli.progress import Progress, progress
from hollama.cli.sampler_options import sampler_options
from hollama.cli.server_process import ensure_server
from hollama.cli.upload import plan, read_modelfile, upload
from hollama.errors import ClientError, NameInvalid
from hollama.store.names import ModelName

_NOT_PULLED = "pull model manifest"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    describe(
        parser,
        "Make a model from a Modelfile. Starts a server if none answers.",
        "hollama create mine                               # from ./Modelfile, or the checkpoint in this folder",
        "hollama create mine -f modelfiles/mine",
        "hollama show hollie --modelfile > Modelfile       # begin with another model's",
    )
    add_words(parser, "MODEL", "the name of the new model")
    parser.add_argument("-f", "--file", type=Path, default=Path("Modelfile"), metavar="FILE", help="the Modelfile")
    parser.add_argument("-q", "--quantize", metavar="TYPE", help="quantise to this type, such as Q4_K_M")


def run(arguments: argparse.Namespace) -> int:
    (name,) = exactly(1, arguments.words)
    _check_name(name)
    modelfile = read_modelfile(arguments.file)
    deprecated = modelfile.deprecated_parameters
    for parameter in frozenset(deprecated) - sampler_options(deprecated):
        print(f"warning: parameter {parameter} is deprecated")
    creation = plan(modelfile, arguments.file.absolute().parent)
    client = connect()
    ensure_server(client, sys.stderr)
    request: Json = {"model": name, **creation.request}
    if arguments.quantize:
        request["quantize"] = arguments.quantize
    try:
        with progress(sys.stderr) as shown:
            shown.status("gathering model components")
            for field, files in (("files", creation.files), ("adapters", creation.adapters)):
                if files:
                    request[field] = upload(client, files, shown.advance)
            _follow(client, request, shown)
    except ClientError as error:
        raise _explained(error, str(request.get("from") or "")) from error
    return 0


def _explained(error: ClientError, source: str) -> ClientError:
    """Ollama would have fetched an unknown model, and words the error so; here nothing can be fetched."""
    if not source or _NOT_PULLED not in str(error):
        return error
    hint = "neither a model here (see `hollama list`) nor a checkpoint beside the Modelfile"
    return ClientError(f"{error}; FROM {source} is {hint}", status=error.status)


def _check_name(name: str) -> None:
    """Before gigabytes are hashed for a name that the server will refuse."""
    try:
        ModelName.parse(name)
    except NameInvalid as error:
        raise NameInvalid(f"invalid model name: {name}") from error


def _follow(client: Client, request: Json, shown: Progress) -> None:
    """What the server does, as it says it; sizes are bytes where it names a blob, and steps otherwise."""
    for step in client.stream("/api/create", request):
        status = str(step.get("status") or "")
        if step.get("total"):
            sizes = str(step.get("digest") or "").startswith("sha256:")
            shown.advance(status, int(step.get("completed") or 0), int(step["total"]), sizes=sizes)
        else:
            shown.status(status)
