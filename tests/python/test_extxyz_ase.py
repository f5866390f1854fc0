"""Files that ASE writes read as ASE reads them."""
import numpy as np
import pytest
from openmmmlff.extxyz import readFrames

ase = pytest.importorskip("ase")
ase_io = pytest.importorskip("ase.io")
from ase import Atoms                                                # noqa: E402
from ase.calculators.singlepoint import SinglePointCalculator        # noqa: E402
from ase.constraints import FixAtoms, FixCartesian                   # noqa: E402

LATTICE = np.array([[9.1, 0, 0], [1.5, 8.2, 0.3], [-0.7, 0.4, 10.6]])

TEXTS = ["plain", "two words", 'the "best" charge=1 run', "it's pbc=T", "a=b", "charge=1", "Lattice=5",
         'a "b" Lattice="5 0 0 0 5 0 0 0 5"', "[1, 2", "{x} charge=-1 ]", "T", "F", "5", "1 2 3", "None",
         "a,b", "back\\slash", "C\\C=C/C(=O)O", "umlaut \u00e4 \u4e2d", "tab\there charge=1", "'", '"', "",
         "Properties=species:S:1", "spin=2 and charge=1", "# ! % & ; : ~", "true", "end\\"]

VALUES = [0, -3, 2.5, 1e-12, float("inf"), True, False, None, np.int64(4), np.float32(0.1), np.bool_(True),
          np.array([1, 2, 3]), np.array([0.5, 1.5]), np.array([True, False, True]), np.arange(6).reshape(2, 3),
          np.eye(3), [1, 2], [[1, 2], [3, 4]], ["a b", "c=d"], {"charge": 1, "x": "a charge=1 b", "n": [1, 2]},
          {"nested": {"a": ["[", "{", "b"]}}, (1, "charge=1"), np.array(["a", "b c"]), np.float64("nan"),
          np.zeros((2, 0)), [], {}]


def water(periodic=False, box=None, /, **info):
    atoms = Atoms("OH2", [[0, 0, 0.119], [0, 0.763, -0.477], [0, -0.763, -0.477]],
                  cell=LATTICE if periodic else box, pbc=periodic)
    atoms.info.update(info)
    return atoms


def check(path, images, **options):
    """Write, read with both, compare. Charges: what the key charge of info says."""
    ase_io.write(path, images, format="extxyz", **options)
    theirs = ase_io.read(path, index=":", format="extxyz")
    ours = list(readFrames(path))
    assert len(ours) == len(theirs)
    for frame, atoms in zip(ours, theirs):
        assert frame.error is None, (frame.error, path.read_text().splitlines()[1])
        assert list(frame.numbers) == atoms.numbers.tolist()
        assert np.array_equal(frame.positions, atoms.positions)
        assert frame.pbc == all(atoms.pbc)
        if frame.pbc:
            assert np.array_equal(frame.lattice, atoms.cell.array)
        assert frame.charge == atoms.info.get("charge")
    return ours


@pytest.mark.parametrize("periodic", [False, True])
@pytest.mark.parametrize("value", TEXTS + VALUES, ids=repr)
def test_info(tmp_path, value, periodic):
    check(tmp_path/"a.xyz", water(periodic, note=value))
    if value is None or not (isinstance(value, str) and (value == "" or value.endswith("\\"))):
        # those ASE itself does not read back: the next key becomes a part of the value
        check(tmp_path/"a.xyz", water(periodic, **{"key with = and \"quotes\"": value, "charge": -1}))
        check(tmp_path/"a.xyz", water(periodic, note=value, charge=1, after="b c"))


def test_a_value_that_takes_the_next_key_with_it(tmp_path):
    """ASE writes 'note= charge=1', and reads charge as a part of the note."""
    for value in ("", "end\\"):
        ase_io.write(tmp_path/"a.xyz", water(note=value, charge=1), format="extxyz")
        frame, = readFrames(tmp_path/"a.xyz")
        assert "charge= in the comment line may be a key" in frame.error
        # that the frame is not periodic is lost in the same way, and ASE takes it for periodic
        ase_io.write(tmp_path/"a.xyz", water(False, [9, 9, 9], note=value), format="extxyz")
        frame, = readFrames(tmp_path/"a.xyz")
        assert "pbc= in the comment line may be a key" in frame.error


