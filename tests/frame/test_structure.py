"""The house rules that a machine can check: layers, file and function sizes, docstrings, prose."""

import ast
import re
from pathlib import Path
from statistics import median

import pytest

import hollama
from hollama import hookspecs

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(path for path in (ROOT / "hollama").rglob("*.py") if not path.name.endswith("_pb2.py"))
PLUGINS = sorted((ROOT / "plugins").rglob("*.py"))
LAYERS = [  # a module imports only from rows below its own, and freely within its own room
    {"__main__"},
    {"cli"},
    {"evaluate"},
    {"server", "compiler"},
    {"runtime"},
    {"engine"},
    {"api", "output", "store"},
    {"formats", "template", "modelfile", "models"},
    {"ir"},
    {"sampling"},
    {"kernels"},
    {"plugins"},
    {"hookspecs"},
    {"interfaces", "config"},
    {"types", "errors", "duration"},
]
ROW = {room: row for row, rooms in enumerate(LAYERS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "hollama").parts[0].removesuffix(".py")


def imports(path: Path) -> set[str]:
    """Rooms of hollama that a file imports, also inside functions."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level:
            continue  # within its own folder
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("hollama.")}
    return rooms


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_rows_below_its_own(path):
    room = room_of(path)
    if room == "__init__":
        return
    for other in imports(path) - {room, "__version__"}:
        assert other in ROW, f"{other} has no row in the architecture"
        assert ROW[other] > ROW[room], f"{room} may not import {other}"


def test_plugins_come_in_through_the_open_door_only():
    allowed = {"hookspecs", "interfaces", "errors", "types", "sampling", "kernels", "ir", "formats"}
    for path in PLUGINS:
        assert imports(path) <= allowed, f"{path.name} imports {imports(path) - allowed}"


@pytest.mark.parametrize("path", SOURCES + PLUGINS, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_small(path):
    text = path.read_text()
    assert len(text.splitlines()) <= 400
    tree = ast.parse(text)
    assert ast.get_docstring(tree), "a module says what it is"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno - node.lineno < 80, node.name


def test_the_median_function_is_short():
    lengths = [
        node.end_lineno - node.lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert median(lengths) <= 10


def test_every_hook_is_documented():
    readme = (ROOT / "README.md").read_text()
    for name, value in vars(hookspecs).items():
        if name.startswith("hollama_"):
            assert value.__doc__
            assert f"`{name}`" in readme


def test_the_two_pages_of_a_plugin_author_stay_pages():
    assert len(Path(hookspecs.__file__).read_text().splitlines()) < 80
    assert len((ROOT / "hollama" / "interfaces.py").read_text().splitlines()) < 300


def test_the_tree_in_the_readme_is_the_real_tree():
    """Every folder of hollama/, plugins/ and the top level stands in the README's tree, and nothing else does."""
    block = re.search(r"```text\n(hollama/ .*?)```", (ROOT / "README.md").read_text(), re.S)
    assert block, "the README has a tree"
    shown = {line.split()[0] for line in block[1].splitlines() if line.strip()}
    folders = {f"{path.name}/" for path in (ROOT / "hollama").iterdir() if path.is_dir() and path.name[0] not in "_."}
    files = {path.name for path in (ROOT / "hollama").glob("*.py")} - {"__init__.py", "__main__.py"}
    plugins = {f"{path.name}/" for path in (ROOT / "plugins").iterdir() if path.is_dir() and path.name[0] != "_"}
    assert shown == folders | files | plugins | {"hollama/", "plugins/", "modelfiles/", "tests/"}


def test_the_top_level_is_the_agreed_one():
    listed = {path.name for path in ROOT.iterdir() if not path.name.startswith((".", "_"))}
    generated = {"build", "dist"}
    assert listed - generated == {"pyproject.toml", "README.md", "LICENSE", "hollama", "plugins", "modelfiles", "tests"}


def test_the_package_says_what_it_is():
    assert hollama.__doc__
