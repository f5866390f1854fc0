"""The bonded terms of a force field that a network replaces, told from the user's own forces."""
import re
import warnings
import xml.etree.ElementTree as ElementTree

import openmm

# What the readers of openmm.app make custom forces for: class and energy with every number as '#'
# and without spaces, and what the terms are by the bonds. CHARMM's impropers (XML, PSF, prmtop),
# Lennard-Jones 1-4 pairs with NBFIX, GROMOS (Gromacs), Desmond.
_FORCE_FIELD = {
    ("CustomTorsionForce", "k*(theta-theta0)^#"): {"improper"},
    ("CustomTorsionForce", "k*min(dtheta,#*#-dtheta)^#;dtheta=abs(theta-theta0)"): {"improper"},
    ("CustomTorsionForce", "k*min(dtheta,#*pi-dtheta)^#;dtheta=abs(theta-theta0);pi=#"):
        {"improper"},
    ("CustomTorsionForce", "#*k*(thetap-theta0)^#;thetap=step(-(theta-theta0+pi))*#*pi+theta+"
                           "step(theta-theta0-pi)*(-#*pi);pi=#"): {"improper"},
    ("CustomTorsionForce", "f*cos(n*theta-phi0)"): {"proper", "improper"},
    ("CustomBondForce", "#*epsilon*((sigma/r)^#-(sigma/r)^#)"): {"1-4"},
    ("CustomBondForce", "-C/r^#+A/r^#"): {"1-2", "1-3", "1-4", "apart"},
    ("CustomBondForce", "#*k*(r^#-r0^#)^#"): {"1-2"},
    ("CustomAngleForce", "#*k*(cos(theta)-cos(theta0))^#"): {"angle"},
}

# Custom forces whose terms lie in these elements of the XML.
_TERMS = (("Bonds", "Bond"), ("Angles", "Angle"), ("Torsions", "Torsion"))

# Custom forces that act among the chosen atoms as a whole.
_WHOLE = ("CustomManyParticleForce", "CustomHbondForce")


class BondedTerms:
    """Which bonded terms lie within regions, by the bonds of a Topology.

    The rule is openmmml's, written for any chosen atoms: an angle goes with its center and
    neighbors of chosen atoms around it, a torsion with its central atoms.
    """

    def __init__(self, topology, regions):
        """regions: sets of particles; no bond joins two of them."""
        self.bonded = [set() for _ in topology.atoms()]
        for bond in topology.bonds():
            self.bonded[bond.atom1.index].add(bond.atom2.index)
            self.bonded[bond.atom2.index].add(bond.atom1.index)
        self.regionOf = {p: k for k, region in enumerate(regions) for p in region}

    def inOneRegion(self, particles):
        """Whether all particles are of the same region."""
        first = self.regionOf.get(particles[0])
        return first is not None and all(self.regionOf.get(p) == first for p in particles)

    def shape(self, particles):
        """What a torsion is by the bonds: 'proper', 'improper' or None."""
        p1, p2, p3, p4 = particles
        if p2 in self.bonded[p1] and p3 in self.bonded[p2] and p4 in self.bonded[p3]:
            return "proper"
        return "improper" if self._center(particles) is not None else None

    def _center(self, particles):
        for center in particles:
            if self.bonded[center].issuperset(set(particles) - {center}):
                return center
        return None

    def distance(self, p1, p2):
        """What a pair is by the bonds: '1-2', '1-3', '1-4' or 'apart'."""
        near = {p1}
        for name in ("1-2", "1-3", "1-4"):
            near = set().union(*(self.bonded[p] for p in near))
            if p2 in near:
                return name
        return "apart"

    def replaces(self, term):
        """Whether the network replaces a term (an element of the XML) of a force."""
        particles = _particles(term)
        if term.tag == "Bond":
            return bool(particles) and self.inOneRegion(particles)
        if term.tag == "Angle":
            return self._replacesAngle(particles)
        if len(particles) == 4:
            return self._replacesTorsion(particles)
        return self._replacesCmap(particles)

    # Molecules are whole, so that neighbors of a region's atoms are of the region as well; the
    # Topology may miss bonds, therefore the rules look at the terms' inner atoms.
    def _isNear(self, p, region):
        return (self.regionOf.get(p) == region or
                any(self.regionOf.get(q) == region for q in self.bonded[p]))

    def _replacesAngle(self, particles):
        region = self.regionOf.get(particles[1])
        return region is not None and all(self._isNear(p, region) for p in particles)

    def _replacesTorsion(self, particles):
        if not any(p in self.regionOf for p in particles):
            return False
        shape = self.shape(particles)
        if shape == "proper":
            return self.inOneRegion(particles[1:3])
        if shape == "improper":
            return self._center(particles) in self.regionOf
        raise ValueError(f"the torsion of particles {', '.join(map(str, particles))} is neither "
                         "proper nor improper by the bonds of the Topology: are bonds missing?")

    def _replacesCmap(self, particles):
        ends = [particles[k] for k in (0, 3, 4, 7)]
        inner = [particles[k] for k in (1, 2, 5, 6)]
        if not self.inOneRegion(inner):
            return False
        return all(self._isNear(p, self.regionOf[inner[0]]) for p in ends)


