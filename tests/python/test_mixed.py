"""createMixedSystem(): term counts and energies against what is computed another way."""
import copy
import json
import warnings

import numpy as np
import openmm
import openmmmlff
import pytest
from conftest import DATA, EXAMPLES, SHARED, needs_shared
from openmm import app, unit
from openmmmlff import MLFFForce, createMixedSystem
from openmmmlff.nonbonded import removeImages, removeNonbonded

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
    mixed = createMixedSystem(modeller.topology, system, PEPTIDE, "painn-hcno", forceGroup=5,
                              customForces="remove")
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


def withBiases(solution):
    """A System with restraints of several kinds: on the peptide alone, and to the rest."""
    system = amber(solution.topology)
    pair = openmm.CustomBondForce("r")
    pair.addBond(0, 22, [])
    pair.addBond(0, 5, [])
    dihedral = openmm.CustomTorsionForce("k*(theta-theta0)^2")  # CHARMM's, were it an improper
    for name in ("k", "theta0"):
        dihedral.addPerTorsionParameter(name)
    dihedral.addTorsion(4, 6, 8, 14, [10, -1.2])
    compound = openmm.CustomCompoundBondForce(3, "distance(p1, p2)")
    compound.addBond([0, 1, 22], [])
    compound.addBond([0, 1, 2], [])
    angle = openmm.CustomAngleForce("a*theta")
    angle.addGlobalParameter("a", 3)
    angle.addAngle(4, 6, 8, [])
    centroids = openmm.CustomCentroidBondForce(2, "distance(g1, g2)")
    centroids.addGroup([0, 1])
    centroids.addGroup([2, 3])
    centroids.addBond([0, 1], [])
    external = openmm.CustomExternalForce("x")
    external.addParticle(3, [])
    variable = openmm.CustomCVForce("r")
    variable.addCollectiveVariable("r", openmm.RMSDForce(solution.positions, [0, 5, 9]))
    for force in (pair, dihedral, compound, angle, centroids, external, variable):
        force.setForceGroup(9)
        system.addForce(force)
    pair.setName("distance")
    return system


def numTerms(system, name):
    force = next(f for f in system.getForces() if type(f).__name__ == name)
    return force.getNumTorsions() if "Torsion" in name else \
        force.getNumAngles() if "Angle" in name else force.getNumBonds()


def test_biases_stay(solution):
    """Restraints are no terms of the force field; what is done without being asked is said."""
    system = withBiases(solution)
    x = solution.positions
    with pytest.warns(UserWarning) as said:
        mixed = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno")
    texts = [str(w.message) for w in said]
    for name in ("CustomBondForce 'distance'", "CustomTorsionForce", "CustomCompoundBondForce",
                 "CustomAngleForce"):
        assert any(f"a {name} with the energy" in text and "is kept" in text for text in texts)
    assert len(texts) == 4
    assert energyOf(mixed, x, groups=1 << 9) == energyOf(system, x, groups=1 << 9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kept = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno",
                                 customForces="keep")
    assert openmm.XmlSerializer.serialize(kept) == openmm.XmlSerializer.serialize(mixed)


def test_biases_by_choice(solution):
    """Terms with an atom outside are not the network's business, whatever was chosen."""
    system = withBiases(solution)

    def counts(customForces):
        mixed = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno",
                                  customForces=customForces)
        return [numTerms(mixed, name) for name in (
            "CustomBondForce", "CustomTorsionForce", "CustomCompoundBondForce", "CustomAngleForce",
            "CustomCentroidBondForce")]

    names = [force.getName() for force in system.getForces()]
    assert counts("keep") == [2, 1, 2, 1, 1]
    assert counts("remove") == [1, 0, 1, 0, 1]
    assert counts(["distance"]) == [2, 0, 1, 0, 1]
    assert counts([names.index("CustomAngleForce"), "CustomTorsionForce"]) == [1, 1, 1, 1, 1]
    for wrong in ("Keep", ["distances"], [len(names)]):
        with pytest.raises(ValueError, match="customForces"):
            counts(wrong)


