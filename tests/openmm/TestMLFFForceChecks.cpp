/* What MLFFForce holds, and what it refuses: everything before the first step, with its message. */
#include "MLFFTestSupport.h"

using namespace mlfftest;

// Particles of a methanol, and a force for them that can be spoiled.
struct Case {
    Golden g;
    System system;
    MLFFForce* force;
    Case() : g(testData("painn-hcno-distilled.methanol")) {
        addParticles(system, g);
        force = makeForce(g);
        system.addForce(force);
    }
    // A Context that throws in its making is never freed by OpenMM.
    void create() {
        const LeakAllowed scope;
        VerletIntegrator integrator(1e-4);
        Context context(system, integrator, Platform::getPlatformByName("Reference"));
    }
};

// ------------------------------------------------------------------------------- force

static void testModelProperties() {
    const MLFFForce force(bundledModel());
    CHECK(force.getModelFile() == bundledModel());
    CHECK(force.getModelArchitecture() == "PaiNN");
    CHECK(force.getModelScope().find("3 to 36 atoms") != std::string::npos);
    CHECK_NEAR(0.5, force.getModelCutoff(), 1e-15);
    CHECK(force.getModelElements() == (vector<int>{1, 6, 7, 8, 16}));
    CHECK(!force.getModelHasCharges());
    // sha256sum models/painn-hcno-distilled.safetensors
    CHECK(force.getModelHash() ==
          "71f9c7858f99161065fb78247891d38f61d951d3ecfea03eb8400f041dee20f3");
}

static void testSettings() {
    MLFFForce force(bundledModel());
    double charge;
    int multiplicity, particle, number, region, particle2;
    CHECK(force.getNumRegions() == 1 && force.getNumAtoms() == 0 && force.getNumBonds() == 0);
    CHECK(force.getEnergyFactor() == 1 && force.getScaleParameterDefaultValue() == 1);
    CHECK(force.getScaleParameter().empty() && !force.usesPeriodicBoundaryConditions());
    CHECK(force.getModelStorage() == MLFFForce::Embedded && force.getForceGroup() == 0);
    CHECK(force.getCoulombMethod() == MLFFForce::Default && force.getUseDispersion());
    CHECK(force.getCoulombCutoff() == 0 && force.getCoulombAlpha() == 0);
    CHECK(force.getEwaldErrorTolerance() == 0 && force.getDispersionCutoff() == 0);
    force.setCoulombMethod(MLFFForce::PME);
    force.setCoulombCutoff(1.25);
    force.setCoulombAlpha(2.5);
    force.setEwaldErrorTolerance(1e-4);
    force.setUseDispersion(false);
    force.setDispersionCutoff(0.75);
    CHECK(force.getCoulombMethod() == MLFFForce::PME && !force.getUseDispersion());
    CHECK(force.getCoulombCutoff() == 1.25 && force.getCoulombAlpha() == 2.5);
    CHECK(force.getEwaldErrorTolerance() == 1e-4 && force.getDispersionCutoff() == 0.75);
    CHECK(force.getEvaluationMode() == MLFFForce::Auto && force.getDenseThreshold() == 512);
    CHECK(force.getMatrixPrecision() == MLFFForce::Full && force.getUseDeviceGraph());
    force.setEvaluationMode(MLFFForce::Sparse);
    force.setDenseThreshold(7);
    force.setMatrixPrecision(MLFFForce::TF32);
    force.setUseDeviceGraph(false);
    CHECK(force.getEvaluationMode() == MLFFForce::Sparse && force.getDenseThreshold() == 7);
    CHECK(force.getMatrixPrecision() == MLFFForce::TF32 && !force.getUseDeviceGraph());
    CHECK(force.addRegion(-1, 2) == 1 && force.addRegion() == 2 && force.getNumRegions() == 3);
    force.setRegionParameters(2, 0.5, 3);
    force.getRegionParameters(1, charge, multiplicity);
    CHECK(charge == -1 && multiplicity == 2);
    force.getRegionParameters(2, charge, multiplicity);
    CHECK(charge == 0.5 && multiplicity == 3);
    CHECK(force.addAtom(7, 6) == 0 && force.addAtom(3, 1, 2) == 1 && force.getNumAtoms() == 2);
    force.getAtomParameters(1, particle, number, region);
    CHECK(particle == 3 && number == 1 && region == 2);
    force.setAtomParameters(1, 4, 8, 1);
    force.getAtomParameters(1, particle, number, region);
    CHECK(particle == 4 && number == 8 && region == 1);
    CHECK(force.addBond(7, 4) == 0 && force.getNumBonds() == 1);
    force.setBondParameters(0, 4, 3);
    force.getBondParameters(0, particle, particle2);
    CHECK(particle == 4 && particle2 == 3);
    CHECK(force.getNumGlobalParameters() == 0);
    force.setScaleParameter("lambda");
    CHECK(force.getNumGlobalParameters() == 1);
    CHECK(force.getGlobalParameterName(0) == "lambda");
    CHECK(force.getGlobalParameterDefaultValue(0) == 1);
    force.setGlobalParameterDefaultValue(0, 0.25);
    CHECK(force.getScaleParameterDefaultValue() == 0.25);
    force.setScaleParameterDefaultValue(0.5);
    CHECK(force.getGlobalParameterDefaultValue(0) == 0.5);
    force.addEnergyParameterDerivative("lambda");
    force.addEnergyParameterDerivative("lambda");
    CHECK(force.getNumEnergyParameterDerivatives() == 1);
    CHECK(force.getEnergyParameterDerivativeName(0) == "lambda");
    CHECK(force.getScaleParameter() == "lambda" && force.getScaleParameterDefaultValue() == 0.5);
}

