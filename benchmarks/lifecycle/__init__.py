"""From examples to a gated adapter in front of users, and back: the whole road, on the real engine."""
