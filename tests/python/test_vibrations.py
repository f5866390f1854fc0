"""vibrationalWavenumbers(): molecules of springs, whose modes are known."""
import numpy as np
import openmmmlff
import pytest
from openmm import unit
from openmmmlff import vibrationalWavenumbers

# sqrt(1 kJ/mol/nm^2/dalton) = 1/ps, as a wavenumber in 1/cm
PER_PS = 1/(2*np.pi*0.0299792458)


def springs(positions, pairs, k):
    """Hessian of springs at rest between pairs."""
    n = len(positions)
    hessian = np.zeros((n, 3, n, 3))
    for i, j in pairs:
        u = positions[j] - positions[i]
        block = k*np.outer(u, u)/(u @ u)
        for a, b, sign in ((i, i, 1), (j, j, 1), (i, j, -1), (j, i, -1)):
            hessian[a, :, b] += sign*block
    return hessian.reshape(3*n, 3*n)


def turned(positions):
    rotation, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(3, 3)))
    return positions @ rotation.T + [3, -4, 5]


def test_two_atoms():
    x = turned(np.array([[0, 0, 0], [0.1, 0, 0]]))
    found = vibrationalWavenumbers(springs(x, [(0, 1)], 2e5), [1.008, 35.45], x)
    mu = 1.008*35.45/(1.008 + 35.45)
    assert found.unit == unit.centimeter**-1
    assert found._value == pytest.approx([np.sqrt(2e5/mu)*PER_PS], rel=1e-9)
    # not at a minimum: the mode is imaginary
    found = vibrationalWavenumbers(-springs(x, [(0, 1)], 2e5), [1.008, 35.45], x)
    assert found._value == pytest.approx([-np.sqrt(2e5/mu)*PER_PS], rel=1e-9)


def test_triangle():
    """Equal masses and springs: 3k/(2m) twice, and breathing, 3k/m."""
    x = turned(0.1*np.array([[0, 0, 0], [1, 0, 0], [0.5, 0.75**0.5, 0]]))
    h = springs(x, [(0, 1), (1, 2), (0, 2)], 1e5)
    expected = PER_PS*np.sqrt(1e5*np.array([1.5, 1.5, 3])/12)
    assert vibrationalWavenumbers(h, [12]*3, x)._value == pytest.approx(expected, rel=1e-9)
    # in other units; a list of Quantities, as System.getParticleMass() gives
    found = vibrationalWavenumbers(
        unit.Quantity(h, unit.kilojoule_per_mole/unit.nanometer**2).in_units_of(
            unit.kilocalorie_per_mole/unit.angstrom**2), [12*unit.dalton]*3, 10*x*unit.angstrom)
    assert found._value == pytest.approx(expected, rel=1e-9)
    # without positions rotations count: three zeros more
    found = vibrationalWavenumbers(h, [12]*3)._value
    assert len(found) == 6 and np.abs(found[:3]).max() < 1e-3
    assert found[3:] == pytest.approx(expected, rel=1e-9)


def test_forces_tell_whether_it_is_a_minimum(recwarn):
    """0.01 eV/angstrom is 9.65 kJ/mol/nm; the length of each atom's force counts."""
    x = np.array([[0, 0, 0], [0.1, 0, 0]])
    h = springs(x, [(0, 1)], 2e5)
    expected = vibrationalWavenumbers(h, [1, 1], x)._value
    for forces in (np.zeros((2, 3)), [[9.6, 0, 0], [-9.6, 0, 0]], [[5.5, 5.5, 5.5], [0, 0, 0]]):
        assert vibrationalWavenumbers(h, [1, 1], x, forces)._value == pytest.approx(expected)
    assert len(recwarn) == 0
    for forces, size in (([[0, 0, 0], [0, 9.7, 0]], "0.0101"),
                         ([[0, 0, 0], [5.6, 5.6, 5.6]], "0.0101"),
                         (unit.Quantity([[0, 0, 0], [2.3, 0, 0]],
                                        unit.kilocalorie_per_mole/unit.angstrom), "0.0997")):
        with pytest.warns(UserWarning, match=f"force on atom 1, counted from 0, is {size} eV"):
            found = vibrationalWavenumbers(h, [1, 1], x, forces)
        assert found._value == pytest.approx(expected)
    with pytest.raises(ValueError, match=r"\(1, 3\): expected \(2, 3\)"):
        vibrationalWavenumbers(h, [1, 1], x, [[0, 0, 0]])


def test_linear_and_single():
    """Three atoms in line with two springs: k/m and k (1/m + 2/M); bending without a spring."""
    x = turned(np.array([[-0.116, 0, 0], [0, 0, 0], [0.116, 0, 0]]))
    found = vibrationalWavenumbers(springs(x, [(0, 1), (1, 2)], 9e5), [16, 12, 16], x)._value
    assert len(found) == 4 and np.abs(found[:2]).max() < 1e-2
    assert found[2:] == pytest.approx(PER_PS*np.sqrt([9e5/16, 9e5*(1/16 + 2/12)]), rel=1e-9)
    assert len(vibrationalWavenumbers(np.zeros((3, 3)), [16], [[1, 2, 3]])) == 0


@pytest.mark.parametrize("hessian, masses, positions, message", [
    (np.zeros((6, 6)), [1, 1, 1], None, r"\(6, 6\): expected \(9, 9\)"),
    (np.full((3, 3), np.nan), [1], None, "not finite"),
    (np.zeros((3, 3)), [0], None, "mass is not positive"),
    (np.zeros((6, 6)), [1, 1], [[0, 0, 0]], r"\(1, 3\): expected \(2, 3\)")])
def test_what_is_refused(hessian, masses, positions, message):
    with pytest.raises(ValueError, match=message):
        vibrationalWavenumbers(hessian, masses, positions)


def test_it_is_public():
    assert "vibrationalWavenumbers" in openmmmlff.__all__
