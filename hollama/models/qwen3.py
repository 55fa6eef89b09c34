"""Qwen3: heads of their own size, and an RMS norm over each query and key head."""

from hollama.models.architecture import Architecture, Config, decoder_shape
from hollama.models.decoder import DecoderShape


def shape(config: Config) -> DecoderShape:
    bias = config.get("attention_bias") is True
    return decoder_shape(config, qkv_bias=bias, output_bias=bias, qk_norm=True)


ARCHITECTURE = Architecture("qwen3", ("Qwen3ForCausalLM",), shape)