def test_custom_terms_of_force_fields_go(peptide):
    """CHARMM: Urey-Bradley terms, CMAP, Lennard-Jones and its 1-4 pairs, impropers as a custom
    force. Nothing is left of the peptide, and nothing is said.
    """
    forceField = app.ForceField("charmm36_2024.xml")
    system = forceField.createSystem(peptide.topology)
    kinds = {force.getName() for force in system.getForces()}
    assert {"LennardJones", "LennardJones14", "CMAPTorsionForce"} <= kinds
    for energy in ("k*(theta-theta0)^2",
                   "k*min(dtheta, 2*pi-dtheta)^2; dtheta = abs(theta-theta0);pi = 3.141593;",
                   "k*min(dtheta, 2*3.141592653589793-dtheta)^2; dtheta = abs(theta-theta0)"):
        improper = openmm.CustomTorsionForce(energy)
        for name in ("k", "theta0"):
            improper.addPerTorsionParameter(name)
        improper.addTorsion(4, 1, 5, 6, [80, 0])
        system.addForce(improper)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mixed = createMixedSystem(peptide.topology, system, PEPTIDE, "painn-hcno", forceGroup=3)
    assert abs(energyOf(system, peptide.positions)) > 1
    assert energyOf(mixed, peptide.positions, groups=~(1 << 3)) == pytest.approx(0, abs=1e-9)


def test_forces_that_cannot_be_divided(solution):
    system = amber(solution.topology)
    many = openmm.CustomManyParticleForce(3, "distance(p1, p2)")
    for _ in range(system.getNumParticles()):
        many.addParticle([])
    system.addForce(many)
    with pytest.warns(UserWarning, match="CustomManyParticleForce .* is left as it is"):
        createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno")
    with pytest.raises(ValueError, match="cannot be taken out of it"):
        createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno", customForces="remove")


def test_atoms_in_any_form(solution):
    """Indices, atoms, any iterable; one water more by a second call."""
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


# ------------------------------------------------------------------ several regions
def twoRegions(topology, regions, model="painn-hcno"):
    """One MLFFForce with a region for each set of particles."""
    force = MLFFForce(model)
    numbers = [atom.element.atomic_number for atom in topology.atoms()]
    for k, particles in enumerate(regions):
        if k > 0:
            force.addRegion()
        for p in particles:
            force.addAtom(p, numbers[p], k)
    chosen = {p for particles in regions for p in particles}
    for bond in topology.bonds():
        if bond.atom1.index in chosen and bond.atom2.index in chosen:
            force.addBond(bond.atom1.index, bond.atom2.index)
    return force


@pytest.mark.parametrize("method", SOLVENT)
def test_regions_meet_as_the_force_field_says(solution, method):
    """Two regions of one force: as two calls, one after the other."""
    system = amber(solution.topology, nonbondedMethod=SOLVENT[method],
                   nonbondedCutoff=0.9*unit.nanometer)
    x = np.array(solution.positions.value_in_unit(unit.nanometer))
    waters = [[a.index for a in r.atoms()] for r in list(solution.topology.residues())[3:]]
    near = min(waters, key=lambda w: np.linalg.norm(x[w[0]] - x[:22], axis=1).min())
    force = twoRegions(solution.topology, [PEPTIDE, near])
    one = createMixedSystem(solution.topology, system, [*near, *PEPTIDE], force)
    first = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno")
    two = createMixedSystem(solution.topology, first, near, "painn-hcno")
    together = createMixedSystem(solution.topology, system, [*PEPTIDE, *near], "painn-hcno")
    energy = energyOf(one, x)
    assert energy == pytest.approx(energyOf(two, x), abs=1e-6)
    assert abs(energy - energyOf(together, x)) > 1  # where the network sees both
    assert termsWithin(one, {*PEPTIDE, *near}) == 0


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_energy_of_two_regions(platform):
    """E = E_net(A) + E_net(B) + E_MM(A-B), the last as a difference of force field energies."""
    forceField = app.ForceField("amber14/tip3p.xml")
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(forceField, numAdded=2)
    modeller.topology.setPeriodicBoxVectors(None)
    topology = modeller.topology
    water = np.array([[0, 0, 0.0119], [0, 0.0763, -0.0477], [0, -0.0763, -0.0477]])

    def energy(system, positions):
        context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                                 openmm.Platform.getPlatformByName(platform))
        context.setPositions(positions)
        return context.getState(energy=True).getPotentialEnergy()._value

    system = forceField.createSystem(topology, rigidWater=False)
    restraint = openmm.CustomBondForce("10*r")  # between the regions
    restraint.addBond(0, 3, [])
    system.addForce(restraint)
    regions = [[0, 1, 2], [3, 4, 5]]
    mixed = createMixedSystem(topology, system, range(6), twoRegions(topology, regions))
    assert numTerms(mixed, "CustomBondForce") == 1
    alone = openmm.System()
    for _ in range(3):
        alone.addParticle(1)
    single = copy.deepcopy(alone)
    network = MLFFForce("painn-hcno")
    for p, z in enumerate((8, 1, 1)):
        network.addAtom(p, z)
    alone.addForce(network)
    one = app.Modeller(topology, modeller.positions)
    one.delete(list(topology.residues())[1:])
    single = forceField.createSystem(one.topology, rigidWater=False)
    for r in (0.27, 0.32, 0.5):
        other = water + [0, 0.05, r]
        x = np.vstack([water, other])
        between = energy(system, x) - energy(single, water) - energy(single, other)
        assert energy(mixed, x) == pytest.approx(
            energy(alone, water) + energy(alone, other) + between,
            abs=1e-7 if platform == "Reference" else 2e-2)


