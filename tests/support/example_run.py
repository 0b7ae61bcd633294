"""A database to read from: examples/support_chats.lua against the built-in simulator."""
import shutil
import sqlite3

import confab_process
import pytest

ITEMS = 8


def make(folder, limit=ITEMS):
    """Runs the example in that folder, which then has confab.db and support.simulated.jsonl."""
    home = folder / "home"
    home.mkdir()
    for path in (confab_process.ROOT / "examples").iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    result = confab_process.run(["run", "support_chats.lua", "--simulate", "--limit", limit],
                                folder, confab_process.environment(home))
    assert result.code == 0, result
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of such a run of ITEMS items, for a whole module."""
    return make(tmp_path_factory.mktemp("made"))


@pytest.fixture(autouse=True)
def database(made, folder):
    """A copy of its database that the test may change; gives its path. Autouse where it is imported."""
    shutil.copy(made / "confab.db", folder / "confab.db")
    return folder / "confab.db"


def change(db, *statements):
    """Changes a copy of the database as no command would, to see how others take it."""
    connection = sqlite3.connect(db)
    try:
        with connection:
            for statement in statements:
                connection.execute(statement)
    finally:
        connection.close()


REAL = ("UPDATE runs SET simulated = 0", "UPDATE conversations SET simulated = 0")
