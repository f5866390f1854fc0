"""Models by name: download, check, convert, cache.

Published weights are not part of this package; ``get`` brings them from their makers, checks the
SHA-256 and leaves our files in the user's cache. From then on the name is known.
"""
import hashlib
import http.client
import re
import secrets
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from . import cache as cache_folder
from . import d3_table, published, safetensors_file
from .converter import convert
from .errors import DownloadError, brief, fail
from .sources import file_sha256

TIMEOUT = 20         # seconds without a byte
PATIENCE = 30        # seconds that a transfer may take ...
SLOWEST = 20e3       # ... and one more for each so many bytes
BLOCK = 1 << 18      # bytes


def _github_url(repository, branch, path):
    return f"https://raw.githubusercontent.com/{repository}/{branch}/{path}"


@dataclass(frozen=True)
class Published:
    """A published file that holds the members of one model."""

    url: str
    sha256: str
    n_bytes: int
    n_members: int
    licence: str
    text: str

    @property
    def filename(self):
        return urllib.parse.urlsplit(self.url).path.rpartition("/")[2]


REGISTRY = {
    "aimnet2": Published(
        url=_github_url("isayevlab/AIMNet2", "old", "models/aimnet2_wb97m-d3_ens.jpt"),
        sha256=published.AIMNET2_WB97M_D3_SHA256, n_bytes=46391881, n_members=4,
        licence="MIT, Copyright (c) 2023 Isayev Lab @ Carnegie Mellon",
        text="AIMNet2 wB97M-D3, four members; H B C N O F Si P S Cl As Se Br I"),
    "aimnet2-b973c": Published(
        url=_github_url("isayevlab/AIMNet2", "old", "models/aimnet2_b973c_ens.jpt"),
        sha256=published.AIMNET2_B973C_SHA256, n_bytes=46391881, n_members=4,
        licence="MIT, Copyright (c) 2023 Isayev Lab @ Carnegie Mellon",
        text="AIMNet2 B97-3c, four members; H B C N O F Si P S Cl As Se Br I"),
}

# Appended to a name it means all members: 'aimnet2-ensemble'.
ENSEMBLE = "-ensemble"


# ------------------------------------------------------------------ names
def names():
    """Every name that ``get`` knows, ensembles and members included."""
    result = []
    for name, entry in REGISTRY.items():
        result += [name, name + ENSEMBLE] + [f"{name}_{k}" for k in range(entry.n_members)]
    return result


def _split(name):
    """(name in the registry, member or None) of 'aimnet2', 'aimnet2-ensemble' or 'aimnet2_2'.

    None if unknown.
    """
    if name in REGISTRY:
        return name, None
    if str(name).endswith(ENSEMBLE) and str(name)[:-len(ENSEMBLE)] in REGISTRY:
        return str(name)[:-len(ENSEMBLE)], None
    match = re.fullmatch(r"(.+)_(\d+)", str(name))
    if match and match.group(1) in REGISTRY:
        member = int(match.group(2))
        if str(member) == match.group(2) and member < REGISTRY[match.group(1)].n_members:
            return match.group(1), member
    return None


def _known(name):
    found = _split(name)
    if found is None:
        raise fail(f"there is no model '{name}' to get", expected="one of " + ", ".join(names()),
                   error=DownloadError)
    return found


def _member_paths(base, folder):
    return [folder / f"{base}_{k}.safetensors" for k in range(REGISTRY[base].n_members)]


def resolve(name, *, cache=None):
    """Path of the cached model ``name`` ('aimnet2' is member 0), or None.

    An ensemble is not one file: None.
    """
    found = _split(name)
    if found is None or str(name).endswith(ENSEMBLE):
        return None
    base, member = found
    path = _member_paths(base, cache_folder.folder(cache))[member or 0]
    return path if path.is_file() else None


def is_cached(name, *, cache=None):
    """Whether the model, member or ensemble ``name`` is in the cache, whole."""
    if not str(name).endswith(ENSEMBLE):
        return resolve(name, cache=cache) is not None
    base, _ = _known(name)
    return all(p.is_file() for p in _member_paths(base, cache_folder.folder(cache)))


