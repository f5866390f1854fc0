"""createMixedSystem(): term counts and energies against what is computed another way."""
import copy
import json

import numpy as np
import openmm
import openmmmlff
import pytest
from conftest import EXAMPLES, SHARED, needs_shared
from openmm import app, unit
from openmmmlff import MLFFForce, createMixedSystem

PEPTIDE = range(22)
SOLVENT = {"NoCutoff": app.NoCutoff, "CutoffPeriodic": app.CutoffPeriodic, "PME": app.PME}


def energyOf(system, positions, groups=-1):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    return context.getState(energy=True, groups=groups).getPotentialEnergy()._value


@pytest.fixture(scope="module")
def peptide():
    """Alanine dipeptide alone."""
    return app.PDBFile(str(EXAMPLES/"alanine_dipeptide.pdb"))


@pytest.fixture(scope="module")
def solution(peptide):
    """Alanine dipeptide in a small box of water: Modeller."""
    modeller = app.Modeller(peptide.topology, peptide.positions)
    modeller.addSolvent(app.ForceField("amber14-all.xml", "amber14/tip3p.xml"), model="tip3p",
                        boxSize=openmm.Vec3(1.9, 1.9, 1.9)*unit.nanometer)
    return modeller


def amber(topology, **kwargs):
    forceField = app.ForceField("amber14-all.xml", "amber14/tip3p.xml")
    return forceField.createSystem(topology, **kwargs)


def termsWithin(system, chosen):
    """How many bonded terms, constraints and pairs of nonzero parameters lie among the chosen."""
    count = system.getNumConstraints() - len([
        i for i in range(system.getNumConstraints())
        if not set(system.getConstraintParameters(i)[:2]) <= chosen])
    for force in system.getForces():
        kind = type(force).__name__
        if kind == "CMAPTorsionForce":
            terms = [force.getTorsionParameters(i)[1:] for i in range(force.getNumTorsions())]
        elif kind.endswith("BondForce"):
            terms = [force.getBondParameters(i)[:2] for i in range(force.getNumBonds())]
        elif kind.endswith("AngleForce"):
            terms = [force.getAngleParameters(i)[:3] for i in range(force.getNumAngles())]
        elif kind.endswith("TorsionForce"):
            terms = [force.getTorsionParameters(i)[:4] for i in range(force.getNumTorsions())]
        else:
            continue
        count += sum(set(term) <= chosen for term in terms)
    return count


# ------------------------------------------------------------------ energies
@pytest.mark.parametrize("method", SOLVENT)
def test_energy_is_the_sum_of_its_parts(peptide, solution, method):
    """E(mixed) = E(force field) - E(force field, peptide alone) + E(network, peptide alone).

    The nonbonded energy of the peptide alone is what its pairs contribute in any method: under PME
    an exception takes the whole Coulomb energy of a pair out. With a plain cutoff that is so for
    neither term, so there the Coulomb part of the pairs is counted by hand.
    """
    kwargs = {"nonbondedMethod": SOLVENT[method], "nonbondedCutoff": 0.9*unit.nanometer}
    system = amber(solution.topology, **kwargs)
    before = openmm.XmlSerializer.serialize(system)
    mixed = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno")
    assert openmm.XmlSerializer.serialize(system) == before

    alone = amber(peptide.topology, nonbondedMethod=app.NoCutoff)
    network = openmm.System()
    for _ in PEPTIDE:
        network.addParticle(1.0)
    network.addForce(MLFFForce.fromTopology("painn-hcno", peptide.topology))
    positions = solution.positions[:22]
    removed = energyOf(alone, positions)
    if method == "CutoffPeriodic":
        removed += reactionField(system, positions)
    expected = energyOf(system, solution.positions) - removed + energyOf(network, positions)
    assert abs(removed) > 10
    # the network's energy is -1.3e6 kJ/mol
    assert energyOf(mixed, solution.positions) == pytest.approx(expected, abs=1e-6)


def reactionField(system, positions):
    """What a reaction field adds to plain Coulomb, over the pairs that are no exceptions."""
    force = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    exceptions = {frozenset(force.getExceptionParameters(i)[:2])
                  for i in range(force.getNumExceptions())}
    rc = force.getCutoffDistance()._value
    eps = force.getReactionFieldDielectric()
    krf, crf = (eps - 1)/(2*eps + 1)/rc**3, 3*eps/(2*eps + 1)/rc
    x = np.array(positions.value_in_unit(unit.nanometer))
    q = [force.getParticleParameters(i)[0]._value for i in PEPTIDE]
    energy = 0.0
    for i in PEPTIDE:
        for j in range(i):
            if frozenset((i, j)) not in exceptions:
                r = np.linalg.norm(x[i] - x[j])
                assert r < rc
                energy += 138.93545764438198*q[i]*q[j]*(krf*r*r - crf)
    return energy


