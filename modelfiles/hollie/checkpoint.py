"""The trained weights as a Hugging Face folder (Qwen2ForCausalLM), and back. Every file is replaced as a whole."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from . import tokenizer
from .model import Hollie, Range, Shape

TEMPLATE = Path(__file__).with_name("chat_template.jinja")


def renamed(model: Hollie) -> dict[str, Tensor]:
    """Hugging Face's names; the gains of the norms are ones, as the model has none."""
    shape, ones = model.shape, torch.ones(model.shape.hidden)
    tensors = {"model.embed_tokens.weight": model.embed.data, "model.norm.weight": ones}
    for name, tensor in model.layers.named_parameters():
        tensors[f"model.layers.{name}"] = tensor.data
    for at in range(shape.layers):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{at}.{norm}.weight"] = ones
    return {name: tensor.detach().clone().contiguous() for name, tensor in tensors.items()}


def config(shape: Shape, end: int, turn_end: int) -> dict[str, object]:
    return {
        "architectures": ["Qwen2ForCausalLM"], "model_type": "qwen2", "torch_dtype": "float32",
        "vocab_size": shape.vocab, "hidden_size": shape.hidden, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_dim,
        "intermediate_size": shape.intermediate, "max_position_embeddings": shape.context, "rope_theta": shape.theta,
        "rms_norm_eps": shape.eps, "hidden_act": "silu", "tie_word_embeddings": True, "use_sliding_window": False,
        "attention_dropout": 0.0, "initializer_range": 0.02, "use_cache": True,
        "bos_token_id": end, "eos_token_id": turn_end, "pad_token_id": end,
    }


def replaced(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".partial")
    temporary.write_text(text, "utf-8")
    os.replace(temporary, path)


def written(folder: Path, model: Hollie, learned: Path) -> None:
    """Writes the whole folder; `learned` is the tokenizer.json to go with it."""
    folder.mkdir(parents=True, exist_ok=True)
    codes = json.loads(learned.read_text("utf-8"))
    ids = {token["content"]: token["id"] for token in codes["added_tokens"]}
    end, turn_end = ids[tokenizer.END], ids[tokenizer.TURN_END]
    shutil.copyfile(learned, folder / "tokenizer.json.partial")
    os.replace(folder / "tokenizer.json.partial", folder / "tokenizer.json")
    added = {str(token["id"]): {key: token[key] for key in token if key != "id"} for token in codes["added_tokens"]}
    files = {
        "config.json": config(model.shape, end, turn_end),
        "generation_config.json": {"bos_token_id": end, "eos_token_id": [turn_end, end], "pad_token_id": end,
        "do_sample": True, "temperature": 0.2},
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": model.shape.context,
            "added_tokens_decoder": added,
            "bos_token": None, "eos_token": tokenizer.TURN_END, "pad_token": tokenizer.END,
            "clean_up_tokenization_spaces": False,
            "add_bos_token": False, "chat_template": TEMPLATE.read_text("utf-8"),
        },
    }
    for name, content in files.items():
        replaced(folder / name, json.dumps(content, indent=2) + "\n")
    save_file(renamed(model), folder / "model.safetensors.partial", {"format": "pt"})
    os.replace(folder / "model.safetensors.partial", folder / "model.safetensors")
    replaced(folder / "ranges.json", json.dumps(ranges(model), indent=1) + "\n")


def ranges(model: Hollie) -> dict[str, list[float]]:
    """The watched 8-bit ranges, lowest and highest value by the module's name; empty before they were watched."""
    found = {name: module for name, module in model.named_modules() if isinstance(module, Range)}
    return {name: [float(one.low), float(one.high)] for name, one in found.items() if one.low != one.high}


def read(folder: Path) -> Hollie:
    """The model of a folder, with its ranges where they are known."""
    kept = json.loads((folder / "config.json").read_text("utf-8"))
    shape = Shape(kept["vocab_size"], kept["hidden_size"], kept["num_hidden_layers"], kept["num_attention_heads"],
        kept["num_key_value_heads"],
                  kept["head_dim"], kept["intermediate_size"], kept["max_position_embeddings"], kept["rope_theta"],
                      kept["rms_norm_eps"])
    model, tensors = Hollie(shape), load_file(folder / "model.safetensors")
    state = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if "norm" not in name}
    state["embed"] = state.pop("embed_tokens.weight")
    for name, (low, high) in json.loads((folder / "ranges.json").read_text("utf-8")).items():
        state[f"{name}.low"], state[f"{name}.high"] = torch.tensor(low), torch.tensor(high)
    missing = model.load_state_dict(state, strict=False)
    if missing.unexpected_keys or any(not key.endswith((".low", ".high")) for key in missing.missing_keys):
        raise ValueError(f"{folder} is no hollie checkpoint: {missing}")
    return model
