"""A Modelfile back to text. Knows the quoting that the parser undoes; does not know where the values come from."""

from __future__ import annotations

from hollama.errors import ModelfileError
from hollama.modelfile.parser import Command, Modelfile, parse

_COMMANDS = frozenset(["license", "template", "system", "adapter", "draft", "renderer", "parser", "requires"])


def serialise(modelfile: Modelfile) -> str:
    """One command a line, in order. Parsing the text gives the same commands wherever the grammar can say them."""
    return "".join(f"{_line(command)}\n" for command in modelfile.commands)


def _line(command: Command) -> str:
    if command.name == "model":
        return f"FROM {quote(command.args)}"
    if command.name == "message":
        role, _, text = command.args.partition(": ")
        return f"MESSAGE {role} {quote(text)}"
    if command.name in _COMMANDS:
        return f"{command.name.upper()} {quote(command.args)}"
    return f"PARAMETER {command.name.removeprefix('parameter ')} {quote(command.args)}"


def quote(text: str) -> str:
    """`text` as a value, in the quotes Ollama gives it unless these would not come back as the same text.

    Ollama leaves text that itself begins with a quote bare, so that parsing strips it; such text is wrapped here.
    """
    usual = _usual_quote(text)
    candidates = (usual, text, f'"{text}"', f'"""{text}"""')
    return next((candidate for candidate in candidates if _comes_back(candidate, text)), usual)


def _usual_quote(text: str) -> str:
    if "\n" not in text and not text.startswith(" ") and not text.endswith(" "):
        return text
    return f'"""{text}"""' if '"' in text else f'"{text}"'


def _comes_back(quoted: str, text: str) -> bool:
    try:
        return parse(f"FROM {quoted}\n").commands == (Command("model", text),)
    except ModelfileError:
        return False
