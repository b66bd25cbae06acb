"""What the demo's processes read: it loads, and all of it has the same addresses and users."""

from __future__ import annotations

import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gslb.config.load import Configuration, load
from tests.compose.place import COMPOSE, REGIONS, ROOT, addresses_of, make_secrets, services, words

PRIVATE = {
    "admin.token",
    "redis-users.acl",
    "redis.conf",
    "sentinel.conf",
    *(f"agent-{region}.key" for region in REGIONS),
    *(f"redis-{name}.password" for name in ("replica", "sentinel", "server")),
    *(f"redis-{kind}-{region}.password" for kind in ("agent", "proxy") for region in REGIONS),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A copy of compose/ in which secrets.sh has run."""
    made = tmp_path_factory.mktemp("compose")
    done = make_secrets(made)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return made


@pytest.fixture(scope="module")
def configuration(folder) -> Configuration:
    return load(folder / "secrets/config/gslb.yaml")


def private_files(folder: Path) -> dict[str, bytes]:
    found = (folder / "secrets").iterdir()
    return {path.name: path.read_bytes() for path in found if path.is_file()}


def plain_secrets(folder: Path) -> list[Path]:
    return [*(folder / "secrets").glob("*.password"), folder / "secrets/admin.token"]


# ---------------------------------------------------------------- secrets.sh


def test_secrets_are_for_their_owner_only(folder):
    found = {path.name: path for path in (folder / "secrets").iterdir() if path.is_file()}

    assert set(found) == PRIVATE
    assert {stat.S_IMODE(path.stat().st_mode) for path in found.values()} == {0o600}


def test_secrets_that_are_there_are_kept(folder):
    before = private_files(folder)

    assert make_secrets(folder).returncode == 0
    assert private_files(folder) == before


def test_secrets_differ_from_one_clone_to_another(folder, tmp_path):
    assert make_secrets(tmp_path).returncode == 0

    ours, theirs = private_files(folder), private_files(tmp_path)
    assert [name for name in PRIVATE if ours[name] == theirs[name]] == []


def test_the_containers_run_as_who_owns_the_secrets(folder):
    owner = (folder / "secrets/admin.token").stat()

    assert words(folder / ".env", "^DEMO_USER=(.*)$") == [f"{owner.st_uid}:{owner.st_gid}"]
    assert owner.st_uid != 0


def test_what_the_containers_read_holds_no_secret(folder):
    held = [path.read_text() for path in plain_secrets(folder)]
    texts = [path.read_text() for path in (folder / "secrets/config").rglob("*.yaml")]

    assert len(texts) == 4
    assert [secret for secret in held for text in texts if secret.strip() in text] == []


def test_a_marker_that_nobody_knows_is_one_clear_line(tmp_path):
    make_secrets(tmp_path)
    with (tmp_path / "config/gslb.yaml").open("a") as file:
        file.write("# @NOBODY@\n")

    done = make_secrets(tmp_path)

    assert done.returncode == 2
    assert done.stderr == "secrets.sh: compose/config has @NOBODY@, which nothing is known of\n"


# ---------------------------------------------------------------- gslb.yaml


@pytest.mark.parametrize("name", ["gslb.yaml", "ns2.yaml", "liar.yaml"])
def test_a_configuration_loads_without_a_warning(folder, name):
    assert load(folder / "secrets/config" / name).warnings == ()


def test_gslb_check_finds_nothing(folder):
    done = run_gslb("check", folder / "secrets/config/gslb.yaml")

    assert done.stderr == ""
    assert done.stdout.endswith(
        "1 zone, 3 services, 3 sites, 9 proxies, 6 routes, 9 pools: no problems\n"
    )


def run_gslb(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The command of this checkout; it ends with status 0."""
    return subprocess.run(
        [sys.executable, "-m", "gslb", *arguments],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        timeout=60,
    )


def test_the_name_servers_differ_by_name_only(folder):
    one, two = (load(folder / "secrets/config" / name).system for name in ("gslb.yaml", "ns2.yaml"))

    assert (one.node, two.node) == ("ns1", "ns2")
    assert one.shared_digest == two.shared_digest


def test_the_liar_asks_for_what_is_not_there(folder):
    system = load(folder / "secrets/config/liar.yaml").system

    assert {kind.path for site in system.sites.values() for kind in site.check.kinds} == {"/lie"}


def test_sites_are_the_addresses_of_the_vips(configuration):
    for name, site in configuration.system.sites.items():
        vip = addresses_of(services()[f"{name}-vip"])
        assert [str(address) for address in site.addresses] == [vip["internet"]]


def test_proxies_listen_where_their_containers_are(configuration):
    proxies = configuration.system.proxies
    assert set(proxies) == {name for name in services() if name.endswith(("-vip", "-l7a", "-l7b"))}
    for name, proxy in proxies.items():
        own = set(addresses_of(services()[name]).values())
        assert {str(listener.endpoint.host) for listener in proxy.listeners} <= own


def test_pools_name_the_containers_behind_them(configuration):
    for region in REGIONS:
        proxies = configuration.system.proxies
        behind = {"l7": ("l7a", "l7b"), "web": ("web1", "web2")}
        for proxy in (f"{region}-vip", f"{region}-l7a", f"{region}-l7b"):
            for pool in proxies[proxy].pools.values():
                told = {one.name: str(one.address.host) for one in pool.backends}
                expected = {
                    name: addresses_of(services()[f"{region}-{name}"])[region]
                    for name in behind[pool.name]
                }
                assert told == expected


def test_the_second_tier_trusts_the_first_and_nobody_else(configuration):
    for region in REGIONS:
        vip = addresses_of(services()[f"{region}-vip"])[region]
        for name in ("l7a", "l7b"):
            trusted = configuration.system.proxies[f"{region}-{name}"].trusted_proxies
            assert [str(network) for network in trusted] == [f"{vip}/32"]


def test_the_store_is_where_the_sentinels_are(configuration):
    sentinels = [addresses_of(services()[f"sentinel{number}"])["core"] for number in (1, 2, 3)]
    expected = "redis+sentinel://" + ",".join(f"{one}:26379" for one in sentinels) + "/gslb"

    assert configuration.system.store == expected
    primary = addresses_of(services()["redis1"])["core"]
    assert words(COMPOSE / "config/sentinel.conf", r"^sentinel monitor gslb (\S+)") == [primary]


# ---------------------------------------------------------------- the world around it


def test_the_parent_says_what_gslb_delegation_prints(folder):
    done = run_gslb(
        "delegation", "gslb.shop.example", "--config", folder / "secrets/config/gslb.yaml"
    )
    printed = {(line.split()[0], *line.split()[-2:]) for line in done.stdout.splitlines()}
    zone = words(COMPOSE / "config/shop.example.zone", r"^(\S*gslb\s+IN\s+(?:NS|A)\s+\S+)$")
    told = {(f"{name}.shop.example.", kind, value) for name, _, kind, value in map(str.split, zone)}
    absolute = {
        (name, kind, f"{value}.shop.example." if kind == "NS" else value)
        for name, kind, value in told
    }

    assert absolute == printed


def test_name_servers_resolver_and_parent_have_the_addresses_that_others_know(configuration):
    peers = COMPOSE / "config"
    internet = {name: addresses_of(one).get("internet") for name, one in services().items()}

    glue = configuration.system.zones[0].nameservers
    assert [str(address) for addresses in glue.values() for address in addresses] == [
        internet["ns1"],
        internet["ns2"],
    ]
    assert words(peers / "unbound.conf", r"^    send-client-subnet: (\S+)") == [
        internet["ns1"],
        internet["ns2"],
    ]
    assert words(peers / "unbound.conf", r"^    stub-addr: (\S+)") == [internet["parent"]]
    assert words(peers / "unbound.conf", r"^    interface: (\S+)") == [internet["resolver"]]
    assert words(peers / "resolv.conf", r"^nameserver (\S+)") == [internet["resolver"]]
    assert words(peers / "nsd.conf", r"ip-address: (\S+)@53") == [internet["parent"]]


def test_clients_stand_where_the_map_says_their_region_is(configuration):
    zone = yaml.safe_load((COMPOSE / "config/zones/shop.yaml").read_text())
    maps = configuration.system.geo.maps
    for region, answer in zone["services"]["www"]["answers"].items():
        (name,) = (one.removeprefix("map:") for one in answer["serves"] if one.startswith("map:"))
        client = addresses_of(services()[f"{region}-client"])["internet"]
        assert [str(network) for network in maps[name]] == [client.rsplit(".", 1)[0] + ".0/24"]


# ---------------------------------------------------------------- Redis


def test_users_have_the_rights_of_docs_redis():
    page = "\n".join(
        line.replace("-fra", "-REGION")
        .replace("report:fra", "report:REGION")
        .replace(":eu-west}", ":REGION}")
        for line in words(ROOT / "docs/redis.md", r"^(user .*)$")
    )
    documented = {_rights(line) for line in page.splitlines()}
    ours = words(COMPOSE / "config/users.acl", r"^(user .*)$")
    for region in REGIONS:
        ours = [line.replace(region, "REGION") for line in ours]

    assert {_rights(line) for line in ours} == documented


def _rights(line: str) -> tuple[str, str]:
    """A user and all but its password."""
    name, *rest = line.split()[1:]
    name = name.removesuffix("-REGION")
    return name, " ".join(word for word in rest if word[0] not in "#>")


def test_each_container_is_the_user_whose_password_it_has():
    for name, service in services().items():
        environment = service.get("environment", {})
        if user := environment.get("GSLB_REDIS_USERNAME"):
            file = environment["GSLB_REDIS_PASSWORD_FILE"]
            assert file == f"/run/secrets/redis-{user.removeprefix('gslb-')}.password", name