def test_a_molecule_in_two_regions_is_refused(solution):
    force = twoRegions(solution.topology, [PEPTIDE])
    force.addRegion()
    for i in range(6, 22):
        particle, z, _ = force.getAtomParameters(i)
        force.setAtomParameters(i, particle, z, 1)
    with pytest.raises(ValueError, match="in regions 0 and 1 of the MLFFForce"):
        createMixedSystem(solution.topology, amber(solution.topology), PEPTIDE, force)


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


# ------------------------------------------------------------------ periodic networks
PERIODIC = {**SOLVENT, "Ewald": app.Ewald, "LJPME": app.LJPME}
del PERIODIC["NoCutoff"]


@pytest.fixture(scope="module")
def water():
    """A small box of water."""
    modeller = app.Modeller(app.Topology(), [])
    modeller.addSolvent(app.ForceField("amber14/tip3p.xml"),
                        boxSize=openmm.Vec3(1.3, 1.4, 1.5)*unit.nanometer)
    return modeller


def stateOf(system, positions, platform):
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName(platform))
    context.setPositions(positions)
    state = context.getState(energy=True, forces=True)
    return state.getPotentialEnergy()._value, state.getForces(asNumpy=True)._value


def networkAlone(topology, atoms=None, model="painn-hcno"):
    """A System of the same particles that has nothing but a network with periodic images."""
    system = openmm.System()
    for atom in topology.atoms():
        system.addParticle(atom.element.mass)
    system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors())
    system.addForce(MLFFForce.fromTopology(model, topology, atoms, periodic=True))
    return system


def switchOff(system, inside):
    """Take away what other atoms have of the force field: no charges, no wells, no springs."""
    result = copy.deepcopy(system)
    for force in result.getForces():
        kind = type(force).__name__
        if kind == "NonbondedForce":
            for p in range(force.getNumParticles()):
                if p not in inside:
                    force.setParticleParameters(p, 0, 1, 0)
            for i in range(force.getNumExceptions()):
                p1, p2, *_ = force.getExceptionParameters(i)
                if not {p1, p2} <= inside:
                    force.setExceptionParameters(i, p1, p2, 0, 1, 0)
        elif kind == "CustomNonbondedForce":
            for p in range(force.getNumParticles()):
                if p not in inside:
                    force.setParticleParameters(p, [0]*force.getNumPerParticleParameters())
        elif kind == "HarmonicBondForce":
            for i in range(force.getNumBonds()):
                p1, p2, length, _ = force.getBondParameters(i)
                if p1 not in inside:
                    force.setBondParameters(i, p1, p2, length, 0)
        elif kind == "HarmonicAngleForce":
            for i in range(force.getNumAngles()):
                *particles, angle, _ = force.getAngleParameters(i)
                if particles[0] not in inside:
                    force.setAngleParameters(i, *particles, angle, 0)
    return result


@pytest.mark.parametrize("method", PERIODIC)
def test_whole_box(water, method):
    """All atoms of a periodic box: the network with its images and nothing else."""
    system = amber(water.topology, nonbondedMethod=PERIODIC[method], rigidWater=False,
                   nonbondedCutoff=0.6*unit.nanometer)
    everything = range(system.getNumParticles())
    energy, forces = stateOf(networkAlone(water.topology), water.positions, "CPU")
    force = MLFFForce.fromTopology("painn-hcno", water.topology)
    for model in ("painn-hcno", force):
        mixed = createMixedSystem(water.topology, system, everything, model)
        mixedEnergy, mixedForces = stateOf(mixed, water.positions, "CPU")
        assert mixedEnergy == energy and np.array_equal(mixedForces, forces)
    assert mixed.usesPeriodicBoundaryConditions()


