import os
import signal
from pathlib import Path

import pytest

from tests.app.proxy_world import Clients, ProxyFiles, Running, backends, proxying
from tests.app.world import wait_for


@pytest.fixture
def files(tmp_path: Path) -> ProxyFiles:
    return ProxyFiles(tmp_path)


def test_a_proxy_serves_follows_checks_and_orders_and_drains_when_it_is_told_to_end(files):
    with backends(files.web) as web, proxying(files) as proxy:
        assert {proxy.ask("/")[1] for _ in range(2)} == {"web1", "web2"}
        assert proxy.ask("/healthz") == (200, "ok")

        status, told = proxy.order("web1", "drain", owner="ann")
        assert status == 200
        assert told["order"]["site"] == "web/web1"
        assert told["in_flight"] == 0
        assert {proxy.ask("/")[1] for _ in range(4)} == {"web2"}
        assert proxy.order("web2", "drain")[0] == 409  # nobody would be left
        assert proxy.order("web3", "drain")[0] == 400
        assert proxy.order("web/web1", "none")[0] == 200
        assert {proxy.ask("/")[1] for _ in range(4)} == {"web1", "web2"}

        web.stop("web2")
        wait_for(lambda: proxy.states()["web/web2"] == "down")
        assert {proxy.ask("/")[1] for _ in range(3)} == {"web1"}

        load = proxy.status()["load"]
        assert (load["site"], load["proxy"], load["node"]) == ("eu-west", "eu", files.node)
        assert load["backends"] == {"healthy": 1, "total": 2}
        page = proxy.ask("/metrics", port=files.admin)[1]
        assert 'gslb_proxy_backend_state{backend="web2",pool="web",state="down"} 1.0' in page

        proxy.process.terminate()
        wait_for(lambda: proxy.ask("/healthz")[0] == 503)
        assert proxy.ask("/")[0] == 200  # clients that do not know yet are served
        assert proxy.process.wait(10) == 0
    records = files.records()
    assert {one["route"] for one in records} == {"default"}
    assert len({one["id"] for one in records}) == len(records)


def test_an_order_ends_at_its_time_and_maintenance_stops_the_checks(files):
    with backends(files.web) as web, proxying(files) as proxy:
        assert proxy.order("web1", "maint")[0] == 200
        web.stop("web1")
        assert {proxy.ask("/")[1] for _ in range(3)} == {"web2"}
        applied = proxy.status()["backends"]["web/web1"]
        assert applied["order"]["kind"] == "maint"
        assert applied["state"] == "up"  # as it was last seen: nobody asks it
        web.start("web1")
        until_at = proxy.status()["load"]["at"] + 1
        assert proxy.order("web1", "drain", until_at=until_at)[0] == 200
        proxy.until("order over")
        assert {proxy.ask("/")[1] for _ in range(4)} == {"web1", "web2"}


def test_a_reload_opens_and_closes_addresses_and_a_bad_one_changes_nothing(files):
    with backends(files.web), proxying(files) as proxy:
        new = files.port + 1
        files.more_listeners = f', {{address: "127.0.9.1:{new}"}}'
        files.write()
        proxy.process.send_signal(signal.SIGHUP)
        proxy.until("reloaded")
        assert proxy.ask("/", port=new)[0] == 200
        files.more_listeners = ', {address: "127.0.9.1:1", nonsense: 1}'
        files.write()
        proxy.process.send_signal(signal.SIGHUP)
        proxy.until("reload refused, nothing changed")
        assert proxy.ask("/", port=new)[0] == 200
        files.more_listeners = ""
        files.write()
        proxy.process.send_signal(signal.SIGHUP)
        wait_for(lambda: len(proxy.log("reloaded")) == 2)
        with pytest.raises(ConnectionRefusedError):
            proxy.ask("/", port=new)
        files.workers = 2
        files.write()
        proxy.process.send_signal(signal.SIGHUP)
        wait_for(lambda: "needs a hot restart" in proxy.text())
        assert proxy.ask("/")[0] == 200


def test_the_second_signal_ends_at_once(files):
    with backends(files.web), proxying(files) as proxy:
        proxy.process.terminate()
        proxy.until("draining")
        proxy.process.terminate()
        assert proxy.process.wait(2) == 0


@pytest.mark.parametrize("workers", [1, 2])
def test_a_hot_restart_refuses_no_connection_and_knows_what_was_known(files, workers):
    files.workers = workers
    files.write()
    with backends(files.web) as web, proxying(files) as first:
        assert first.order("web2", "drain")[0] == 200
        clients = Clients(first.ask)
        second = Running(files)
        assert second.process.wait(20) == 1
        assert f"process {first.process.pid} runs eu already" in second.text()
        third = Running(files, "--replace")
        try:
            third.until("replaced")
            assert first.process.wait(20) == 0
            assert first.log("draining")[0]["replaced"] is True
            seen = len(clients.results)
            wait_for(lambda: len(clients.results) > seen + 50)
            assert clients.stop() == []
            assert third.status()["pid"] == third.process.pid
            assert {third.ask("/")[1] for _ in range(4)} == {"web1"}  # the order holds
            web.hold.set()
            assert third.stop() == 0
        finally:
            clients.stop()
            third.kill()


def test_a_replacement_that_cannot_start_leaves_the_other_one_alone(files):
    with backends(files.web), proxying(files) as first:
        good = files.main.read_text()
        files.main.write_text(good.replace(str(files.log), "/nowhere/access.log"))
        second = Running(files, "--replace")
        assert second.process.wait(20) == 1
        assert "cannot write the access log" in second.text()
        files.main.write_text(good)
        assert first.ask("/")[0] == 200
        assert first.log("draining") == []
        first.until("hot restart given up by the other side")


def test_workers_share_the_load_and_a_dead_one_comes_back(files):
    files.workers = 2
    files.write()
    with backends(files.web), proxying(files) as proxy:
        wait_for(lambda: {proxy.ask("/")[1] for _ in range(4)} == {"web1", "web2"})
        workers = proxy.status()["tier"]["workers"]
        clients = Clients(proxy.ask)
        wait_for(lambda: len(clients.results) > 100)
        clients.stop()
        asked = len(clients.results)
        wait_for(lambda: proxy.status()["counters"]["accepted"] >= asked)
        assert proxy.order("web1", "drain")[0] == 200
        wait_for(lambda: {proxy.ask("/")[1] for _ in range(4)} == {"web2"})
        os.kill(workers[0]["pid"], signal.SIGKILL)
        proxy.until("worker ended, starting it again")
        wait_for(lambda: proxy.status()["tier"]["workers"][0]["pid"] != workers[0]["pid"])
        assert {proxy.ask("/")[1] for _ in range(6)} == {"web2"}  # it was told of the order
        assert proxy.stop() == 0
