"""The molecules of the data set, as SMILES, and how they are split. Neutral, closed shell, of
H C N O S."""
import hashlib

import numpy as np

# fragments: every root with every tail
ROOTS = """
    C CC CCC CC(C) C=C C=CC C#CC CC(C)(C) C1CC1 C1CCCC1 OCC COC COCC N#CC NCC CNCC O=CC CC(=O)
    CC(=O)C NC(=O)C CNC(=O)C OC(=O)C c1ccccc1 c1ccccc1C c1ccncc1 c1ccoc1 c1cc[nH]c1 CSC c1ccsc1
    OC(C) CC=C CN(C)C OCC(O)""".split()
TAILS = [""] + """
    O N NC N(C)C OC OCC C=O C(=O)C C(=O)CC C(=O)O C(=O)OC OC(=O)C C(=O)N C(=O)NC C(=O)N(C)C
    NC(=O)C NC=O C#N C=C C=CC C#C NC(=O)N S SC C=NC C(=N)N NC(=O)OC C(C)O C(C)C C(N)C(=O)O
    C(C)(C)C C(O)CO""".split()
RINGS = """
    C1CCCCC1 C1=CCCCC1 C1CCC1 C1=CCC=C1 C1=CCCC1 C1CO1 C1CN1 C1COC1 C1CNC1 C1CCOC1 C1CCNC1
    C1CCOCC1 C1CCNCC1 C1COCCN1 C1CNCCN1 C1COCCO1 C1OCCO1 C1CCSC1 CN1CCCC1 CN1CCCCC1 O=C1CCCC1
    O=C1CCCCC1 O=C1CCCN1 O=C1CCCO1 O=C1CCN1 O=C1CCCCN1 O=C1CNC(=O)CN1 O=C1CCC(=O)N1 c1ccccc1
    Cc1ccccc1 Oc1ccccc1 Nc1ccccc1 O=Cc1ccccc1 N#Cc1ccccc1 COc1ccccc1 Cc1ccc(O)cc1 CCc1ccccc1
    C=Cc1ccccc1 C#Cc1ccccc1 Oc1ccccc1O Oc1ccc(O)cc1 Cc1ccc(C)cc1 CNc1ccccc1 CC(=O)c1ccccc1
    OC(=O)c1ccccc1 NC(=O)c1ccccc1 CC(=O)Nc1ccccc1 OCc1ccccc1 NCc1ccccc1 c1ccncc1 Cc1ccccn1
    Oc1cccnc1 Nc1ccccn1 c1cncnc1 c1cnccn1 c1ccnnc1 c1cncnc1C c1c[nH]cn1 Cc1c[nH]cn1 Cc1cnc[nH]1
    Cn1ccnc1 c1cn[nH]c1 Cn1cccn1 c1cocn1 c1conc1 c1ccoc1 Cc1ccco1 c1cc[nH]c1 Cn1cccc1 c1ccsc1
    Cc1cccs1 c1cscn1 c1nc[nH]n1 c1nnn[nH]1 c1ccc2[nH]ccc2c1 Cc1c[nH]c2ccccc12 c1ccc2occc2c1
    c1ccc2ccccc2c1 c1ccc2ncccc2c1 c1ccc2[nH]cnc2c1 O=c1cc[nH]c(=O)[nH]1 Cc1c[nH]c(=O)[nH]c1=O
    Nc1cc[nH]c(=O)n1 Nc1ncnc2[nH]cnc12 Nc1nc2[nH]cnc2c(=O)[nH]1 Cn1ccc(=O)[nH]c1=O
    Cn1cnc2c(N)ncnc12 O=c1cccc[nH]1 O=C1C=CC(=O)C=C1 c1ncnc2[nH]cnc12 C1=COC=CC1
    C1=CNC=CC1""".split()
OTHERS = """
    C CC CCC CCCC CCCCC CCCCCC CC(C)C CC(C)(C)C C=C CC=C CC=CC C=CC=C CC(=C)C C#C CC#C CC#CC
    C=CC#C O CO CCO OCCO OCC(O)CO COC CCOCC COCOC N CN CCN CNC CN(C)C NCCN NCCO C=O CC=O CCC=O
    CC(C)=O O=CC=O CC(=O)C(C)=O C=CC=O CC(=O)CC(C)=O C=C=O O=C=O C#N CC#N CCC#N C=CC#N N#CC#N
    C#CC#N OC=O CC(=O)O CCC(=O)O OCC(=O)O CC(O)C(=O)O CC(=O)C(=O)O OC(=O)C(=O)O OC(=O)CC(=O)O
    OC(=O)CCC(=O)O OC(=O)C=CC(=O)O COC=O CC(=O)OC CCOC(C)=O CC(=O)OC(C)=O COC(=O)OC NC=O CNC=O
    CN(C)C=O CC(N)=O CNC(C)=O CC(=O)N(C)C CCC(=O)NC CC(=O)NCC CCNC(=O)CC NC(N)=O CNC(=O)NC
    NC(=O)C(N)=O CNC(=O)OC NCC(=O)O NCC(N)=O CNCC(=O)O NCC(=O)NC CC(=O)NCC(N)=O O=CNCC(N)=O
    O=CNC(C)C(N)=O O=CNC(C)C(=O)NC CC(=O)NC(C)C(=O)OC CC(=O)NC(C)C=O CC(=O)NC(C)C(C)=O
    CC(=O)NC(C)C CCC(=O)NC(C)C(N)=O NC(C)C(=O)O NC(C)C(N)=O NC(C)C(=O)NC CNC(=O)C(C)N
    CC(=O)NCC(=O)O CC(=O)NC(C)C(=O)O CC(=O)NC(C)(C)C(=O)NC CC(=O)N(C)CC(=O)NC CC(=O)NCCC(=O)NC
    CC(=O)NC(C)C(=O)N(C)C CC(=O)N(C)C(C)C(=O)NC C=C(NC(C)=O)C(=O)NC NC(=N)N CNC(=N)N CC(N)=N C=N
    CC=NC NO CON C=NO CC=NO NN CNN OO COO CN=NC C=NN S CS CCS CSC CCSC CSSC CSCC CC(=O)S CC(=O)SC
    C=S NC(N)=S CC(N)=S CS(C)=O CS(C)(=O)=O SCCO NC(CS)C(=O)O O=CC(O)CO O=CC(O)C(O)CO
    OCC1OCC(O)C1O OCC1OC(O)CC1O OCC1OC(O)C(O)C1O OC1COC(O)C(O)C1O OCC1OC(O)C(O)C(O)C1O OCC1OCCC1
    OC1CCOC1 OC1CCCO1 COC1CCCCO1 OCC(=O)CO OC1CCCCC1 NC1CCCCC1 C1CC2CCC1C2 CC1CCCC1 CC(C)CO
    CC(C)CN CCCCO CCCCN CCCCC(C)=O COCCOC NCCCN OCCCO CC(O)C(C)O C=CCO C=CCN C=COC C=CN(C)C
    OC=CC=O NC=CC=O CC(N)=CC=O C=CC(N)=O C=CC(=O)O C=CC(=O)OC C=C(C)C(=O)OC CC=CC(=O)C""".split()
