"""Reports, keys and agents for tests."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gslb.model.agent import Agent
from gslb.model.report import Report, SiteReport

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
AGENT = Agent("fra", "aws-eu", (KEY.public_key().public_bytes_raw(),))
SITES = {
    "eu-west": SiteReport(up=True, streak=1, since_at=990.0, rtt_ms=12.5, reason="status 503"),
    "us-east": SiteReport(
        False, 0, 1_700_000_000.125, 80.0, 95.25, 255, 1_800_000_000.0, "timeout"
    ),
    "new": SiteReport(),
}
REPORT = Report("fra", "b-1", 7, 1_700_000_100.5, SITES, (2, 3))


def many_sites(count):
    """A report as a fleet of that size would send it: most sites calm, some failing."""
    return Report(
        "fra",
        "3f9a1c77e2d84b10",
        123_456,
        1_700_000_100.512,
        {
            f"site-{number:04}.{'eu' if number % 2 else 'us'}": SiteReport(
                number % 10 != 0,
                number % 3,
                1_699_000_000.0 + number * 977.331,
                5.0 + number * 37.123 % 200,
                9.0 + number * 53.711 % 300,
                min(number, 255),
                1_720_000_000.0 + number * 3600,
                "status 503, not 200" if number % 10 == 0 else "",
            )
            for number in range(count)
        },
        (3, 3),
    )
