"""Stage by stage: the same package as in one go, the same bytes each time, and what a stage refuses."""

import gc
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import hollama_adapters
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import processors

from hollama.cli.compiling import told
from hollama.compiler import CompileSettings, calibration, compile_package, read_adapter
from hollama.compiler.arithmetic import Held
from hollama.compiler.float_weights import read_weights
from hollama.compiler.parsed import MODEL, open_parsed
from hollama.compiler.pipeline import calibration_windows, open_checkpoint
from hollama.compiler.quantise import Quantiser
from hollama.compiler.stages import add_stage, is_optimised, open_optimised, optimise_stage, parse
from hollama.errors import CompileError, FormatError, HarError, HollamaError
from hollama.formats.har import Har, to_json, write_har
from hollama.formats.hef import Hef
from hollama.formats.package import read_info
from hollama.formats.safetensors import SafetensorsFile, open_folder, write_safetensors
from hollama.models.table import ARCHITECTURES
from tests.checkpoints import byte_tokenizer, random_checkpoint
from tests.formats.format_damage import only
from tests.loras import random_lora

SPECS = hollama_adapters.hollama_adapters()
TEXT = "The quick brown fox jumps over the lazy dog. " * 20
SETTINGS = CompileSettings(context=64, group_size=32, calibration=TEXT)
QUICK = replace(SETTINGS, gptq=False, rotates=False)
LORAS = ("one", "two")


def nothing(*_: object) -> None:
    pass


def adapters(folder: Path, *names: str) -> CompileSettings:
    return CompileSettings(adapters=tuple(read_adapter(name, folder / name, SPECS) for name in names))


def staged(source: Path, to: Path) -> None:
    """All stages, each in a file of its own."""
    parse(source, to / "p.har", nothing)
    optimise_stage(to / "p.har", to / "q.har", SETTINGS, nothing)
    add_stage(to / "q.har", to / "one.har", adapters(source.parent, "one"), nothing)
    add_stage(to / "one.har", to / "two.har", adapters(source.parent, "two"), nothing)
    compile_package(to / "two.har", to / "m.hef", CompileSettings(), nothing)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stages")
    random_checkpoint(folder / "base")
    for seed, name in enumerate(LORAS):
        random_lora(folder / name, folder / "base", ("q_proj", "down_proj"), seed=seed)
    staged(folder / "base", folder)
    return folder


def test_stages_and_one_go_give_the_same_bytes(folder, tmp_path):
    both = replace(SETTINGS, adapters=adapters(folder, *LORAS).adapters)
    compile_package(folder / "base", tmp_path / "m.hef", both, nothing)
    assert (tmp_path / "m.hef").read_bytes() == (folder / "m.hef").read_bytes()
    assert read_info(folder / "m.hef").adapters == LORAS


def test_any_stage_can_be_left_out(folder, tmp_path):
    optimise_stage(folder / "base", tmp_path / "q.har", SETTINGS, nothing)
    assert (tmp_path / "q.har").read_bytes() == (folder / "q.har").read_bytes()
    compile_package(folder / "p.har", tmp_path / "a.hef", SETTINGS, nothing)
    compile_package(folder / "q.har", tmp_path / "b.hef", CompileSettings(), nothing)
    compile_package(folder / "q.har", tmp_path / "c.hef", adapters(folder, *LORAS), nothing)
    assert (tmp_path / "a.hef").read_bytes() == (tmp_path / "b.hef").read_bytes()
    assert (tmp_path / "c.hef").read_bytes() == (folder / "m.hef").read_bytes()