def manyTerms(topology):
    """A System with kinds of terms that amber14 lacks: CMAP (ff19SB), Urey-Bradley terms, custom
    torsions, Lennard-Jones by a CustomNonbondedForce.
    """
    forceField = app.ForceField("amber19/protein.ff19SB.xml", "amber14/tip3p.xml")
    system = forceField.createSystem(topology)
    bonds = [(b.atom1.index, b.atom2.index) for b in topology.bonds()]
    neighbors = {a.index: {j for b in bonds if a.index in b for j in b if j != a.index}
                 for a in topology.atoms()}
    urey = next(f for f in system.getForces() if isinstance(f, openmm.HarmonicBondForce))
    custom = openmm.CustomTorsionForce("k*theta^2")
    custom.addPerTorsionParameter("k")
    for center, around in neighbors.items():
        ordered = sorted(around)
        if len(ordered) > 1:
            urey.addBond(ordered[0], ordered[1], 0.2, 1000)
        if len(ordered) == 3:
            custom.addTorsion(center, *ordered, [2])
    system.addForce(custom)
    lennardJones = openmm.CustomNonbondedForce(
        "4*eps*((s/r)^12-(s/r)^6); eps=sqrt(eps1*eps2); s=(s1+s2)/2")
    lennardJones.addPerParticleParameter("s")
    lennardJones.addPerParticleParameter("eps")
    nonbonded = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    for i in range(system.getNumParticles()):
        q, sigma, epsilon = nonbonded.getParticleParameters(i)
        lennardJones.addParticle([sigma, epsilon])
        nonbonded.setParticleParameters(i, q, sigma, 0)
    for i in range(nonbonded.getNumExceptions()):
        lennardJones.addExclusion(*nonbonded.getExceptionParameters(i)[:2])
    system.addForce(lennardJones)
    return system


def test_all_kinds_of_terms(peptide):
    modeller = app.Modeller(peptide.topology, peptide.positions)
    modeller.addSolvent(app.ForceField("amber14-all.xml", "amber14/tip3p.xml"), numAdded=4)
    modeller.topology.setPeriodicBoxVectors(None)
    positions = modeller.positions
    system = manyTerms(modeller.topology)
    kinds = {type(force).__name__ for force in system.getForces()}
    assert {"CMAPTorsionForce", "CustomTorsionForce", "CustomNonbondedForce"} <= kinds
    mixed = createMixedSystem(modeller.topology, system, PEPTIDE, "painn-hcno", forceGroup=5)
    removed = energyOf(manyTerms(peptide.topology), positions[:22])
    assert energyOf(mixed, positions, groups=~(1 << 5)) == pytest.approx(
        energyOf(system, positions) - removed, abs=1e-7)
    assert termsWithin(system, set(PEPTIDE)) > 90
    assert termsWithin(mixed, set(PEPTIDE)) == 0
    custom = next(f for f in mixed.getForces() if isinstance(f, openmm.CustomNonbondedForce))
    pairs = [frozenset(custom.getExclusionParticles(i)) for i in range(custom.getNumExclusions())]
    assert len(pairs) == len(set(pairs)) and sum(p <= set(PEPTIDE) for p in pairs) == 231
    # every nonbonded force excludes the same pairs, as GPU platforms demand
    plain = next(f for f in mixed.getForces() if isinstance(f, openmm.NonbondedForce))
    assert {frozenset(plain.getExceptionParameters(i)[:2])
            for i in range(plain.getNumExceptions())} == set(pairs)


