"""AIMNet2 from Python and from the command line: charges, components, Coulomb, ensembles."""
import copy
import json
import os
import pickle

import numpy as np
import openmm
import pytest
from conftest import DATA, EXAMPLES, SHARED
from openmm import app, unit
from openmmmlff import MLFFForce, createMixedSystem, modelInfo
from openmmmlff.convert import safetensors_file
from openmmmlff.evaluate import Evaluator
from openmmmlff.extxyz import readFrames

TOLERANCE = 1e-8          # eV and eV/angstrom, Reference; element constants apart
CHARGE_TOLERANCE = 1e-9   # e
SMALL = DATA/"aimnet2"/"published-4x4.safetensors"
PUBLISHED = [SHARED/"models"/f"aimnet2_wb97m_d3_member{k}.safetensors" for k in range(4)]
GOLDEN = SHARED/"golden"/"aimnet2"
needs_weights = pytest.mark.skipif(not (PUBLISHED[0].exists() and GOLDEN.is_dir()),
                                   reason=f"no AIMNet2 weights and golden data at {SHARED}")
COMPONENTS = ["network", "elements", "coulomb_short_range", "coulomb", "dispersion"]


def xyz(numbers, coord, cell=None, charge=0, multiplicity=1):
    """One frame of extended XYZ, with every digit."""
    lattice = "" if cell is None else 'Lattice="' + " ".join(map(repr, np.ravel(cell))) + '" '
    lines = [str(len(numbers)), f"{lattice}charge={charge!r} multiplicity={multiplicity}"]
    lines += [f"{z} {x!r} {y!r} {w!r}" for z, (x, y, w) in zip(numbers, coord)]
    return "\n".join(lines).replace("np.float64(", "").replace(")", "") + "\n"


def check(result, components, forces, charges):
    """A result of evaluate against expected values, components in the order of COMPONENTS."""
    assert list(result["components"]) == COMPONENTS
    for name, expected in zip(COMPONENTS, components):
        # element constants are large, but sums of a few exact numbers
        rounding = 1e-15*abs(expected) if name == "elements" else 0
        assert result["components"][name] == pytest.approx(expected, rel=0,
                                                           abs=TOLERANCE + rounding)
    elements = result["components"]["elements"]
    assert result["energy"] - elements == pytest.approx(sum(components) - components[1], rel=0,
                                                        abs=TOLERANCE)
    assert sum(result["components"].values()) == pytest.approx(result["energy"], rel=1e-14)
    assert np.abs(np.array(result["forces"]) - forces).max() < TOLERANCE
    assert np.abs(np.array(result["charges"]) - charges).max() < CHARGE_TOLERANCE


# ------------------------------------------------------------------ values
def fits(system):
    """Whether evaluate can express a system: one region."""
    return len(system["total_charge"]) == 1


def smallSystems():
    """(model, system, method) of the repository's own data that evaluate can express."""
    for path in sorted((DATA/"aimnet2").glob("*.json")):
        for system in filter(fits, json.loads(path.read_text())["systems"]):
            for method in system["methods"]:
                if not any("cutoff" in key for key in method):
                    yield pytest.param(path.with_suffix(".safetensors"), system, method,
                                       id=f"{path.stem}-{system['name']}-{method['coulomb']}")


@pytest.mark.parametrize("model, system, method", list(smallSystems()))
def test_values_of_the_independent_code(tmp_path, model, system, method):
    (tmp_path/"f.xyz").write_text(xyz(system["numbers"], system["coord"], system["cell"],
                                      system["total_charge"][0], system["multiplicity"][0]))
    frame, = readFrames(str(tmp_path/"f.xyz"))
    # the networks are random: any number of electrons will do
    evaluator = Evaluator([model], coulomb=method["coulomb"], checkElectrons=False,
                          dispersion=method.get("dispersion", True))
    expected = [method["components"][name] for name in
                ("network", "elements", "coulomb_short", "coulomb_full", "dispersion")]
    check(evaluator.evaluate(frame), expected, method["forces"], method["charges"])