def test_every_stage_gives_the_same_bytes_again_elsewhere(folder, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    for name in ("base", *LORAS):
        (tmp_path / name).symlink_to(folder / name)
    staged(tmp_path / "base", tmp_path / "elsewhere")
    for name in ("p.har", "q.har", "one.har", "two.har", "m.hef"):
        assert (tmp_path / "elsewhere" / name).read_bytes() == (folder / name).read_bytes(), name


def test_an_adapter_can_be_added_in_place(folder, tmp_path):
    (tmp_path / "q.har").write_bytes((folder / "q.har").read_bytes())
    for name in LORAS:
        add_stage(tmp_path / "q.har", tmp_path / "q.har", adapters(folder, name), nothing)
    assert (tmp_path / "q.har").read_bytes() == (folder / "two.har").read_bytes()


def test_the_longest_name_of_an_adapter_fits(folder, tmp_path):
    settings = CompileSettings(adapters=(read_adapter("x" * 72, folder / "one", SPECS),))
    add_stage(folder / "q.har", tmp_path / "q.har", settings, nothing)
    with Har.open(tmp_path / "q.har") as har:
        assert read_info(har).adapters == ("x" * 72,)


def test_an_optimised_har_holds_what_the_whitepaper_lists(folder):
    with Har.open(folder / "two.har") as har, Hef.open(folder / "m.hef") as hef:
        assert set(hef.resources) <= set(har.resources)
        assert har.network_groups == hef.network_groups
        group = har.groups["base_model__tbt"]
        assert [len(group["caches"]), group["caches"][0]["read"]["shape"]] == [4, [1, 64, 32]]
        statistics = json.loads(bytes(har.resources["statistics.json"]))
        assert {"0.attention_norm", "0.q_rope", "1.gated", "norm"} <= statistics.keys()
        assert bytes(har.resources["calibration.txt"]).decode() == TEXT
        parsed, optimised, one, two = har.history
    assert parsed["sources"].keys() >= {"config.json", "model.safetensors", "tokenizer.json"}
    assert (optimised["settings"]["context"], optimised["settings"]["seed"]) == (64, 0)
    assert [step["name"] for step in (one, two)] == ["one", "two"] and one["snr"] > 10
    assert all("numpy" in step["versions"] for step in (parsed, optimised, one, two))


def test_how_ranges_are_chosen_is_a_setting(folder, tmp_path):
    def changed(**chosen):
        """The values that have other ranges than everything that was seen."""
        found = []
        for choice in ({"ranges": "max", "cache_ranges": "max"} | chosen, {"ranges": "max", "cache_ranges": "max"}):
            optimise_stage(folder / "p.har", tmp_path / "x.har", replace(QUICK, **choice), nothing)
            with Har.open(tmp_path / "x.har") as har:
                assert har.history[-1]["settings"].items() >= choice.items()
                found.append(json.loads(bytes(har.resources["statistics.json"])))
        return {name for name, of in found[0].items() if of != found[1][name]}

    cached = {f"{block}.{name}" for block in range(2) for name in ("k_rope", "v")}
    assert set() < changed(cache_ranges="mse") <= cached
    assert changed(ranges="mse") and not changed(ranges="mse") & cached
    with pytest.raises(CompileError, match='no way "best" to choose ranges; there are max, percentile, mse, entropy'):
        changed(ranges="best")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_parsed_har_is_the_checkpoint(tmp_path, architecture):
    source = random_checkpoint(tmp_path / "c", architecture)
    parse(source, tmp_path / "p.har", nothing)
    mine, theirs = open_checkpoint(tmp_path / "p.har"), open_checkpoint(source)
    for part in ("architecture", "tokenizer", "special", "chat_template", "options", "metadata"):
        assert getattr(mine, part) == getattr(theirs, part)
    graph, sources = theirs.architecture.build(theirs.shape)
    assert mine.architecture.build(mine.shape) == (graph, sources)
    expected = read_weights(graph, sources, theirs)
    found = read_weights(graph, sources, mine)
    assert found.keys() == expected.keys()
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_weights_take_as_few_bits_as_hold_them(tmp_path):
    source = random_checkpoint(tmp_path / "c")
    weights = open_folder(source)
    tensors = {name: weights.float32(name).copy() for name in weights.names}
    down, up = (f"model.layers.0.mlp.{part}_proj.weight" for part in ("down", "up"))
    tensors[down] = tensors[down].astype(np.float16).astype(np.float32)
    tensors[up] = (tensors[up].view(np.uint32) & np.uint32(0xFFFF0000)).view(np.float32)
    write_safetensors(source / "model.safetensors", tensors)
    parse(source, tmp_path / "p.har", nothing)
    with Har.open(tmp_path / "p.har") as har:
        file = SafetensorsFile.from_buffer(har.resources["weights.safetensors"])
    dtypes = {name: file.info(name).dtype for name in file.names}
    assert (dtypes[down], dtypes[up], dtypes["model.embed_tokens.weight"]) == ("F16", "BF16", "F32")


def test_parsing_holds_no_more_than_a_few_tensors(tmp_path):
    source = random_checkpoint(tmp_path / "c", hidden_size=256, intermediate_size=1024, num_hidden_layers=8)
    tracemalloc.start()
    try:
        parse(source, tmp_path / "p.har", nothing)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (tmp_path / "p.har").stat().st_size > 30 << 20 > 2 * peak


@pytest.mark.parametrize("gptq", [True, False])
def test_quantising_holds_none_of_the_float_model(tmp_path, monkeypatch, gptq):
    held = []

    def run(quantiser, report):
        gc.collect()
        held.extend(object for object in gc.get_objects() if type(object) is Held)
        return quantise(quantiser, report)

    quantise = Quantiser.run
    monkeypatch.setattr(Quantiser, "run", run)
    settings = CompileSettings(context=64, gptq=gptq)
    optimise_stage(random_checkpoint(tmp_path / "c"), tmp_path / "q.har", settings, nothing)
    assert not [layer for layer in held if len(layer._held)]


def test_a_model_of_a_tiny_context_writes_no_text(tmp_path):
    source = random_checkpoint(tmp_path / "c", max_position_embeddings=4)
    optimise_stage(source, tmp_path / "q.har", CompileSettings(), nothing)
    assert is_optimised(tmp_path / "q.har")


def test_an_adapter_that_adds_nothing_is_said_to(folder, tmp_path):
    lora = random_lora(tmp_path / "zero", folder / "base", strength=0)
    added = CompileSettings(adapters=(read_adapter("zero", lora, SPECS),))
    (found,) = add_stage(folder / "q.har", tmp_path / "a.har", added, nothing)
    with Har.open(tmp_path / "a.har") as har:
        assert found.snr is None is har.history[-1]["snr"]
    assert told(found).endswith("it adds nothing; was it trained?")


def test_the_history_tells_texts_apart(folder, tmp_path):
    steps = []
    for text in ("One text. " * 40, "Another one! " * 40):
        chosen = replace(adapters(folder, "one"), calibration=text)
        add_stage(folder / "q.har", tmp_path / "a.har", chosen, nothing)
        with Har.open(tmp_path / "a.har") as har:
            steps.append(har.history[-1]["calibration"])
    assert steps[0] != steps[1]


def test_only_what_stands_in_front_of_texts_begins_windows(tmp_path):
    tokenizer = byte_tokenizer()
    for single, expected in ("$A <|im_end|>", []), ("<|im_start|> $A <|im_end|>", [257]):
        special = [(token, tokenizer.token_to_id(token)) for token in ("<|im_start|>", "<|im_end|>")]
        tokenizer.post_processor = processors.TemplateProcessing(single=single, special_tokens=special)
        source = random_checkpoint(tmp_path / "c")
        tokenizer.save(str(source / "tokenizer.json"))
        checkpoint = open_checkpoint(source)
        windows, _ = calibration_windows(checkpoint, checkpoint.architecture.build(checkpoint.shape)[0], SETTINGS)
        assert checkpoint.special.add_bos == bool(expected)
        assert windows[0][: len(expected) + 1] == [*expected, tokenizer.token_to_id(TEXT[0])]


def _with_nan(folder: Path) -> None:
    tensors = {name: open_folder(folder).float32(name).copy() for name in open_folder(folder).names}
    tensors["model.layers.1.mlp.up_proj.weight"][3, 5] = np.nan
    write_safetensors(folder / "model.safetensors", tensors)


def test_a_checkpoint_that_is_broken_is_refused_by_file_and_tensor(tmp_path):
    source = random_checkpoint(tmp_path / "broken")
    _with_nan(source)
    with pytest.raises(CompileError, match=r'broken: "model\.layers\.1\.mlp\.up_proj\.weight" holds values'):
        parse(source, tmp_path / "p.har", nothing)
    assert not (tmp_path / "p.har").exists()


REFUSALS = {
    "is a HAR already; `hollama optimize` is its next": lambda folder, to: parse(folder / "p.har", to, nothing),
    "is a HAR already; `hollama compile` is its next": lambda folder, to: parse(folder / "q.har", to, nothing),
    "is optimized already, whose next stage is `hollama compile`": lambda folder, to: optimise_stage(
        folder / "q.har", to, SETTINGS, nothing
    ),
    "was only parsed": lambda folder, to: add_stage(folder / "p.har", to, adapters(folder, "one"), nothing),
    "different names": lambda folder, to: add_stage(folder / "two.har", to, adapters(folder, "one"), nothing),
    "is a compiled package already": lambda folder, to: parse(folder / "m.hef", to, nothing),
    "no tar archive": lambda folder, to: add_stage(folder / "m.hef", to, adapters(folder, "one"), nothing),
}


@pytest.mark.parametrize("message", REFUSALS)
def test_an_artefact_of_another_stage_is_refused(folder, tmp_path, message):
    with pytest.raises(HollamaError, match=message):
        REFUSALS[message](folder, tmp_path / "x")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("source", ["p.har", "q.har"])
def test_a_har_of_another_version_is_refused(folder, tmp_path, source):
    data = (folder / source).read_bytes().replace(b'"format": 1', b'"format": 9', 1)
    (tmp_path / source).write_bytes(data)
    with pytest.raises(HarError, match=f"{source}: a HAR of format 9, expected 1"):
        compile_package(tmp_path / source, tmp_path / "m.hef", CompileSettings(), nothing)


def forged(source: Path, target: Path, members: dict[str, bytes | None]) -> Path:
    """The same archive with other members, and checksums that agree; None drops one."""
    with Har.open(source) as har:
        changed = {**har.resources, **members}
        kept = {name: data for name, data in changed.items() if data is not None}
        write_har(target, stage=har.stage, members=kept, groups=har.groups, history=list(har.history))
    return target


def model(folder: Path) -> dict:
    with Har.open(folder / "p.har") as har:
        return json.loads(bytes(har.resources[MODEL]))


SHAPES = {
    "no member 'tokenizer.json'": {"tokenizer.json": None},
    "no member 'weights.safetensors'": {"weights.safetensors": None},
    "cannot be read": {"tokenizer.json": b"{}"},
    "holds no object": {"model.json": b"[]"},
    "unsupported architecture": {"architecture": "mamba"},
    "expected a positive whole number": {"heads": 0},
    "parse the checkpoint again": {"layers": 3},
    "expected 1000 at most": {"layers": 1 << 20},
    "make no sense": {"heads": 3},
    "no token ids": {"stop_ids": [-1]},
    "finite numbers": {"theta": [0.5]},
    '"tied" is 3, expected bool': {"tied": 3},
}  # fmt: skip


@pytest.mark.parametrize("message", SHAPES)
def test_lies_in_a_parsed_har_are_named(folder, tmp_path, message):
    changes = dict(SHAPES[message])
    plain = model(folder)
    for place in (plain, plain["shape"], plain["special"]):
        place |= {key: changes.pop(key) for key in list(changes) if key in place}
    path = forged(folder / "p.har", tmp_path / "x.har", {MODEL: to_json(plain)} | changes)
    with pytest.raises((CompileError, FormatError), match=f"x.har.*{message}"):
        open_parsed(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_model_with_any_nonsense_is_sound_or_refused(folder, tmp_path, data):
    plain = model(folder)
    place = data.draw(st.sampled_from([plain, plain["shape"], plain["special"]]))
    nonsense = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just([]) | st.just({})
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(nonsense)
    path = forged(folder / "p.har", tmp_path / "x.har", {MODEL: json.dumps(plain).encode()})
    with only(HollamaError):
        assert open_parsed(path).shape.vocab > 0


@pytest.mark.parametrize("stage", [compile_package, add_stage])
@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("tokenizer.json", b"{}", "tokenizer.json cannot be read"),
        ("tokenizer.json", b"\xff", "tokenizer.json cannot be read"),
        ("embeddings.bin", bytes(31), "embeddings.bin ends within a number, at 31 bytes"),
        ("rope_theta_data.bin", bytes(63), "rope_theta_data.bin ends within a number"),
    ],
)
def test_lies_in_an_optimised_har_are_named(folder, tmp_path, name, data, message, stage):
    path = forged(folder / "q.har", tmp_path / "x.har", {name: data})
    settings = adapters(folder, "one") if stage is add_stage else CompileSettings()
    with pytest.raises(HollamaError, match=message):
        stage(path, tmp_path / "y", settings, nothing)


