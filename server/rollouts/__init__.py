"""Rollouts in the running gateway: who is answered by what, what is seen of it, and when it ends by itself."""