def ensemble(name, *, cache=None):
    """Paths of all members of the cached model ``name``: 'aimnet2' or 'aimnet2-ensemble'."""
    base, member = _known(name)
    if member is not None:
        raise fail(f"'{name}' is one member, not an ensemble", expected=f"'{base}'",
                   error=DownloadError)
    paths = _member_paths(base, cache_folder.folder(cache))
    missing = [p for p in paths if not p.is_file()]
    if missing:
        raise fail(f"the model '{base}' is not on this machine", missing[0],
                   remedy=f"Run 'openmm-mlff get {base}'", error=DownloadError)
    return paths


# ------------------------------------------------------------------ get
def get(name, *, cache=None, source_file=None, url=None, progress=True, force=False):
    """Bring the published model ``name`` into the cache; return the paths of its files.

    name         'aimnet2': all members; 'aimnet2_2': the same download, the path of one
    cache        folder; None: $OPENMMMLFF_CACHE, $XDG_CACHE_HOME/openmmmlff, ~/.cache/openmmmlff
    source_file  the published file, fetched by other means, instead of a download
    url          another place of the same file
    progress     tell on stderr
    force        also when the files are there already (so do source_file and url)

    The file's SHA-256 must be the published one, wherever it comes from.
    """
    base, member = _known(name)
    entry = REGISTRY[base]
    if source_file is not None and url is not None:
        raise fail("a file and an address were given", expected="one of them", error=DownloadError)
    folder = cache_folder.folder(cache)
    paths = _member_paths(base, folder)
    table = folder / cache_folder.D3_TABLE
    wanted = paths if member is None else [paths[member]]
    asked = force or source_file is not None or url is not None
    if not asked and all(p.is_file() for p in [*paths, table]):
        return wanted

    _make_writable(folder)
    if source_file is not None:
        source = Path(source_file)
        if not source.is_file():
            raise fail("there is no such file", source, error=DownloadError)
        _check_sha256(file_sha256(source), entry, source)
        _install(source, base, paths, table)
        return wanted

    with tempfile.TemporaryDirectory(prefix=f".{base}.", dir=folder) as temporary:
        source = Path(temporary) / entry.filename
        _download(url or entry.url, entry, base, source, progress)
        _install(source, base, paths, table)
    if progress:
        print(f"{base}: {len(paths)} files in {folder}", file=sys.stderr)
    return wanted


def _make_writable(folder):
    """Create the cache folder and try it, before anything is fetched."""
    probe = folder / f".probe.{secrets.token_hex(6)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise fail(f"the model cache cannot be written ({error.strerror or error})", folder,
                   remedy="Choose another folder with --cache or OPENMMMLFF_CACHE",
                   error=DownloadError) from error


def _install(source, base, paths, table):
    """Convert the checked file into the cache. Files appear one by one, each complete."""
    for k, path in enumerate(paths):
        convert(source, path, kind="aimnet2", member=k)
    found = d3_table.read(source)
    safetensors_file.write(table, found.tensors(""), {
        "source": f"inside {REGISTRY[base].filename}, sha256 {REGISTRY[base].sha256}; original "
                  "data: S. Grimme et al., J. Chem. Phys. 132, 154104 (2010)",
        "license": REGISTRY[base].licence,
        "layout": "c6ref[i,j,a,b], cnref[i,j,a,b] = CN of i in that reference, of j: "
                  "cnref[j,i,b,a]; c6ref 0: not used; rcov includes the factor 4/3; "
                  "Hartree, bohr"})


def _check_sha256(found, entry, where):
    if found != entry.sha256:
        raise fail("this is not the published file", where, f"sha256 {found}", entry.sha256,
                   "The download was altered or is of another version; nothing was installed",
                   error=DownloadError)


