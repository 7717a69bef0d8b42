"""A file that no rig reads: with the answer goes a rig file that reads it."""

from pathlib import Path

import pytest

from pipeline.rig import parse_rig
from tests.dashboard.sent import Loader
from tests.services.server import running_server

ODD = "Zeit;Druck (bar)\n31.12.2024 23:59:59;1,5\n"


@pytest.mark.parametrize("preview", ["true", "false"])
def test_the_answer_has_a_rig_file_and_says_whom_it_is_for(tmp_path: Path, preview: str) -> None:
    with running_server(tmp_path) as server:
        response = Loader(server).post(ODD, name="odd.csv", preview=preview)
    answer = response.json()
    assert response.status_code == 422
    assert "required column missing: 'timestamp'" in answer["detail"]
    assert "Whoever runs this server" in answer["detail"]
    # What somebody at a browser cannot use.
    for word in ("--rig-file", "RIG_FILE", "\n"):
        assert word not in answer["detail"]
    (tmp_path / "rig.toml").write_text(answer["rig_file"], encoding="utf-8")
    assert parse_rig(answer["rig_file"], "answer").name == "odd"
    with running_server(tmp_path, rig_file=tmp_path / "rig.toml") as server:
        assert Loader(server).load(ODD, name="odd.csv")["accepted"] == 1


def test_where_no_column_has_times_there_is_none(tmp_path: Path) -> None:
    with running_server(tmp_path) as server:
        answer = Loader(server).post("a,b\n1,2\n", name="x.csv").json()
    assert "rig_file" not in answer
    assert answer["detail"].endswith("Columns found: 'a', 'b'.")
