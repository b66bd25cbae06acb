from ipaddress import ip_address
from pathlib import Path

import pytest

from gslb.app.assemble import assemble, look
from gslb.errors import ConfigError
from gslb.wire import codes
from gslb.wire.names import from_text
from tests.app.world import AMERICA, EUROPE, ZONE, Files
from tests.geo.samples import DE, US, compose


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def country(assembled, network: str) -> str | None:
    return assembled.watched.table.locate(ip_address(network.partition("/")[0])).country


def test_everything_is_ready_to_answer_from(files):
    made = assemble(files.main)
    assert made.system.node == "ns-test"
    assert made.ground.generation == f"{made.system.digest}-{made.watched.table.build}"
    assert made.ground.desks.get(bytes(from_text("www.w.test.")), codes.A) is not None
    assert list(made.ground.zones) == [bytes(from_text("w.test."))]
    assert (country(made, EUROPE), country(made, AMERICA)) == ("DE", "US")


def test_geography_is_kept_while_its_files_are_the_same(files):
    first = assemble(files.main)
    files.zone.write_text(ZONE + "  new: {answers: {eu: {}}}\n")
    second = assemble(files.main, first)
    assert second.watched is first.watched
    assert second.system.digest != first.system.digest
    assert second.ground.generation != first.ground.generation


def test_a_replaced_database_and_a_changed_map_are_read(files):
    first = assemble(files.main)
    files.locate({EUROPE: US})
    second = assemble(files.main, first)
    assert (country(first, EUROPE), country(second, EUROPE)) == ("DE", "US")
    files.main.write_text(files.main.read_text().replace("203.0.113.0/24", EUROPE))
    third = assemble(files.main, second)
    assert third.watched.table.locate(ip_address("192.0.2.1")).map == "office"
    assert third.system.digest != second.system.digest


def test_a_broken_database_keeps_the_old_table_but_stops_a_start(files):
    first = assemble(files.main)
    files.database.write_bytes(compose({EUROPE: DE})[:-20])
    second = assemble(files.main, first)
    assert second.watched.table is first.watched.table
    assert second.watched.error.startswith(f"{files.database}: ")
    with pytest.raises(ConfigError) as caught:
        assemble(files.main)
    assert str(caught.value) == f"{files.main}: geo.database: {second.watched.error}"


def test_all_problems_of_the_files_are_raised_at_once(files):
    files.write("foo: 1\n")
    files.zone.write_text(ZONE.replace("us: {serves", "uk: {serves"))
    with pytest.raises(ConfigError) as caught:
        assemble(files.main)
    assert [Path(one.file).name for one in caught.value.problems] == ["gslb.yaml", "w.yaml"]


def test_look_names_the_files_and_their_folders_and_sees_a_new_one(files):
    made = assemble(files.main)
    folder = files.folder
    assert [name for name, _ in made.stamp] == [
        str(folder / "gslb.yaml"),
        str(folder / "zones" / "w.yaml"),
        str(folder / "geo.mmdb"),
        str(folder),
        str(folder / "zones"),
    ]
    assert look(made.configuration) == made.stamp
    (folder / "zones" / "new.yaml").write_text("zone: new.test\n")
    assert look(made.configuration) != made.stamp
