"""Stretched bonds, dimers and conformers: the student beside the teacher. Needs rdkit, aimnet."""
import numpy as np

from batch import Systems, dihedral, relax
from generate import atomic_numbers, build
from molecules import ALANINE_DIPEPTIDE
from painn import load_model
from teacher import Teacher

EV_IN_KJ_PER_MOL = 96.485
FACTORS = np.array([0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6])
EQUILIBRIUM = 6             # FACTORS[6] = 1
# name, SMILES, bond a-b; H: b is the hydrogen of a; the side that moves hangs on b
STRETCHES = [("O-H water", "O", 0, 1), ("N-H dipeptide", ALANINE_DIPEPTIDE, 3, "H"),
             ("C-C ethanol", "CCO", 0, 1), ("C=O NMA", "CC(=O)NC", 1, 2),
             ("C-N NMA", "CC(=O)NC", 1, 3), ("C-H benzene", "c1ccccc1", 0, 6)]
WATER_DISTANCES = np.array([2.0, 2.2, 2.4, 2.6, 2.8, 2.9, 3.0, 3.2, 3.5, 4.0, 4.5, 5.0, 6.0, 12.0])
CONFORMERS = (ALANINE_DIPEPTIDE, "CC(=O)N[C@@H](CC(C)C)C(=O)NC", "OCC(O)CO")
# C7eq, C5, C7ax, alphaR, alphaL, beta2 of alanine dipeptide
TORSIONS = ((-80, 75), (-155, 160), (75, -60), (-75, -35), (60, 40), (-120, 20))
PHI, PSI = (1, 3, 4, 6), (3, 4, 6, 8)


def in_mev(distances, student, teacher):
    return " ".join(f"{d:.1f}:{s * 1e3:.0f}/{t * 1e3:.0f}"
                    for d, s, t in zip(distances, student, teacher))


