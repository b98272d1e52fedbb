"""Receivers that others have written: Node programs of tests/node, driven by the tests."""

import json
import subprocess

from harness import TOP, wait_until

NODE = TOP / "build/node"


class NodeServer:
    """One of tests/node: prints a line {"port": N} when it listens, then a JSON line per request."""

    def __init__(self, where, program, **options):
        where.mkdir(exist_ok=True)
        self.log = where / f"{program}.out"
        self.behave_file = where / "behave.json"
        self.options = {**options, "behave": str(self.behave_file)}
        self.program = program
        self.process = None
        self.port = None
        self.start()

    def start(self):
        assert (NODE / "stamp").exists(), "make node-modules"
        if self.port:
            self.options["port"] = self.port
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(["node", self.program, json.dumps(self.options, default=str)], cwd=NODE,
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        ports = len(self.lines("port"))
        wait_until(lambda: len(self.lines("port")) > ports or self.process.poll() is not None, 20, "node listens")
        assert self.process.poll() is None, self.log.read_text()
        self.port = self.lines("port")[-1]["port"]

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def lines(self, key):
        out = []
        for line in self.log.read_text().splitlines() if self.log.exists() else []:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and key in record:
                out.append(record)
        return out

    def behave(self, **how):
        new = self.behave_file.with_suffix(".new")
        new.write_text(json.dumps(how))
        new.rename(self.behave_file)

    def requests(self):
        return self.lines("method")

    def wait(self, n, timeout=10):
        wait_until(lambda: len(self.requests()) >= n, timeout, f"{n} requests, got {len(self.requests())}")
        return self.requests()