def halfBox(water, method, custom=False):
    """A System, the atoms of half its molecules, and energy and forces of a mixed System by parts:
    E_MM(all) - E_MM(half, with its images) + E_net(half, with its images).
    """
    system = amber(water.topology, nonbondedMethod=PERIODIC[method], rigidWater=False,
                   nonbondedCutoff=0.6*unit.nanometer, switchDistance=0.5*unit.nanometer)
    n = system.getNumParticles()//6*3
    half = list(range(0, n, 3)) + [i for i in range(n) if i % 3]  # in another order
    if custom:
        attraction = openmm.CustomNonbondedForce("-c1*c2/r6; r6=r^6")
        attraction.addPerParticleParameter("c")
        for i in range(system.getNumParticles()):
            attraction.addParticle([0.03 if i % 3 == 0 else 0.01])
        nonbonded = next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
        for i in range(nonbonded.getNumExceptions()):
            attraction.addExclusion(*nonbonded.getExceptionParameters(i)[:2])
        attraction.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
        attraction.setCutoffDistance(0.6)
        attraction.setUseLongRangeCorrection(True)
        system.addForce(attraction)

    def parts(platform):
        x = water.positions
        (e1, f1), (e2, f2), (e3, f3) = (stateOf(s, x, platform) for s in (
            system, switchOff(system, set(half)), networkAlone(water.topology, half)))
        return e1 - e2 + e3, f1 - f2 + f3
    return system, half, parts


@pytest.mark.parametrize("method", PERIODIC)
def test_half_a_box(water, method):
    """No image of a chosen atom acts on a chosen atom by the force field."""
    system, half, parts = halfBox(water, method)
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    energy, forces = stateOf(mixed, water.positions, "Reference")
    expectedEnergy, expectedForces = parts("Reference")
    assert energy == pytest.approx(expectedEnergy, abs=1e-6)
    assert forces == pytest.approx(expectedForces, abs=1e-6)
    # the terms in question are no small ones
    vacuum = copy.deepcopy(system)
    removeNonbonded(vacuum, [half])
    images = copy.deepcopy(vacuum)
    removeImages(images, [half])
    difference = energyOf(vacuum, water.positions) - energyOf(images, water.positions)
    assert abs(difference) > 0.5


def test_a_network_taken_out_leaves_its_images(water):
    """What subtracts the images belongs to the network that was removed: mixing again is refused."""
    system, half, _ = halfBox(water, "PME")
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    mixed.removeForce(next(i for i, force in enumerate(mixed.getForces())
                           if MLFFForce.isinstance(force)))
    for periodic in (True, False):
        with pytest.raises(ValueError, match="ImagesOfRegions.*start from the force field's System"):
            createMixedSystem(water.topology, mixed, half, "painn-hcno", periodic=periodic)


def test_half_a_box_in_single_precision(water):
    system, half, parts = halfBox(water, "PME")
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    energy, forces = stateOf(mixed, water.positions, "CPU")
    expectedEnergy, expectedForces = parts("Reference")
    assert energy == pytest.approx(expectedEnergy, rel=1e-6)
    assert forces == pytest.approx(expectedForces, abs=2)


def test_correction_of_custom_forces(water):
    """A CustomNonbondedForce's correction beyond the cutoff, which knows no exclusions."""
    system, half, parts = halfBox(water, "PME", custom=True)
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    energy, forces = stateOf(mixed, water.positions, "Reference")
    expectedEnergy, expectedForces = parts("Reference")
    assert energy == pytest.approx(expectedEnergy, abs=1e-6)
    assert forces == pytest.approx(expectedForces, abs=1e-6)


def test_a_correction_that_is_switched_on_later(water):
    """The CustomNonbondedForce knows its regions also where it has no correction yet."""
    system, half, parts = halfBox(water, "PME", custom=True)

    def customOf(system):
        return next(f for f in system.getForces() if isinstance(f, openmm.CustomNonbondedForce))
    customOf(system).setUseLongRangeCorrection(False)
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    without = energyOf(mixed, water.positions)
    assert without == pytest.approx(parts("Reference")[0], abs=1e-6)
    for one in (system, mixed):
        customOf(one).setUseLongRangeCorrection(True)
    energy = energyOf(mixed, water.positions)
    assert energy == pytest.approx(parts("Reference")[0], abs=1e-6)
    assert abs(energy - without) > 0.01


def test_regions_with_images(water):
    """Two regions with images, in one force or by two calls: each sees only its own."""
    system, half, _ = halfBox(water, "PME")
    one, two = sorted(half)[:30], sorted(half)[30:]
    force = twoRegions(water.topology, [one, two])
    force.setUsesPeriodicBoundaryConditions(True)
    mixed = createMixedSystem(water.topology, system, half, force)
    first = createMixedSystem(water.topology, system, one, "painn-hcno", periodic=True)
    second = createMixedSystem(water.topology, first, two, "painn-hcno", periodic=True)
    energy, forces = stateOf(mixed, water.positions, "Reference")
    expectedEnergy, expectedForces = stateOf(second, water.positions, "Reference")
    assert energy == pytest.approx(expectedEnergy, abs=1e-6)
    assert forces == pytest.approx(expectedForces, abs=1e-6)


