"""How much of a text's end may be the beginning of something looked for. Knows nothing of what that is."""

from __future__ import annotations


def held(text: str, wanted: str) -> int:
    """Length of the longest suffix of `text` that is a proper prefix of `wanted`."""
    longest = min(len(text), len(wanted) - 1)
    return next((length for length in range(longest, 0, -1) if text.endswith(wanted[:length])), 0)