@needs_shared
@pytest.mark.parametrize("case", [0, 2, 3])
def test_against_openmmml(case):
    """Energies, forces and counts that openmmml gave, with its stand-in potential added by hand."""
    folder = SHARED/"golden"/"mlmm"
    golden = json.loads((folder/"mixed_mechanical.json").read_text())["cases"][case]
    pdb = app.PDBFile(str(folder/"ala_water.pdb"))
    forceField = app.ForceField("amber14-all.xml", "amber14/tip3pfb.xml")
    system = forceField.createSystem(
        pdb.topology, nonbondedMethod=SOLVENT[golden["nonbonded"]],
        nonbondedCutoff=0.9*unit.nanometer,
        constraints=app.HBonds if golden["constraints"] == "HBonds" else None)
    ml = golden["ml_atoms"]
    mixed = createMixedSystem(pdb.topology, system, iter(ml), "painn-hcno", forceGroup=7)

    counts = {"constraints": mixed.getNumConstraints(), "particles": mixed.getNumParticles()}
    for force in mixed.getForces():
        kind = type(force).__name__
        for what in ("Bonds", "Angles", "Torsions", "Exceptions"):
            if f"{kind}.{what}" in golden["counts"] and hasattr(force, f"getNum{what}"):
                counts[f"{kind}.{what}"] = getattr(force, f"getNum{what}")()
    expected = dict(golden["counts"])
    del expected["CustomBondForce.Bonds"]  # the stand-in potential
    assert counts == expected

    context = openmm.Context(mixed, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(pdb.positions)
    state = context.getState(energy=True, forces=True, groups=~(1 << 7))
    forces = state.getForces(asNumpy=True)._value
    # 10 sum Z_i Z_j exp(-r/0.1 nm)
    x = np.array(pdb.positions.value_in_unit(unit.nanometer))[ml]
    z = np.array([a.element.atomic_number for a in pdb.topology.atoms()], dtype=float)[ml]
    d = x[:, None] - x[None]
    r = np.linalg.norm(d, axis=-1) + np.eye(len(ml))
    pair = 10*z[:, None]*z[None]*np.exp(-r/0.1)*(1 - np.eye(len(ml)))
    assert state.getPotentialEnergy()._value + pair.sum()/2 == pytest.approx(
        golden["energy"], abs=1e-3)
    forces[ml] += np.einsum("ij,ijk->ik", pair/0.1/r, d)
    for atom, force in golden["forces"].items():
        assert forces[int(atom)] == pytest.approx(np.array(force), abs=1e-2)


# ------------------------------------------------------------------ what is kept
def test_rest_is_untouched(solution):
    system = amber(solution.topology, nonbondedMethod=app.PME,
                   nonbondedCutoff=0.9*unit.nanometer, constraints=app.HBonds)
    system.addForce(openmm.MonteCarloBarostat(1, 300))
    mixed = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno", forceGroup=3)
    inside = set(PEPTIDE)
    assert termsWithin(mixed, inside) == 0 < termsWithin(system, inside)
    outside = set(range(22, system.getNumParticles()))
    assert termsWithin(mixed, outside) == termsWithin(system, outside) > 0
    names = [type(force).__name__ for force in system.getForces()]
    assert [type(force).__name__ for force in mixed.getForces()[:-1]] == names
    force = MLFFForce.cast(mixed.getForces()[-1])
    assert force.getForceGroup() == 3 and not force.usesPeriodicBoundaryConditions()
    assert force.getNumAtoms() == 22 and force.getNumBonds() == 21
    nonbonded = next(f for f in mixed.getForces() if isinstance(f, openmm.NonbondedForce))
    assert nonbonded.getExceptionsUsePeriodicBoundaryConditions()
    kept = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno",
                             removeConstraints=False)
    assert kept.getNumConstraints() == system.getNumConstraints() > mixed.getNumConstraints()


def test_restraints_to_the_rest_stay(solution):
    """A term with an atom outside is not the network's business."""
    system = amber(solution.topology)
    restraint = openmm.CustomBondForce("r")
    restraint.addBond(0, 22, [])
    restraint.addBond(0, 5, [])
    system.addForce(restraint)
    compound = openmm.CustomCompoundBondForce(3, "distance(p1, p2)")
    compound.addBond([0, 1, 22], [])
    compound.addBond([0, 1, 2], [])
    system.addForce(compound)
    mixed = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno")
    forces = {type(force).__name__: force for force in mixed.getForces()}
    assert forces["CustomBondForce"].getNumBonds() == 1
    assert forces["CustomBondForce"].getBondParameters(0)[:2] == [0, 22]
    assert forces["CustomCompoundBondForce"].getNumBonds() == 1


def test_atoms_in_any_form_and_two_regions(solution):
    """One water more becomes the network's, by a second call."""
    system = amber(solution.topology)
    residues = list(solution.topology.residues())
    peptide = [atom for residue in residues[:3] for atom in residue.atoms()]
    first = createMixedSystem(solution.topology, system, (a for a in peptide), "painn-hcno")
    same = createMixedSystem(solution.topology, system, np.arange(22), "painn-hcno")
    assert openmm.XmlSerializer.serialize(first) == openmm.XmlSerializer.serialize(same)
    second = createMixedSystem(solution.topology, first, residues[3].atoms(), "painn-hcno")
    forces = [MLFFForce.cast(f) for f in second.getForces() if MLFFForce.isinstance(f)]
    assert [f.getNumAtoms() for f in forces] == [22, 3]
    assert np.isfinite(energyOf(second, solution.positions))


