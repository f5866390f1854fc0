"""What the commands print and write: texts of strangers made harmless, files that are complete."""
import contextlib
import ctypes
import json
import os
import secrets
import shutil
import stat
import sys

LONGEST = 1000      # characters of a text from a file, in a table or a message


class OutputError(ValueError):
    """A target that cannot be written, or must not be; one sentence for the user."""


# ------------------------------------------------------------------ texts
def printable(text, longest=LONGEST):
    """A text from a file, for a terminal: one line, no control characters, of bounded length.

    Characters that steer a terminal, change the direction of writing or cannot be encoded become
    '?'; any run of white space becomes one blank.
    """
    text = str(text)
    cut = len(text) > 2*longest     # most of a huge text is not even looked at
    text = text[:2*longest]
    text = " ".join(text.split())
    text = "".join(c if c.isprintable() else "?" for c in text)
    return text[:longest] + "..." if cut or len(text) > longest else text


def message(error):
    """What an exception says, as one printable line."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, BrokenPipeError):
        name = error.filename
        name = os.fsdecode(name) if isinstance(name, (str, bytes, os.PathLike)) else ""
        return printable(f"{name}: {error.strerror}" if name else error.strerror)
    return printable(error) or type(error).__name__


def tell(command, text):
    """One line on stderr, after what was printed before."""
    with contextlib.suppress(BrokenPipeError):
        sys.stdout.flush()
    print(f"openmm-mlff {command}: {printable(text)}", file=sys.stderr)


@contextlib.contextmanager
def librariesToStderr():
    """What libraries print on stdout goes to stderr: drivers and OpenMM say things there that are
    no part of a table or of JSON. Python's own stdout stays what it is."""
    own = sys.stdout
    try:
        descriptor = own.fileno()
    except (AttributeError, OSError, ValueError):
        descriptor = None
    if descriptor != 1:     # not the process's own stdout: a test or a caller has replaced it
        yield
        return
    own.flush()
    with os.fdopen(os.dup(1), "w", encoding=own.encoding, errors=own.errors) as stream:
        os.dup2(2, 1)
        sys.stdout = stream
        try:
            yield
        finally:
            sys.stdout = own
            ctypes.CDLL(None).fflush(None)      # what C has not written yet
            os.dup2(stream.fileno(), 1)
            stream.flush()


# ------------------------------------------------------------------ files
def checkTarget(option, path, inputs=(), outputs=(), ending=""):
    """Refuse, before the work begins, a target that cannot be written or is something else's file.

    option   how messages name it, such as --json
    inputs   paths of files that are read; those that do not exist are skipped
    outputs  (option, path) of other targets
    ending   of the names of files of this kind, such as .png
    """
    name = f"{option} {printable(path, 300)}"
    for other in inputs:
        if _sameFile(path, other):
            raise OutputError(f"{name} is an input file, which would be lost: choose another name")
    for other, place in outputs:
        if _regular(path) and os.path.realpath(path) == os.path.realpath(place):
            raise OutputError(f"{name} and {other} are the same file: choose different names")
    if os.path.isdir(path):
        raise OutputError(f"{name} is a folder: it cannot be written as a file")
    folder = os.path.dirname(os.path.realpath(path))
    if not os.path.isdir(folder):
        raise OutputError(f"{name} cannot be written: there is no folder {printable(folder, 300)}")
    if os.path.exists(path) and not os.access(path, os.W_OK):
        raise OutputError(f"{name} cannot be written: it is write-protected")
    if _regular(path) and not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(f"{name} cannot be written: no file can be made in "
                          f"{printable(folder, 300)}")
    if _regular(path) and not os.fspath(path).lower().endswith(ending):
        raise OutputError(f"{name}: expected a name that ends in {ending}, the only kind that is "
                          "written")


class OutputFile:
    """A file that is written beside its place and takes its name when it is complete.

    As a context manager: leaving it normally puts the file in its place; after an exception an
    older file of that name stays as it was, and what was written so far stays beside it, in
    `part`, unless it is empty. A target that is no regular file (/dev/null, a pipe) is written
    directly. The folder is written to at once, so that what cannot work fails before the work.
    """

    def __init__(self, path, option="", inputs=(), outputs=()):
        checkTarget(option, path, inputs, outputs)
        self.path = os.path.realpath(path) if _regular(path) else path
        self.part = None
        try:
            if _regular(path):
                folder, name = os.path.split(self.path)
                self.part = os.path.join(folder, f".{name[:200]}.{secrets.token_hex(4)}.part")
            self._file = open(self.part or path, "xb" if self.part else "wb")
        except OSError as error:
            raise OutputError(f"{option} {printable(path, 300)} cannot be written: "
                              f"{error.strerror}") from None

    def write(self, content):
        """Append a text or bytes; they reach the file at once."""
        self._file.write(content.encode() if isinstance(content, str) else content)
        self._file.flush()

    def rewrite(self, content):
        """Replace what was written so far. What is no regular file gets the last content alone."""
        if self.part is None:
            self._last = content
            return
        self._file.seek(0)
        self._file.truncate()
        self.write(content)

    _last = None

    def __enter__(self):
        return self

    def __exit__(self, kind, error, traceback):
        if kind is not None:
            self._abandon(error)
            return
        if self._last is not None:
            self.write(self._last)
        if self.part is None:
            self._file.close()
            return
        try:
            os.fsync(self._file.fileno())
            self._file.close()
            if os.path.exists(self.path):
                shutil.copymode(self.path, self.part)
            os.replace(self.part, self.path)
        except BaseException as failure:
            self._abandon(failure)
            raise

    def _abandon(self, error):
        """Leave the older file; say where the results so far are."""
        with contextlib.suppress(OSError):
            self._file.close()
        if self.part is None or not os.path.exists(self.part):
            return
        if os.path.getsize(self.part) == 0:
            os.unlink(self.part)
        else:
            print(f"openmm-mlff: what was computed so far is in {printable(self.part, 300)}",
                  file=sys.stderr)


class JsonArray:
    """A JSON array whose elements are written as they come; a context manager.

    It is closed after an exception too, so that what was computed so far can be read.
    file: an OutputFile or a stream.
    """

    def __init__(self, file):
        self.file, self.n = file, 0

    def __enter__(self):
        return self

    def add(self, value):
        text = json.dumps(value, indent=1, allow_nan=False)
        self.file.write(("[\n" if self.n == 0 else ",\n") + text)
        self.n += 1

    def __exit__(self, kind, error, traceback):
        if kind is None:
            self.file.write("\n]\n" if self.n else "[]\n")
        elif self.n:
            with contextlib.suppress(OSError):
                self.file.write("\n]\n")


def writeJson(path, value, option="--json", inputs=()):
    """A value as a JSON file; '-': stdout."""
    text = json.dumps(value, indent=1, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    with OutputFile(path, option, inputs) as file:
        file.write(text)


def _regular(path):
    """Whether a path is, or will be, a regular file."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except OSError:
        return True


def _sameFile(path, other):
    try:
        return os.path.samefile(path, other)
    except (OSError, ValueError):
        return False