static void testIndices() {
    MLFFForce force(bundledModel());
    double charge;
    int a, b, c;
    CHECK_THROWS("getAtomParameters(): atom index 0 is out of range: there is none",
                 force.getAtomParameters(0, a, b, c));
    force.addAtom(0, 1);
    force.addBond(0, 1);
    CHECK_THROWS("atom index 1 is out of range: valid are 0 to 0",
                 force.getAtomParameters(1, a, b, c));
    CHECK_THROWS("atom index -1", force.setAtomParameters(-1, 0, 1));
    CHECK_THROWS("bond index 1", force.getBondParameters(1, a, b));
    CHECK_THROWS("bond index 2", force.setBondParameters(2, 0, 1));
    CHECK_THROWS("region index 1", force.getRegionParameters(1, charge, a));
    CHECK_THROWS("region index -2", force.setRegionParameters(-2, 0));
    CHECK_THROWS("derivative index 0", force.getEnergyParameterDerivativeName(0));
    CHECK_THROWS("global parameter index 0 is out of range: there is none",
                 force.getGlobalParameterName(0));
    CHECK_THROWS("global parameter index 0", force.setGlobalParameterDefaultValue(0, 1));
    force.setScaleParameter("lambda");
    CHECK_THROWS("global parameter index 1 is out of range: valid are 0 to 0",
                 force.getGlobalParameterDefaultValue(1));
    CHECK_THROWS("global parameter index -1", force.getGlobalParameterName(-1));
    CHECK_THROWS("global parameter index 1", force.setGlobalParameterDefaultValue(1, 0.5));
    CHECK(force.getScaleParameterDefaultValue() == 1);
}

