from pathlib import Path

import pytest

from gslb.config.load import load
from gslb.config.outline import ListenerOutline, Outline, ProxyOutline, read_outline
from gslb.errors import ConfigError
from gslb.model.proxy import Proxy

ROOT = Path(__file__).parents[2]
ZONE = "zone: W.Example.\nnameservers: {ns.w.example: [192.0.2.1]}\nservices: {}\n"
LISTEN = 'listen: {dns: ["192.0.2.53:53", "[2001:db8::53]:53"]}\nzones: [z/*.yaml]\n'
DEFAULTS = "zones: [z/w.yaml, z/w.yaml]\n"
EMPTY_LIST = "listen: {admin: '127.0.0.1:8053'}\nzones: ['z/*.yaml']\n"
PROXIES = """
proxies:
  eu:
    site: eu
    listen:
      - {address: "192.0.2.1:80", proxy_protocol: true}
      - {address: "192.0.2.1:443", tls: {certificate: c.pem, key: c.pem}}
      - {address: "[2001:db8::1]:25", mode: tcp, pool: web}
    health_path: /healthz
    trusted_proxies: [198.51.100.0/24, 127.0.0.1]
    routes: [{name: a, pool: web}]
    pools: {web: {backends: {b: {address: "192.0.2.9:80"}}}}
  us:
    site: us
    listen: [{address: "192.0.2.2:80", mode: http, proxy_protocol: false}]
    routes: [{name: a, pool: web}]
    pools: {web: {backends: {b: {address: "192.0.2.9:80"}}}}
"""


def write(folder: Path, main: str) -> Path:
    (folder / "z").mkdir()
    (folder / "z" / "w.yaml").write_text(ZONE)
    (folder / "c.pem").touch(mode=0o600)
    path = folder / "gslb.yaml"
    path.write_text(main)
    return path


def outline_of(proxy: Proxy) -> ProxyOutline:
    listeners = (
        ListenerOutline(
            one.endpoint, bool(one.certificates), one.pool is not None, one.proxy_protocol
        )
        for one in proxy.listeners
    )
    return ProxyOutline(tuple(listeners), proxy.health_path, proxy.trusted_proxies)


def loaded(path: Path) -> Outline:
    """The outline that the whole configuration gives."""
    found = load(path)
    zones = tuple(zone.source.origin for zone in found.zones)
    files = (path, *(Path(zone.source.file) for zone in found.zones))
    proxies = {name: outline_of(one) for name, one in found.system.proxies.items()}
    return Outline(found.system.dns, zones, proxies, files)


@pytest.mark.parametrize("main", [LISTEN, DEFAULTS, EMPTY_LIST, PROXIES, PROXIES + LISTEN])
def test_outline_says_what_the_configuration_says(tmp_path, main):
    path = write(tmp_path, main)
    assert read_outline(path) == loaded(path)


@pytest.mark.parametrize("name", ["zones/gslb.yaml", "zones/proxy.yaml"])
def test_outline_of_the_examples(name):
    assert read_outline(ROOT / name) == loaded(ROOT / name)


def test_outline_when_another_part_is_at_fault_is_read(tmp_path):
    found = read_outline(write(tmp_path, LISTEN + "sites: 5\nnode: []\nwrong: true\n"))
    assert (len(found.dns), found.zones) == (2, ("w.example",))


@pytest.mark.parametrize(
    ("main", "told"),
    [
        ("listen: {dns: [nowhere]}", "1:16: listen.dns.0: must be an address and port"),
        ("listen: {dns: 5}", "1:15: listen.dns: must be a list"),
        ("zones: [[]]", "1:9: zones.0: must be text"),
        ("zones: [none.yaml]", "none.yaml: cannot be read: No such file or directory"),
        ("proxies: [eu]", "1:1: proxies: must hold keys and values"),
        (
            "proxies: {eu: {listen: [{}]}}",
            "1:25: proxies.eu.listen.0.address: must be",
        ),
        ("proxies: {eu: {health_path: 7}}", "1:29: proxies.eu.health_path: must be text"),
        ("proxies: {eu: {trusted_proxies: [x]}}", "1:34: proxies.eu.trusted_proxies.0: 'x'"),
        ("node: [", "not valid YAML"),
        ("node: a\nnode: b", "given twice"),
    ],
)
def test_outline_when_it_cannot_be_understood(tmp_path, main, told):
    with pytest.raises(ConfigError) as raised:
        read_outline(write(tmp_path, main))
    assert told in str(raised.value)


def test_outline_when_the_file_is_missing(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        read_outline(tmp_path / "none.yaml")