def test_a_har_keeps_as_much_of_a_long_text_as_was_used(folder, tmp_path, monkeypatch):
    """Whatever follows changes no bit of the package."""
    monkeypatch.setattr(calibration, "_PIECE", 100)
    text = "It is a line.\n" * 100_000
    for name in ("a", "b"):
        settings = replace(SETTINGS, windows=8, window=64, calibration=text)
        optimise_stage(folder / "base", tmp_path / name, settings, nothing)
        compile_package(tmp_path / name, tmp_path / f"{name}.hef", CompileSettings(), nothing)
        with open_optimised(tmp_path / name) as har:
            text = bytes(har.resources["calibration.txt"]).decode()
        assert 8 * 64 <= len(text) < 8 * 64 + 100 and text.endswith("line.\n")
    assert (tmp_path / "a.hef").read_bytes() == (tmp_path / "b.hef").read_bytes()


@given(st.text("ab \n", max_size=300), st.integers(1, 400))
def test_the_beginning_of_a_text_has_the_tokens_of_the_whole(text, tokens):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "_PIECE", 20)
        used, found = calibration.beginning(byte_tokenizer(), text, tokens)
    assert text.startswith(used) and found == byte_tokenizer().encode(used).ids
    assert len(found) >= min(tokens, len(text)) and len(used) < tokens + 20


def test_configurations_that_contradict_the_graph_are_refused(folder, tmp_path):
    with open_optimised(folder / "q.har") as har:
        groups = {**har.groups, "tbt": {**har.groups["tbt"], "caches": []}}
        write_har(tmp_path / "x.har", stage=har.stage, members=har.resources, groups=groups, history=[])
    with pytest.raises(HarError, match="not those of its graph"):
        compile_package(tmp_path / "x.har", tmp_path / "m.hef", CompileSettings(), nothing)