def goldens(method):
    """The golden systems that have values for a Coulomb method, by name."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(GOLDEN.glob("*.json"))}
    return {name: golden for name, golden in found.items() if method in golden["methods"]}


def goldenValues(values):
    """Components, forces and charges of one method of a golden file."""
    names = ("nn", "sae", "sr_coulomb_subtracted", "coulomb_full", "d3")
    return ([values["components"][name]["energy"] for name in names], values["forces"],
            values["charges"])


@pytest.mark.parametrize("cached", [False, True])
def test_the_remedy_for_a_missing_dispersion_table(command, tmp_path, cached):
    """The command of the message, with a table or after get: values of the independent code."""
    tensors, metadata = safetensors_file.read_arrays(SMALL)
    table = {name.removeprefix("d3."): tensors.pop(name) for name in list(tensors)
             if name.startswith("d3.")}
    safetensors_file.write(tmp_path/"bare.safetensors", tensors, metadata)
    system = next(s for s in json.loads(SMALL.with_suffix(".json").read_text())["systems"]
                  if s["name"] == "formamide")
    method = next(m for m in system["methods"] if m["coulomb"] == "simple" and
                  m.get("dispersion", True) and not any("cutoff" in key for key in m))
    (tmp_path/"f.xyz").write_text(xyz(system["numbers"], system["coord"]))
    environment = {**os.environ, "OPENMMMLFF_CACHE": str(tmp_path/"cache")}
    status, _, err = command("evaluate", "bare.safetensors", "f.xyz", env=environment)
    assert status == 1 and "`openmm-mlff convert MODEL.safetensors OUT.safetensors --d3-table FILE`" in err
    remedy = ["convert", "bare.safetensors", "whole.safetensors"]
    status, _, err = command(*remedy, env=environment)
    assert status == 1 and "--d3-table" in err and not (tmp_path/"whole.safetensors").exists()
    if cached:
        (tmp_path/"cache").mkdir()
        safetensors_file.write(tmp_path/"cache"/"dftd3_reference.safetensors", table, {})
    else:
        remedy += ["--d3-table", SMALL]
    status, _, err = command(*remedy, env=environment)
    assert (status, err) == (0, "")
    status, out, err = command("evaluate", "whole.safetensors", "f.xyz", "--json", "-",
                               "--no-electron-check")
    assert (status, err) == (0, "")
    expected = [method["components"][name] for name in
                ("network", "elements", "coulomb_short", "coulomb_full", "dispersion")]
    assert expected[-1] != 0
    check(json.loads(out)[0], expected, method["forces"], method["charges"])
    # what has its table, and options that have no effect
    for arguments, message in ((["whole.safetensors", "x.safetensors"], "Use it as it is"),
                               ([*remedy[1:], "--variant", "x"], "--variant has no effect"),
                               (["bare.safetensors", "bare.safetensors"], "are the same file")):
        status, _, err = command("convert", *arguments, env=environment)
        assert status == 1 and message in err and len(err.splitlines()) == 1


@needs_weights
@pytest.mark.parametrize("method", ["simple", "dsf", "ewald", "pme"])
def test_values_of_the_original_code(command, tmp_path, method):
    """Every golden system and method, through the command."""
    systems = goldens(method)
    assert len(systems) == {"simple": 14, "dsf": 16, "ewald": 2, "pme": 2}[method]
    (tmp_path/"f.xyz").write_text("".join(
        xyz(g["numbers"], g["coord"], g["cell"], g["charge"]) for g in systems.values()))
    status, out, err = command("evaluate", PUBLISHED[0], "f.xyz", "--coulomb", method, "--json",
                               "-")
    assert (status, err) == (0, "")
    for golden, result in zip(systems.values(), json.loads(out), strict=True):
        # what the original code truncates, this one does not
        wanted = "ewald_converged" if method in ("ewald", "pme") else method
        check(result, *goldenValues(golden["methods"][wanted]))
        assert (result["platform"], result["precision"]) == ("Reference", "double")


@needs_weights
def test_default_method_and_charge(command, tmp_path):
    """Without --coulomb: simple, or dsf in a box. --charge comes before the comment line's."""
    names = ("acetate_m1", "ammonium_p1", "water8_triclinic")
    systems = [json.loads((GOLDEN/f"{name}.json").read_text()) for name in names]
    for charge, arguments in ((None, []), (9, ["--charge", -1]), (9, ["--charge", 1])):
        chosen = [g for g in systems if charge is None or g["charge"] == arguments[1]]
        (tmp_path/"f.xyz").write_text("".join(
            xyz(g["numbers"], g["coord"], g["cell"], charge or g["charge"]) for g in chosen))
        status, out, err = command("evaluate", PUBLISHED[0], "f.xyz", *arguments, "--json", "-")
        assert status == 0, err
        for golden, result in zip(chosen, json.loads(out), strict=True):
            method = "dsf" if golden["cell"] else "simple"
            check(result, *goldenValues(golden["methods"][method]))
            assert sum(result["charges"]) == pytest.approx(golden["charge"], abs=1e-3)


