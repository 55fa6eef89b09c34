"""Qwen2 and Qwen2.5: Llama with biases on query, key and value."""

from hollama.models.architecture import Architecture, Config, decoder_shape
from hollama.models.decoder import DecoderShape


def shape(config: Config) -> DecoderShape:
    return decoder_shape(config, qkv_bias=True)


ARCHITECTURE = Architecture("qwen2", ("Qwen2ForCausalLM",), shape)
