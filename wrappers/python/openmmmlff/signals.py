"""Signals that end the command: they become exceptions, so that files and processes are closed."""
import contextlib
import signal
import threading


class Terminated(BaseException):
    """A signal asks the process to end; the text is its name."""

    def __init__(self, number):
        super().__init__(signal.Signals(number).name)
        self.number = number


@contextlib.contextmanager
def terminationRaises():
    """SIGTERM and SIGHUP raise Terminated, as Ctrl-C raises KeyboardInterrupt.

    In the main thread, which alone may handle signals; what ignores a signal (nohup) goes on to.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number, _):
        raise Terminated(number)
    older = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    for number, handler in older.items():
        if handler == signal.SIG_DFL:
            signal.signal(number, end)
    try:
        yield
    finally:
        for number, handler in older.items():
            if handler == signal.SIG_DFL:
                signal.signal(number, handler)
