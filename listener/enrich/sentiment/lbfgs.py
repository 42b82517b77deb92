"""Minimises smooth functions: what all trainings of models and overlays fit by."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def minimise(
    loss: Callable[[Floats], tuple[float, Floats]], point: Floats, iterations: int
) -> Floats:
    """L-BFGS with backtracking (Nocedal & Wright, algorithm 7.4 and 3.1), memory 8."""
    memory: deque[tuple[Floats, Floats, float]] = deque(maxlen=8)
    value, gradient = loss(point)
    for _ in range(iterations):
        direction = -gradient
        steps: list[float] = []
        for moved, turned, rho in reversed(memory):
            steps.append(rho * float(moved @ direction))
            direction = direction - steps[-1] * turned
        if memory:
            moved, turned, rho = memory[-1]
            direction = direction / (rho * float(turned @ turned))
        else:
            direction = direction / max(float(np.abs(gradient).sum()), 1.0)
        for (moved, turned, rho), step in zip(memory, reversed(steps), strict=True):
            direction = direction + (step - rho * float(turned @ direction)) * moved
        descent = float(gradient @ direction)
        length = 1.0
        while True:
            candidate = point + length * direction
            new_value, new_gradient = loss(candidate)
            if new_value <= value + 1e-4 * length * descent or length < 1e-8:
                break
            length *= 0.5
        moved, turned = candidate - point, new_gradient - gradient
        curvature = float(moved @ turned)
        if curvature > 1e-12:
            memory.append((moved, turned, 1.0 / curvature))
        done = value - new_value < 1e-6 * abs(value)
        point, value, gradient = candidate, new_value, new_gradient
        if done:
            break
    return point
