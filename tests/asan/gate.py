"""Many pass at a time, and nobody while somebody has it shut."""

import threading


class Gate:
    def __init__(self):
        self.cond, self.inside, self.is_shut, self.over = threading.Condition(), 0, False, False

    def __enter__(self):
        with self.cond:
            self.cond.wait_for(lambda: not self.is_shut)
            self.inside += 1

    def __exit__(self, *_):
        with self.cond:
            self.inside -= 1
            self.cond.notify_all()

    def shut(self):
        """Waits until all are out. Not for who is inside."""
        with self.cond:
            self.cond.wait_for(lambda: not self.is_shut)
            self.is_shut = True
            self.cond.wait_for(lambda: not self.inside)

    def open(self):
        with self.cond:
            self.is_shut = False
            self.cond.notify_all()
