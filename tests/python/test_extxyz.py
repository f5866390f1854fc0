"""The reader of extended XYZ files."""
import bz2
import gzip
import lzma
import os
import time

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


@pytest.mark.parametrize("comment, charge, multiplicity", [
    ("total_charge=-1", -1, None), ("Total-Charge = 2", 2, None), ("netCharge=+1", 1, None),
    ('"total charge"=1', 1, None), ("molecular_charge=1.0 mult=2", 1, 2), ("tot_charge=1,", 1, None),
    ("spin_multiplicity=3", None, 3), ("2S+1=2", None, 2), ("charge=1 net_charge=1", 1, None),
    ("charge=1.5", 1.5, None), ("charge=1D0", 1, None), ("charge=0 charge=0", 0, None),
    # names that look like one, with a value that changes nothing or is about something else
    ("spin=0", None, None), ("q=0", None, None), ("charge_method=Mulliken", None, None),
    ("multiplicity=3 spin=1", None, 3), ("charge=1 q=1", 1, None), ("spin_state=singlet", None, None),
    ('charges="0.1 -0.2 0.1"', None, None), ("magmom=0.01 multiplicity=1", None, 1),
    ("spin_polarized=T", None, None),
    # text
    ("the charge of it", None, None), ("charge 0 mult 1", None, None), ("0 1", None, None),
    ("charge of 2 atoms", None, None), ("frame 12", None, None), ("a-charge-transfer state", None, None)])
def test_names_of_charge_and_multiplicity(read, comment, charge, multiplicity):
    frame = good(read(f"1\n{comment}\nO 0 0 0\n")[0])
    assert (frame.charge, frame.multiplicity) == (charge, multiplicity)


@pytest.mark.parametrize("comment, message", [
    ("spin=1", "spin=1 looks like a multiplicity"), ("spin=0.5", "write multiplicity="),
    ("unpaired_electrons=1", "multiplicity"), ("uhf=1", "multiplicity"), ("magmom=1.0", "multiplicity"),
    ("spin=1/2", "multiplicity"), ("spin_state=triplet", "multiplicity"),
    ("formal_charge=1", "looks like a charge"), ("REF_charge=-1", "charge"), ("q=1", "charge"),
    ("Q=-1", "charge"), ("charge_state=+1", "charge"), ("charge_state=cation", "charge"),
    ('charges="0.5 0.2 0.3"', "charge"), ("charge=0 total_charge=1", "disagree"),
    ("charge=1 Charge=0", "disagree"), ("multiplicity=1 mult=3", "disagree"),
    ("charge -1", "write charge=-1"), ("charge: 1", "write charge=1"), ("Charge:-1", "write charge=-1"),
    ("total charge +2", "charge"), ("multiplicity 2", "multiplicity"), ("-1 1", "charge=-1"),
    ("0 2", "multiplicity=2"), ("charge=1e300", "1e300"), ("charge=1e9", "beyond"),
    ("multiplicity=1e10", "1 to 1000"), ("multiplicity=0", "1 to 1000"), ("multiplicity=-1", "whole"),
    ("charge=\u0661", "not a number"), ("charge=1_0", "not a number"), ("charge=" + "1"*5000, "number"),
    ("multiplicity=nan", "whole"), ("charge=1;multiplicity=2", "not a number")])
def test_what_looks_like_charge_or_spin_and_is_not_certain(read, comment, message):
    text = f"1\n{comment}\nO 0 0 0\n"
    error = read(text)[0].error
    assert message in error and len(error) < 300


@pytest.mark.parametrize("comment, message", [
    ("Charge : +1", "write charge=1"), ("(charge: +1)", "write charge=1"), ("charge is +1", "charge=1"),
    ("a charge of -2", "charge=-2"), ("charge 2-", "write charge=-2"), ("charge (2+)", "charge=2"),
    ("charge:+1; run 3", "charge=1"), ("net charge -1.0e", "charge=-1"), ("chg -1", "charge=-1"),
    ("spin: 3", "multiplicity=3"), ("Multiplicity is 2", "multiplicity=2"),
    ("charge/mult: 1 1", "charge=1 multiplicity=1"), ("charge/mult = 0 3", "charge=0 multiplicity=3"),
    ('charge/spin="-1 2"', "charge=-1 multiplicity=2"), ("charge, multiplicity: 0, 3", "multiplicity=3"),
    ("charge and multiplicity = 1 1", "charge=1 multiplicity=1"),
    ("charge & spin-multiplicity (0,3)", "charge=0 multiplicity=3"),
    # the remedy says what the number may mean
    ("charge=0 spin=1", "--multiplicity 1 if it is 2S+1, --multiplicity 2 if it is 2S"),
    ("spin=2", "--multiplicity 2 if it is 2S+1, --multiplicity 3 if it is 2S"),
    ("spin=0.5", "--multiplicity (2S+1)"), ("q=1", "or give --charge")])
