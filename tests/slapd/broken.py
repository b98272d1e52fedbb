"""Servers that do not speak: they take connections and then do harm. Only to inject faults."""

import contextlib
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
