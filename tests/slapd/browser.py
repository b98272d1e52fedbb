"""Headless Chromium, driven as W3C WebDriver says (chromedriver), with nothing but Python's own library."""

import base64
import json
import subprocess
import urllib.error
import urllib.request

from harness import free_port, wait_until

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"


class Browser:
    """One page at a time. Ends with close(); only processes of its own are ended."""

    def __init__(self, where, width=1400, height=1200, dark=False):
        self.port = free_port()
        self.dir = where / f"chromium-{self.port}"
        self.dir.mkdir()
        self.log = (self.dir / "log").open("w")
        self.process = subprocess.Popen(["chromedriver", f"--port={self.port}"], stdout=self.log, stderr=self.log,
                                        stdin=subprocess.DEVNULL)
        wait_until(self._ready, 30, "chromedriver answers")
        args = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
                f"--user-data-dir={self.dir}/profile", f"--window-size={width},{height}"]
        if dark:
            args.append("--blink-settings=preferredColorScheme=0")
        session = self._call("POST", "session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome", "goog:chromeOptions": {"args": args},
            "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.session = f"session/{session['sessionId']}"

    def _ready(self):
        try:
            return self._call("GET", "status")["ready"]
        except OSError:
            assert self.process.poll() is None, "chromedriver has ended"
            return False

    def _call(self, method, path, body=None):
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/{path}", method=method,
                                         data=None if method == "GET" else json.dumps(body or {}).encode(),
                                         headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{path}: {error.read().decode()}") from None

    def call(self, method, path, body=None):
        return self._call(method, f"{self.session}/{path}", body)

    def open(self, path):
        self.call("POST", "url", {"url": f"file://{path}"})

    def run(self, script, *args):
        """JavaScript's answer. The page's own Content-Security-Policy does not hold for this."""
        return self.call("POST", "execute/sync", {"script": script, "args": list(args)})

    def find(self, selector):
        return self.call("POST", "element", {"using": "css selector", "value": selector})[ELEMENT]

    def click(self, selector):
        """As a person would: an element that is hidden or covered is an error."""
        self.call("POST", f"element/{self.find(selector)}/click")

    def type(self, selector, text):
        self.call("POST", f"element/{self.find(selector)}/value", {"text": text})

    def console(self):
        """What the page or the browser complained of since the last question."""
        return [line["message"] for line in self.call("POST", "se/log", {"type": "browser"})]

    def screenshot(self, path):
        path.write_bytes(base64.b64decode(self.call("GET", "screenshot")))

    def pdf(self, path):
        path.write_bytes(base64.b64decode(self.call("POST", "print", {"background": True, "orientation": "landscape"})))

    def close(self):
        try:
            if hasattr(self, "session"):
                self._call("DELETE", self.session)
        finally:
            self.process.terminate()
            self.process.wait(20)
            self.log.close()