def _particles(term):
    """The particles of a term, in order; none for bonds between groups."""
    if "a1" in term.attrib:
        return [int(term.attrib[x + k]) for x in "ab" for k in "1234"]
    names = (k for k in term.attrib if k[0] == "p" and k[1:].isdigit())
    return [int(term.attrib[k]) for k in sorted(names, key=lambda k: int(k[1:]))]


def withoutBondedTerms(system, terms, customForces):
    """A copy of a System without the bonded terms that the network replaces.

    terms           BondedTerms
    customForces    None, 'keep', 'remove', or what is kept, as for createMixedSystem()
    """
    kept = _keptForces(system, customForces)
    root = ElementTree.fromstring(openmm.XmlSerializer.serialize(system))
    for index, force in enumerate(root.find("Forces")):
        if force.attrib["type"] in _WHOLE:
            _checkWhole(force, index, terms, kept)
        for group, tag in _TERMS:
            for found in force.findall(group):
                if force.attrib["type"].startswith("Custom"):
                    _removeCustom(force, index, found, terms, kept)
                else:
                    found[:] = [t for t in found if t.tag != tag or not terms.replaces(t)]
    return openmm.XmlSerializer.deserialize(ElementTree.tostring(root, encoding="unicode"))


def _keptForces(system, customForces):
    """None, or for each force of the System whether it is kept."""
    if customForces is None:
        return None
    if isinstance(customForces, str):
        if customForces not in ("keep", "remove"):
            raise ValueError(f"customForces is {customForces!r}: expected None, 'keep', 'remove', "
                             "or a list of the forces to keep (indices or names)")
        return [customForces == "keep"]*system.getNumForces()
    names = [force.getName() for force in system.getForces()]
    kept = [False]*len(names)
    for which in customForces:
        if isinstance(which, str):
            found = [i for i, name in enumerate(names) if name == which]
        else:
            found = [i for i in range(len(names)) if i == which]
        if not found:
            raise ValueError(f"customForces names the force {which!r}, which the System does not "
                             f"have: it has {', '.join(names)}, counted from 0")
        for i in found:
            kept[i] = True
    return kept


def _describe(force, index):
    name = force.attrib.get("name", "")
    called = f" '{name}'" if name not in ("", force.attrib["type"]) else ""
    return f"force {index} of the System, a {force.attrib['type']}{called} with the energy " \
           f"{force.attrib.get('energy', '')!r}"


def _removeCustom(force, index, found, terms, kept):
    """Take the terms within regions out of a custom force, if they are the force field's."""
    inside = [t for t in found if _particles(t) and terms.inOneRegion(_particles(t))]
    if not inside:
        return
    if kept is None:
        if not _isForceField(force, inside, terms):
            warnings.warn(
                f"{_describe(force, index)}, acts among the chosen atoms ({len(inside)} of "
                f"{len(found)} terms). OpenMM's readers of force fields make no such force, so it "
                "is kept as a bias. createMixedSystem(..., customForces='keep') confirms this; "
                "customForces='remove' takes its terms out; a list keeps the forces that it names",
                stacklevel=4)
            return
    elif kept[index]:
        return
    for term in inside:
        found.remove(term)


def _isForceField(force, inside, terms):
    """Whether a custom force is surely one that a reader of force fields made."""
    if force.findall("GlobalParameters/*") or force.findall("EnergyParameterDerivatives/*"):
        return False
    energy = re.sub(r"\s+", "", force.attrib["energy"]).rstrip(";")
    energy = re.sub(r"(?<![A-Za-z_0-9.])\d+(\.\d*)?([eE][+-]?\d+)?", "#", energy)
    shapes = _FORCE_FIELD.get((force.attrib["type"], energy))
    if shapes is None:
        return False

    def shape(term):
        particles = _particles(term)
        if term.tag == "Torsion":
            return terms.shape(particles)
        if term.tag == "Bond":
            return terms.distance(*particles)
        return "angle"

    return all(shape(term) in shapes for term in inside)


def _checkWhole(force, index, terms, kept):
    """A custom force out of which the part among the chosen atoms cannot be taken."""
    if not terms.regionOf or (kept is not None and kept[index]):
        return
    if kept is not None:
        raise ValueError(f"{_describe(force, index)}: the interactions within the chosen molecules "
                         "cannot be taken out of it; to leave it as it is, name it in "
                         "customForces, or give customForces='keep'")
    warnings.warn(f"{_describe(force, index)}, is left as it is, also among the chosen atoms, "
                  "where the network takes over. createMixedSystem(..., customForces='keep') "
                  "confirms this", stacklevel=4)
