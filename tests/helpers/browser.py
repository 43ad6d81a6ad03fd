"""Chromium, driven over its DevTools protocol as a person would use it.

Messages go through a pipe, so nothing but the browser is needed.
"""

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

_KEYS = {" ": "Space", "Enter": "Enter"}
_CODES = {
    " ": 32,
    "Enter": 13,
    "Backspace": 8,
    "PageUp": 33,
    "PageDown": 34,
    "ArrowLeft": 37,
    "ArrowUp": 38,
    "ArrowRight": 39,
    "ArrowDown": 40,
}
_SECONDS = 30


def executable() -> str | None:
    """Chromium or Chrome, if one is installed."""
    names = ("chromium", "chromium-browser", "google-chrome")
    return next(filter(None, map(shutil.which, names)), None)


def _raised(descriptor: int) -> int:
    """The same file under a number out of the way of 3 and 4."""
    raised = fcntl.fcntl(descriptor, fcntl.F_DUPFD, 10)
    os.close(descriptor)
    return raised


needs_browser = pytest.mark.skipif(
    executable() is None, reason="neither Chromium nor Chrome is installed"
)


class Browser:
    """One tab of a headless browser; a context manager.

    Args:
        folder: For the profile, which is kept from one browser to the next,
            and for downloads.
    """

    def __init__(self, folder: Path, width: int = 1_200) -> None:
        self.downloads = folder / "downloads"
        self.downloads.mkdir(exist_ok=True)
        self.faults: list[str] = []
        self._number = 0
        self._received = b""
        theirs_in, self._to = map(_raised, os.pipe())
        self._from, theirs_out = map(_raised, os.pipe())
        # The browser reads from its descriptor 3 and writes to its 4.
        command = f'exec "$0" "$@" 3<&{theirs_in} 4>&{theirs_out}'
        self._process = subprocess.Popen(
            [
                "bash",
                "-c",
                command,
                executable(),
                "--headless",
                # Chromium's sandbox does not start as root.
                *(["--no-sandbox"] if os.geteuid() == 0 else []),
                "--remote-debugging-pipe",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
                "--no-first-run",
                "--mute-audio",
                f"--user-data-dir={folder / 'profile'}",
            ],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._session = None
        target = self("Target.createTarget", url="about:blank")["targetId"]
        self._session = self(
            "Target.attachToTarget", targetId=target, flatten=True
        )["sessionId"]
        for domain in ("Page", "Runtime", "Log"):
            self(f"{domain}.enable")
        self(
            "Browser.setDownloadBehavior",
            behavior="allow",
            downloadPath=str(self.downloads),
        )
        self.resize(width)

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_) -> None:
        try:
            self("Browser.close")
            self._process.wait(10)
        except (OSError, TimeoutError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)

    def __call__(self, method: str, **parameters) -> dict:
        """Calls a method of the protocol and returns its result."""
        self._number += 1
        message = {
            "id": self._number,
            "method": method,
            "params": parameters,
        }
        if self._session and not method.startswith(("Browser.", "Target.")):
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == message["id"]:
                assert "error" not in answer, answer["error"]
                return answer["result"]
            self._note(answer)

    def _next(self) -> dict:
        end = time.monotonic() + _SECONDS
        while b"\0" not in self._received:
            ready, _, _ = select.select(
                [self._from], [], [], max(end - time.monotonic(), 0)
            )
            if not ready:
                raise TimeoutError("the browser does not answer")
            self._received += os.read(self._from, 1 << 20)
        answer, self._received = self._received.split(b"\0", 1)
        return json.loads(answer)

    def _note(self, event: dict) -> None:
        parameters = event.get("params", {})
        if event.get("method") == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            thrown = details.get("exception", {}).get("description")
            self.faults.append(thrown or details["text"])
        if event.get("method") == "Log.entryAdded":
            self.faults.append(parameters["entry"]["text"])
        if event.get("method") == "Page.javascriptDialogOpening":
            self._number += 1
            message = {
                "id": self._number,
                "method": "Page.handleJavaScriptDialog",
                "params": {"accept": True},
                "sessionId": self._session,
            }
            os.write(self._to, json.dumps(message).encode() + b"\0")

    def open(self, address: str) -> None:
        """Opens a page and waits until it has loaded."""
        self("Page.navigate", url=address)
        self.wait(f"location.href == {json.dumps(address)}")
        self.wait("document.readyState == 'complete'")

    def resize(self, width: int, height: int = 900) -> None:
        """Sets the window's size, in CSS pixels."""
        self(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def evaluate(self, expression: str):
        """The value of a JavaScript expression in the page."""
        answer = self(
            "Runtime.evaluate",
            expression=expression,
            returnByValue=True,
            awaitPromise=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def wait(self, expression: str) -> None:
        """Waits until a JavaScript expression holds."""
        end = time.monotonic() + _SECONDS
        while not self.evaluate(f"Boolean({expression})"):
            if time.monotonic() > end:
                raise TimeoutError(f"{expression} has not come true")
            time.sleep(0.02)

    def press(self, key: str, shift: bool = False) -> None:
        """Presses and releases a key, as a keyboard does."""
        code = _CODES.get(key, ord(key.upper()[0]))
        text = {"Enter": "\r"}.get(key, key if len(key) == 1 else "")
        common = {
            "key": key,
            "code": _KEYS.get(key, key),
            "windowsVirtualKeyCode": code,
            "modifiers": 8 if shift else 0,
        }
        down = "keyDown" if text else "rawKeyDown"
        more = {"text": text} if text else {}
        self("Input.dispatchKeyEvent", type=down, **common, **more)
        self("Input.dispatchKeyEvent", type="keyUp", **common)

    def text(self) -> str:
        """What the page shows."""
        return self.evaluate("document.body.innerText")

    def downloaded(self, count: int = 1) -> list[Path]:
        """Waits for downloads and returns all files, oldest first."""
        end = time.monotonic() + _SECONDS
        while True:
            files = [
                path
                for path in self.downloads.iterdir()
                if path.suffix == ".json"
            ]
            if len(files) >= count:
                return sorted(files, key=lambda path: path.stat().st_mtime_ns)
            if time.monotonic() > end:
                raise TimeoutError(f"{len(files)} downloads, not {count}")
            time.sleep(0.02)

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """A PNG of the page, or of what the window shows of it."""
        picture = self(
            "Page.captureScreenshot", captureBeyondViewport=whole, format="png"
        )
        path.write_bytes(base64.b64decode(picture["data"]))