@pytest.mark.parametrize("key", ["lattice", "properties", "PBC", "Cell", "cell", "species", "box", "stress"])
def test_keys_like_those_of_the_format(tmp_path, key):
    for value in ("fcc", "T", 5, [1, 2, 3], np.eye(3)*5, "a b=c"):
        if key != "stress" or np.shape(value) == (3, 3):
            for periodic in (False, True):
                check(tmp_path/"a.xyz", water(periodic, **{key: value}))


def test_random_info(tmp_path):
    """Any keys and texts of the characters that mean something."""
    random = np.random.default_rng(5)
    letters = list("ab \"'[]{}=,\\1T_") + ["charge=1", "pbc=", " Lattice=", "_JSON "]
    refused = 0
    for _ in range(400):
        info = {f"k{i}": "".join(random.choice(letters, random.integers(1, 12))) for i in range(3)}
        atoms = water(bool(random.integers(2)), **info)
        try:
            check(tmp_path/"a.xyz", atoms)
        except AssertionError:
            frame, = readFrames(tmp_path/"a.xyz")
            # what ASE does not read back as it was written may be refused, and is never misread
            assert frame.error is not None and "may be a key" in frame.error, info
            theirs = ase_io.read(tmp_path/"a.xyz", format="extxyz")
            assert {k: theirs.info.get(k) for k in info} != info
            refused += 1
        except (ValueError, KeyError):
            pass            # ASE cannot read its own file
    assert refused < 200


def test_columns(tmp_path):
    atoms = water(charge=1)
    atoms.set_initial_charges([0.5, 0.25, 0.25])
    atoms.set_initial_magnetic_moments([0, 0, 0])
    atoms.set_masses([16, 1, 1])
    atoms.set_momenta(np.ones((3, 3)))
    atoms.set_tags([1, 2, 3])
    atoms.new_array("z", np.array([7, 7, 7]))
    atoms.new_array("element", np.array(["a", "b", "c"]))
    atoms.new_array("flag", np.array([True, False, True]))
    atoms.new_array("tensor", np.ones((3, 9)))
    check(tmp_path/"a.xyz", atoms)
    check(tmp_path/"a.xyz", atoms, columns=["symbols", "positions", "numbers", "momenta"])
    check(tmp_path/"a.xyz", atoms, columns=["symbols", "positions"], write_info=True)


def test_initial_charges_are_the_total_charge(tmp_path):
    """As calculators of ASE take them."""
    atoms = water()
    atoms.set_initial_charges([-0.4, -0.3, -0.3])
    ase_io.write(tmp_path/"a.xyz", atoms, format="extxyz")
    frame, = readFrames(tmp_path/"a.xyz")
    assert frame.charge == -1


def test_results_and_constraints(tmp_path):
    atoms = water(True)
    atoms.calc = SinglePointCalculator(
        atoms, energy=-3.5, forces=np.ones((3, 3)), stress=np.arange(6.0), magmom=0.0,
        charges=np.array([-0.8, 0.4, 0.4]), dipole=np.ones(3), magmoms=np.zeros(3), free_energy=1.0)
    check(tmp_path/"a.xyz", atoms)
    for constraint in (FixAtoms([0]), FixCartesian(1, [True, False, True])):
        atoms.set_constraint(constraint)
        check(tmp_path/"a.xyz", atoms)


def test_several_frames(tmp_path):
    images = [water(), water(True, charge=1), Atoms("CO", [[0, 0, 0], [0, 0, 1.1]], info={"charge": 0}),
              Atoms("Og", [[1e-9, -123456.5, 0]]), water(True, title='a "b" = charge=1')]
    assert len(check(tmp_path/"a.xyz", images)) == 5
    check(tmp_path/"a.xyz", images[:1] + images[2:4], plain=True, comment="free text, it is")
    check(tmp_path/"a.xyz", [images[0], images[1], images[0]], vec_cell=True)


@pytest.mark.parametrize("pbc", [(1, 1, 0), (0, 0, 1), (1, 0, 1)])
def test_partly_periodic(tmp_path, pbc):
    atoms = water(True)
    atoms.pbc = pbc
    for options in ({}, {"vec_cell": True}):
        ase_io.write(tmp_path/"a.xyz", [atoms, water()], format="extxyz", **options)
        wrong, right = readFrames(tmp_path/"a.xyz")
        assert "all three directions" in wrong.error and right.error is None


def test_a_cell_that_is_not_periodic(tmp_path):
    for cell in ([9, 9, 9], [9, 9, 0], [0, 0, 5], [[1, 0, 0], [0, 1, 0], [1, 1, 0]]):
        frame, = check(tmp_path/"a.xyz", water(False, cell))
        assert not frame.pbc