# What of the NonbondedForce has an effect on its copies: a change, and what the message says of it.
# Particle 0 is among the chosen ones.
CHANGES = {
    "charge": (lambda f: f.setParticleParameters(0, -0.4, 0.315, 0.6), "charge of particle 0 in e"),
    "charge to zero": (lambda f: f.setParticleParameters(0, 0, 0.315, 0.6), "charge of particle 0"),
    "sigma": (lambda f: f.setParticleParameters(0, *moved(f, 0, 1)), "sigma of particle 0 in nm"),
    "epsilon": (lambda f: f.setParticleParameters(0, *moved(f, 0, 2)), "epsilon of particle 0"),
    "offset": (lambda f: addOffset(f), "parameter offsets"),
    "method": (lambda f: f.setNonbondedMethod(openmm.NonbondedForce.LJPME), "nonbonded method"),
    "cutoff": (lambda f: f.setCutoffDistance(0.55), r"cutoff distance in nm is 0\.55, in the copy 0\.6"),
    "switching": (lambda f: f.setUseSwitchingFunction(False), "use of a switching function is 0"),
    "switching distance": (lambda f: f.setSwitchingDistance(0.4), "switching distance in nm is 0.4"),
    "tolerance": (lambda f: f.setEwaldErrorTolerance(1e-3), "Ewald error tolerance"),
    "PME": (lambda f: f.setPMEParameters(3, 20, 21, 22), "PME parameter alpha"),
    "PME grid": (lambda f: f.setPMEParameters(0, 20, 21, 22), "PME grid size along x"),
    "LJPME": (lambda f: f.setLJPMEParameters(3, 20, 21, 22), "LJPME parameter alpha"),
    "correction": (lambda f: f.setUseDispersionCorrection(not f.getUseDispersionCorrection()),
                   "use of a dispersion correction"),
    "direct space": (lambda f: f.setIncludeDirectSpace(False), "inclusion of the direct space"),
    "exceptions": (lambda f: f.setExceptionsUsePeriodicBoundaryConditions(False),
                   "periodic boundary conditions for exceptions"),
}


def moved(force, particle, k):
    """A particle's parameters, the one of index k twice as large."""
    values = [one._value for one in force.getParticleParameters(particle)]
    values[k] = 2*values[k] + 0.1
    return values


def addOffset(force):
    force.addGlobalParameter("lambda", 1)
    force.addParticleParameterOffset("lambda", 0, 0.1, 0, 0)


def nonbondedOf(system):
    return next(f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))


def contextOf(system, positions, platform="Reference"):
    context = openmm.Context(system, openmm.VerletIntegrator(0.0001),
                             openmm.Platform.getPlatformByName(platform))
    context.setPositions(positions)
    return context


REFUSED = "'ImagesOfRegions' no longer fits the System: .*{}.*call createMixedSystem\\(\\) for that"


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_nonbonded_force_does_not_fit_its_images(water, change):
    """What is subtracted was made of the force as it was: no Context, until it is as it was."""
    system, half, _ = halfBox(water, "PME")
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    whole = copy.deepcopy(mixed)
    act, words = CHANGES[change]
    context = contextOf(mixed, water.positions)
    act(nonbondedOf(mixed))
    refused = REFUSED.format(words)
    with pytest.raises(openmm.OpenMMException, match=refused):
        contextOf(mixed, water.positions)
    with pytest.raises(openmm.OpenMMException, match=refused):
        context.reinitialize()
    with pytest.raises(openmm.OpenMMException, match=refused):
        mixed.getForces()[-1].validate(mixed)
    loaded = openmm.XmlSerializer.deserialize(openmm.XmlSerializer.serialize(mixed))
    with pytest.raises(openmm.OpenMMException, match=refused):
        contextOf(loaded, water.positions)
    contextOf(whole, water.positions).getState(energy=True)


