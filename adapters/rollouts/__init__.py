"""Rollouts: a version meets users step by step, beside the one that answers, and is compared with it."""
