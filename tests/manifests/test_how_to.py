"""What the pages tell people to paste into Alertmanager and beside it works."""

from __future__ import annotations

import http.server
import os
import shutil
import subprocess
import threading
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from core.local.run.banner import receiver_snippet
from tests.e2e.alertmanager_programs import amtool
from tests.support.pages import PAGES, fences
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

GOOGLE = next(page for page in PAGES if page.name == "google-cloud-functions.md")
CONFIGURATIONS = [
    pytest.param(fence, id=f"{page.name}-{number}")
    for page in PAGES
    for number, fence in enumerate(fences(page, "yaml"))
    if "receivers" in (yaml.safe_load(fence) or {})
]
CONFIGURATIONS.append(pytest.param(receiver_snippet("http://127.0.0.1:8080"), id="make-run"))


@pytest.mark.parametrize("fence", CONFIGURATIONS)
def test_alertmanager_takes_the_configuration_of_a_page_and_of_make_run(fence: str, tmp_path: Path) -> None:
    (tmp_path / "alertmanager.yml").write_text(fence)
    command = [str(amtool()), "check-config", "alertmanager.yml"]
    checked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_pages_with_a_route_are_among_those_checked() -> None:
    assert len(CONFIGURATIONS) >= 8


class Metadata(http.server.BaseHTTPRequestHandler):
    """Google's metadata server, which is away when it is first asked."""

    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        good = self.headers["Metadata-Flavor"] == "Google" and len(self.asked) > 1
        self.send_response(200 if good else 503)
        self.end_headers()
        self.wfile.write(b"a-token" if good else b"not a token")

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name there
        """Say nothing."""


@pytest.fixture
def metadata() -> Iterator[http.server.ThreadingHTTPServer]:
    Metadata.asked = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.mark.skipif(not shutil.which("curl"), reason="the container's image has curl; here it is needed too")
def test_container_beside_alertmanager_keeps_a_google_token(
    metadata: http.server.ThreadingHTTPServer, tmp_path: Path
) -> None:
    (pod,) = [yaml.safe_load(fence)["spec"] for fence in fences(GOOGLE, "yaml") if "google-token" in fence]
    (container,) = pod["containers"]
    (tmp_path / "bin").mkdir()
    sleep = tmp_path / "bin" / "sleep"  # the first one is short, the second goes on until the test ends
    sleep.write_text(f'#!/bin/sh\necho "$1" >>{tmp_path}/slept\n[ "$1" = 5 ] || exec /bin/sleep 600\n')
    sleep.chmod(0o755)
    environment = {each["name"]: each["value"] for each in container["env"]} | {
        "METADATA": f"http://127.0.0.1:{metadata.server_port}",
        "FOLDER": str(tmp_path),
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
    }
    running = subprocess.Popen(
        [*container["command"], *container["args"]], env=environment, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        wait_for((tmp_path / "token").exists, what="the token", within=30.0)
        wait_for(lambda: "1800" in (tmp_path / "slept").read_text(), what="the next wait", within=30.0)
    finally:
        os.killpg(running.pid, 9)
        running.wait()

    assert (tmp_path / "token").read_text() == "a-token"
    assert (tmp_path / "slept").read_text().split() == ["5", "1800"]
    path = "/computeMetadata/v1/instance/service-accounts/default/identity"
    assert Metadata.asked == [f"{path}?audience={environment['AUDIENCE']}&format=full"] * 2
