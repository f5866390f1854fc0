"""The reader of extended XYZ files."""
import numpy as np
import pytest
from openmmmlff.extxyz import readFrames


@pytest.fixture
def read(tmp_path):
    def frames(text):
        path = tmp_path/"f.xyz"
        path.write_bytes(text.encode())
        return list(readFrames(str(path)))
    return frames


def good(frame):
    assert frame.error is None, frame.error
    return frame


def test_plain_xyz(read):
    frame, = read("2\nany text, even a=b\nO 0 0 0.5\nH 1e0 -2.5 3.\n")
    assert good(frame).numbers == (8, 1)
    assert frame.positions.tolist() == [[0, 0, 0.5], [1, -2.5, 3]]
    assert frame.lattice is None and not frame.pbc and frame.charge is None
    assert frame.name.startswith("frame 1 (") and frame.name.endswith("f.xyz:1)")


def test_several_frames_blank_lines_and_line_ends(read):
    text = "1\nfirst\nO 0 0 0\n\n\n1\n\nC 1 2 3\n1\nthird\nN 4 5 6\n\n  \n".replace("\n", "\r\n")
    frames = read("\ufeff" + text)
    assert [good(f).numbers for f in frames] == [(8,), (6,), (7,)]
    assert [f.where.rpartition(":")[2] for f in frames] == ["1", "6", "9"]
    assert read("") == [] and read("\n\n") == []


@pytest.mark.parametrize("species, number", [
    ("Cl", 17), ("CL", 17), ("cl", 17), ("17", 17), ("h", 1), ("Og", 118), ("118", 118)])
def test_elements(read, species, number):
    assert good(read(f"1\n\n{species} 0 0 0\n")[0]).numbers == (number,)


@pytest.mark.parametrize("species", ["Xx", "D", "0", "119", "-1", "C1", "1.0", "*"])
def test_elements_that_are_none(read, species):
    error = read(f"1\n\n{species} 0 0 0\n")[0].error
    assert f"line 3: '{species}' is not an element" in error


@pytest.mark.parametrize("comment, columns", [
    ("Properties=species:S:1:pos:R:3", "O 1 2 3"),
    ("Properties=pos:R:3:species:S:1", "1 2 3 O"),
    ("Properties=Z:I:1:pos:R:3", "8 1 2 3"),
    ("Properties=forces:R:3:Z:I:1:tag:L:2:pos:R:3", "9 9 9 8 T F 1 2 3"),
    ("properties=\"species:S:1:pos:R:3\"", "O 1 2 3"),
    ("", "O 1 2 3 9 9 9"),
])
def test_columns(read, comment, columns):
    frame = good(read(f"1\n{comment}\n{columns}\n")[0])
    assert frame.numbers == (8,) and frame.positions.tolist() == [[1, 2, 3]]


@pytest.mark.parametrize("comment", [
    'Lattice="1 0 0 0 2 0 0.5 0 3"', "Lattice='1 0 0 0 2 0 0.5 0 3' pbc=\"T T T\"",
    "lattice=[1,0,0,0,2,0,0.5,0,3] PBC=[T,T,T]", "Lattice = \"1 0 0 0 2 0 0.5 0 3\" pbc=True",
    'energy=-3.5 name="a \'b\' = c" Lattice="1 0 0 0 2 0 .5 0 3" virial={1 2}'])
def test_lattice(read, comment):
    frame = good(read(f"1\n{comment}\nO 0 0 0\n")[0])
    assert frame.lattice.tolist() == [[1, 0, 0], [0, 2, 0], [0.5, 0, 3]] and frame.pbc


def test_lattice_without_periodicity(read):
    frame = good(read('1\nLattice="1 0 0 0 2 0 0 0 3" pbc="F F F"\nO 0 0 0\n')[0])
    assert frame.lattice is not None and not frame.pbc


def test_charge_and_multiplicity(read):
    frame = good(read('1\ncharge=-1 multiplicity=2\nO 0 0 0\n')[0])
    assert frame.charge == -1 and frame.multiplicity == 2
    assert good(read('1\ntotal_charge=3\nO 0 0 0\n')[0]).charge is None


@pytest.mark.parametrize("comment, message", [
    ('Lattice="1 0 0 0 1 0 0 0"', "nine numbers"), ('Lattice="1 0 0 0 1 0 0 0 x"', "nine numbers"),
    ('Lattice="1 0 0 0 1 0 0 0 nan"', "nine numbers"),
    ('Lattice="1 0 0 0 1 0 1 1 0"', "no volume"), ('Lattice="1 0 0 0 1 0 0 0 1', "quote"),
    ('Lattice="1 0 0 0 1 0 0 0 1" pbc="T T F"', "all three directions"),
    ('Lattice="1 0 0 0 1 0 0 0 1" pbc="T T"', "three times"), ("pbc=\"T T T\"", "no Lattice"),
    ("charge=x", "charge=x is not a number"), ("charge=inf", "not a number"),
    ("charge=1 charge=2", "twice"), ("multiplicity=1.5", "whole"),
    ("Properties=species:S:1", "pos:R:3"), ("Properties=pos:R:3", "species or Z"),
    ("Properties=species:S:1:pos:R", "repeated"), ("Properties=species:S:1:pos:R:x", "pos:R:x")])
def test_comments_that_are_refused(read, comment, message):
    assert message in read(f"1\n{comment}\nO 0 0 0\n")[0].error


@pytest.mark.parametrize("line, message", [
    ("O 0 0", "line 3: expected 4 columns, found 3 (atom 1 of 1)"), ("O 0 0 z", "'z'"),
    ("O 0 0 nan", "not finite"), ("O 0 0 1e999", "not finite"), ("", "found an empty line")])
def test_atom_lines_that_are_refused(read, line, message):
    assert message in read(f"1\n\n{line}\n")[0].error


def test_column_too_many(read):
    assert "found 5" in read("1\nProperties=species:S:1:pos:R:3\nO 0 0 0 9\n")[0].error


def test_frame_after_a_wrong_one_is_read(read):
    frames = read("1\n\nXx 0 0 0\n1\n\nO 0 0 0\n")
    assert frames[0].error and good(frames[1]).numbers == (8,)


@pytest.mark.parametrize("text, message", [
    ("abc\n\nO 0 0 0\n", "line 1: expected the number of atoms, found 'abc'"),
    ("-1\n\n", "number of atoms"), ("2.0\n\n", "number of atoms"), ("0\n\n", "no atoms"),
    ("2\n\nO 0 0 0\n", "the file ends after 1 of 2 atoms"), ("5", "the file ends after 0 of 5")])
def test_counts_that_are_refused(read, text, message):
    frame, = read(text)
    assert message in frame.error


def test_many_atoms(read):
    x = np.random.default_rng(1).normal(size=(2000, 3))
    text = "2000\n\n" + "".join(f"C {a!r} {b!r} {c!r}\n" for a, b, c in x.tolist())
    assert np.array_equal(good(read(text)[0]).positions, x)