@needs_weights
def test_ensemble_of_the_original_code(command, tmp_path):
    systems = [json.loads((GOLDEN/f"{name}.json").read_text()) for name in
               ("methanol", "acetate_m1", "s_cl_f")]
    (tmp_path/"f.xyz").write_text("".join(
        xyz(g["numbers"], g["coord"], g["cell"], g["charge"]) for g in systems))
    more = [word for member in PUBLISHED[1:] for word in ("--model", member)]
    status, out, err = command("evaluate", PUBLISHED[0], "f.xyz", *more, "--json", "-")
    assert (status, err) == (0, "")
    for golden, result in zip(systems, json.loads(out), strict=True):
        expected = golden["ensemble4"]
        assert result["energy"] == pytest.approx(expected["energy_mean"], abs=TOLERANCE)
        assert result["energy_std"] == pytest.approx(expected["energy_std_unbiased"],
                                                     abs=TOLERANCE)
        assert np.abs(np.array(result["forces"]) - expected["forces_mean"]).max() < TOLERANCE
        charges = np.array(expected["charges_mean"])
        assert np.abs(np.array(result["charges"]) - charges).max() < CHARGE_TOLERANCE
        assert sum(result["components"].values()) == pytest.approx(result["energy"], rel=1e-14)
    # the deviation of the forces from the members' own
    (tmp_path/"one.xyz").write_text(xyz(systems[0]["numbers"], systems[0]["coord"]))
    frame, = readFrames(str(tmp_path/"one.xyz"))
    forces = np.array([Evaluator([m]).evaluate(frame)["forces"] for m in PUBLISHED])
    worst = forces.var(axis=0, ddof=1).sum(axis=1).max()**0.5
    assert json.loads(out)[0]["force_std_max"] == pytest.approx(worst, abs=TOLERANCE)


@pytest.mark.parametrize("model", [SMALL, DATA/"painn"/"schnet-16x3.safetensors"],
                         ids=["AIMNet2", "PaiNN"])
def test_precision_is_what_the_numbers_have(tmp_path, model):
    """CPU: what is said about the precision holds for this model."""
    (tmp_path/"f.xyz").write_text(xyz([6, 8, 1, 1], [[0, 0, 0], [1.2, 0.1, 0], [-0.6, 0.9, 0.2],
                                                     [-0.5, -1, 0.1]]))
    frame, = readFrames(str(tmp_path/"f.xyz"))
    forces = []
    for platform in ("Reference", "CPU"):
        result = Evaluator([model], platform=platform).evaluate(frame)
        forces.append(np.array(result["forces"]))
    error = np.abs(forces[1] - forces[0]).max()/np.abs(forces[0]).max()
    assert error < 1e-4
    assert result["precision"] == ("double" if error < 1e-10 else "single")


# ------------------------------------------------------------------ the command
WATER = "3\nwater\nO 0 0 0.119\nH 0 0.763 -0.477\nH 0 -0.763 -0.477\n"