def test_text_that_says_a_charge_or_a_multiplicity(read, comment, message):
    assert message in read(f"1\n{comment}\nO 0 0 0\n")[0].error


@pytest.mark.parametrize("comment", [
    "charge/mult: 0 1", "charge/mult = 0 1", "Charge, multiplicity: 0, 1", "charge is 0", "(charge: 0)",
    "a charge of 2 atoms", "charges from 3 methods", "charge transfer 2", "recharge 3", "spin: 1"])
def test_text_that_changes_nothing(read, comment):
    frame = good(read(f"1\n{comment}\nO 0 0 0\n")[0])
    assert (frame.charge, frame.multiplicity, frame.warnings) == (None, None, [])


@pytest.mark.parametrize("comment, word", [
    ("water 2+", "2+"), ("NH4+", "NH4+"), ("ammonium (NH4+), gas", "(NH4+)"), ("SO4^2-", "SO4^2-"),
    ("SO4(2-) in vacuum", "SO4(2-)"), ("Fe(CN)6^3-", "Fe(CN)6^3-"), ("Na+ and 3 waters", "Na+"),
    ("Ca\u00b2\u207a", "Ca2+"), ("run 3, Cl-, step 2", "Cl-"), ("benzene dication", "dication"),
    ("the Anion of it", "Anion"), ("protonated lysine", "protonated"), ("molecule +1", "+1"),
    ("-1", "-1"), ('title="NH4+ in water"', "NH4+"), ("name=Mg2+", "Mg2+"),
    ("triplet oxygen", "triplet"), ("doublet", "doublet"), ('title="methyl radical"', "radical")])
def test_text_that_may_be_an_ion_or_a_radical(read, comment, word):
    """A warning, since it may be a name; none where a key says what it is."""
    frame = good(read(f"1\n{comment}\nO 0 0 0\n")[0])
    warning, = frame.warnings
    assert frame.charge is None and warning.startswith(f"'{word}' in the comment line looks like ")
    assert "--multiplicity" in warning if "unpaired" in warning else "--charge" in warning
    assert good(read(f"1\n{comment} charge=0 multiplicity=1\nO 0 0 0\n")[0]).warnings == []


@pytest.mark.parametrize("comment", [
    "C2H4 + H2O", "A + B -> C", "B3LYP/6-31+G*", "MP2/aug-cc-pVTZ", "6-31G -", "step 10-20", "2024-01-02",
    "i = 5, time = 2.500, E = -17.2", "energy -76.4", "frame 3 of 10", "CH3-CH3", "conformer-1", "N-H",
    "HOMO-", "the onion", "C:-1.5", "x+", "note=NH4+"])
def test_titles_without_warnings(read, comment):
    assert good(read(f"1\n{comment}\nO 0 0 0\n")[0]).warnings == []


@pytest.mark.parametrize("comment", [
    "units=bohr", "unit=Bohr", "UNITS=au", "units=a.u.", "units=nm", 'units="hartree bohr"', "units=lj",
    'units={"length": "bohr", "energy": "eV"}', "units=furlong", "length_unit=bohr", "length_units=nm",
    "Length-Unit=pm", "distance_unit=au", "position_units=nanometer", "pos_unit=Bohr", "coord_unit=bohr",
    "coordinates_units=bohr", "unit_length=nm", "units_of_length=nm", "cell_unit=bohr", "bohr=T",
    "coordinates in bohr", "Bohr", "positions (bohr), run 2", "length_unit=bohr units=angstrom"])
def test_lengths_in_other_units_are_refused(read, comment):
    frames = read(f"1\n{comment}\nO 0 0 0\n1\n\nC 0 0 0\n")
    assert "in angstrom" in frames[0].error and good(frames[1]).numbers == (6,)


