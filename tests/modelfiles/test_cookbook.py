"""The cookbook: what each header tells to type is true, and the Modelfile below it can be made a request of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hollama.cli.upload import plan
from hollama.errors import ModelfileError
from hollama.modelfile import parse
from hollama.template import GoTemplate

MODELFILES = Path(__file__).resolve().parents[2] / "modelfiles"
COOKBOOK = sorted(MODELFILES.glob("*.Modelfile"))

pytestmark = pytest.mark.parametrize("recipe", COOKBOOK, ids=lambda path: path.stem)


def test_the_header_says_how_to_create_and_run_it(recipe: Path) -> None:
    text = recipe.read_text("utf-8")
    assert f"\n# Create it: hollama create {recipe.stem} -f modelfiles/{recipe.name}\n" in text
    assert f"\n# Run it:    hollama run {recipe.stem} " in text


def test_the_checkpoint_is_fetched_to_where_from_looks(recipe: Path) -> None:
    text = recipe.read_text("utf-8")
    (source,) = parse(text).sources
    fetched = re.findall(r"^# Get it: +hf download \S+/(\S+) --local-dir modelfiles/(\S+)$", text, re.M)
    assert fetched == ([(source[2:], source[2:])] if source.startswith("./") else [])


def test_it_can_be_created(recipe: Path, tmp_path: Path) -> None:
    modelfile = parse(recipe.read_bytes())
    (source,) = modelfile.sources
    if source.startswith("./"):
        with pytest.raises(ModelfileError, match="put the checkpoint there"):
            plan(modelfile, tmp_path)
        (tmp_path / source).mkdir()
        (tmp_path / source / "model.safetensors").write_bytes(b"")
        assert plan(modelfile, tmp_path).files
    else:
        assert plan(modelfile, recipe.parent).request["from"] == source
    if template := modelfile.last("template"):
        assert GoTemplate.parse(template).variables
