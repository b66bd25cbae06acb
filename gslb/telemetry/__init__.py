"""What the running program says of itself: log lines, sampled decisions, counters."""
