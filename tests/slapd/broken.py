"""Servers that take connections and then do harm, and one that stands in the way of a real one. Only to inject
faults."""

import contextlib
import random
import socket
import ssl
import struct
import threading


class Broken:
    """Listens at 127.0.0.1 (port); serve(connection) is run for each connection in a thread of its own.

    tls: (certificate, key) when TLS is to be spoken before. Connections that were taken stay
    open until stop(), unless serve() closes them.
    """

    def __init__(self, serve=None, tls=None):
        self.serve, self.open, self.taken = serve, [], 0
        self.tls = None
        if tls:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(*map(str, tls))
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port = self.socket.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            self.taken += 1
            self.open.append(c)
            if self.serve:
                threading.Thread(target=self._one, args=(c,), daemon=True).start()

    def _one(self, c):
        with contextlib.suppress(OSError):
            if self.tls:
                c = self.tls.wrap_socket(c, server_side=True)
                self.open.append(c)
            self.serve(c)

    def stop(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for c in self.open:
            with contextlib.suppress(OSError):
                c.close()


def reset(c):
    """Close with a reset instead of an end, after something came."""
    c.recv(1)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    c.close()


def drip(answer, every=0.1):
    """serve: read something, then answer byte by byte, again and again."""
    def serve(c):
        c.recv(4096)
        pause = threading.Event()
        while True:
            for i in range(len(answer)):
                c.sendall(answer[i:i + 1])
                pause.wait(every)
    return serve


def pour(answer):
    """serve: read something, then answer without an end."""
    def serve(c):
        c.recv(4096)
        while True:
            c.sendall(answer)
    return serve


def say(answer):
    """serve: read something, answer this, and say no more."""
    def serve(c):
        c.recv(4096)
        c.sendall(answer)
        while c.recv(4096):
            pass
    return serve


class Proxy(Broken):
    """Between a client and a real server; what it does to the bytes is in how:
    "pass", "stall" (nothing more is passed on), "cut" (each connection is reset after some bytes)."""

    def __init__(self, port, seed=0):
        self.behind, self.how, self.rng, self.cuts = port, "pass", random.Random(seed), 0
        super().__init__(self._between)

    def _between(self, client):
        server = socket.create_connection(("127.0.0.1", self.behind))
        self.open.append(server)
        left = [self.rng.randrange(6000)] if self.how == "cut" else None
        for a, b in ((client, server), (server, client)):
            threading.Thread(target=self._carry, args=(a, b, left), daemon=True).start()

    def _carry(self, a, b, left):
        with contextlib.suppress(OSError):
            while data := a.recv(512):
                if self.how == "stall":
                    continue
                if left and (left[0] - len(data)) < 0:
                    self.cuts += 1
                    a.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    break
                if left:
                    left[0] -= len(data)
                b.sendall(data)
        for c in (a, b):
            with contextlib.suppress(OSError):
                c.shutdown(socket.SHUT_RDWR)
            with contextlib.suppress(OSError):
                c.close()