@pytest.mark.parametrize("comment", [
    "units=angstrom", "unit=A", "units=\u00c5", "units=\u00c5ngstr\u00f6m", "length_unit=Angstroms",
    "units=metal", "units=real", 'units="eV angstrom"', "units=eV/A", "units=hartree",
    "energy_unit=Hartree", "force_units=hartree/bohr", "dipole_unit=au", "charge_unit=au",
    "units=hartree,angstrom", "length_unit=angstrom units=au", "length_unit=angstrom in bohr",
    "in bohr, converted to angstrom", "forces in Ha/bohr", "Au13", "Au", "E -76.4 au", "5 nm box",
    "atomic charges", "a box", "unit_cell=cubic", "united=nm"])
def test_units_that_change_nothing(read, comment):
    assert good(read(f"1\n{comment}\nO 0 0 0\n")[0]).warnings == []


@pytest.mark.parametrize("comment, word", [
    ("coordinates in a.u.", "a.u."), ("positions (nm)", "(nm)"), ("in atomic units", "atomic"),
    ("au", "au"), ("nm", "nm"), ("geometry in pm", "pm")])
def test_text_that_may_be_a_unit_of_length(read, comment, word):
    warning, = good(read(f"1\n{comment}\nO 0 0 0\n")[0]).warnings
    assert warning.startswith(f"'{word}' in the comment line may be the unit of the positions")
    assert good(read(f"1\n{comment} length_unit=angstrom\nO 0 0 0\n")[0]).warnings == []


def test_a_caller_who_knows_charge_and_multiplicity(tmp_path):
    (tmp_path/"f.xyz").write_text("1\nq=1 spin=1 charge=x\nO 0 0 0\n1\n-1 2\nO 0 0 0\n")
    (tmp_path/"f.xyz").open("a").write("1\nNH4+ triplet charge/mult: 1 2\nO 0 0 0\n")
    frames = list(readFrames(tmp_path/"f.xyz", needsCharge=False, needsMultiplicity=False))
    assert len(frames) == 3
    for frame in frames:
        assert good(frame).charge is None and frame.multiplicity is None and not frame.warnings


@pytest.mark.parametrize("columns, values, charge", [
    ("initial_charges:R:1", (0.5, 0.5), 1), ("initial_charges:R:1", (-0.334, -0.668), -1),
    ("formal_charges:I:1", (1, -2), -1), ("charge:R:1", (0.4, -0.4), None),
    ("charges:R:1", (0.1, 0.15), None), ("magmoms:R:1", (1, -1), None)])
def test_columns_of_charges(read, columns, values, charge):
    text = f"2\nProperties=species:S:1:pos:R:3:{columns}\nO 0 0 0 {values[0]}\nH 1 0 0 {values[1]}\n"
    assert good(read(text)[0]).charge == charge


@pytest.mark.parametrize("comment, columns, values, message", [
    ("", "charge:R:1", (0.7, 0.31), "sums to 1.01"), ("", "initial_charges:R:1", (0.5, 0.2), "whole"),
    ("charge=0", "initial_charges:R:1", (0.5, 0.5), "the total charge is 0"),
    ("", "initial_magmoms:R:1", (1, 0), "magnetic moments"),
    ("", "charges:R:1", ("x", 0), "not a number")])
def test_columns_of_charges_that_are_refused(read, comment, columns, values, message):
    text = (f"2\nProperties=species:S:1:pos:R:3:{columns} {comment}\nO 0 0 0 {values[0]}\n"
            f"H 1 0 0 {values[1]}\n")
    assert message in read(text)[0].error


WATER_COLUMNS = "Properties=species:S:1:pos:R:3"


@pytest.mark.parametrize("comment, charge", [
    (r'title="the \"best\" charge=1 run"', None), (r'title="a \"b\" Lattice=\"5 0 0 0 5 0 0 0 5\""', None),
    ('note="run with charge=1 and pbc=T"', None), ('note="charge=1 tried"', None),
    (r'cfg="_JSON {\"charge\": 1, \"x\": \"a charge=1 b\"}"', None),
    ("note={charge=1 pbc=T} charge=-1", -1), ("note='a charge=1' charge=-1", -1),
    ("note=[a charge=1, [b charge=2]] charge=-1", -1), ("note=charge=1", None),
    ('"charge=1 tried" charge=-1', -1), (r'a="ends with \\" charge=-1', -1), ('a="" charge=-1', -1),
    ("Bob's and Ann's charge=-1", -1), ('a="b"c charge=-1', -1)])
