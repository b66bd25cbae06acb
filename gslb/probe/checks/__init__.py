"""One module a kind of check, and the registry that names them."""