# side chains of ACE-X-NME; CYS to CNA: also some without a natural counterpart
SIDE_CHAINS = dict(
    GLY=None, ALA="C", VAL="C(C)C", LEU="CC(C)C", ILE="C(C)CC", SER="CO", THR="C(C)O",
    ASN="CC(N)=O", GLN="CCC(N)=O", ASP="CC(=O)O", GLU="CCC(=O)O", LYS="CCCCN", HID="Cc1c[nH]cn1",
    HIE="Cc1cnc[nH]1", PHE="Cc1ccccc1", TYR="Cc1ccc(O)cc1", TRP="Cc1c[nH]c2ccccc12", CYS="CS",
    MET="CCSC", ABU="CC", NVA="CCC", VNG="C=C", CNA="C#N")
ALANINE_DIPEPTIDE = "CC(=O)N[C@@H](C)C(=O)NC"
TEST_NAMES = ["ACE-ALA-NME", "ACE-LEU-NME", "ACE-ASN-NME", "O=CNC(C)C(N)=O"]
VALIDATION_NAMES = ["ACE-THR-NME"]
TRAIN, VALIDATION, TEST = 0, 1, 2


class Collection:
    """name -> (SMILES, group), each molecule once (stereochemistry aside)."""

    def __init__(self):
        self.molecules, self.seen = {}, set()

    def add(self, smiles, group, name=None, max_atoms=24):
        """Skip what cannot be read, is known, too large, charged or a radical."""
        from rdkit import Chem
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            return
        canonical = Chem.MolToSmiles(mol, isomericSmiles=False)
        if canonical in self.seen or Chem.AddHs(mol).GetNumAtoms() > max_atoms:
            return
        if any(a.GetNumRadicalElectrons() or a.GetFormalCharge() for a in mol.GetAtoms()):
            return
        self.seen.add(canonical)
        self.molecules[name or canonical] = (smiles, group)


def add_peptides(collection):
    """Capped amino acids and three capped pairs and triples."""
    for name, chain in SIDE_CHAINS.items():
        residue = "C" if chain is None else f"[C@@H]({chain})"
        collection.add(f"CC(=O)N{residue}C(=O)NC", "dipeptide", f"ACE-{name}-NME", 40)
    for smiles, name in (("CC(=O)N1CCC[C@H]1C(=O)NC", "ACE-PRO-NME"),
                         ("CC(=O)N[C@@H](C)C(=O)N[C@@H](C)C(=O)NC", "ACE-ALA-ALA-NME"),
                         ("CC(=O)NCC(=O)NCC(=O)NC", "ACE-GLY-GLY-NME"),
                         ("CC(=O)NCC(=O)N[C@@H](C)C(=O)NC", "ACE-GLY-ALA-NME")):
        collection.add(smiles, "dipeptide", name, 40)


def molecules():
    """name -> (SMILES, group); groups: dipeptide, small, ring, combo. Needs rdkit."""
    from rdkit import RDLogger
    RDLogger.DisableLog("rdApp.*")
    collection = Collection()
    add_peptides(collection)
    for smiles in OTHERS:
        collection.add(smiles, "small", None, 26)
    for smiles in RINGS:
        collection.add(smiles, "ring")
    for chain in SIDE_CHAINS.values():
        if chain:
            collection.add(f"NC({chain})C(=O)O", "small")
            collection.add(f"C{chain}", "small")
            collection.add(f"CC(=O)NC({chain})C(=O)N", "small", None, 30)
    rng = np.random.default_rng(5)
    combinations = [root + tail for root in ROOTS for tail in TAILS]
    for k in rng.permutation(len(combinations)):
        collection.add(combinations[k], "combo", None, 20)
    return collection.molecules


def split_of(name):
    """TRAIN, VALIDATION or TEST: by the hash of the name, but for those that are set by hand."""
    if name in TEST_NAMES:
        return TEST
    if name in VALIDATION_NAMES:
        return VALIDATION
    if name.startswith("water"):
        return TEST if name == "water6" else TRAIN
    percent = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 100
    return TEST if percent < 7 else VALIDATION if percent < 12 else TRAIN
