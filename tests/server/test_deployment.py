"""What is shipped: the Dockerfile that `langgraph` makes of `langgraph.json`, and a wheel with all it needs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from dev_server import COMMAND, ROOT


def test_the_dockerfile(tmp_path: Path) -> None:
    """It builds on the Python that `langgraph.json` names, installs this package, and serves exactly its graphs."""
    given = json.loads((ROOT / "langgraph.json").read_text())
    shutil.copy(ROOT / "langgraph.json", tmp_path)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / ".env").touch()
    (tmp_path / "learning_machine").mkdir()
    env = {**os.environ, "LANGGRAPH_CLI_NO_ANALYTICS": "1", "LANGGRAPH_NO_VERSION_CHECK": "true"}
    command = [*COMMAND, "dockerfile", "-c", "langgraph.json", "Dockerfile"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "Dockerfile").read_text().splitlines()
    assert lines[0].startswith("FROM langchain/langgraph-api:") and lines[0].endswith(given["python_version"])
    (graphs,) = [line for line in lines if line.startswith("ENV LANGSERVE_GRAPHS=")]
    assert json.loads(graphs.removeprefix("ENV LANGSERVE_GRAPHS=").strip("'")) == given["graphs"]
    assert any(line.startswith("ADD . /deps/") for line in lines)
    assert any("install" in line and "-e" in line and "constraint" in line for line in lines)


def test_the_graphs_are_modules_of_the_package() -> None:
    """A server imports what it serves from the installed package: by module, and with a description for people."""
    for name, graph in json.loads((ROOT / "langgraph.json").read_text())["graphs"].items():
        module, _, attribute = graph["path"].partition(":")
        assert module == "learning_machine.graphs.exports" and attribute == name
        assert len(graph["description"]) > 20


@pytest.mark.full
def test_a_wheel_has_all_it_needs(tmp_path: Path) -> None:
    """SQL, migrations, prompts and tables are in the wheel, and every Python file of the package."""
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=170, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "learning_machine"
    needed = [file for kind in ("py", "sql", "md", "typed") for file in package.rglob(f"*.{kind}")]
    needed += [file for file in (package / "embeddings" / "data").rglob("*") if file.is_file()]
    missing = [str(file.relative_to(ROOT)) for file in needed if str(file.relative_to(ROOT)) not in packed]
    assert missing == []
