"""openmmmlff.convert.get: download, check, convert, cache; against a server on this machine."""
import argparse
import contextlib
import hashlib
import http.server
import json
import socket
import sys
import threading
import time

import pytest

import convert_files as cf

DownloadError = cf.PACKAGE.DownloadError
get, resolve, ensemble = cf.PACKAGE.get, cf.PACKAGE.resolve, cf.PACKAGE.ensemble
download = cf.module("download")
cache_module = cf.module("cache")

N_MEMBERS = 4
MEMBERS = [cf.aimnet2_arrays(k) for k in range(N_MEMBERS)]
TABLE = cf.d3_arrays()


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A small file that stands for the published one; the registry expects it."""
    path = cf.write_jpt(tmp_path / "small_ens.jpt", MEMBERS, TABLE)
    data = path.read_bytes()
    entry = download.Published(
        url="http://127.0.0.1:9/small_ens.jpt", sha256=hashlib.sha256(data).hexdigest(),
        n_bytes=len(data), n_members=N_MEMBERS, licence="MIT", text="a small model")
    monkeypatch.setattr(download, "REGISTRY", {"aimnet2": entry})
    monkeypatch.setenv("OPENMMMLFF_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return path


@contextlib.contextmanager
def server(answer):
    """A web server whose GET is ``answer(handler)``; gives its address and counts requests."""
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            running.requests.append(self.path)
            answer(self)

        def log_message(self, *_):
            pass

    running = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running.requests = []
    running.daemon_threads = True
    thread = threading.Thread(target=running.serve_forever, args=(0.01,))
    thread.start()
    try:
        running.url = f"http://127.0.0.1:{running.server_port}/small_ens.jpt"
        yield running
    finally:
        running.shutdown()
        running.server_close()
        thread.join()


def sends(data, length=None, status=200):
    """An answer with ``data``; ``length`` is what the header says (None: no header)."""
    def answer(handler):
        handler.send_response(status)
        if length is not None:
            handler.send_header("Content-Length", str(length))
        handler.end_headers()
        handler.wfile.write(data)
    return answer


def left_in_cache(tmp_path):
    folder = tmp_path / "cache"
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def test_download(tmp_path, published, capsys):
    data = published.read_bytes()
    assert resolve("aimnet2") is None
    with pytest.raises(DownloadError, match="not on this machine.*openmm-mlff get aimnet2"):
        ensemble("aimnet2")
    with server(sends(data, len(data))) as running:
        paths = get("aimnet2", url=running.url)
        assert len(running.requests) == 1
        assert get("aimnet2") == paths                    # known from now on: nothing is fetched
        assert get("aimnet2_2") == [paths[2]]
        assert len(running.requests) == 1
    assert "aimnet2" in capsys.readouterr().err
    folder = tmp_path / "cache"
    assert paths == [folder / f"aimnet2_{k}.safetensors" for k in range(N_MEMBERS)]
    assert resolve("aimnet2") == paths[0] and resolve("aimnet2_3") == paths[3]
    assert resolve("aimnet2_4") is None and resolve("aimnet2_00") is None
    assert ensemble("aimnet2") == paths
    for k, path in enumerate(paths):
        arrays, metadata = cf.read_model(path)
        cf.assert_same(arrays, {**MEMBERS[k], **cf.d3_rows(TABLE)})
        assert json.loads(metadata["architecture"])["member"] == k
    # the complete D3 table stays for files that lack it
    table, _ = cf.read_model(cache_module.d3_table_path())
    numbers = table.pop("numbers")
    cf.assert_same(table, TABLE)
    assert numbers.tolist() == list(range(cf.N_Z))
    assert left_in_cache(tmp_path) == [f"aimnet2_{k}.safetensors" for k in range(4)] + \
        [cache_module.D3_TABLE]


# The same files come out of a local copy, byte by byte.
def test_from_file(tmp_path, published, monkeypatch):
    def no_network(*_, **__):
        raise AssertionError("no download was asked for")
    data = published.read_bytes()
    with server(sends(data, len(data))) as running:
        first = [p.read_bytes() for p in get("aimnet2", url=running.url, progress=False)]
    monkeypatch.setattr(download.urllib.request, "urlopen", no_network)
    paths = get("aimnet2", source_file=published, cache=tmp_path / "other")
    assert [p.read_bytes() for p in paths] == first
    assert resolve("aimnet2_1", cache=tmp_path / "other") == paths[1]
    with pytest.raises(DownloadError, match="no such file"):
        get("aimnet2", source_file=tmp_path / "absent.jpt")
    wrong = tmp_path / "wrong.jpt"
    wrong.write_bytes(data[:-1])
    with pytest.raises(DownloadError, match="not the published file.*found sha256.*expected"):
        get("aimnet2", source_file=wrong, cache=tmp_path / "third")
    assert list((tmp_path / "third").iterdir()) == []
    with pytest.raises(DownloadError, match="a file and an address"):
        get("aimnet2", source_file=published, url="http://127.0.0.1:9/")


def test_redirects_are_followed(published):
    data = published.read_bytes()

    def answer(handler):
        if handler.path != "/moved":
            handler.send_response(302)
            handler.send_header("Location", "/moved")
            handler.end_headers()
        else:
            sends(data, len(data))(handler)

    with server(answer) as running:
        assert len(get("aimnet2", url=running.url, progress=False)) == N_MEMBERS


@pytest.mark.parametrize("case, message", [
    ("wrong content", "not the published file.*found sha256.*expected.*nothing was installed"),
    ("short", "ended early.*found 1000 bytes, expected"),
    ("short, length right", "ended early|broke off"),
    ("long", "longer than the published file"),
    ("404", "HTTP 404"),
    ("503", "HTTP 503"),
    ("nothing", "cannot be reached|broke off"),
    ("empty", "ended early.*found 0 bytes"),
])
def test_bad_answers(tmp_path, published, case, message):
    data = published.read_bytes()
    answers = {
        "wrong content": sends(bytes(len(data)), len(data)),
        "short": sends(data[:1000]),
        "short, length right": sends(data[:1000], len(data)),
        "long": sends(data + b"x", len(data) + 1),
        "404": sends(b"not here", 8, 404),
        "503": sends(b"", 0, 503),
        "nothing": lambda handler: handler.connection.shutdown(socket.SHUT_RDWR),
        "empty": sends(b"", 0),
    }
    with server(answers[case]) as running:
        with pytest.raises(DownloadError, match=message) as caught:
            get("aimnet2", url=running.url, progress=False)
    assert running.url in str(caught.value)
    assert left_in_cache(tmp_path) == []
    assert resolve("aimnet2") is None


def test_silent_server(tmp_path, published, monkeypatch):
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    waiting = threading.Event()

    def answer(handler):
        sends(b"some", 1000)(handler)
        handler.wfile.flush()
        waiting.wait(10)

    with server(answer) as running:
        try:
            with pytest.raises(DownloadError, match="broke off after .* bytes .*timed out"):
                get("aimnet2", url=running.url, progress=False)
        finally:
            waiting.set()
    assert left_in_cache(tmp_path) == []


@pytest.mark.parametrize("kind", ["bytes", "header"])
def test_a_server_that_never_ends(tmp_path, published, monkeypatch, kind):
    """Each byte comes in time, the whole does not: header or content, one byte after another."""
    monkeypatch.setattr(download, "PATIENCE", 0.5)
    stop = threading.Event()

    def answer(handler):
        if kind == "bytes":
            sends(b"x", 10**6)(handler)
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not stop.wait(0.05):
            try:
                handler.wfile.write(b"x")
                handler.wfile.flush()
            except OSError:
                return

    start = time.monotonic()
    with server(answer) as running:
        try:
            with pytest.raises(DownloadError, match="broke off after .* bytes .*too slow"):
                get("aimnet2", url=running.url, progress=False)
        finally:
            stop.set()
    assert time.monotonic() - start < 30
    assert left_in_cache(tmp_path) == []


def test_no_server(tmp_path, published):
    with socket.socket() as free:            # a port on which nobody listens
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(DownloadError, match="cannot be reached.*network connection.*--from FILE"):
        get("aimnet2", url=f"http://127.0.0.1:{port}/x", progress=False)
    for url in ("file:///etc/hostname", "ftp://127.0.0.1/x", "small_ens.jpt"):
        with pytest.raises(DownloadError, match="not an address.*--from FILE"):
            get("aimnet2", url=url, progress=False)
    with pytest.raises(DownloadError):
        get("aimnet2", url="http://127.0.0.1:port/x", progress=False)
    assert left_in_cache(tmp_path) == []


def test_unwritable_cache(tmp_path, published):
    (tmp_path / "file").write_text("not a folder")
    with server(sends(b"")) as running:
        with pytest.raises(DownloadError, match="cannot be written.*OPENMMMLFF_CACHE"):
            get("aimnet2", url=running.url, cache=tmp_path / "file" / "cache", progress=False)
        assert running.requests == []        # found out before anything is fetched


def test_full_disk(tmp_path, published, monkeypatch):
    data = published.read_bytes()

    class Full:
        def write(self, _):
            raise OSError(28, "No space left on device")

    write = download._write
    monkeypatch.setattr(download, "_write", lambda out, block, path: write(Full(), block, path))
    with server(sends(data, len(data))) as running:
        with pytest.raises(DownloadError, match="No space left"):
            get("aimnet2", url=running.url, progress=False)
    assert left_in_cache(tmp_path) == []


def test_interrupt_leaves_nothing(tmp_path, published, monkeypatch):
    data = published.read_bytes()

    def interrupt(*_):
        raise KeyboardInterrupt
    monkeypatch.setattr(download, "_write", interrupt)
    with server(sends(data, len(data))) as running:
        with pytest.raises(KeyboardInterrupt):
            get("aimnet2", url=running.url, progress=False)
    assert left_in_cache(tmp_path) == []


def test_force(tmp_path, published):
    data = published.read_bytes()
    with server(sends(data, len(data))) as running:
        paths = get("aimnet2", url=running.url, progress=False)
        paths[1].unlink()
        assert resolve("aimnet2_1") is None
        get("aimnet2", url=running.url, progress=False, force=True)
        assert len(running.requests) == 2
    assert paths[1].is_file()


def test_names(published):
    assert cf.PACKAGE.names() == ["aimnet2", "aimnet2-ensemble"] + \
        [f"aimnet2_{k}" for k in range(N_MEMBERS)]
    for name in ("mace", "aimnet2_9", "aimnet2_", "../aimnet2", "mace-ensemble"):
        with pytest.raises(DownloadError, match="there is no model"):
            get(name)
        assert resolve(name) is None
    with pytest.raises(DownloadError, match="one member, not an ensemble"):
        ensemble("aimnet2_1")


def test_cache_folder(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENMMMLFF_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_module.folder() == tmp_path / "xdg" / "openmmmlff"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")     # the standard says: to be ignored
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_module.folder() == tmp_path / "home" / ".cache" / "openmmmlff"
    monkeypatch.setenv("OPENMMMLFF_CACHE", str(tmp_path / "mine"))
    assert cache_module.folder() == tmp_path / "mine"
    assert cache_module.folder(tmp_path / "given") == tmp_path / "given"


# On a terminal there is a bar; elsewhere no control characters.
def test_progress(published, monkeypatch, capsys):
    data = published.read_bytes()
    with server(sends(data, len(data))) as running:
        get("aimnet2", url=running.url, force=True)
        assert "\r" not in capsys.readouterr().err
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        get("aimnet2", url=running.url, force=True)
        text = capsys.readouterr().err
        assert "\r" in text and f"[{'#' * 30}]" in text
        get("aimnet2", url=running.url, force=True, progress=False)
        assert capsys.readouterr().err == ""


# 'aimnet2-ensemble' stands for all members: to get them, and to ask for their paths.
def test_ensemble_name(published):
    assert not download.is_cached("aimnet2-ensemble")
    paths = get("aimnet2-ensemble", source_file=published)
    assert len(paths) == N_MEMBERS and ensemble("aimnet2-ensemble") == paths == ensemble("aimnet2")
    assert download.is_cached("aimnet2-ensemble") and resolve("aimnet2-ensemble") is None
    paths[2].unlink()
    assert not download.is_cached("aimnet2-ensemble") and download.is_cached("aimnet2_1")


# A model that was brought here is known to MLFFForce by name.
def test_force_by_name(published):
    openmmmlff = pytest.importorskip("openmmmlff")
    with pytest.raises(ValueError, match="not on this machine yet: run 'openmm-mlff get aimnet2'"):
        openmmmlff.MLFFForce("aimnet2")
    paths = [str(path) for path in get("aimnet2", source_file=published)]
    force = openmmmlff.MLFFForce("aimnet2")
    assert force.getModelFile() == paths[0] and force.getModelArchitecture() == "AIMNet2"
    assert openmmmlff.MLFFForce("aimnet2_3").getModelFile() == paths[3]
    for model in ("aimnet2-ensemble", ["aimnet2-ensemble"], paths, ["aimnet2", *paths[1:]]):
        force = openmmmlff.MLFFForce(model)
        assert [force.getEnsembleMemberFile(k) for k in range(N_MEMBERS)] == paths
        assert force.getNumEnsembleMembers() == N_MEMBERS
    force = openmmmlff.MLFFForce("aimnet2")
    assert force.addEnsembleMember("aimnet2_2") == 1
    assert force.getEnsembleMemberFile(1) == paths[2]
    with pytest.raises(ValueError, match="is an ensemble, where one model is expected"):
        force.addEnsembleMember("aimnet2-ensemble")
    assert "aimnet2-ensemble" in openmmmlff.knownModels()


# The published entries: addresses are made in one place, hashes are the known ones.
@pytest.mark.parametrize("name, filename, sha256", [
    ("aimnet2", "aimnet2_wb97m-d3_ens.jpt",
     "2e8a700893d08c7f982b78e7372d3cf95a480b5d46116f97122b7f20a03c9d88"),
    ("aimnet2-b973c", "aimnet2_b973c_ens.jpt",
     "730048052fdb5754faa56c2d60ccaa68b722710b2731470eedca818f1ede56df")])
def test_registry(name, filename, sha256):
    entry = download.REGISTRY[name]
    assert entry.url == "https://raw.githubusercontent.com/isayevlab/AIMNet2/old/models/" + filename
    assert (entry.filename, entry.sha256) == (filename, sha256)
    assert (entry.n_bytes, entry.n_members) == (46391881, 4)
    assert entry.licence.startswith("MIT")


def command(*arguments):
    parser = argparse.ArgumentParser(prog="openmm-mlff")
    cf.module("cli").register(parser.add_subparsers(required=True))
    args = parser.parse_args(["get", *map(str, arguments)])
    return args.run(args)


def test_command_line(tmp_path, published, capsys):
    assert command("--list") == 0
    assert "not on this machine" in capsys.readouterr().out
    assert command() == 1
    assert "which model?" in capsys.readouterr().err
    assert command("aimnet2", "--from", published, "--json", "-") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["elements"] for row in rows] == ["H C O"] * N_MEMBERS
    assert command("--list") == 0
    assert "aimnet2_0.safetensors" in capsys.readouterr().out
    assert command("aimnet2_3") == 0
    assert "member 3" in capsys.readouterr().out
    assert command("mace") == 1
    assert capsys.readouterr().err.startswith("openmm-mlff get: there is no model 'mace'")
    with server(sends(b"", 0, 500)) as running:
        assert command("aimnet2", "--url", running.url, "--quiet", "--cache",
                       tmp_path / "other") == 1
    assert "HTTP 500" in capsys.readouterr().err
