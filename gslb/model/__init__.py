"""The nouns of the whole system, as immutable values without behaviour of their own."""