def test_quoted_values(read, comment, charge):
    frame = good(read(f'1\n{WATER_COLUMNS} {comment} pbc="F F F"\nO 0 0 0\n')[0])
    assert frame.charge == charge and frame.lattice is None and not frame.pbc


@pytest.mark.parametrize("comment", [
    "it's of charge=1", 'title="never closed charge=1', "a= charge=1", "a='b charge=1", r"a=b\ charge=1",
    "Bob's charge=1 and Ann's charge=0", 'charge="1', "a=[1, 2 Lattice=5", "don't Properties=x"])
def test_keys_that_may_be_text_are_refused(read, comment):
    assert "a quote or a value missing" in read(f"1\n{comment}\nO 0 0 0\n")[0].error


@pytest.mark.parametrize("lattice", [
    "[[1,0,0],[0,2,0],[0.5,0,3]]", "[[1, 0, 0], [0, 2, 0], [0.5, 0, 3]]", "{1 0 0 0 2 0 .5 0 3}",
    '"[[1, 0, 0], [0, 2, 0], [0.5, 0, 3]]"', '"_JSON [[1, 0, 0], [0, 2, 0], [0.5, 0, 3]]"',
    '"1D0 0 0 0 2 0 5e-1 0 3"', "[1 0 0 0 2 0 0.5 0 3]"])
def test_ways_to_write_a_lattice(read, lattice):
    frame = good(read(f"1\n{WATER_COLUMNS} Lattice={lattice}\nO 0 0 0\n")[0])
    assert frame.lattice.tolist() == [[1, 0, 0], [0, 2, 0], [0.5, 0, 3]] and frame.pbc


@pytest.mark.parametrize("lattice", [
    "0 0 0 0 0 0 0 0 0", "0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0 0.0", "inf 0 0 0 inf 0 0 0 inf",
    "nan nan nan nan nan nan nan nan nan", "10 0 0 0 10 0 0 0 0", "1e-200 0 0 0 1e-200 0 0 0 1e-200",
    "1e300 0 0 0 1e300 0 0 0 1e300"])
@pytest.mark.parametrize("pbc", ['pbc="F F F"', "pbc=[F, F, F]", "pbc=FFF", "pbc=False", 'pbc="0 0 0"'])
def test_lattices_of_molecules(read, lattice, pbc):
    frame = good(read(f'1\nLattice="{lattice}" {pbc}\nO 0 0 0\n')[0])
    assert frame.lattice is None and not frame.pbc
    for periodic in ("", 'pbc="T T T"'):
        assert "Lattice=" in read(f'1\nLattice="{lattice}" {periodic}\nO 0 0 0\n')[0].error
    assert "all three" in read(f'1\nLattice="{lattice}" pbc="T T F"\nO 0 0 0\n')[0].error


@pytest.mark.parametrize("comment", [
    'cell="9 0 0 0 9 0 0 0 9"', "Lattice_R=[9,0,0,0,9,0,0,0,9]", 'unit_cell="9 9 9 90 90 90"',
    "TV 9 0 0", 'box="9 9 9"', "lattice_vectors=[[9,0,0],[0,9,0],[0,0,9]]"])
def test_cells_under_other_names(read, comment):
    assert "looks like a cell" in read(f"1\n{WATER_COLUMNS} {comment}\nO 0 0 0\n")[0].error
    assert not good(read(f'1\n{WATER_COLUMNS} {comment} pbc="F F F"\nO 0 0 0\n')[0]).pbc
    assert good(read(f'1\nLattice="9 0 0 0 9 0 0 0 9" {comment}\nO 0 0 0\n')[0]).pbc


def test_keys_of_a_program_beside_those_of_the_format(read):
    frame = good(read(f'1\n{WATER_COLUMNS} lattice=fcc properties=none PBC=x pbc="F F F"\nO 0 0 0\n')[0])
    assert frame.lattice is None and not frame.pbc


