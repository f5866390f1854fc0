"""Texts of strangers on a terminal; files that are complete or not there."""
import json
import os
import stat

import pytest
from openmmmlff.output import JsonArray, OutputError, OutputFile, checkTarget, message, printable


# ------------------------------------------------------------------ texts
@pytest.mark.parametrize("text, expected", [
    ("MIT", "MIT"),
    ("MIT\nSHA-256:      0000 (verified)", "MIT SHA-256: 0000 (verified)"),
    ("\x1b[31mred\x1b]0;owned\x07", "?[31mred?]0;owned?"),
    ("a\x00b\x7fc\x9bd", "a?b?c?d"),
    ("left \u202eright\u2066", "left ?right?"),     # the direction of writing
    ("line\u2028two\u0085three", "line two three"),
    ("m\udcff.xyz", "m?.xyz"),                      # a name that is no UTF-8
    ("Schütt, Å, 分子", "Schütt, Å, 分子"),
])
def test_printable(text, expected):
    assert printable(text) == expected


def test_printable_is_bounded():
    assert printable("x"*1000) == "x"*1000
    assert printable("x"*1001) == "x"*1000 + "..."
    assert printable(" "*10**6 + "x") == "..."
    assert printable("x"*10**7, 10) == "x"*10 + "..."


def test_message():
    assert message(FileNotFoundError(2, "No such file", "a\nb\x1b.xyz")) == "a b?.xyz: No such file"
    assert message(ValueError("one\ntwo")) == "one two"
    assert message(ValueError()) == "ValueError"


# ------------------------------------------------------------------ files
def files(folder):
    return sorted(p.name for p in folder.iterdir())


def test_the_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path/"out.json"
    path.write_text("older")
    path.chmod(0o640)
    with OutputFile(path, "--json") as file, JsonArray(file) as array:
        array.add({"a": 1})
        assert path.read_text() == "older"
        assert '"a": 1' in next(p for p in tmp_path.iterdir() if p != path).read_text()
        array.add([2])
    assert json.loads(path.read_text()) == [{"a": 1}, [2]]
    assert files(tmp_path) == ["out.json"] and stat.S_IMODE(path.stat().st_mode) == 0o640


def test_an_older_file_stays_and_results_are_kept(tmp_path, capsys):
    path = tmp_path/"out.json"
    path.write_text("older")
    with pytest.raises(KeyboardInterrupt):
        with OutputFile(path, "--json") as file, JsonArray(file) as array:
            array.add({"a": 1})
            raise KeyboardInterrupt
    assert path.read_text() == "older"
    part, = (p for p in tmp_path.iterdir() if p != path)
    assert json.loads(part.read_text()) == [{"a": 1}] and str(part) in capsys.readouterr().err
    part.unlink()
    with pytest.raises(ValueError):
        with OutputFile(path, "--json"):
            raise ValueError
    assert files(tmp_path) == ["out.json"] and path.read_text() == "older"


def test_rewrite(tmp_path):
    with OutputFile(tmp_path/"b.json") as file:
        file.rewrite("first, and longer")
        file.rewrite("second")
    assert (tmp_path/"b.json").read_text() == "second"


def test_links_and_devices(tmp_path):
    (tmp_path/"there").mkdir()
    (tmp_path/"link").symlink_to(tmp_path/"there"/"file")
    with OutputFile(tmp_path/"link") as file:
        file.write("text")
    assert (tmp_path/"link").is_symlink() and (tmp_path/"there"/"file").read_text() == "text"
    with OutputFile(os.devnull) as file:
        file.write("text")
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_what_is_refused(tmp_path):
    source = tmp_path/"in.xyz"
    source.write_text("precious")
    (tmp_path/"link").symlink_to(source)
    os.link(source, tmp_path/"hard")
    for name in ("in.xyz", "link", "hard", "../" + tmp_path.name + "/in.xyz"):
        with pytest.raises(OutputError, match="is an input file"):
            OutputFile(tmp_path/name, "--json", [source])
    with pytest.raises(OutputError, match="is a folder"):
        checkTarget("--json", tmp_path)
    with pytest.raises(OutputError, match="there is no folder"):
        checkTarget("--json", tmp_path/"no"/"such.json")
    with pytest.raises(OutputError, match="there is no folder"):
        checkTarget("--json", source/"x.json")
    with pytest.raises(OutputError, match="--plot .* and --json are the same file"):
        checkTarget("--plot", tmp_path/"a", outputs=[("--json", tmp_path/"."/"a")])
    assert source.read_text() == "precious" and files(tmp_path) == ["hard", "in.xyz", "link"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_write_protection(tmp_path):
    path = tmp_path/"out.json"
    path.write_text("older")
    path.chmod(0o444)
    with pytest.raises(OutputError, match="write-protected"):
        OutputFile(path)
    tmp_path.chmod(0o555)
    with pytest.raises(OutputError, match="no file can be made"):
        OutputFile(tmp_path/"new")
    tmp_path.chmod(0o755)


def test_a_folder_that_cannot_be_written(monkeypatch, tmp_path):
    """Also for root: what os.access says."""
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    with pytest.raises(OutputError, match="no file can be made in"):
        OutputFile(tmp_path/"new")
    assert files(tmp_path) == []
