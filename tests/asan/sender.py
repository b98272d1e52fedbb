"""Sends a Source's requests to a server: several at a time, cut short, and without waiting for all answers.

A Sender is one thread with one connection, made again whenever the server has ended it. It counts
what it has sent and what was answered. What a server that has died was sent last is in `recent`.

Some are kept apart, since slapd does not survive them together (docs/slapd-notes.md, "Not ours"): sorted
searches of one connection; the end of an overlay and all else that names cn=config; a no-op and a
database that has not our overlay at the time.
"""

import socket
import threading
import time
from collections import Counter, deque
from contextlib import nullcontext

from gate import Gate
from generate import NOOP, SORT, Source
from slapdconf import ROOTDN, ROOTPW
from wire import MORE, Answers, bind, message


ENDS = Gate()  # shut while our overlay is deleted


class Sender(threading.Thread):
    bare = False  # of the server: it was deleted, and is not known to be there again

    def __init__(self, path, seed, operations, **source):
        super().__init__(daemon=True)
        self.path, self.left = path, operations
        self.source = Source(seed, **source)
        self.sent, self.results = Counter(), Counter()  # by kind; by (kind, result code)
        self.recent = deque(maxlen=60)
        self.slowest, self.unanswered, self.error = 0.0, 0, None
        self.stop = False
        self.socket = None

    def run(self):
        try:
            while self.left > 0 and not self.stop:
                self.batch()
        except Exception as error:  # noqa: BLE001 - shown by who waits for this thread: the server is gone, or does not answer
            self.error = error
        finally:
            self.hang_up()

    def hang_up(self):
        if self.socket:
            self.socket.close()
        self.socket = None

    def connect(self):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(60)
        self.socket.connect(self.path)
        self.answers = Answers()
        self.patience = 5  # s, until something is sent after which not every answer is due
        if self.source.chance(0.7):  # else it stays without a name until it binds
            self.socket.sendall(message(0x7ffffffe, bind(ROOTDN, ROOTPW)))
            self.receive({0x7ffffffe: "bind"}, 60)

    def batch(self):
        """1 to 8 requests in one go, the last one perhaps in part."""
        if not self.socket:
            self.connect()
        due, data = {}, b""
        for _ in range(self.source.pick((1, 1, 1, 2, 3, 8))):
            kind, request, answered = self.source.request()
            if SORT.encode() in request and (SORT.encode() in data or self.patience < 1):
                continue  # the one before may still run
            self.recent.append(request)
            self.sent[kind] += 1
            self.left -= 1
            if kind == "end":
                if not self.alone(request):
                    return
                continue
            # a bind ends what its connection still waits for
            if not answered or kind == "bind" and data:
                self.patience = 0.1
            data += request
            if answered:
                due[self.source.number] = kind
        noop = NOOP.encode() in data
        with ENDS if noop or b"cn=config" in data else nullcontext():
            if data and not (noop and Sender.bare):
                self.exchange(data, due)

    def exchange(self, data, due):
        wild = self.patience < 1
        try:
            if self.source.chance(0.01):
                self.socket.sendall(data[:self.source.rng.randrange(len(data))])
                return self.hang_up()
            self.socket.sendall(data)
            if self.source.chance(0.02):
                return self.hang_up()
            if not self.receive(due, self.patience) and not wild:
                self.unanswered += 1
            if wild and self.source.chance(0.4):
                self.hang_up()
        except (BrokenPipeError, ConnectionResetError):
            self.hang_up()

    def alone(self, request):
        ENDS.shut()
        Sender.bare = True
        try:
            self.socket.sendall(request)
            return self.receive({self.source.number: "end"}, 60)
        except (BrokenPipeError, ConnectionResetError):
            self.hang_up()
            return False
        finally:
            ENDS.open()

    def receive(self, due, patience):
        """False: not all came in time, or the server has ended the connection."""
        began = time.monotonic()
        while due:
            self.socket.settimeout(patience)
            try:
                data = self.socket.recv(65536)
            except TimeoutError:
                if due.get(0x7ffffffe):  # not even the first request of a new connection
                    raise
                self.hang_up()  # part of a request may still be waited for
                return False
            if not data:
                self.hang_up()
                return False
            for number, tag, code in self.answers.feed(data):
                if tag not in MORE and number in due:
                    kind = due.pop(number)
                    self.results[kind, code] += 1
                    if kind == "begin" and code in (0, 68):
                        Sender.bare = False
        self.slowest = max(self.slowest, time.monotonic() - began)
        return True