def test_table(command, tmp_path):
    (tmp_path/"w.xyz").write_text(WATER)
    status, out, err = command("evaluate", SMALL, "w.xyz", "--hessian")
    assert status == 0
    # the molecule is none of this model's minima
    assert len(err.splitlines()) == 1 and "not those of a minimum" in err
    result = json.loads(command("evaluate", SMALL, "w.xyz", "--json", "-")[1])[0]
    for name, energy in result["components"].items():
        assert f"{name.replace('_', ' '):20}{energy:20.9f} eV" in out
    for charge, line in zip(result["charges"], [x for x in out.splitlines() if x[:5].strip()
                                                in ("0", "1", "2")], strict=True):
        assert line.endswith(f"{charge:14.6f}")
    assert "wavenumbers (1/cm)" in out.splitlines()[-1]


def test_terms_can_be_left_out(command, tmp_path):
    (tmp_path/"w.xyz").write_text(WATER)

    def evaluate(*arguments):
        status, out, err = command("evaluate", SMALL, "w.xyz", "--json", "-", *arguments)
        assert (status, err) == (0, "")
        return json.loads(out)[0]
    plain = evaluate()
    assert evaluate("--coulomb", "default") == plain == evaluate("--coulomb", "simple")
    bare = evaluate("--coulomb", "none", "--no-dispersion")
    assert plain["components"]["coulomb"] != 0 != plain["components"]["dispersion"]
    assert bare["components"]["coulomb"] == 0 == bare["components"]["dispersion"]
    assert bare["components"]["network"] == plain["components"]["network"]
    assert bare["charges"] == plain["charges"]
    assert evaluate("--no-dispersion")["energy"] == pytest.approx(
        plain["energy"] - plain["components"]["dispersion"], abs=1e-9)


@pytest.mark.parametrize("model, text, arguments, message", [
    (SMALL, WATER, ["--coulomb", "ewald"], "--coulomb ewald is for periodic frames"),
    (SMALL, WATER, ["--coulomb", "pme"], "frame 1 (w.xyz:1): --coulomb pme is for periodic"),
    (SMALL, WATER.replace("water", 'Lattice="9 0 0 0 9 0 0 0 9"'), ["--coulomb", "simple"],
     "--coulomb simple is for frames that are not periodic"),
    (SMALL, WATER.replace("water", "multiplicity=3"), [], "multiplicity"),
    (SMALL, WATER.replace("O 0", "F 0"), [], "H C N O"),
    (SMALL, WATER, ["--charge", "inf"], "--charge inf: expected a finite number"),
    (SMALL, WATER, ["--periodic"], "Lattice"),
    (DATA/"aimnet2"/"open-shell-3x5.safetensors", WATER, ["--no-dispersion"],
     "--no-dispersion: the AIMNet2 model"),
    (DATA/"aimnet2"/"neutral-2x3.safetensors", WATER, ["--coulomb", "dsf"], "no Coulomb term"),
    (DATA/"aimnet2"/"neutral-2x3.safetensors", WATER, ["--coulomb", "none"], "no Coulomb term"),
    (DATA/"aimnet2"/"neutral-2x3.safetensors", WATER, ["--charge", "1"], "neutral"),
    (SMALL, WATER, ["--model", DATA/"aimnet2"/"open-shell-3x5.safetensors"],
     "not of the same kind"),
    (SMALL, WATER, ["--model", "aimnet2-ensemble"], "openmm-mlff get aimnet2-ensemble"),
])
def test_bad_input(command, tmp_path, model, text, arguments, message):
    """One line on stderr, status 1."""
    (tmp_path/"w.xyz").write_text(text)
    status, _, err = command("evaluate", model, "w.xyz", *arguments)
    assert status == 1 and len(err.splitlines()) == 1, err
    assert err.startswith("openmm-mlff evaluate: ") and message in err


@pytest.mark.parametrize("model", [SMALL, DATA/"aimnet2"/"open-shell-3x5.safetensors",
                                   DATA/"aimnet2"/"neutral-2x3.safetensors"])