@pytest.mark.parametrize("method", ["CutoffPeriodic", "PME"])
def test_a_plain_cutoff_has_images_too(water, method):
    """Copies without any energy, so that a change to PME or to a correction is noticed."""
    system, half, _ = halfBox(water, "CutoffPeriodic")
    nonbondedOf(system).setUseDispersionCorrection(False)
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    images = next(f for f in mixed.getForces() if f.getName() == "ImagesOfRegions")
    images.setForceGroup(5)
    assert energyOf(mixed, water.positions, groups={5}) == 0
    if method == "PME":
        nonbondedOf(mixed).setNonbondedMethod(openmm.NonbondedForce.PME)
    else:
        nonbondedOf(mixed).setUseDispersionCorrection(True)
    with pytest.raises(openmm.OpenMMException, match=REFUSED.format("")):
        contextOf(mixed, water.positions)


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_a_context_notices_changed_parameters(water, platform):
    """updateParametersInContext() of the NonbondedForce: the next evaluation refuses, in each group."""
    system, half, _ = halfBox(water, "PME")
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    mixed.getForces()[-1].setForceGroup(1)
    context = contextOf(mixed, water.positions, platform)
    before = context.getState(energy=True).getPotentialEnergy()._value
    force = nonbondedOf(mixed)
    kept = force.getParticleParameters(0)
    for k, words in enumerate(("charge", "sigma", "epsilon")):
        force.setParticleParameters(0, *moved(force, 0, k))
        force.updateParametersInContext(context)
        for groups in (-1, {0}, {1}):
            with pytest.raises(openmm.OpenMMException, match=REFUSED.format(words)):
                context.getState(energy=True, groups=groups)
        with pytest.raises(openmm.OpenMMException, match=REFUSED.format(words)):
            context.getIntegrator().step(1)
        force.setParticleParameters(0, *kept)
        force.updateParametersInContext(context)
        after = context.getState(energy=True).getPotentialEnergy()._value
        assert after == pytest.approx(before, rel=1e-6)


def test_offsets_of_a_context_are_watched(water):
    """An offset's size can change in a Context; the parameter itself reaches the copies."""
    system, half, parts = halfBox(water, "PME")
    addOffset(nonbondedOf(system))
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    context = contextOf(mixed, water.positions)
    found = context.getState(energy=True).getPotentialEnergy()._value
    assert found == pytest.approx(parts("Reference")[0], abs=1e-6)
    context.setParameter("lambda", 0.5)
    nonbondedOf(system).setGlobalParameterDefaultValue(0, 0.5)
    found = context.getState(energy=True).getPotentialEnergy()._value
    assert found == pytest.approx(parts("Reference")[0], abs=1e-6)
    force = nonbondedOf(mixed)
    force.setParticleParameterOffset(0, "lambda", 0, 0.2, 0, 0)
    force.updateParametersInContext(context)
    with pytest.raises(openmm.OpenMMException, match=REFUSED.format("charge offset by 'lambda'")):
        context.getState(energy=True)


def test_what_may_change_after_mixing(water):
    """Atoms outside of the region, exceptions, groups: as if changed before, in old and new Contexts."""
    system, half, parts = halfBox(water, "PME")
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    context = contextOf(mixed, water.positions)
    other = next(p for p in range(system.getNumParticles()) if p not in set(half))
    for one in (system, mixed):
        nonbondedOf(one).setParticleParameters(other, -0.2, 0.4, 0.3)
    nonbondedOf(mixed).updateParametersInContext(context)
    found = context.getState(energy=True).getPotentialEnergy()._value
    assert found == pytest.approx(parts("Reference")[0], abs=1e-6)
    for one in (system, mixed):
        force = nonbondedOf(one)
        index = next(i for i in range(force.getNumExceptions())
                     if set(force.getExceptionParameters(i)[:2]) == {other, other + 1})
        force.setExceptionParameters(index, other, other + 1, 0.1, 0.2, 0.1)
    force.setForceGroup(3)
    force.setReactionFieldDielectric(1)
    assert energyOf(mixed, water.positions) == pytest.approx(parts("Reference")[0], abs=1e-6)


def test_regions_no_longer_fit_their_images(water):
    """Atoms that change their region, regions that are added, two forces: whose region is named."""
    system, half, _ = halfBox(water, "PME")
    one, two = sorted(half)[:30], sorted(half)[30:]
    force = twoRegions(water.topology, [one, two])
    force.setUsesPeriodicBoundaryConditions(True)
    mixed = createMixedSystem(water.topology, system, half, force)
    network = mixed.getForces()[-1]
    context = contextOf(mixed, water.positions)
    first = network.getAtomParameters(0)
    network.setAtomParameters(0, first[0], first[1], 1 - first[2])
    with pytest.raises(openmm.OpenMMException, match="no longer fits the System|joins particle"):
        network.updateParametersInContext(context)
    network.setAtomParameters(0, *first)
    network.addRegion()
    with pytest.raises(openmm.OpenMMException,
                       match="number of regions of the MLFFForce is 3, that of the copies 2"):
        contextOf(mixed, water.positions)

    mixed = createMixedSystem(water.topology, system, one, "painn-hcno", periodic=True)
    mixed = createMixedSystem(water.topology, mixed, two, "painn-hcno", periodic=True)
    for particle in (one[0], two[0]):
        changed = copy.deepcopy(mixed)
        nonbondedOf(changed).setParticleParameters(particle, 0, 1, 0)
        with pytest.raises(openmm.OpenMMException,
                           match=REFUSED.format(f"charge of particle {particle} ")):
            contextOf(changed, water.positions)