def test_a_force_made_before(solution):
    system = amber(solution.topology)
    force = MLFFForce.fromTopology("painn-hcno", solution.topology, PEPTIDE)
    force.setForceGroup(4)
    force.setScaleParameter("lambda_ml")
    mixed = createMixedSystem(solution.topology, system, PEPTIDE, force)
    added = MLFFForce.cast(mixed.getForces()[-1])
    assert added.getForceGroup() == 4 and added.getScaleParameter() == "lambda_ml"
    assert force.thisown  # a copy was added
    with pytest.raises(ValueError, match="particle 21"):
        createMixedSystem(solution.topology, system, [*range(21), *range(22, 25)], force)
    with pytest.raises(ValueError, match="no effect with an MLFFForce"):
        createMixedSystem(solution.topology, system, PEPTIDE, force, charge=1)
    with pytest.raises(TypeError, match="HarmonicBondForce"):
        createMixedSystem(solution.topology, system, PEPTIDE, openmm.HarmonicBondForce())


# ------------------------------------------------------------------ what is refused
def test_cut_bonds_are_refused(solution):
    system = amber(solution.topology, constraints=app.HBonds)
    with pytest.raises(ValueError, match=r"bond between atom 4 \(C of ACE 1\) and atom 6 \(N of "
                                         r"ALA 2\) would be cut"):
        createMixedSystem(solution.topology, system, range(6), "painn-hcno")
    # a Topology without bonds does not hide what the System holds together
    bare = copy.deepcopy(solution.topology)
    bare._bonds.clear()
    with pytest.raises(ValueError, match="constraint between .* would be cut"):
        createMixedSystem(bare, system, [22, 23], "painn-hcno")
    with pytest.raises(ValueError, match="harmonic bond between .* would be cut"):
        createMixedSystem(bare, amber(solution.topology, rigidWater=False), [22, 23],
                          "painn-hcno")
    with pytest.raises(ValueError, match="neither proper nor improper"):
        createMixedSystem(bare, amber(solution.topology), PEPTIDE, "painn-hcno")


def test_other_systems_are_refused(solution):
    system = amber(solution.topology)
    with pytest.raises(TypeError, match="in this order"):
        createMixedSystem(system, solution.topology, PEPTIDE, "painn-hcno")
    small = app.PDBFile(str(EXAMPLES/"alanine_dipeptide.pdb")).topology
    with pytest.raises(ValueError, match="particles"):
        createMixedSystem(small, system, PEPTIDE, "painn-hcno")
    polarizable = copy.deepcopy(system)
    polarizable.addForce(openmm.DrudeForce())
    with pytest.raises(ValueError, match="DrudeForce"):
        createMixedSystem(solution.topology, polarizable, PEPTIDE, "painn-hcno")
    nonbonded = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    nonbonded.addGlobalParameter("lambda", 1)
    nonbonded.addExceptionParameterOffset("lambda", 0, 0.1, 0, 0)
    with pytest.raises(ValueError, match="offset"):
        createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno")


def test_virtual_sites_of_chosen_molecules_are_refused():
    forceField = app.ForceField("tip4pew.xml")
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(forceField, model="tip4pew", numAdded=3)
    system = forceField.createSystem(modeller.topology)
    water = [a for a in next(modeller.topology.residues()).atoms()]
    with pytest.raises(ValueError, match="has no element"):
        createMixedSystem(modeller.topology, system, water, "painn-hcno")
    with pytest.raises(ValueError, match="is a virtual site of a molecule"):
        createMixedSystem(modeller.topology, system, water[:3], "painn-hcno")


# ------------------------------------------------------------------ dynamics
def test_wrapped_atoms_and_barostat(solution):
    """Atoms wrapped one by one give the same energy; a barostat moves the peptide as a whole."""
    system = amber(solution.topology, nonbondedMethod=app.PME,
                   nonbondedCutoff=0.9*unit.nanometer)
    mixed = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno", forceGroup=1)
    x = np.array(solution.positions.value_in_unit(unit.nanometer))
    shift = x - x[:22].mean(axis=0)  # the peptide lies across the corner of the box
    wrapped = shift % 1.9
    assert np.abs(wrapped[:22] - shift[:22]).max() > 1
    assert energyOf(mixed, wrapped, groups=2) == pytest.approx(energyOf(mixed, shift, groups=2),
                                                              abs=1e-6)
    context = openmm.Context(mixed, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    molecules = context.getMolecules()
    assert sorted(molecules[0]) == list(PEPTIDE)