def test_an_odd_number_of_electrons_must_be_meant(command, tmp_path, model):
    """One frame of three; insisted on, its values are those of the force."""
    radical = "2\n\nO 0 0 0\nH 0 0 0.97\n"
    (tmp_path/"f.xyz").write_text(WATER + radical + WATER)
    status, out, err = command("evaluate", model, "f.xyz", "--json", "-")
    first, wrong, last = json.loads(out)
    assert status == 1 and first == last and "frame 2 (f.xyz:6)" in wrong["error"]
    assert "9 electrons (9 protons, total charge 0), which do not fit" in wrong["error"]
    status, out, err = command("evaluate", model, "f.xyz", "--json", "-", "--no-electron-check")
    assert (status, err) == (0, "")
    force = MLFFForce(model)
    force.setCheckElectrons(False)
    system = openmm.System()
    for i, z in enumerate((8, 1)):
        system.addParticle(z)
        force.addAtom(i, z)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions([[0, 0, 0], [0, 0, 0.097]])
    energy = context.getState(energy=True).getPotentialEnergy()
    assert json.loads(out)[1]["energy"] == pytest.approx(
        energy.value_in_unit(unit.kilojoule_per_mole)/96.48533212331002, rel=1e-12)
    status, _, err = command("compare", model, "f.xyz", "--platforms", "Reference", "CPU")
    assert status == 1 and "which do not fit" in err
    status, out, err = command("compare", model, "f.xyz", "--platforms", "Reference", "CPU",
                               "--no-electron-check")
    assert status == 0, err


def test_a_fractional_charge_must_be_meant(command, tmp_path):
    """No number of electrons has it. Insisted on, the charges of the atoms sum to it."""
    (tmp_path/"f.xyz").write_text(WATER + WATER.replace("water", "charge=-0.5"))
    for arguments, frames in (([], (False, True)), (["--charge", 0.25], (True, True)),
                              (["--charge", 1e-9], (True, True)), (["--charge", -2], (False, False))):
        status, out, err = command("evaluate", SMALL, "f.xyz", *arguments, "--json", "-")
        assert status == any(frames) and tuple("error" in r for r in json.loads(out)) == frames
        assert err.count("is no whole number") == err.count("--no-electron-check") == sum(frames)
    status, out, err = command("evaluate", SMALL, "f.xyz", "--no-electron-check", "--json", "-")
    assert (status, err) == (0, "")
    assert [sum(r["charges"]) for r in json.loads(out)] == pytest.approx([0, -0.5], abs=1e-6)
    status, _, err = command("compare", SMALL, "f.xyz", "--platforms", "CPU", "--charge", 0.25)
    assert status == 1 and "a total charge of 0.25 e is no whole number" in err


def test_an_ensemble_of_the_same_model(command, tmp_path):
    """By content, whatever the names: a deviation of 0 would say that the models agree."""
    (tmp_path/"w.xyz").write_text(WATER)
    (tmp_path/"copy.safetensors").write_bytes(SMALL.read_bytes())
    (tmp_path/"link.safetensors").symlink_to(SMALL)
    for other in (SMALL, "copy.safetensors", "link.safetensors"):
        status, out, err = command("evaluate", SMALL, "w.xyz", "--model", other)
        assert status == 1 and out == "" and len(err.splitlines()) == 1
        assert f"the models {SMALL} and {other} have the same content" in err


def test_charge_and_multiplicity_of_the_command_line(command, tmp_path):
    """They replace what the comment line says; a spin that is not certain is an error else."""
    model = DATA/"aimnet2"/"open-shell-3x5.safetensors"
    (tmp_path/"f.xyz").write_text(WATER.replace("water", "spin=3 q=1"))
    (tmp_path/"g.xyz").write_text(WATER.replace("water", "multiplicity=3 charge=2"))
    status, _, err = command("evaluate", model, "f.xyz")
    assert status == 1 and "q=1 looks like a charge" in err
    status, _, err = command("evaluate", model, "f.xyz", "--charge", 2)
    assert status == 1 and "spin=3 looks like a multiplicity" in err
    results = [command("evaluate", model, *arguments, "--json", "-")
               for arguments in (["f.xyz", "--charge", 2, "--multiplicity", 3], ["g.xyz"])]
    assert results[0][::2] == (0, "") and results[0] == results[1]
    for arguments, message in ((["--multiplicity", 0], "expected 2S+1"),
                               (["--multiplicity", 10**10], "expected 2S+1")):
        status, _, err = command("evaluate", model, "g.xyz", *arguments)
        assert status == 1 and message in err and len(err.splitlines()) == 1