class Scan:
    """Both models on the same geometries. Energies in eV, lengths in A."""

    def __init__(self, options):
        self.path, self.teacher = options.model, Teacher(options.weights)
        self.atomref = load_model(options.model)[1]["atomref"].double().numpy()

    def both(self, Z, Xs):
        """Total energies [geometries] of student and teacher."""
        student = Systems(self.path, [Z] * len(Xs))(np.concatenate(Xs))[0]
        return student + self.atomref[Z].sum(), self.teacher([Z] * len(Xs), Xs)[0]

    def relaxed(self, smiles):
        """The molecule, Z [n], and X [n, 3] relaxed with the student."""
        mol, Z, X = build(smiles, seed=1)
        return mol, Z, relax(Systems(self.path, [Z]), X, 400)[0]

    def stretches(self):
        """Energies along bonds from 0.7 to 1.6 of their length; whether the wall rises."""
        from rdkit import Chem
        print("stretch, E - E(1.0) in eV: factor student teacher")
        for name, smiles, a, b in STRETCHES:
            mol, Z, X = self.relaxed(smiles)
            if b == "H":
                b = next(n.GetIdx() for n in mol.GetAtomWithIdx(a).GetNeighbors()
                         if n.GetAtomicNum() == 1)
            cut = Chem.RWMol(mol)
            cut.RemoveBond(a, b)
            side = next(list(part) for part in Chem.GetMolFrags(cut) if b in part)
            u, Xs = X[b] - X[a], []
            for factor in FACTORS:
                x = X.copy()
                x[side] += u * (factor - 1)
                Xs.append(x)
            s, t = (e - e[EQUILIBRIUM] for e in self.both(Z, Xs))
            print(f"{name:16s}",
                  " ".join(f"{f:.2f}:{p:.2f}/{q:.2f}" for f, p, q in zip(FACTORS, s, t)),
                  "| monotone wall:", bool((np.diff(s[:EQUILIBRIUM]) < 0).all()))

    def water_dimer(self, Z, X):
        """A hydrogen bond along the donor's O-H, the acceptor's lone pairs towards it."""
        donor = X - X[0]
        h = donor[1] / np.linalg.norm(donor[1])
        bisector = -(donor[1] + donor[2])
        bisector /= np.linalg.norm(bisector)
        k, c = np.cross(bisector, -h), bisector @ -h
        K = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
        acceptor = donor @ (np.eye(3) + K + K @ K / (1 + c)).T
        Xs = [np.concatenate([donor, acceptor + h * d]) for d in WATER_DISTANCES]
        s, t = (e - e[-1] for e in self.both(np.concatenate([Z, Z]), Xs))
        print("water dimer     ", in_mev(WATER_DISTANCES, s, t))

    def dimers(self):
        """Energies of two molecules against their distance."""
        print("dimers, E(d) - E(far) in meV: O-O (or C-C) distance student/teacher")
        water, methane, benzene = (self.relaxed(smiles)[1:] for smiles in ("O", "C", "c1ccccc1"))
        self.water_dimer(*water)
        apart = [2.6, 3.0, 3.4, 3.8, 4.2, 5.0, 6.0, 14.0]
        for name, (Z1, X1), (Z2, X2), distances in (
                ("CH4..CH4", methane, methane, apart),
                ("CH4..H2O", methane, (water[0], water[1] - water[1][0]),
                 [2.4, 2.8, 3.2, 3.6, 4.0, 5.0, 6.0, 14.0]),
                ("benzene stack", benzene, benzene, apart)):
            X1, X2 = X1 - X1.mean(0), X2 - X2.mean(0)
            normal = np.linalg.svd(X1)[2][2]
            Xs = [np.concatenate([X1, X2 + normal * d]) for d in distances]
            s, t = (e - e[-1] for e in self.both(np.concatenate([Z1, Z2]), Xs))
            print(f"{name:16s}", in_mev(distances, s, t))

    def start_geometries(self, smiles):
        """Z [n] and conformers of rdkit; for alanine dipeptide also the known minima."""
        from rdkit import Chem
        from rdkit.Chem import AllChem, rdMolTransforms
        mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
        ids = list(AllChem.EmbedMultipleConfs(mol, 16, randomSeed=5))
        Xs = [np.array(mol.GetConformer(i).GetPositions()) for i in ids]
        if smiles == ALANINE_DIPEPTIDE:
            Xs = Xs[:6]
            for phi, psi in TORSIONS:
                copy = Chem.Mol(mol)
                conformer = copy.GetConformer(ids[0])
                rdMolTransforms.SetDihedralDeg(conformer, *PHI, phi)
                rdMolTransforms.SetDihedralDeg(conformer, *PSI, psi)
                Xs.append(np.array(conformer.GetPositions()))
        return atomic_numbers(mol), Xs

    def conformers(self):
        """Minima of the student and the teacher's energy at the same geometries."""
        print("conformers: minima of the student, relative energies student / teacher at the same "
              "geometry (kJ/mol)")
        for smiles in CONFORMERS:
            Z, Xs = self.start_geometries(smiles)
            X, e, largest = relax(Systems(self.path, [Z] * len(Xs)), np.concatenate(Xs), 1500)
            Xs = np.split(X, len(Xs))
            t, forces = self.teacher([Z] * len(Xs), Xs)
            order = np.argsort(e)
            s, t = ((x - x[order[0]]) * EV_IN_KJ_PER_MOL for x in (e, t))
            mean_force = np.mean([abs(f).mean() for f in forces]) * 1e3
            print(smiles, f"max |F| left {largest:.3f} eV/A; RMS difference (mean removed) "
                  f"{(s - t).std():.2f} kJ/mol, teacher force at student minima: mean |F comp| "
                  f"{mean_force:.0f} meV/A")
            angles = [(round(dihedral(x, *PHI)), round(dihedral(x, *PSI)))
                      if smiles == ALANINE_DIPEPTIDE else "" for x in Xs]
            print("   ", " ".join(f"{angles[k]}{s[k]:.1f}/{t[k]:.1f}" for k in order))


def scan(options):
    """Command scan."""
    both = Scan(options)
    both.stretches()
    both.dimers()
    both.conformers()