@pytest.mark.parametrize("comment", [
    "10 10 10", "10 10 10 90 90 90", "10, 0, 0, 0, 10, 0, 0, 0, 10", "periodic 10. 10. 10.",
    "surface 10. 10. 10.", "CRYST1 10 10 10 90 90 90", "cell: 10 10 10",
    "# CELL(abcABC):   28.8  28.8 28.8 90.0 90.0 90.0  Step: 0 positions{angstrom}"])
def test_cells_in_texts(read, comment):
    """As BigDFT, i-PI and others write them."""
    assert "look" in (error := read(f"1\n{comment}\nO 0 0 0\n")[0].error) and "like a cell" in error
    assert not good(read(f'1\n{comment} pbc="F F F"\nO 0 0 0\n')[0]).pbc


@pytest.mark.parametrize("comment", ["1 2 3 4", "periodic box", "surface of 10 atoms",
                                     "cell 3", "lattice run 3", "box: none"])
def test_texts_without_a_cell(read, comment):
    assert good(read(f"1\n{comment}\nO 0 0 0\n")[0]).lattice is None


@pytest.mark.parametrize("comment, message", [
    ("fractional coordinates", "'fractional' in the comment line may be about the positions"),
    ('Lattice="9 0 0 0 9 0 0 0 9" scaled positions', "'scaled pos'"), ("Direct coordinates", "'direct"),
    ("# Step: 0 Bead: 0 positions{atomic_unit} cell{atomic_unit}", "a unit of the positions"),
    ("O 0 0 0.119", "looks like an atom: is the comment line missing?"),
    ("H 1.0 -2 1e0 0.4", "looks like an atom"), ('{"charge": -1}', "write charge=-1"),
    ("Properties=species:S:1:pos:R:3:pos:R:3", "pos is twice"),
    ("Properties=species:S:1:pos:R:3:species:S:1", "species is twice")])
def test_comment_lines_of_other_dialects(read, comment, message):
    assert message in read(f"1\n{comment}\nO 0 0 0\n")[0].error


def test_types_of_lammps_are_no_atomic_numbers(read):
    text = "3\nAtoms. Timestep: 100\n1 0 0 0.119\n2 0 0.763 -0.477\n2 0 -0.763 -0.477\n"
    assert "types of atoms, not atomic numbers" in read(text)[0].error
    symbols = text.replace("\n1 ", "\nO ").replace("\n2 ", "\nH ")
    assert good(read(symbols)[0]).numbers == (8, 1, 1)
    assert good(read(text.replace("Atoms. Timestep: 100", "water"))[0]).numbers == (1, 2, 2)


def test_names_of_atoms_that_are_elements_in_capitals(read):
    """CA is calcium in files that have capitals alone, and C alpha in others: a warning."""
    frame = good(read("2\n\nN 0 0 0\nCA 1.46 0 0\n")[0])
    assert frame.numbers == (7, 20)
    assert frame.warnings == ["line 4: 'CA' is read as the element Ca: is it the name of an atom C?"]
    for symbol in ("Ca", "ca", "CL", "BR", "20"):
        assert good(read(f"2\n\nN 0 0 0\n{symbol} 1.46 0 0\n")[0]).warnings == []


@pytest.mark.parametrize("species, remedy", [("D", "write H"), ("T", "write H"), ("X", "dummy atoms"),
                                             ("Bq", "ghost atoms")])
def test_isotopes_and_dummy_atoms(read, species, remedy):
    error = read(f"1\n\n{species} 0 0 0\n")[0].error
    assert f"'{species}' is not an element: " in error and remedy in error


@pytest.mark.parametrize("content, message", [
    (gzip.compress(b"1\n\nO 0 0 0\n"), "gunzip"), (bz2.compress(b"1\n\nO 0 0 0\n"), "bunzip2"),
    (lzma.compress(b"1\n\nO 0 0 0\n"), "unxz"), (b"PK\3\4" + bytes(60), "ZIP"),
    ("1\n\nO 0 0 0\n".encode("utf-16"), "UTF-8"), ("1\n\nO 0 0 0\n".encode("utf-16-be"), "UTF-8"),
    ("1\n\nO 0 0 0\n".encode("utf-32"), "UTF-8"), (b"data_water\n_cell_length_a 5\n", "CIF"),
    (b"ATOM      1  O   HOH A   1       0.000   0.000   0.119  1.00  0.00           O\n", "PDB")])