@pytest.mark.parametrize("comment", ["total_charge=1", "net_charge=1", "charge=1"])
def test_charge_under_other_names(command, tmp_path, comment):
    (tmp_path/"f.xyz").write_text("4\n" + comment + "\nO 0 0 0.1\nH 0 0.94 -0.27\nH 0.81 -0.47 -0.27"
                                  "\nH -0.81 -0.47 -0.27\n")
    status, out, err = command("evaluate", SMALL, "f.xyz", "--json", "-")
    assert (status, err) == (0, "")
    assert sum(json.loads(out)[0]["charges"]) == pytest.approx(1, abs=1e-6)


def test_info(command):
    status, out, _ = command("info", SMALL)
    assert status == 0 and "AIMNet2" in out and "charges:      yes" in out
    assert modelInfo(SMALL)["has_charges"] is True


# ------------------------------------------------------------------ the class
def contextOf(force, box=None):
    """A Context with formaldehyde."""
    system = openmm.System()
    for i, z in enumerate((6, 8, 1, 1)):
        system.addParticle(1.0)
        force.addAtom(i, z)
    if box is not None:
        system.setDefaultPeriodicBoxVectors(*box)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions([[0, 0, 0], [0.12, 0.01, 0], [-0.06, 0.09, 0.02], [-0.05, -0.1, 0.01]])
    return context


def test_what_a_context_tells():
    force = MLFFForce(SMALL)
    force.setRegionParameters(0, 1)
    force.setCheckElectrons(False)  # a radical cation
    force.setEnergyFactor(0.5)
    context = contextOf(force)
    charges = force.getAtomCharges(context)
    assert charges.unit == unit.elementary_charge and charges.shape == (4,)
    assert charges.sum()/unit.elementary_charge == pytest.approx(1, abs=1e-4)
    components = force.getEnergyComponents(context)
    assert set(components) == set(COMPONENTS)
    total = sum(components.values(), 0*unit.kilojoule_per_mole)
    energy = context.getState(energy=True).getPotentialEnergy()
    assert energy/total == pytest.approx(0.5, rel=1e-12)  # components: before the factor
    hessian = force.computeHessian(context)
    assert hessian.unit.is_compatible(unit.kilojoule_per_mole/unit.nanometer**2)
    assert hessian.shape == (12, 12) and np.array_equal(hessian._value, hessian._value.T)
    # no force on a molecule that is moved as a whole
    assert np.abs(hessian._value.reshape(12, 4, 3).sum(axis=1)).max() < 1e-5*hessian._value.max()
    assert force.getCoulombMethodInContext(context) == MLFFForce.Simple
    with pytest.raises(openmm.OpenMMException, match="addEnsembleMember"):
        force.getEnsembleDeviation(context)


def test_what_a_model_without_charges_refuses():
    force = MLFFForce("painn-hcno")
    context = contextOf(force)
    with pytest.raises(openmm.OpenMMException, match="charges"):
        force.getAtomCharges(context)
    components = force.getEnergyComponents(context)
    assert set(components) == {"network", "elements"}
    assert force.computeHessian(context).shape == (12, 12)
    with pytest.raises(openmm.OpenMMException):
        MLFFForce("painn-hcno").getEnergyComponents(context)  # another force's Context


