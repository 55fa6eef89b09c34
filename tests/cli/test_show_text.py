"""The sections of `hollama show`."""

from hollama.cli.show import show_text

INFO = {
    "details": {"family": "llama", "parameter_size": "3.2B", "quantization_level": "Q4_K_M"},
    "model_info": {
        "general.architecture": "llama",
        "general.parameter_count": 3_212_749_888,
        "llama.context_length": 131072,
        "llama.embedding_length": 3072,
        "tokenizer.ggml.tokens": ["!", '"', "#", "$", "%"],
        "llama.rope.freq_base": 500000.0,
    },
    "capabilities": ["completion", "tools"],
    "parameters": 'stop                           "<|eot_id|>"\ntemperature                    0.7',
    "system": "Be brief.\n\nBe kind.\nBe wise.",
    "license": "MIT",
    "tensors": [{"name": "output.weight", "type": "F16", "shape": [3072, 128256]}],
}


def test_sections() -> None:
    assert show_text(INFO).splitlines() == [
        "  Model",
        "    architecture        llama     ",
        "    parameters          3.2B      ",
        "    context length      131072    ",
        "    embedding length    3072      ",
        "    quantization        Q4_K_M    ",
        "",
        "  Capabilities",
        "    completion    ",
        "    tools         ",
        "",
        "  Parameters",
        '    stop           "<|eot_id|>"    ',
        "    temperature    0.7             ",
        "",
        "  System",
        "    Be brief.    ",
        "    Be kind.     ",
        "    ...          ",
        "",
        "  License",
        "    MIT    ",
        "",
    ]


def test_verbose_adds_metadata_and_tensors() -> None:
    text = show_text(INFO, verbose=True)
    assert '[! " # ...+2 more]' in text
    assert "output.weight    F16    [3072 128256]" in text
    assert text.index("Metadata") < text.index("Tensors") < text.index("System")


def test_nothing_to_say() -> None:
    assert show_text({}) == ""


def test_adapters_are_listed() -> None:
    assert "  Adapters\n    one    \n    two    \n" in show_text({**INFO, "adapters": ["one", "two"]})
    shown = show_text({**INFO, "adapters": ["one", "two"], "adapter": "two"})
    assert "  Adapters\n    one              \n    two    in use    \n" in shown