def test_files_of_other_kinds(tmp_path, content, message):
    (tmp_path/"f.xyz").write_bytes(content)
    frame, = readFrames(tmp_path/"f.xyz")
    assert "expected the number of atoms" in frame.error and message in frame.error
    assert len(frame.error) < 200


@pytest.mark.parametrize("line", ["O 1e7 0 0", "O 0 -1e300 0", "O 0 0 \u0663", "O 0 1_0 0", "O 0 0 0x1",
                                  "\u00b2 0 0 0", "\u0661 0 0 0", "O 0 0 " + "1"*100000, "O 0 0 1.2.3"])
def test_numbers_that_are_none_stay_in_their_frame(read, line):
    frames = read(f"1\n\n{line}\n1\n\nO 0 0 0\n")
    assert frames[0].error.startswith("line 3:") and len(frames[0].error) < 200
    assert good(frames[1]).numbers == (8,)


def test_long_lines(read):
    """Bounded, and in linear time."""
    long = "x"*(1 << 21)
    for text in (f"1\n{long}\nO 0 0 0\n1\n\nC 0 0 0\n", f"1\n\nO 0 0 0 {long}\n1\n\nC 0 0 0\n"):
        wrong, right = read(text)
        assert "more than 524288 characters" in wrong.error and good(right).numbers == (6,)
    assert "cannot be read" in read(long)[0].error
    start = time.monotonic()
    for piece in ("'", '"', "a=", "=", "a='", "\\", "[", "{a", "a b ", "\t", "charge:1 ", "a= b=", "\\ "):
        n = 200000//len(piece)
        read(f"1\n{piece*n}\nO 0 0 0\n")
    # seconds where the work is linear, hours where it is quadratic
    assert time.monotonic() - start < 60


@pytest.mark.parametrize("device", ["/dev/zero", "fifo", "folder"])
def test_only_regular_files(tmp_path, device):
    path = {"fifo": str(tmp_path/"fifo"), "folder": str(tmp_path)}.get(device, device)
    if device == "fifo":
        os.mkfifo(path)
    with pytest.raises(OSError, match="directory" if device == "folder" else "not a regular file"):
        next(readFrames(path))


def test_atomic_numbers_beside_elements(read):
    columns = "1\nProperties=species:S:1:pos:R:3:Z:I:1\n"
    assert good(read(columns + "O 0 0 0 8\n")[0]).numbers == (8,)
    assert "disagree" in read(columns + "O 0 0 0 7\n")[0].error


def test_cell_in_lines_after_the_atoms(read):
    vectors = "VEC1 1 0 0\nVEC2 0 2 0\nVEC3 0.5 0 3\n"
    frames = read(f"1\n\nO 0 0 0\n{vectors}1\n\nH 0 0 0\n1\n\nC 0 0 0\nVEC1 1 0 0\n1\n\nN 0 0 0\n"
                  "VEC1 1 0 0\nVEC2 0 1 0\nVEC3 0 0 x\n1\n\nF 0 0 0\n")
    assert good(frames[0]).lattice.tolist() == [[1, 0, 0], [0, 2, 0], [0.5, 0, 3]] and frames[0].pbc
    assert not good(frames[1]).pbc and "three directions" in frames[2].error
    assert "VEC3 and three numbers" in frames[3].error and good(frames[4]).numbers == (9,)


@pytest.mark.parametrize("comment, message", [
    ('Lattice="1 0 0 0 1 0 0 0"', "nine numbers"), ('Lattice="1 0 0 0 1 0 0 0 x"', "nine numbers"),
    ('Lattice="1 0 0 0 1 0 0 0 nan"', "nine numbers"),
    ('Lattice="1 0 0 0 1 0 1 1 0"', "no volume"), ('Lattice="1 0 0 0 1 0 0 0 1', "quote"),
    ('Lattice="1 0 0 0 1 0 0 0 1" pbc="T T F"', "all three directions"),
    ('Lattice="1 0 0 0 1 0 0 0 1" pbc="T T"', "three times"), ("pbc=\"T T T\"", "no Lattice"),
    ("charge=x", "charge=x is not a number"), ("charge=inf", "not a number"),
    ("charge=1 charge=2", "twice"), ("charge=\"1 2\"", "not a number"), ("charge=T", "not a number"), ("multiplicity=1.5", "whole"),
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