def _download(url, entry, base, path, progress):
    """Fetch ``url`` into ``path``, checking length and SHA-256."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise fail("is not an address to download from", url, expected="http:// or https://",
                   remedy="For a file on this machine use --from FILE", error=DownloadError)
    by_hand = f"Try again, or fetch {url} by other means and run 'openmm-mlff get {base} " \
              "--from FILE'"
    transfer = _Transfer(url, entry, path)
    try:
        _watch(transfer, _Progress(base, entry.n_bytes) if progress else None)
    except urllib.error.HTTPError as error:
        error.close()
        raise fail(f"the server refused the file (HTTP {error.code} {brief(str(error.reason))})",
                   url, remedy=by_hand, error=DownloadError) from error
    except urllib.error.URLError as error:
        raise fail(f"the server {parts.netloc} cannot be reached ({brief(str(error.reason))})", url,
                   remedy="Is there a network connection, a proxy? " + by_hand,
                   error=DownloadError) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise fail(f"the download broke off after {transfer.n} bytes ({brief(str(error) or type(error).__name__)})",
                   url, expected=f"{entry.n_bytes} bytes", remedy=by_hand,
                   error=DownloadError) from error
    n = transfer.n
    if n != entry.n_bytes:
        what = "ended early" if n < entry.n_bytes else "is longer than the published file"
        raise fail(f"the download {what}", url, f"{n} bytes" if n < entry.n_bytes else None,
                   f"{entry.n_bytes} bytes", by_hand, error=DownloadError)
    _check_sha256(transfer.digest.hexdigest(), entry, url)


class _Transfer(threading.Thread):
    """Receives a file. A thread of its own, because a server may keep each single wait short and
    the whole as long as it likes: connection, header, bytes one by one."""

    def __init__(self, url, entry, path):
        super().__init__(daemon=True)
        self.url, self.entry, self.path = url, entry, path
        self.n, self.digest = 0, hashlib.sha256()
        self.error = None
        self.stopped = False

    def run(self):
        try:
            request = urllib.request.Request(self.url, headers={"User-Agent": "openmmmlff"})
            with urllib.request.urlopen(request, timeout=TIMEOUT) as answer, \
                    open(self.path, "xb") as out:
                while not self.stopped and (block := answer.read1(BLOCK)):
                    self.n += len(block)
                    if self.n > self.entry.n_bytes:
                        break
                    _write(out, block, self.path)
                    self.digest.update(block)
                # read1() says nothing of an answer that ends before its announced length; the
                # length that is known does
        except BaseException as error:  # the caller's thread raises it
            self.error = error


def _watch(transfer, bar):
    """Run a transfer to its end; TimeoutError where it is too slow as a whole."""
    start = time.monotonic()
    transfer.start()
    try:
        while transfer.is_alive():
            transfer.join(0.1)
            if bar and transfer.n:
                bar.show(transfer.n)
            if transfer.is_alive() and \
                    time.monotonic() - start > PATIENCE + transfer.n/SLOWEST:
                raise TimeoutError("too slow as a whole: timed out after "
                                   f"{time.monotonic() - start:.0f} seconds")
    finally:
        transfer.stopped = True
        if bar:
            bar.close()
    if transfer.error is not None:
        raise transfer.error


def _write(out, block, path):
    """Write apart from reading, so that a full disk is not taken for a broken connection."""
    try:
        out.write(block)
    except OSError as error:
        raise fail(f"the model cache cannot be written ({error.strerror or error})", path.parent,
                   remedy="Make room, or choose another folder with --cache or OPENMMMLFF_CACHE",
                   error=DownloadError) from error


class _Progress:
    """One line on stderr: a bar on a terminal, else a line at the start and at the end."""

    WIDTH = 30

    def __init__(self, label, total):
        self.label, self.total, self.n = label, total, 0
        self.start = time.monotonic()
        self.shown = 0.0
        self.live = sys.stderr.isatty()
        if not self.live:
            print(f"{label}: downloading {total / 1e6:.1f} MB", file=sys.stderr)

    def show(self, n):
        self.n = n
        now = time.monotonic()
        if not self.live or (now - self.shown < 0.1 and n < self.total):
            return
        self.shown = now
        filled = self.WIDTH * min(n, self.total) // self.total
        rate = n / max(now - self.start, 1e-3) / 1e6
        bar = "#" * filled + "." * (self.WIDTH - filled)
        print(f"\r{self.label} [{bar}] {n / 1e6:.1f} of {self.total / 1e6:.1f} MB, "
              f"{rate:.1f} MB/s", end="", file=sys.stderr, flush=True)

    def close(self):
        if self.live:
            print(file=sys.stderr)
        elif self.n:
            print(f"{self.label}: {self.n / 1e6:.1f} MB received", file=sys.stderr)