static void testModelFiles() {
    CHECK_THROWS("no-such-file.safetensors", MLFFForce("no-such-file.safetensors"));
    CHECK_THROWS("painn-hcno", MLFFForce("painn-hcno"));  // a name is not a path
    CHECK_THROWS("MLFFForce: ", MLFFForce(""));
    CHECK_THROWS("the-name", MLFFForce("the-name", "not a model"));
    CHECK_THROWS("the-name", MLFFForce("the-name", ""));
    std::ifstream file(bundledModel(), std::ios::binary);
    const string content{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    CHECK_THROWS("the-name", MLFFForce("the-name", content.substr(0, content.size()-4)));
    const MLFFForce force("the-name", content);
    CHECK(force.getModelFile() == "the-name");
    CHECK(force.getModelHash() == MLFFForce(bundledModel()).getModelHash());
}

// ----------------------------------------------------------------- before the first step

static void testAtomChecks() {
    { Case c; c.create(); }
    {
        Case c;
        c.system.removeForce(0);
        c.system.addForce(new MLFFForce(bundledModel()));
        CHECK_THROWS("no atoms: call addAtom()", c.create());
    }
    {
        Case c;
        c.force->setAtomParameters(2, 17, 1);
        CHECK_THROWS("atom 2 is particle 17, which the System does not have: valid are 0 to 5",
                     c.create());
        c.force->setAtomParameters(2, -1, 1);
        CHECK_THROWS("atom 2 is particle -1", c.create());
        c.force->setAtomParameters(2, 1, 1);
        CHECK_THROWS("particle 1 is listed twice, as atom 1 and as atom 2", c.create());
        c.force->setAtomParameters(2, 2, 79);
        CHECK_THROWS("particle 2 (atom 2)", c.create());
        CHECK_THROWS("Au", c.create());
        c.force->setAtomParameters(2, 2, 0);
        CHECK_THROWS("particle 2 (atom 2)", c.create());
        c.force->setAtomParameters(2, 2, 1, 1);
        CHECK_THROWS("atom 2 (particle 2) is in region 1, which does not exist: valid are 0 to 0",
                     c.create());
        c.force->setAtomParameters(2, 2, 1, -1);
        CHECK_THROWS("region -1", c.create());
        c.force->setAtomParameters(2, 2, 1);
        c.create();
    }
}

static void testRegionChecks() {
    Case c;
    c.force->setRegionParameters(0, -1);
    CHECK_THROWS("region 0 has a total charge of -1, but the PaiNN model", c.create());
    c.force->setRegionParameters(0, NAN);
    CHECK_THROWS("the total charge of region 0 is nan", c.create());
    c.force->setRegionParameters(0, INFINITY);
    CHECK_THROWS("the total charge of region 0 is inf", c.create());
    c.force->setRegionParameters(0, 0, 3);
    CHECK_THROWS("region 0 has a multiplicity of 3, but the PaiNN model", c.create());
    c.force->setRegionParameters(0, 0, 0);
    CHECK_THROWS("the multiplicity of region 0 is 0", c.create());
    c.force->setRegionParameters(0, 0, 1);
    c.force->addRegion(1);
    CHECK_THROWS("region 1 has a total charge of 1", c.create());
    c.force->setRegionParameters(1, 0);
    c.create();  // a region without atoms does no harm
}

// Everything that the creation of a Context refuses for reasons of the force alone, without one.
static void testValidate() {
    Case c;
    const MLFFForce& force = *c.force;
    force.validate(c.system);
    c.force->setRegionParameters(0, -1);
    CHECK_THROWS("region 0 has a total charge of -1, but the PaiNN model", force.validate(c.system));
    c.force->setRegionParameters(0, 0, 3);
    CHECK_THROWS("region 0 has a multiplicity of 3", force.validate(c.system));
    c.force->setRegionParameters(0, 0);
    c.force->setAtomParameters(2, 2, 79);
    CHECK_THROWS("Au", force.validate(c.system));
    c.force->setAtomParameters(2, 17, 1);
    CHECK_THROWS("which the System does not have", force.validate(c.system));
    c.force->setAtomParameters(2, 2, 1);
    c.force->setEnergyFactor(NAN);
    CHECK_THROWS("the energy factor is nan", force.validate(c.system));
    c.force->setEnergyFactor(1);
    c.force->setCoulombMethod(MLFFForce::PME);
    CHECK_THROWS("has no Coulomb energy", force.validate(c.system));
    c.force->setCoulombMethod(MLFFForce::Default);
    force.validate(c.system);
}

// One particle of a model with charges, a hydrogen, whose odd number of electrons is insisted on.
struct ChargedCase {
    System system;
    MLFFForce* force;
    explicit ChargedCase(const char* model) : force(new MLFFForce(findModel(model))) {
        system.addParticle(1);
        force->addAtom(0, 1);
        force->setCheckElectrons(false);
        system.addForce(force);
    }
    void create() {
        const LeakAllowed scope;
        VerletIntegrator integrator(1e-4);
        Context context(system, integrator, Platform::getPlatformByName("Reference"));
    }
};

// A model with charges takes any finite charge; spin is another matter.
static void testChargeChecks() {
    ChargedCase c("published-4x4");
    CHECK(c.force->getModelHasCharges());
    c.force->setCheckElectrons(true);
    for (double charge : {1.0, -1.0, 0.3}) {
        c.force->setRegionParameters(0, charge);
        c.create();
    }
    // one electron: a charge that was forgotten, or a radical, which the user must insist on
    for (double charge : {0.0, 2.0, -2.0}) {
        c.force->setRegionParameters(0, charge);
        CHECK_THROWS("which do not fit", c.create());
        CHECK_THROWS("is the total charge right? setCheckElectrons(false)", c.create());
        c.force->setCheckElectrons(false);
        c.create();
        c.force->setCheckElectrons(true);
    }
    c.force->setRegionParameters(0, 0, 2);
    CHECK_THROWS("region 0 has a multiplicity of 2, but the AIMNet2 model", c.create());
    CHECK_THROWS("knows no spin (it is one for closed shells)", c.create());
    c.force->setRegionParameters(0, -INFINITY);
    CHECK_THROWS("the total charge of region 0 is -inf", c.create());

    ChargedCase neutral("neutral-2x3");
    neutral.force->setCheckElectrons(true);
    CHECK_THROWS("which do not fit", neutral.create());
    neutral.force->setCheckElectrons(false);
    neutral.create();
    neutral.force->setRegionParameters(0, 1);
    CHECK_THROWS("region 0 has a total charge of 1, but the AIMNet2 model", neutral.create());
    CHECK_THROWS("neutral molecules only", neutral.create());
}

// The multiplicity must fit the number of electrons, where there is one.
static void testSpinChecks() {
    ChargedCase c("open-shell-3x5");
    c.force->setCheckElectrons(true);
    const auto fits = [&](double charge, int multiplicity) {
        c.force->setRegionParameters(0, charge, multiplicity);
        c.create();
    };
    CHECK_THROWS("region 0 has a multiplicity of 1 and 1 electrons (1 protons, total charge 0), "
                 "which do not fit: with an odd number", fits(0, 1));
    fits(0, 2);
    CHECK_THROWS("with an even number of electrons the multiplicity is odd", fits(1, 2));
    fits(1, 1);   // a proton
    CHECK_THROWS("which do not fit", fits(1, 3));  // more unpaired electrons than there are
    CHECK_THROWS("which do not fit", fits(0, 4));
    fits(-1, 1);
    fits(-1, 3);
    fits(0.5, 1);  // no number of electrons
    fits(0.5, 2);
    c.force->addRegion(0, 2);  // nobody there
    c.create();
    c.force->setRegionParameters(0, 0, 1);
    c.force->setCheckElectrons(false);
    c.create();
    c.force->setCheckElectrons(true);
    // not copied to a Context either
    c.force->setRegionParameters(0, 0, 2);
    VerletIntegrator integrator(1e-4);
    Context context(c.system, integrator, Platform::getPlatformByName("Reference"));
    c.force->setRegionParameters(0, 0, 1);
    CHECK_THROWS("which do not fit", c.force->updateParametersInContext(context));
}

// ------------------------------------------------------------------ Coulomb, dispersion

static void testCoulombBoundary() {
    ChargedCase c("published-4x4");
    for (auto method : {MLFFForce::Ewald, MLFFForce::PME}) {
        c.force->setCoulombMethod(method);
        CHECK_THROWS("needs periodic boundary conditions, which this force does not use: choose "
                     "Simple (the default without), DSF or NoCoulomb, or call "
                     "setUsesPeriodicBoundaryConditions(true)", c.create());
    }
    CHECK_THROWS("the Coulomb method PME", c.create());
    for (auto method : {MLFFForce::Default, MLFFForce::Simple, MLFFForce::DSF,
                        MLFFForce::NoCoulomb}) {
        c.force->setCoulombMethod(method);
        c.create();
    }
    c.force->setUsesPeriodicBoundaryConditions(true);
    for (auto method : {MLFFForce::Default, MLFFForce::Ewald, MLFFForce::PME, MLFFForce::DSF,
                        MLFFForce::NoCoulomb}) {
        c.force->setCoulombMethod(method);
        c.create();
    }
    c.force->setCoulombMethod(MLFFForce::Simple);
    CHECK_THROWS("the Coulomb method Simple sums all pairs of an open system, but this force uses "
                 "periodic boundary conditions: choose DSF (the default there), Ewald, PME or "
                 "NoCoulomb, or call setUsesPeriodicBoundaryConditions(false)", c.create());
    c.force->setCoulombMethod(static_cast<MLFFForce::CoulombMethod>(6));
    CHECK_THROWS("6 is not a Coulomb method", c.create());
}

// A number that the method does not read has no effect.
static void testCoulombParameters() {
    ChargedCase c("published-4x4");
    c.force->setCoulombCutoff(1.2);
    CHECK_THROWS("the Coulomb cutoff is 1.2 nm, which has no effect with the Coulomb method "
                 "Simple: leave it at 0 or choose DSF", c.create());
    c.force->setCoulombMethod(MLFFForce::DSF);
    c.create();
    c.force->setCoulombAlpha(2);
    c.create();
    c.force->setCoulombCutoff(0);
    c.force->setUsesPeriodicBoundaryConditions(true);
    c.force->setCoulombMethod(MLFFForce::Default);  // DSF there
    c.create();
    c.force->setCoulombMethod(MLFFForce::Ewald);
    CHECK_THROWS("the Coulomb alpha is 2/nm, which has no effect with the Coulomb method Ewald",
                 c.create());
    c.force->setCoulombAlpha(0);
    c.force->setEwaldErrorTolerance(1e-5);
    c.create();
    c.force->setEwaldErrorTolerance(0.5);
    CHECK_THROWS("Ewald error tolerance is 0.5", c.create());
    c.force->setEwaldErrorTolerance(1e-5);
    c.force->setCoulombMethod(MLFFForce::NoCoulomb);
    CHECK_THROWS("the Ewald error tolerance is 1e-05, which has no effect with the Coulomb method "
                 "NoCoulomb: leave it at 0 or choose Ewald or PME", c.create());
    c.force->setEwaldErrorTolerance(0);
    c.create();
    for (double bad : {-1.0, (double) NAN, (double) INFINITY}) {
        c.force->setCoulombCutoff(bad);
        CHECK_THROWS("the Coulomb cutoff is ", c.create());
        c.force->setCoulombCutoff(0);
        c.force->setCoulombAlpha(bad);
        CHECK_THROWS("the Coulomb alpha is ", c.create());
        c.force->setCoulombAlpha(0);
        c.force->setEwaldErrorTolerance(bad);
        CHECK_THROWS("the Ewald error tolerance is ", c.create());
        c.force->setEwaldErrorTolerance(0);
        c.force->setDispersionCutoff(bad);
        CHECK_THROWS("the dispersion cutoff is ", c.create());
        c.force->setDispersionCutoff(0);
    }
    c.create();
}

static void testDispersionChecks() {
    ChargedCase c("published-4x4");
    c.force->setDispersionCutoff(0.9);
    c.create();
    c.force->setUseDispersion(false);
    CHECK_THROWS("the dispersion cutoff is 0.9 nm, which has no effect: dispersion is switched off "
                 "by setUseDispersion(false); leave it at 0", c.create());
    c.force->setDispersionCutoff(0);
    c.create();
    ChargedCase without("open-shell-3x5");
    without.force->setRegionParameters(0, 0, 2);
    without.create();
    without.force->setUseDispersion(false);  // it has none: no harm
    without.create();
    without.force->setDispersionCutoff(0.9);
    CHECK_THROWS("has no dispersion", without.create());
}

// A model that needs D3 and whose file has no reference table: the shared ones, alone in a folder.
static void testMissingDispersionTable() {
    const string source = findModel("aimnet2_wb97m_d3_member0");
    if (source.empty()) {
        printf("    skipped: a model without its dispersion table (MLFF_SHARED)\n");
        return;
    }
    System system;
    system.addParticle(1);
    auto* force = new MLFFForce("alone", readContent(source));
    force->addAtom(0, 1);
    force->setRegionParameters(0, 1);
    system.addForce(force);
    const auto create = [&] {
        const LeakAllowed scope;
        VerletIntegrator integrator(1e-4);
        Context context(system, integrator, Platform::getPlatformByName("Reference"));
    };
    CHECK_THROWS("alone: this model needs D3 dispersion, but its file has no reference table",
                 create());
    force->setUseDispersion(false);
    create();
}

// A model without charges has none of all this.
static void testCoulombWithoutCharges() {
    Case c;
    for (auto method : {MLFFForce::Simple, MLFFForce::DSF, MLFFForce::PME}) {
        c.force->setCoulombMethod(method);
        CHECK_THROWS("but the PaiNN model", c.create());
        CHECK_THROWS("has no Coulomb energy, so it would have no effect: leave it at Default",
                     c.create());
    }
    c.force->setCoulombMethod(MLFFForce::NoCoulomb);
    c.create();
    c.force->setUseDispersion(false);
    c.create();
    c.force->setCoulombCutoff(1);
    CHECK_THROWS("the Coulomb cutoff is 1 nm, which has no effect", c.create());
    c.force->setCoulombCutoff(0);
    c.force->setCoulombAlpha(1);
    CHECK_THROWS("the Coulomb alpha is 1/nm, which has no effect", c.create());
    c.force->setCoulombAlpha(0);
    c.force->setEwaldErrorTolerance(1e-3);
    CHECK_THROWS("the Ewald error tolerance is 0.001, which has no effect", c.create());
    c.force->setEwaldErrorTolerance(0);
    c.force->setDispersionCutoff(1);
    CHECK_THROWS("has no dispersion", c.create());
    c.force->setDispersionCutoff(0);

    ChargedCase neutral("neutral-2x3");  // charges, but no Coulomb energy
    neutral.force->setCoulombMethod(MLFFForce::DSF);
    CHECK_THROWS("has no Coulomb energy", neutral.create());
}

// ----------------------------------------------------------------------------- ensembles

static void testEnsembleChecks() {
    MLFFForce force(bundledModel());
    CHECK(force.getNumEnsembleMembers() == 1);
    CHECK(force.getEnsembleMemberFile(0) == bundledModel());
    CHECK(force.getEnsembleMemberHash(0) == force.getModelHash());
    CHECK_THROWS("ensemble member index 1 is out of range: valid are 0 to 0",
                 force.getEnsembleMemberFile(1));
    CHECK_THROWS("ensemble member index -1", force.getEnsembleMemberHash(-1));
    CHECK_THROWS("ensemble member index 7", force.getModel(7));
    CHECK_THROWS("no-such-file", force.addEnsembleMember("no-such-file"));
    CHECK_THROWS("the-name", force.addEnsembleMember("the-name", "not a model"));
    const string other = findModel("published-4x4"), elements = findModel("student-16x2");
    CHECK_THROWS("addEnsembleMember(): " + other + " (AIMNet2, cutoff 0.5 nm, 3 layers, charges, "
                 "no spin, Coulomb, dispersion, elements H C N O) is not of the same kind as " +
                 bundledModel() + " (PaiNN", force.addEnsembleMember(other));
    CHECK_THROWS("is not of the same kind", force.addEnsembleMember(elements));
    CHECK(force.getNumEnsembleMembers() == 1);

    MLFFForce charged(other);
    for (const char* name : {"open-shell-3x5", "neutral-2x3"})
        CHECK_THROWS("is not of the same kind", charged.addEnsembleMember(findModel(name)));
    const string changed = scaleTensor(readContent(other), "energy_mlp.mlp.2.weight", 2);
    CHECK(charged.addEnsembleMember("changed", changed) == 1);
    CHECK(charged.addEnsembleMember(other) == 2 && charged.getNumEnsembleMembers() == 3);
    CHECK(charged.getEnsembleMemberFile(1) == "changed");
    CHECK(charged.getEnsembleMemberHash(1) == MLFFForce("x", changed).getModelHash());
    CHECK(charged.getEnsembleMemberHash(1) != charged.getEnsembleMemberHash(0));
    CHECK(charged.getEnsembleMemberHash(2) == charged.getModelHash());
}

static void testBondChecks() {
    Case c;
    c.system.addParticle(1);
    c.force->addBond(0, 6);
    CHECK_THROWS("bond 0 joins particles 0 and 6, but particle 6 is not an atom", c.create());
    c.force->setBondParameters(0, -3, 0);
    CHECK_THROWS("particle -3 is not an atom", c.create());
    c.force->setBondParameters(0, 0, 99);
    CHECK_THROWS("particle 99 is not an atom", c.create());
    c.force->setBondParameters(0, 2, 2);
    CHECK_THROWS("bond 0 joins particle 2 with itself", c.create());
    c.force->setBondParameters(0, 0, 2);
    c.force->addRegion();
    c.force->setAtomParameters(2, 2, 1, 1);
    CHECK_THROWS("bond 0 joins particle 0 of region 0 with particle 2 of region 1", c.create());
    c.force->setAtomParameters(2, 2, 1, 0);
    c.create();
}

static void testParameterChecks() {
    Case c;
    c.force->setEnergyFactor(NAN);
    CHECK_THROWS("the energy factor is nan", c.create());
    c.force->setEnergyFactor(1);
    c.force->addEnergyParameterDerivative("lambda");
    CHECK_THROWS("with respect to 'lambda' was requested, but the energy does not depend on it: "
                 "the scale parameter is not set", c.create());
    c.force->setScaleParameter("mu");
    CHECK_THROWS("the scale parameter is 'mu'", c.create());
    c.force->setScaleParameter("lambda");
    c.create();
    c.force->setScaleParameterDefaultValue(INFINITY);
    CHECK_THROWS("the default value of the scale parameter is inf", c.create());

    Case unnamed;
    unnamed.force->setScaleParameterDefaultValue(0.5);
    CHECK_THROWS("but no name", unnamed.create());
}

static void testExecutionChecks() {
    Case c;
    c.force->setEvaluationMode(static_cast<MLFFForce::EvaluationMode>(3));
    CHECK_THROWS("3 is not an evaluation mode: expected Auto, Dense or Sparse", c.create());
    c.force->setEvaluationMode(MLFFForce::Dense);
    c.create();
    c.force->setUsesPeriodicBoundaryConditions(true);
    CHECK_THROWS("the evaluation mode is Dense, which looks at the pairs of an open region",
                 c.create());
    c.force->setUsesPeriodicBoundaryConditions(false);
    c.force->setDenseThreshold(-1);
    CHECK_THROWS("the dense threshold is -1: expected a number of atoms", c.create());
    c.force->setDenseThreshold(0);
    c.force->setMatrixPrecision(static_cast<MLFFForce::MatrixPrecision>(3));
    CHECK_THROWS("3 is not a matrix precision: expected Full, SplitHalf or TF32", c.create());
    c.force->setMatrixPrecision(MLFFForce::TF32);
    c.create();
}

// The default value is for new Contexts: that it does nothing to one that exists is said.
static void testScaleDefaultInContext() {
    Case c;
    c.force->setScaleParameter("lambda");
    VerletIntegrator integrator(1e-4);
    Context context(c.system, integrator, Platform::getPlatformByName("Reference"));
    context.setPositions(c.g.positions);
    for (bool global : {false, true}) {
        if (global)
            c.force->setGlobalParameterDefaultValue(0, 0.5);
        else
            c.force->setScaleParameterDefaultValue(0.5);
        CHECK_THROWS("the default value of the scale parameter 'lambda' has changed from 1 to 0.5, "
                     "but it holds for new Contexts only: call setParameter() on this Context, or "
                     "reinitialize()", c.force->updateParametersInContext(context));
        CHECK(context.getParameter("lambda") == 1);
        c.force->setScaleParameterDefaultValue(1);
        c.force->updateParametersInContext(context);
    }
    context.setParameter("lambda", 0.5);
    c.force->updateParametersInContext(context);
    CHECK(context.getParameter("lambda") == 0.5);
    c.force->setScaleParameterDefaultValue(0.25);
    context.reinitialize();
    context.setPositions(c.g.positions);
    CHECK(context.getParameter("lambda") == 0.25);
    CHECK_NEAR(0.25*c.g.energy, context.getState(State::Energy).getPotentialEnergy(), 1e-6);
    c.force->updateParametersInContext(context);
}

// What a Context cannot take over is refused, and the Context goes on as it was.
static void testFixedByContext() {
    Case c;
    c.force->addBond(0, 1);
    c.system.addParticle(1);
    VerletIntegrator integrator(1e-4);
    Context context(c.system, integrator, Platform::getPlatformByName("Reference"));
    vector<Vec3> positions(c.g.positions);
    positions.push_back(Vec3(9, 9, 9));
    context.setPositions(positions);
    int particle, number, region;
    c.force->getAtomParameters(0, particle, number, region);

    c.force->setAtomParameters(0, 6, number);
    CHECK_THROWS("atom 0 was particle 0 and is now particle 6",
                 c.force->updateParametersInContext(context));
    c.force->setAtomParameters(0, 0, number);
    c.force->setBondParameters(0, 1, 2);
    CHECK_THROWS("the bonds have changed", c.force->updateParametersInContext(context));
    c.force->setBondParameters(0, 0, 1);
    c.force->setUsesPeriodicBoundaryConditions(true);
    CHECK_THROWS("periodic", c.force->updateParametersInContext(context));
    c.force->setUsesPeriodicBoundaryConditions(false);
    c.force->setScaleParameter("lambda");
    CHECK_THROWS("the scale parameter", c.force->updateParametersInContext(context));
    c.force->setScaleParameter("");
    c.force->setCoulombMethod(MLFFForce::NoCoulomb);
    CHECK_THROWS("the Coulomb or dispersion settings have changed",
                 c.force->updateParametersInContext(context));
    c.force->setCoulombMethod(MLFFForce::Default);
    c.force->setUseDispersion(false);
    CHECK_THROWS("the Coulomb or dispersion settings have changed",
                 c.force->updateParametersInContext(context));
    c.force->setUseDispersion(true);
    const char* execution = "the evaluation mode, the dense threshold, the matrix precision or the "
                            "use of a device graph has changed";
    c.force->setEvaluationMode(MLFFForce::Sparse);
    CHECK_THROWS(execution, c.force->updateParametersInContext(context));
    c.force->setEvaluationMode(MLFFForce::Auto);
    c.force->setDenseThreshold(3);
    CHECK_THROWS(execution, c.force->updateParametersInContext(context));
    c.force->setDenseThreshold(512);
    c.force->setMatrixPrecision(MLFFForce::SplitHalf);
    CHECK_THROWS(execution, c.force->updateParametersInContext(context));
    c.force->setMatrixPrecision(MLFFForce::Full);
    c.force->setUseDeviceGraph(false);
    CHECK_THROWS(execution, c.force->updateParametersInContext(context));
    c.force->setUseDeviceGraph(true);
    c.force->setCheckGeometry(false);
    CHECK_THROWS("the check of the geometry has changed",
                 c.force->updateParametersInContext(context));
    c.force->setCheckGeometry(true);
    c.force->setIntendedBoxVectors(Vec3(3, 0, 0), Vec3(0, 3, 0), Vec3(0, 0, 3));
    CHECK_THROWS("the intended box has changed", c.force->updateParametersInContext(context));
    c.force->setIntendedBoxVectors(Vec3(), Vec3(), Vec3());
    c.force->updateParametersInContext(context);
    c.force->addEnsembleMember(bundledModel());
    CHECK_THROWS("the ensemble has changed from 1 to 2 members",
                 c.force->updateParametersInContext(context));
    c.system.removeForce(0);
    c.force = makeForce(c.g);
    c.force->addBond(0, 1);
    c.system.addForce(c.force);
    context.reinitialize(true);
    c.force->addAtom(6, 1);
    CHECK_THROWS("the number of atoms has changed from 6 to 7",
                 c.force->updateParametersInContext(context));
    CHECK_NEAR(c.g.energy, context.getState(State::Energy).getPotentialEnergy(), 1e-6);
}

// Without our plugin a platform says that it cannot do it.
// ------------------------------------------------------------------------------- images

// A methanol with periodic images beside one particle of a force field, as createMixedSystem() of
// the Python package leaves it: a copy of the NonbondedForce in which only the methanol acts.
struct MixedCase {
    Golden g;
    System system;
    NonbondedForce* nonbonded;
    CustomCVForce* images;
    MLFFForce* force;
    MixedCase() : g(testData("painn-hcno-distilled.methanol")), nonbonded(new NonbondedForce()),
            images(new CustomCVForce("-region0")), force(makeForce(g)) {
        const int n = (int) g.size();
        addParticles(system, g);
        system.addParticle(1);
        system.setDefaultPeriodicBoxVectors(Vec3(3, 0, 0), Vec3(0, 3, 0), Vec3(0, 0, 3));
        nonbonded->setNonbondedMethod(NonbondedForce::PME);
        for (int p = 0; p <= n; p++)
            nonbonded->addParticle(0.1*(p+1), 0.3, 0.1);
        for (int p = 0; p < n; p++)
            for (int q = 0; q < p; q++)
                nonbonded->addException(p, q, 0, 1, 0);
        NonbondedForce* copy = XmlSerializer::clone(*nonbonded);
        copy->setParticleParameters(n, 0, 1, 0);
        images->setName("ImagesOfRegions");
        images->addCollectiveVariable("region0", copy);
        force->setUsesPeriodicBoundaryConditions(true);
        system.addForce(nonbonded);
        system.addForce(images);
        system.addForce(force);
    }
};

static void testImages() {
    MixedCase c;
    vector<Vec3> positions = c.g.positions;
    positions.push_back(Vec3(1.5, 1.5, 1.5));
    VerletIntegrator integrator(1e-4);
    Context context(c.system, integrator, Platform::getPlatformByName("Reference"));
    context.setPositions(positions);
    const double energy = context.getState(State::Energy).getPotentialEnergy();

    // the particle beside the methanol is not in the copy
    c.nonbonded->setParticleParameters((int) c.g.size(), -0.5, 0.2, 0.2);
    c.force->validate(c.system);
    context.getState(State::Energy);
    // in a Context, after updateParametersInContext(); nothing else tells an MLFFForce
    c.nonbonded->setParticleParameters(1, -0.5, 0.3, 0.1);
    CHECK_THROWS("for region 0 of the MLFFForce, the charge of particle 1 in e is -0.5, in the copy "
                 "0.2", c.force->validate(c.system));
    CHECK_THROWS("charge of particle 1", context.getState(State::Energy));
    CHECK_THROWS("charge of particle 1", context.getState(State::Forces, false, 1 << 7));
    c.nonbonded->setParticleParameters(1, 0.2, 0.3, 0.1);
    CHECK_NEAR(energy, context.getState(State::Energy).getPotentialEnergy(), 1e-9);

    c.nonbonded->setPMEParameters(3, 30, 30, 30);
    context.getState(State::Energy);    // holds for new Contexts only
    CHECK_THROWS("PME parameter alpha in 1/nm is 3, in the copy 0", c.force->validate(c.system));
    c.nonbonded->setPMEParameters(0, 0, 0, 0);
    c.force->addRegion();
    CHECK_THROWS("the number of regions of the MLFFForce is 2, that of the copies 1",
                 c.force->validate(c.system));
}

// Whose the copies are is told by the order of the forces; a network in a CustomCVForce has its own.
static void testImagesOfOthers() {
    for (bool wrapped : {false, true}) {
        MixedCase c;
        c.nonbonded->setParticleParameters(1, -0.5, 0.3, 0.1);
        CHECK_THROWS("charge of particle 1", c.force->validate(c.system));
        MLFFForce* other = makeForce(c.g);
        if (wrapped) {
            CustomCVForce* variable = new CustomCVForce("0.5*network");
            variable->addCollectiveVariable("network", new MLFFForce(*c.force));
            c.system.removeForce(2);
            c.system.addForce(variable);
        }
        c.system.addForce(other);
        other->validate(c.system);
    }
}

static void testMissingPlugin() {
    Case c;
    CHECK_THROWS("", c.create());
}

int main() {
    RUN(testMissingPlugin);
    loadPlugins();
    RUN(testModelProperties);
    RUN(testSettings);
    RUN(testIndices);
    RUN(testModelFiles);
    RUN(testAtomChecks);
    RUN(testRegionChecks);
    RUN(testChargeChecks);
    RUN(testSpinChecks);
    RUN(testValidate);
    RUN(testCoulombBoundary);
    RUN(testCoulombParameters);
    RUN(testDispersionChecks);
    RUN(testMissingDispersionTable);
    RUN(testCoulombWithoutCharges);
    RUN(testEnsembleChecks);
    RUN(testBondChecks);
    RUN(testParameterChecks);
    RUN(testExecutionChecks);
    RUN(testScaleDefaultInContext);
    RUN(testFixedByContext);
    RUN(testImages);
    RUN(testImagesOfOthers);
    return check_report("checks of MLFFForce");
}
