"""Write constraints.txt: the newest version of every package, direct or not, that pyproject.toml allows.

Usage: pins.py PYTHON... with one interpreter for each supported version. Each resolves in a fresh virtual environment;
where two disagree, the pin gets a marker. Only names and versions are written, so no index or path of a machine leaks.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROJECT = "langgraph-learning-machine"
HEADER = "# Made by `make pins`. Every package of the library, its extras and its development tools, as tested.\n"
Pins = dict[str, str]


def resolve(python: str) -> tuple[str, Pins]:
    """The Python version of `python`, as "3.12", and what pip would install for it."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        subprocess.run([python, "-m", "venv", f"{folder}/venv"], check=True)
        options = ["--quiet", "--no-input", "--disable-pip-version-check", "--dry-run", "--ignore-installed"]
        pip = [f"{folder}/venv/bin/python", "-m", "pip", "install", *options, "--report", str(report)]
        subprocess.run([*pip, f"{ROOT}[embedded,dev,page]"], check=True)
        return read_report(json.loads(report.read_text()))


def read_report(report: dict) -> tuple[str, Pins]:
    """The same, out of pip's installation report."""
    found = [item["metadata"] for item in report["install"]]
    pins = {re.sub(r"[-_.]+", "-", package["name"]).lower(): package["version"] for package in found}
    pins.pop(PROJECT)
    return report["environment"]["python_version"], pins


def merge(resolved: dict[str, Pins]) -> list[str]:
    """One line a package; where the version depends on Python's, one line for each Python, with a marker."""
    versions: dict[str, Pins] = defaultdict(dict)
    for python, pins in resolved.items():
        for name, version in pins.items():
            versions[name][python] = version
    return [line for name in sorted(versions) for line in pin_lines(name, versions[name])]


def pin_lines(name: str, by_python: Pins) -> list[str]:
    if len(set(by_python.values())) == 1:
        return [f"{name}=={next(iter(by_python.values()))}"]
    return [f'{name}=={version} ; python_version == "{python}"' for python, version in sorted(by_python.items())]


if __name__ == "__main__":
    resolved = {}
    for interpreter in sys.argv[1:]:
        print(f"Resolving for {interpreter} ...", flush=True)
        python, pins = resolve(interpreter)
        resolved[python] = pins
    lines = merge(resolved)
    (ROOT / "constraints.txt").write_text(HEADER + "\n".join(lines) + "\n")
    print(f"constraints.txt: {len(lines)} pins for Python {', '.join(sorted(resolved))}")
