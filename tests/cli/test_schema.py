import json

from typer.testing import CliRunner

from gslb.cli.main import app
from gslb.config.editor import editor_schema
from gslb.config.schema import MainFile
from gslb.config.zone_schema import ZoneFile


def test_schema_is_that_of_the_main_file():
    found = CliRunner().invoke(app, ["schema"])
    assert (found.exit_code, json.loads(found.stdout)) == (0, editor_schema(MainFile))


def test_schema_of_zone_files():
    found = CliRunner().invoke(app, ["schema", "--zone"])
    assert (found.exit_code, json.loads(found.stdout)) == (0, editor_schema(ZoneFile))