def test_coulomb_methods():
    force = MLFFForce(SMALL)
    assert (force.Default, force.NoCoulomb, force.Simple, force.DSF, force.Ewald,
            force.PME) == tuple(range(6))
    assert force.getCoulombMethod() == MLFFForce.Default
    for name, constant in (("DSF", MLFFForce.DSF), ("none", MLFFForce.NoCoulomb),
                           (MLFFForce.PME, MLFFForce.PME), (None, MLFFForce.Default)):
        force.setCoulombMethod(name)
        assert force.getCoulombMethod() == constant
    for bad in (6, -1, "wolf", True, 1.5):
        with pytest.raises(ValueError, match="the Coulomb method is .*expected one of 'default'"):
            force.setCoulombMethod(bad)


def test_settings_have_units():
    force = MLFFForce(SMALL)
    for name, value in (("CoulombCutoff", 9*unit.angstrom), ("CoulombAlpha", 0.25/unit.angstrom),
                        ("DispersionCutoff", 12*unit.angstrom)):
        assert getattr(force, f"get{name}")()._value == 0
        getattr(force, f"set{name}")(value)
        assert getattr(force, f"get{name}")()/value == pytest.approx(1)
    assert force.getCoulombCutoff() == 0.9*unit.nanometer
    force.setEwaldErrorTolerance(1e-6)
    assert force.getEwaldErrorTolerance() == 1e-6
    assert force.getUseDispersion() is True
    force.setUseDispersion(False)
    assert force.getUseDispersion() is False


def test_settings_matter_and_are_copied():
    box = np.eye(3)*0.9

    def make():
        force = MLFFForce(SMALL)
        force.setUsesPeriodicBoundaryConditions(True)
        return force
    force = make()
    plain = contextOf(force, box)
    assert force.getCoulombMethodInContext(plain) == MLFFForce.DSF
    force = make()
    force.setCoulombMethod("dsf")
    force.setCoulombCutoff(9*unit.angstrom)
    force.setUseDispersion(False)
    copies = [duplicate(force) for duplicate in (
        copy.copy, copy.deepcopy, lambda f: pickle.loads(pickle.dumps(f)))]
    energies = [contextOf(f, box).getState(energy=True).getPotentialEnergy()._value
                for f in (force, *copies)]
    assert energies == energies[:1]*4
    assert energies[0] != plain.getState(energy=True).getPotentialEnergy()._value


@needs_weights
def test_ensemble_in_python():
    """Mean and deviation of members against each member alone."""
    members = PUBLISHED[:2]
    alone = []
    for member in members:
        force = MLFFForce(member)
        alone.append((force, contextOf(force)))
    force = MLFFForce(members)
    assert force.getNumEnsembleMembers() == 2
    assert force.getEnsembleMemberFile(1) == str(members[1])
    assert force.getEnsembleMemberHash(0) == force.getModelHash() == alone[0][0].getModelHash()
    assert force.getEnsembleMemberHash(1) == alone[1][0].getModelHash()
    context = contextOf(force)
    states = [c.getState(energy=True, forces=True) for _, c in alone]
    energies = [s.getPotentialEnergy()._value for s in states]
    forces = np.array([s.getForces(asNumpy=True)._value for s in states])
    energy, deviation = force.getEnsembleDeviation(context)
    assert energy/unit.kilojoule_per_mole == pytest.approx(np.std(energies, ddof=1), abs=1e-7)
    worst = forces.var(axis=0, ddof=1).sum(axis=1).max()**0.5
    assert deviation/(unit.kilojoule_per_mole/unit.nanometer) == pytest.approx(worst, abs=1e-6)
    charges = np.mean([f.getAtomCharges(c)._value for f, c in alone], axis=0)
    assert force.getAtomCharges(context)._value == pytest.approx(charges, abs=1e-12)
    for duplicate in (copy.deepcopy(force), pickle.loads(pickle.dumps(force))):
        assert duplicate.getNumEnsembleMembers() == 2
        assert duplicate.getEnsembleMemberHash(1) == force.getEnsembleMemberHash(1)


