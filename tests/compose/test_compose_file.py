"""What can be said of docker-compose.yml without an engine."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network

import pytest

from tests.compose.place import COMPOSE, REGIONS, ROOT, addresses_of, read_compose, services, words

SERVICES = sorted(services())


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_more_rights_than_it_needs(name):
    service = services()[name]

    assert service["user"].startswith("${DEMO_USER:?")
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["mem_limit"]
    assert service["pids_limit"]
    assert set(service.get("sysctls", {})) <= {"net.ipv4.ip_unprivileged_port_start"}
    assert [mount for mount in service.get("volumes", ()) if not _is_harmless(mount)] == []


def _is_harmless(mount: str) -> bool:
    """Read only, or a volume of the demo's own."""
    return mount.endswith(":ro") or mount.split(":", maxsplit=1)[0] in read_compose()["volumes"]


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_a_health_check_that_needs_no_shell(name):
    command = services()[name]["healthcheck"]["test"]

    assert command[0] == "CMD"
    assert "sh" not in command


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_found_by_its_name_and_stops_in_time(name):
    service = services()[name]

    assert service["container_name"] == f"gslb-demo-{name}"
    assert service["stop_grace_period"]


def test_nothing_waits_for_a_health_check():
    assert "service_healthy" not in (COMPOSE / "docker-compose.yml").read_text()
    assert [name for name, one in services().items() if "depends_on" in one] == []


def test_what_the_issue_lists_is_there():
    expected = {"ns1", "ns2", "redis1", "redis2", "sentinel1", "sentinel2", "sentinel3"}
    parts = ("vip", "l7a", "l7b", "web1", "web2", "agent", "client")
    expected |= {"parent", "resolver", *(f"{one}-{part}" for one in REGIONS for part in parts)}

    assert {name for name, one in services().items() if "profiles" not in one} == expected
    assert services()["liar"]["profiles"] == ["liar"]


def test_no_address_is_given_twice_and_each_lies_in_its_network():
    networks = read_compose()["networks"]
    seen: set[str] = set()
    for service in services().values():
        for network, address in addresses_of(service).items():
            subnet = ip_network(networks[network]["ipam"]["config"][0]["subnet"])
            assert ip_address(address) in subnet
            assert address not in seen
            seen.add(address)


def test_hardware_addresses_follow_the_addresses():
    for service in services().values():
        for one in service["networks"].values():
            octets = ":".join(f"{int(part):02x}" for part in one["ipv4_address"].split("."))
            assert one["x-podman.mac_address"] == f"02:42:{octets}"


def test_only_the_internet_has_a_way_out():
    open_ones = {
        name for name, one in read_compose()["networks"].items() if not one.get("internal")
    }

    assert open_ones == {"internet"}


def test_ports_are_published_on_loopback_only():
    published = {name: one["ports"] for name, one in services().items() if "ports" in one}

    assert published == {
        "ns1": [
            "127.0.0.1:${DEMO_DNS1:-5300}:53/udp",
            "127.0.0.1:${DEMO_DNS1:-5300}:53/tcp",
            "127.0.0.1:${DEMO_ADMIN1:-8053}:8053/tcp",
        ],
        "ns2": [
            "127.0.0.1:${DEMO_DNS2:-5301}:53/udp",
            "127.0.0.1:${DEMO_DNS2:-5301}:53/tcp",
            "127.0.0.1:${DEMO_ADMIN2:-8054}:8053/tcp",
        ],
    }


def test_every_file_of_the_checkout_that_is_mounted_or_built_from_is_there():
    mounted = {
        mount.split(":")[0]
        for one in services().values()
        for mount in one.get("volumes", ())
        if mount.startswith(".")
    }
    assert mounted == {"./secrets/config", "./programs", "./config", "./config/resolv.conf"}
    for path in mounted - {"./secrets/config"}:
        assert (COMPOSE / path).exists()
    for one in services().values():
        if "build" in one:
            build = one["build"]
            assert (COMPOSE / build["context"] / build["dockerfile"]).is_file()


def test_services_use_the_secrets_that_are_declared_and_no_other():
    declared = read_compose()["secrets"]
    used = {name for one in services().values() for name in one.get("secrets", ())}

    assert used == set(declared)
    assert {name: one["file"] for name, one in declared.items()} == {
        name: f"./secrets/{name}" for name in declared
    }


def test_an_agent_and_a_proxy_have_their_own_secrets_only():
    for region in REGIONS:
        agent, vip = services()[f"{region}-agent"], services()[f"{region}-vip"]

        assert agent["secrets"] == [f"agent-{region}.key", f"redis-agent-{region}.password"]
        assert vip["secrets"] == [f"redis-proxy-{region}.password", "admin.token"]


@pytest.mark.parametrize("name", SERVICES)
def test_the_environment_names_secrets_and_holds_none(name):
    service = services()[name]
    for key, value in service.get("environment", {}).items():
        assert key.endswith(("_USERNAME", "_FILE"))
        if key.endswith("_FILE"):
            assert value.removeprefix("/run/secrets/") in service["secrets"]


def test_the_images_take_what_is_pinned_and_run_as_nobody():
    text = (COMPOSE / "Containerfile").read_text()

    assert "--require-hashes" in text
    assert re.findall(r"^FROM (\S+)", text, re.MULTILINE) == ["${BASE}", "${BASE}"]
    for name in ("Containerfile", "peers.Containerfile"):
        assert re.search(r"^USER 10001:10001$", (COMPOSE / name).read_text(), re.MULTILINE)


def test_no_secret_can_come_into_an_image():
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    copied = words(COMPOSE / "Containerfile", r"^COPY (?!--from)(.*) \S+$")

    assert "*" in ignored
    sources = {source for line in copied for source in line.split()}
    assert sources == {line.removeprefix("!") for line in ignored if line.startswith("!")}
    assert "/compose/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
