"""Where reports of health are kept: the `HealthStore` protocol and its twins."""