def test_ensembles_that_are_refused():
    with pytest.raises(ValueError, match="no model was given"):
        MLFFForce([])
    with pytest.raises(openmm.OpenMMException, match="not of the same kind"):
        MLFFForce([SMALL, "painn-hcno"])
    with pytest.raises(TypeError, match="a path|a name|path"):
        MLFFForce([SMALL, 3])
    force = MLFFForce(SMALL)
    with pytest.raises(openmm.OpenMMException, match="out of range"):
        force.getEnsembleMemberFile(1)
    assert force.addEnsembleMember("in memory", SMALL.read_bytes()) == 1
    assert force.getEnsembleMemberFile(1) == "in memory"
    assert force.addEnsembleMember(model=str(SMALL)) == 2
    with pytest.raises(ValueError, match="known names"):
        force.addEnsembleMember("nonesuch")


# ------------------------------------------------------------------ topologies and mixed systems
@pytest.fixture
def acetate():
    return app.PDBFile(str(EXAMPLES/"acetate.pdb"))


def test_from_topology(acetate):
    force = MLFFForce.fromTopology(SMALL, acetate.topology, charge=-1, coulomb="none")
    assert force.getCoulombMethod() == MLFFForce.NoCoulomb and force.getNumBonds() == 6
    assert force.getRegionParameters(0) == (-1*unit.elementary_charge, 1)
    force = MLFFForce.fromTopology([SMALL, SMALL], acetate.topology, coulomb=MLFFForce.DSF)
    assert force.getCoulombMethod() == MLFFForce.DSF and force.getNumEnsembleMembers() == 2
    assert MLFFForce.fromTopology(SMALL, acetate.topology).getCoulombMethod() == MLFFForce.Default
    with pytest.raises(ValueError, match="the Coulomb method is 'wolf'"):
        MLFFForce.fromTopology(SMALL, acetate.topology, coulomb="wolf")


def test_mixed_system(acetate):
    """The ion in a periodic System is a molecule as in vacuum, with its charge."""
    forceField = app.ForceField("amber14/tip3p.xml", str(EXAMPLES/"acetate.xml"))
    modeller = app.Modeller(acetate.topology, acetate.positions)
    modeller.addSolvent(forceField, boxSize=openmm.Vec3(1.9, 1.9, 1.9)*unit.nanometer)
    system = forceField.createSystem(modeller.topology, nonbondedMethod=app.PME,
                                     nonbondedCutoff=0.9*unit.nanometer)

    def network(mixed):
        """The network's energy, and the Coulomb method that it took."""
        force = MLFFForce.cast(mixed.getForces()[-1])
        force.setForceGroup(3)
        context = openmm.Context(mixed, openmm.VerletIntegrator(0.001),
                                 openmm.Platform.getPlatformByName("Reference"))
        context.setPositions(modeller.positions)
        state = context.getState(energy=True, groups=1 << 3)
        return state.getPotentialEnergy()._value, force.getCoulombMethodInContext(context)

    alone = openmm.System()
    for _ in range(7):
        alone.addParticle(1.0)
    force = MLFFForce.fromTopology(SMALL, acetate.topology, charge=-1)
    alone.addForce(force)
    context = openmm.Context(alone, openmm.VerletIntegrator(0.001),
                             openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(modeller.positions[:7])
    expected = context.getState(energy=True).getPotentialEnergy()._value
    for given in ({"model": SMALL, "charge": -1}, {"model": force},
                  {"model": SMALL, "charge": -1, "coulomb": "simple"}):
        mixed = createMixedSystem(modeller.topology, system, range(7), **given)
        assert network(mixed) == (pytest.approx(expected, abs=1e-7), MLFFForce.Simple)
    mixed = createMixedSystem(modeller.topology, system, range(7), SMALL, -1, coulomb="dsf")
    energy, method = network(mixed)
    assert method == MLFFForce.DSF and abs(energy - expected) > 1
    with pytest.raises(ValueError, match="coulomb is 'pme', .* needs a periodic box"):
        createMixedSystem(modeller.topology, system, range(7), SMALL, -1, coulomb="pme")
    with pytest.raises(ValueError, match="have no effect with an MLFFForce"):
        createMixedSystem(modeller.topology, system, range(7), force, coulomb="dsf")
