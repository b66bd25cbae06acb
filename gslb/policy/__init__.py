"""How the answers of a service are chosen: pure filters, one module each, and the chain that runs
them.
"""