def test_a_nonbonded_force_that_is_gone(water):
    """A Context keeps working without it, as with any force; a new one has nothing to subtract from."""
    system, half, parts = halfBox(water, "PME")
    mixed = createMixedSystem(water.topology, system, half, "painn-hcno", periodic=True)
    context = contextOf(mixed, water.positions)
    mixed.removeForce(next(i for i, f in enumerate(mixed.getForces())
                           if isinstance(f, openmm.NonbondedForce)))
    assert context.getState(energy=True).getPotentialEnergy()._value == \
        pytest.approx(parts("Reference")[0], abs=1e-6)
    with pytest.raises(openmm.OpenMMException, match=REFUSED.format("has no NonbondedForce")):
        contextOf(mixed, water.positions)


def test_a_molecule_in_vacuum_keeps_its_images(solution):
    """Without periodic images of the network, as published: images act by the force field."""
    system = amber(solution.topology, nonbondedMethod=app.PME,
                   nonbondedCutoff=0.9*unit.nanometer)
    vacuum = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno")
    names = [type(force).__name__ for force in vacuum.getForces()]
    assert "CustomCVForce" not in names
    periodic = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno", periodic=True)
    assert MLFFForce.cast(periodic.getForces()[-1]).usesPeriodicBoundaryConditions()
    # the peptide is smaller than the box less the network's cutoff: only the images' terms differ
    assert abs(energyOf(vacuum, solution.positions) -
               energyOf(periodic, solution.positions)) > 0.1


def test_images_without_a_box_are_refused(solution):
    system = amber(solution.topology)
    with pytest.raises(ValueError, match="forces are not periodic"):
        createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno", periodic=True)
    force = MLFFForce.fromTopology("painn-hcno", solution.topology, PEPTIDE)
    with pytest.raises(ValueError, match="periodic have no effect"):
        createMixedSystem(solution.topology, system, PEPTIDE, force, periodic=True)


# ------------------------------------------------------------------ what is refused
def test_atoms_that_a_network_describes_are_refused(solution):
    system = amber(solution.topology)
    first = createMixedSystem(solution.topology, system, PEPTIDE, "painn-hcno")
    for atoms in (PEPTIDE, range(25)):
        with pytest.raises(ValueError, match=r"describes atom 0 \(.*\), .* and 19 more already"):
            createMixedSystem(solution.topology, first, atoms, "painn-hcno")
    hidden = copy.deepcopy(system)
    variable = openmm.CustomCVForce("0.5*e")
    variable.addCollectiveVariable("e", twoRegions(solution.topology, [[22, 23, 24]]))
    hidden.addForce(variable)
    with pytest.raises(ValueError, match="describes atom 22 .* already"):
        createMixedSystem(solution.topology, hidden, [22, 23, 24], "painn-hcno")


AIMNET2 = DATA/"aimnet2"/"published-4x4.safetensors"


@pytest.fixture(scope="module")
def acetate():
    """Acetate, and water as a second molecule, with charges of a force field that sum to -1."""
    topology = app.Topology()
    chain = topology.addChain()
    residue = topology.addResidue("ACT", chain)
    atoms = [topology.addAtom(f"{e}{i}", app.Element.getBySymbol(e), residue)
             for i, e in enumerate("CCOOHHH")]
    for i, j in ((0, 1), (1, 2), (1, 3), (0, 4), (0, 5), (0, 6)):
        topology.addBond(atoms[i], atoms[j])
    residue = topology.addResidue("HOH", chain)
    water = [topology.addAtom(e, app.Element.getBySymbol(e), residue) for e in "OHH"]
    topology.addBond(water[0], water[1])
    topology.addBond(water[0], water[2])
    system = openmm.System()
    force = openmm.NonbondedForce()
    for q in (-0.1, 0.7, -0.8, -0.79, 0, 0, 0, -0.8, 0.4, 0.4):
        system.addParticle(1)
        force.addParticle(q, 0.3, 0.1)
    system.addForce(force)
    return topology, system


