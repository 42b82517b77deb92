"""Many numbers in few characters: how the state of a detector is stored."""

from __future__ import annotations

from array import array
from base64 import b64decode, b64encode
from collections.abc import Iterable


def pack(values: Iterable[float]) -> str:
    """The exact numbers as text: whole small ones as they are, else 8 bytes each in base 64."""
    numbers = array("d", values)
    if all(value.is_integer() and abs(value) < 1e6 for value in numbers):
        return ",".join(f"{value:.0f}" for value in numbers)
    return "=" + b64encode(numbers.tobytes()).decode()


def unpack(text: str) -> list[float]:
    """What ``pack`` was given."""
    if not text.startswith("="):
        return [float(value) for value in text.split(",")] if text else []
    numbers = array("d")
    numbers.frombytes(b64decode(text[1:]))
    return numbers.tolist()
