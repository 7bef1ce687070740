"""What an operator sees of a running server: metrics, traces, logs. Reads ids, counts and times, never a text."""