def test_a_forgotten_charge_is_refused(acetate):
    topology, system = acetate
    with pytest.raises(ValueError, match=r"charge of the chosen atoms is 0 e, .* sum to -0.99 e: "
                                         r"give charge=-1,"):
        createMixedSystem(topology, system, range(7), AIMNET2)
    with pytest.raises(ValueError, match="is 1 e"):
        createMixedSystem(topology, system, range(7), AIMNET2, charge=1*unit.elementary_charge)
    createMixedSystem(topology, system, range(7), AIMNET2, charge=-1)
    createMixedSystem(topology, system, range(10), AIMNET2, charge=-1)
    createMixedSystem(topology, system, range(7, 10), AIMNET2)
    createMixedSystem(topology, system, range(7), AIMNET2, charge=1, checkCharge=False)
    with pytest.warns(UserWarning, match="does not depend on the charge"):
        createMixedSystem(topology, system, range(7), "painn-hcno")

    # by region
    force = twoRegions(topology, [range(7, 10), range(7)], AIMNET2)
    with pytest.raises(ValueError, match=r"region 1 .* is 0 e.*setRegionParameters\(1, -1\)"):
        createMixedSystem(topology, system, range(10), force)
    force.setRegionParameters(1, -1)
    createMixedSystem(topology, system, range(10), force)
    force.setRegionParameters(0, -1)
    with pytest.raises(ValueError, match="region 0"):
        createMixedSystem(topology, system, range(10), force)


def test_charges_that_say_nothing(acetate):
    """Without charges, or with charges that a parameter changes, there is nothing to compare."""
    topology, system = acetate
    nothing = copy.deepcopy(system)
    force = nothing.getForce(0)
    for i in range(10):
        force.setParticleParameters(i, 0, 0.3, 0.1)
    createMixedSystem(topology, nothing, range(7), AIMNET2)
    changing = copy.deepcopy(system)
    force = changing.getForce(0)
    force.addGlobalParameter("lambda", 1)
    force.addParticleParameterOffset("lambda", 0, 0.3, 0, 0)
    createMixedSystem(topology, changing, range(7), AIMNET2)
    with pytest.raises(ValueError, match="charge=0"):
        createMixedSystem(topology, changing, range(7, 10), AIMNET2, charge=1)


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


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_several_molecules_in_one_region(solution, platform):
    """Molecules anywhere in the box, atoms wrapped one by one: PaiNN sees what it sees with
    periodic images, since no two copies are within its cutoff.
    """
    system = amber(solution.topology, nonbondedMethod=app.PME,
                   nonbondedCutoff=0.9*unit.nanometer)
    x = np.array(solution.positions.value_in_unit(unit.nanometer))
    # a row along x, longer than half the box, whose ends are more than the cutoff apart
    waters = [[a.index for a in r.atoms()] for r in list(solution.topology.residues())[3:]]
    chosen = [w for w in waters if np.abs(x[w, 1:] % 1.9 - 0.6).max() < 0.35 and
              (x[w, 0] % 1.9).max() < 1.3 and np.ptp(x[w] % 1.9, axis=0).max() < 0.3]
    assert len(chosen) > 4
    assert np.ptp(x[[w[0] for w in chosen], 0] % 1.9) > 0.95
    atoms = [a for w in chosen for a in w]
    wrapped = x + 1.9*np.random.default_rng(1).integers(-1, 2, x.shape)
    energies = []
    for periodic in (False, True):
        mixed = createMixedSystem(solution.topology, system, atoms, "painn-hcno", forceGroup=1,
                                  periodic=periodic)
        mixed.addForce(openmm.MonteCarloBarostat(1, 300, 2))
        context = openmm.Context(mixed, openmm.LangevinMiddleIntegrator(300, 1, 0.0005),
                                 openmm.Platform.getPlatformByName(platform))
        context.setPositions(wrapped)
        energies.append(context.getState(energy=True, groups=2).getPotentialEnergy()._value)
        if platform == "CPU" and not periodic:
            context.setPositions(x)
            openmm.LocalEnergyMinimizer.minimize(context, 100, 20)
            context.setVelocitiesToTemperature(300, 1)
            context.getIntegrator().step(100)
            state = context.getState(energy=True, positions=True)
            assert np.isfinite(state.getPotentialEnergy()._value)
            y = state.getPositions(asNumpy=True)._value
            assert all(np.linalg.norm(y[w[1:]] - y[w[0]], axis=1).max() < 0.13 for w in chosen)
    assert energies[0] == pytest.approx(energies[1], abs=1e-5 if platform == "Reference" else 0.1)
