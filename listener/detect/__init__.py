"""From buckets to spikes: coverage, detector, spike life, explanation; no store, no clock."""
