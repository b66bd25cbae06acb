"""A global server load balancer: an authoritative DNS server that answers with the right region.

docs/architecture.md has the map. Imports point down only:
cli > app > server | probe | admin > store | geo > telemetry > engine | config > policy > zone |
health > wire > model > errors.
"""

__version__ = "0.1.0"
