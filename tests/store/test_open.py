import asyncio
from dataclasses import replace

import pytest

from gslb.errors import ConfigError
from gslb.model.system import RedisSettings, System
from gslb.store.memory import MemoryStore
from gslb.store.open import open_store
from gslb.store.redis import RedisStore
from tests.redis_servers import Server

SYSTEM = System("ns1", (), (), {}, files=("/etc/gslb/gslb.yaml",))


def test_memory_is_the_default():
    assert isinstance(open_store(SYSTEM, {}), MemoryStore)


def test_a_url_is_a_redis_and_nothing_waits_for_it():
    store = open_store(replace(SYSTEM, store="redis://ann:secret@192.0.2.1/0"), {})
    assert isinstance(store, RedisStore)
    assert store.describe() == "redis://ann:***@192.0.2.1/0"


def test_a_url_that_is_none_is_a_problem_of_the_file():
    with pytest.raises(ConfigError) as raised:
        open_store(replace(SYSTEM, store="redis://u:secret@a/x"), {})
    (problem,) = raised.value.problems
    assert (problem.file, problem.path) == ("/etc/gslb/gslb.yaml", "store")
    assert "secret" not in str(raised.value)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Who is connected is told by what each user may write."""
    directory = tmp_path_factory.mktemp("users")
    names = ("url", "file", "environment", "test-admin")
    users = [f"user {name} on >{name}-secret ~* &* +@all" for name in names]
    (directory / "users.conf").write_text("\n".join(["user default off -@all", *users]) + "\n")
    lines = [f"aclfile {directory}/users.conf"]
    with Server(directory / "redis", lines, user=("test-admin", "test-admin-secret")) as started:
        yield started


@pytest.mark.parametrize(
    ("settings", "environment", "user"),
    [
        (False, False, "url"),
        (True, False, "file"),
        (False, True, "environment"),
        (True, True, "environment"),
    ],
)
def test_the_environment_beats_the_configuration_beats_the_url(
    server, tmp_path, settings, environment, user
):
    for name in ("file", "environment"):
        (tmp_path / name).write_text(f"{name}-secret\n")
    redis = RedisSettings(username="file", password_file=str(tmp_path / "file"))
    environ = {
        "GSLB_REDIS_USERNAME": "environment",
        "GSLB_REDIS_PASSWORD_FILE": str(tmp_path / "environment"),
    }
    system = replace(
        SYSTEM,
        store=f"redis://url:url-secret@{server.address}",
        redis=redis if settings else RedisSettings(),
    )

    async def run():
        store = open_store(system, environ if environment else {})
        await store.read([])
        with server.client() as client:
            found = [each["user"] for each in client.client_list() if each["cmd"] != "client|list"]
        await store.close()
        return found

    assert asyncio.run(run()) == [user]
