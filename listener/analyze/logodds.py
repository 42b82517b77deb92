"""Log-odds of words in one set of texts against another: what sets a spike or a week apart."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

PRIOR_WEIGHT = 0.5  # pseudo-counts of the Dirichlet prior, as a share of all counts


def log_odds(now: Counter[str], before: Counter[str]) -> Mapping[str, float]:
    """The z-score of every word of ``now``: its log-odds ratio over the standard error.

    Monroe, Colaresi & Quinn 2008, "Fightin' Words", eq. 16 and 22, with an informative Dirichlet
    prior in proportion to the counts of both sides together, so that rare words need more evidence.
    """
    total_now, total_before = now.total(), before.total()
    prior_total = PRIOR_WEIGHT * (total_now + total_before)
    scores: dict[str, float] = {}
    for word, count in now.items():
        usual = before[word]
        prior = PRIOR_WEIGHT * (count + usual)
        here, there = count + prior, usual + prior
        odds = math.log(here / max(total_now + prior_total - here, 0.5))
        usual_odds = math.log(there / max(total_before + prior_total - there, 0.5))
        scores[word] = (odds - usual_odds) / math.sqrt(1 / here + 1 / there)
    return scores
