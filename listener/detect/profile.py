"""The rhythm of the day, smoothed: from counts by hour of working days and weekends to factors."""

from __future__ import annotations

import numpy as np

from listener.detect.surprise import Floats

# Prior standard deviations of the log factors.
SHARED = 0.8  # what both kinds of day have in common, smooth over about 3 hours
SHARED_ROUGH = 0.15  # and of each hour for itself: a lunch break, a nightly job
WEEKEND = 0.5  # how far weekends are from working days as a whole
WEEKEND_SHAPE = 0.3  # and in their rhythm
WEEKEND_ROUGH = 0.05
SMOOTH = 0.75  # radians of the day over which factors go together
MOST_STEP = 2.0  # a Newton step in a log factor is no longer


def profile_prior(slots: int) -> Floats:
    """Covariance of the 2 x ``slots`` log factors (working days first), as a Gaussian process.

    A periodic kernel (MacKay 1998) for what the kinds of day share, plus or minus another one for
    what tells them apart.
    """
    hours = np.arange(slots)
    angle = np.pi * np.abs(hours[:, None] - hours[None]) / slots
    periodic = np.exp(-2 * np.sin(angle) ** 2 / SMOOTH**2)
    shared = SHARED**2 * periodic + SHARED_ROUGH**2 * np.eye(slots)
    apart = WEEKEND**2 / 2 + WEEKEND_SHAPE**2 * periodic + WEEKEND_ROUGH**2 * np.eye(slots)
    return np.block([[shared + apart, shared - apart], [shared - apart, shared + apart]])


def fit_profile(
    log_factors: Floats,
    counts: Floats,
    expected: Floats,
    days: Floats,
    dispersion: Floats,
    prior: Floats,
) -> Floats:
    """Two Newton steps to the most likely log factors, from those of the day before.

    All of shape (series, 2 x slots) but ``dispersion``, (series, 1): that of an hour. ``expected``
    is what the cells would count with factor 1, ``days`` how many days they stand for. Counts are
    overdispersed Poisson given the factors; this is the Laplace approximation of a log Gaussian Cox
    process (Rasmussen & Williams 2006, section 3.4).
    """
    noise = dispersion / np.maximum(days, 0.2)
    diagonal = np.arange(prior.shape[0])
    for _ in range(2):
        mean = np.maximum(expected * np.exp(log_factors), 1e-6)
        target = log_factors + np.clip((counts - mean) / mean, -MOST_STEP, MOST_STEP)
        system = np.repeat(prior[None], len(counts), axis=0)
        system[:, diagonal, diagonal] += 1.0 / mean + noise
        log_factors = np.linalg.solve(system, target[..., None])[..., 0] @ prior
    return log_factors
