/*
 * What MLFFForce must do with models that have charges, with ensembles, and when it is asked about
 * charges, energy terms and second derivatives, on every platform.
 */
#ifndef TEST_MLFFFORCE_CHARGES_H_
#define TEST_MLFFFORCE_CHARGES_H_

#include "MLFFTestPlatform.h"
#include <climits>

namespace mlfftest {

/* One MLFFForce with all atoms of a golden, ready to be asked. */
struct Molecule {
    Golden g;
    System system;
    MLFFForce* force;
    std::unique_ptr<Simulation> simulation;
    explicit Molecule(const Golden& golden) : g(golden), force(makeForce(golden)) {
        addParticles(system, g);
        system.addForce(force);
    }
    Context& context() {
        if (!simulation)
            simulation = std::make_unique<Simulation>(system, g.positions);
        return simulation->context;
    }
    State evaluate() {
        context();
        return simulation->evaluate();
    }
    vector<double> charges() {
        vector<double> q;
        force->getAtomCharges(context(), q);
        return q;
    }
    vector<double> hessian() {
        vector<double> h;
        force->computeHessian(context(), h);
        return h;
    }
};

static double largestDifference(const vector<double>& a, const vector<double>& b) {
    double max = (a.size() == b.size() ? 0 : NAN);
    for (size_t i = 0; i < a.size() && !std::isnan(max); i++) {
        const double d = fabs(a[i]-b[i]);
        max = std::isnan(d) ? d : std::max(max, d);
    }
    return max;
}

static double largest(const vector<double>& a) {
    return largestDifference(a, vector<double>(a.size()));
}

/* The largest deviations of some goldens, in the units of their source. */
struct Deviations {
    int count = 0;
    double energy = 0, force = 0, charge = 0, component = 0;  // kJ/mol, kJ/mol/nm, e, kJ/mol
    void print(const char* what) const {
        printf("    %d %s, worst deviation: energy %.2e eV, component %.2e eV, force %.2e "
               "eV/angstrom, charge %.2e e\n", count, what, energy/KJMOL_PER_EV,
               component/KJMOL_PER_EV, force/KJMOL_PER_EV/10, charge);
    }
};

// A single term follows the charges, in which only the sum of all terms is nearly stationary: each
// atom adds the charge's tolerance times the potential of a unit charge at 1 angstrom.
static double componentTolerance(int numAtoms) {
    return energyTolerance(numAtoms) + KJMOL_PER_EV*14.4*testPlatform.charge*numAtoms;
}

// Energy, forces, charges and each term of the energy.
static void checkCharged(const Golden& golden, Deviations& worst) {
    Molecule molecule(golden);
    const State state = molecule.evaluate();
    const Golden g = atKeptPositions(golden, molecule.system);
    checkGolden(g, state, "golden");
    worst.count++;
    worst.energy = std::max(worst.energy, fabs(state.getPotentialEnergy()-g.energy));
    worst.force = std::max(worst.force, largestDifference(forcesOf(g, state), g.forces));

    const double charge = largestDifference(g.charges, molecule.charges());
    CHECK(charge <= testPlatform.charge);
    const std::map<string, double> found = molecule.force->getEnergyComponents(molecule.context());
    CHECK(found.size() == 5 && g.components.size() == 5);
    double sum = 0, component = 0;
    for (const auto& [name, expected] : g.components) {
        CHECK(found.count(name) == 1);
        component = std::max(component, fabs(expected-found.at(name)));
        sum += found.at(name);
    }
    CHECK(component <= componentTolerance(g.size()));
    CHECK_NEAR(state.getPotentialEnergy(), sum, energyTolerance(g.size()));
    if (!(charge <= testPlatform.charge && component <= componentTolerance(g.size())))
        printf("    %s: charges off by %.3g e, a component by %.3g kJ/mol\n", g.name.c_str(),
               charge, component);
    worst.charge = std::max(worst.charge, charge);
    worst.component = std::max(worst.component, component);
}

// A multiplicity that a region's number of electrons cannot have. The networks of the goldens are
// random and computed all the same: makeForce() insists.
static bool hasImpossibleSpin(const Golden& g) {
    vector<double> electrons(g.charge.size());
    for (size_t r = 0; r < g.charge.size(); r++)
        electrons[r] = -g.charge[r];
    for (int i = 0; i < g.size(); i++)
        electrons[g.region.empty() ? 0 : g.region[i]] += g.numbers[i];
    for (size_t r = 0; r < g.charge.size(); r++)
        if (g.charge[r] == floor(g.charge[r]) && fmod(electrons[r]-g.spin[r]+1, 2) != 0)
            return true;
    return false;
}

// Values of an independent implementation (tests/data/aimnet2/README.md): one and several regions,
// total charges and multiplicities, all methods, open and periodic.
static void testChargedGoldens() {
    Deviations worst;
    int impossible = 0;
    for (const char* model : {"published-4x4", "open-shell-3x5", "neutral-2x3"})
        for (const Golden& g : chargedGoldens(model)) {
            if (hasImpossibleSpin(g)) {
                const LeakAllowed scope;
                Molecule molecule(g);
                molecule.force->setCheckElectrons(true);
                CHECK_THROWS("which do not fit", molecule.context());
                impossible++;
            }
            checkCharged(g, worst);
        }
    CHECK(worst.count >= 20);
    CHECK(impossible >= 1);
    worst.print("goldens with charges");
}

// Values of the original implementation with the published weights. The box of 192 atoms is left
// to the test of the engine.
static void testSharedGoldens() {
    if (findModel("aimnet2_wb97m_d3_member0").empty()) {
        printf("    skipped: no values of the original AIMNet2 (MLFF_SHARED)\n");
        return;
    }
    Deviations worst;
    const string place = folder("MLFF_SHARED") + "/golden/aimnet2";
    for (const auto& entry : std::filesystem::directory_iterator(place)) {
        const string path = entry.path().string();
        if (entry.path().extension() != ".json" || path.find("water64") != string::npos)
            continue;
        for (const Golden& g : readSharedGolden(path).methods)
            checkCharged(g, worst);
    }
    CHECK(worst.count >= 30);
    worst.print("goldens of the original AIMNet2");
}

// --------------------------------------------------------------- regions with charges

static double sum(const vector<double>& q, const vector<int>& region, int which) {
    double total = 0;
    for (size_t i = 0; i < q.size(); i++)
        total += (region[i] == which ? q[i] : 0);
    return total;
}

/* Several molecules as regions of one force, this far apart (nm); without: on top of each other. */
static Golden merge(const vector<Golden>& parts, double distance) {
    Golden all = parts.at(0);
    all.numbers.clear();
    all.positions.clear();
    all.forces.clear();
    all.charges.clear();
    all.region.clear();
    all.charge.clear();
    all.spin.clear();
    all.components.clear();
    all.energy = 0;
    for (size_t k = 0; k < parts.size(); k++) {
        const Golden& g = parts[k];
        for (int i = 0; i < g.size(); i++) {
            all.numbers.push_back(g.numbers[i]);
            all.positions.push_back(g.positions[i]+Vec3(distance*k, 0, 0));
            all.region.push_back((int) k);
        }
        all.charge.push_back(g.charge[0]);
        all.spin.push_back(1);
    }
    return all;
}

// A batch of regions, near or far, is as many runs of their own: energy, forces, charges. Each
// keeps its total charge.
static void checkBatch(const vector<Golden>& parts, double distance) {
    Golden all = merge(parts, distance);
    if (keepsFloatPositions())  // alone, too, molecules are what they are far from the origin
        all.positions = roundToFloat(all.positions);
    for (size_t k = 0; k < parts.size(); k++) {
        Golden part = parts[k];
        for (int i = 0; i < part.size(); i++)
            part.positions[i] = all.positions[all.forces.size()+i]-Vec3(distance*k, 0, 0);
        Molecule alone(part);
        const State state = alone.evaluate();
        const vector<double> q = alone.charges();
        all.energy += state.getPotentialEnergy();
        all.forces.insert(all.forces.end(), state.getForces().begin(), state.getForces().end());
        all.charges.insert(all.charges.end(), q.begin(), q.end());
    }
    Molecule batch(all);
    checkGolden(all, batch.evaluate(), "batch of regions");
    const vector<double> q = batch.charges();
    CHECK(largestDifference(all.charges, q) <= testPlatform.charge);
    for (size_t k = 0; k < parts.size(); k++)
        CHECK_NEAR(parts[k].charge[0], sum(q, all.region, (int) k), 1e-5);
}

static void testBatches() {
    Golden a = chargedGolden("published-4x4", "formamide simple");
    Golden b = chargedGolden("published-4x4", "pair_apart simple");
    Golden c = chargedGolden("published-4x4", "formamide_4water simple");
    c.dispersionCutoff = 0;
    const double charges[] = {0, 1, -1, 0.5, -2};
    vector<Golden> parts;
    for (int k = 0; k < 5; k++) {
        parts.push_back(k%3 == 0 ? a : k%3 == 1 ? b : c);
        parts.back().charge[0] = charges[k];
    }
    for (double distance : {20.0, 0.0}) {
        checkBatch({parts[1], parts[4]}, distance);
        checkBatch(parts, distance);
    }
}

// One region of two molecules shares its charge between them, wherever they are; two do not.
static void testChargeStaysInRegion() {
    Golden a = chargedGolden("published-4x4", "formamide simple"), b = a;
    a.charge[0] = 1;
    b.charge[0] = -1;
    Golden apart = merge({a, b}, 5), together = apart;
    together.region.assign(together.size(), 0);
    together.charge = {0};
    together.spin = {1};
    const vector<int>& region = apart.region;
    const vector<double> q = Molecule(apart).charges(), shared = Molecule(together).charges();
    CHECK_NEAR(1, sum(q, region, 0), 1e-5);
    CHECK_NEAR(-1, sum(q, region, 1), 1e-5);
    CHECK_NEAR(0, sum(shared, region, 0), 1e-5);
}

// A changed total charge acts at once, as in a new Context.
static void testUpdateCharge() {
    const Golden g = chargedGolden("published-4x4", "formamide simple");
    Molecule molecule(g);
    CHECK(molecule.force->getModelHasCharges());
    molecule.force->setRegionParameters(0, -2);
    CHECK(fabs(molecule.evaluate().getPotentialEnergy()-g.energy) > 1);
    const vector<int> region(g.size(), 0);
    CHECK_NEAR(-2, sum(molecule.charges(), region, 0), 1e-5);
    molecule.force->setRegionParameters(0, g.charge[0]);
    CHECK_NEAR(-2, sum(molecule.charges(), region, 0), 1e-5);  // changed but not copied
    molecule.force->updateParametersInContext(molecule.context());
    checkGolden(g, molecule.evaluate(), "charge updated");
    CHECK(largestDifference(g.charges, molecule.charges()) <= testPlatform.charge);
}

// ------------------------------------------------------------------------- asking

static void testCoulombMethodInContext() {
    struct Case {
        Golden g;
        MLFFForce::CoulombMethod expected;
    };
    Golden open = chargedGolden("published-4x4", "formamide simple");
    Golden box = chargedGolden("published-4x4", "box_triclinic dsf");
    Golden neutral = chargedGolden("neutral-2x3", "formamide");
    for (Golden* g : {&open, &box, &neutral})
        g->coulomb = "";
    Golden dsf = chargedGolden("published-4x4", "formamide dsf");
    Golden none = chargedGolden("published-4x4", "formamide none");
    Golden ewald = chargedGolden("published-4x4", "box_triclinic ewald");
    for (const Case& c : vector<Case>{{open, MLFFForce::Simple}, {box, MLFFForce::DSF},
                                      {neutral, MLFFForce::NoCoulomb}, {dsf, MLFFForce::DSF},
                                      {none, MLFFForce::NoCoulomb}, {ewald, MLFFForce::Ewald},
                                      {testData("painn-hcno-distilled.methanol"),
                                       MLFFForce::NoCoulomb}}) {
        Molecule molecule(c.g);
        CHECK(molecule.force->getCoulombMethodInContext(molecule.context()) == c.expected);
        checkGolden(c.g, molecule.evaluate(), "method");  // the defaults are the published ones
    }
    // particle mesh Ewald is the same sum, up to the mesh
    Golden pme = ewald;
    pme.coulomb = "pme";
    Molecule molecule(pme);
    molecule.force->setEwaldErrorTolerance(1e-9);
    CHECK_NEAR(ewald.energy, molecule.evaluate().getPotentialEnergy(),
               energyTolerance(pme.size())+1e-6*KJMOL_PER_EV);
    CHECK(molecule.force->getCoulombMethodInContext(molecule.context()) == MLFFForce::PME);
}

// A question is about the positions of now, whatever was evaluated before; and it changes nothing.
static void testAskingIsAboutNow() {
    const Golden g = chargedGolden("published-4x4", "formamide simple");
    Molecule molecule(g), fresh(g);
    molecule.evaluate();
    for (Vec3& p : fresh.g.positions)
        p = Vec3(1.1*p[0], p[1], p[2]);
    molecule.context().setPositions(fresh.g.positions);
    const vector<double> q = molecule.charges();
    CHECK(largestDifference(fresh.charges(), q) <= testPlatform.charge);
    CHECK(largestDifference(g.charges, q) > 1e-4);
    const double before = molecule.evaluate().getPotentialEnergy();
    molecule.hessian();
    CHECK(molecule.force->getEnergyComponents(molecule.context()).at("coulomb") != 0);
    CHECK(molecule.evaluate().getPotentialEnergy() == before);
    CHECK(largestDifference(molecule.charges(), q) == 0);
}

// The Context goes on where it was, to the last bit.
static void testAskingBetweenSteps() {
    const Golden g = chargedGolden("published-4x4", "box_triclinic dsf");
    vector<Vec3> ends[2];
    for (bool ask : {false, true}) {
        Molecule molecule(g);
        molecule.context().setVelocitiesToTemperature(300, 5);
        for (int k = 0; k < 10; k++) {
            molecule.simulation->integrator.step(1);
            if (ask)
                molecule.charges();
        }
        ends[ask] = molecule.context().getState(State::Positions).getPositions();
    }
    CHECK(largestDifference(ends[0], ends[1]) == 0);
    CHECK(largestDifference(ends[0], g.positions) > 1e-4);
}

static void testAskingWithoutAnswer() {
    Molecule painn(testData("painn-hcno-distilled.methanol"));
    CHECK_THROWS("getAtomCharges(): the PaiNN model", painn.charges());
    double energy, force;
    CHECK_THROWS("getEnsembleDeviation(): the force has one model",
                 painn.force->getEnsembleDeviation(painn.context(), energy, force));
    const std::map<string, double> terms = painn.force->getEnergyComponents(painn.context());
    CHECK(terms.size() == 2);
    CHECK_NEAR(painn.g.energy, terms.at("network")+terms.at("elements"),
               energyTolerance(painn.g.size()));

    VerletIntegrator integrator(1e-4);
    Context unset(painn.system, integrator, Platform::getPlatformByName(testPlatform.name),
                  testPlatform.properties);
    CHECK_THROWS("positions", painn.force->getEnergyComponents(unset));
    vector<double> h;
    CHECK_THROWS("positions", painn.force->computeHessian(unset, h));
}

// The scale parameter and the energy factor multiply the energy and nothing else.
static void testScaleWithCharges() {
    const Golden g = chargedGolden("published-4x4", "two_regions simple");
    Molecule molecule(g);
    molecule.force->setScaleParameter("lambda");
    molecule.force->addEnergyParameterDerivative("lambda");
    molecule.force->setEnergyFactor(-2);
    const vector<double> hessian = molecule.hessian();
    for (double lambda : {0.5, 0.0}) {
        molecule.context().setParameter("lambda", lambda);
        const State state = molecule.evaluate();
        CHECK_NEAR(-2*lambda*g.energy, state.getPotentialEnergy(), 2*energyTolerance(g.size()));
        CHECK_NEAR(-2*g.energy, state.getEnergyParameterDerivatives().at("lambda"),
                   2*energyTolerance(g.size()));
        vector<Vec3> expected(g.forces);
        for (Vec3& f : expected)
            f *= -2*lambda;
        CHECK_NEAR(0, largestDifference(state.getForces(), expected),
                   2*forceTolerance(largest(g.forces)));
        CHECK(largestDifference(g.charges, molecule.charges()) <= testPlatform.charge);
        for (const auto& [name, value] : molecule.force->getEnergyComponents(molecule.context()))
            CHECK_NEAR(g.components.at(name), value, componentTolerance(g.size()));
        CHECK(largestDifference(hessian, molecule.hessian()) == 0);
    }
}

// A charged molecule in vacuum inside a periodic System, each of its atoms in some other cell.
static void testWrappedCharges() {
    const Golden g = chargedGolden("published-4x4", "formamide simple");
    const Vec3 box[3] = {Vec3(1.6, 0, 0), Vec3(0.5, 1.7, 0), Vec3(-0.6, 0.7, 1.8)};
    Molecule whole(g), wrapped(g);
    makePeriodic(wrapped.system, box[0], box[1], box[2]);
    std::mt19937 random(3);
    std::uniform_int_distribution<int> cells(-2, 2);
    for (Vec3& p : wrapped.g.positions)
        for (int a = 0; a < 3; a++)
            p += box[a]*cells(random);
    checkGolden(g, wrapped.evaluate(), "wrapped atom by atom");
    CHECK(largestDifference(g.charges, wrapped.charges()) <= testPlatform.charge);
    CHECK(wrapped.force->getCoulombMethodInContext(wrapped.context()) == MLFFForce::Simple);
    const vector<double> expected = whole.hessian(), found = wrapped.hessian();
    CHECK_NEAR(0, largestDifference(expected, found)/largest(expected),
               isSinglePrecision() ? 2e-3 : 1e-7);
}

// Lists follow the atoms: after steps and a jump a new Context finds the same.
static void testListsFollow() {
    for (const char* name : {"box_triclinic dsf", "box_triclinic ewald",
                             "formamide_4water simple"}) {
        Molecule molecule(chargedGolden("published-4x4", name));
        molecule.force->setCheckGeometry(false);  // random weights know no repulsion
        molecule.context().setVelocitiesToTemperature(600, 2);
        for (int k = 0; k < 4; k++) {
            molecule.simulation->integrator.step(15);
            if (k == 2 && molecule.g.periodic)  // Ewald's range depends on the box
                molecule.context().setPeriodicBoxVectors(
                    molecule.g.box[0]*1.05, molecule.g.box[1]*1.05, molecule.g.box[2]*1.05);
            Golden now = molecule.g;
            now.positions = molecule.context().getState(State::Positions).getPositions();
            if (k == 2 || k == 3)
                for (Vec3& v : now.box)
                    v *= (now.periodic ? 1.05 : 1);
            Molecule fresh(now);
            checkSame(fresh.evaluate(), molecule.evaluate(), now.size());
        }
    }
}

// ------------------------------------------------------------------------- ensembles

/* What members of their own give: energies, forces, charges. */
struct Members {
    vector<double> energies;
    vector<vector<Vec3> > forces;
    vector<vector<double> > charges;
};

// Mean and unbiased standard deviations, from the members' own values.
static void checkEnsemble(Molecule& ensemble, const Members& members) {
    const size_t n = members.energies.size();
    Golden mean = ensemble.g;
    mean.energy = 0;
    mean.forces.assign(mean.size(), Vec3());
    mean.charges.assign(mean.size(), 0);
    for (size_t k = 0; k < n; k++) {
        mean.energy += members.energies[k]/n;
        for (int i = 0; i < mean.size(); i++) {
            mean.forces[i] += members.forces[k][i]*(1.0/n);
            if (!members.charges.empty())
                mean.charges[i] += members.charges[k][i]/n;
        }
    }
    double energy = 0, force = 0;
    for (size_t k = 0; k < n; k++)
        energy += pow(members.energies[k]-mean.energy, 2)/(n-1);
    for (int i = 0; i < mean.size(); i++) {
        double square = 0;
        for (size_t k = 0; k < n; k++) {
            const Vec3 d = members.forces[k][i]-mean.forces[i];
            square += d.dot(d)/(n-1);
        }
        force = std::max(force, sqrt(square));
    }
    checkGolden(mean, ensemble.evaluate(), "ensemble mean");
    if (!members.charges.empty())
        CHECK(largestDifference(mean.charges, ensemble.charges()) <= testPlatform.charge);
    double foundEnergy, foundForce;
    ensemble.force->getEnsembleDeviation(ensemble.context(), foundEnergy, foundForce);
    CHECK(foundEnergy > 0.01 && foundForce > 0.1);
    CHECK_NEAR(sqrt(energy), foundEnergy, 2*energyTolerance(mean.size()));
    CHECK_NEAR(force, foundForce, 2*forceTolerance(largest(mean.forces)));
    double sum = 0;
    for (const auto& term : ensemble.force->getEnergyComponents(ensemble.context()))
        sum += term.second;
    CHECK_NEAR(mean.energy, sum, energyTolerance(mean.size()));
}

// Members that are changed copies of one model.
static void checkChangedMembers(const Golden& g, const string& tensor) {
    const string content = readContent(findModel(g.model));
    Members members;
    Molecule ensemble(g);
    for (float factor : {1.0f, 1.2f, 0.7f}) {
        const string changed = scaleTensor(content, tensor, factor);
        Molecule alone(g);
        if (factor != 1) {
            CHECK(ensemble.force->addEnsembleMember("changed", changed) > 0);
            // a force of the one model: the same settings with other weights
            auto* single = new MLFFForce("changed", changed);
            for (size_t r = 0; r < g.charge.size(); r++) {
                if (r > 0)
                    single->addRegion();
                single->setRegionParameters((int) r, g.charge[r], (int) g.spin[r]);
            }
            for (int i = 0; i < g.size(); i++)
                single->addAtom(i, g.numbers[i], g.region.empty() ? 0 : g.region[i]);
            single->setUsesPeriodicBoundaryConditions(g.periodic);
            single->setCheckElectrons(false);
            chooseMethods(*single, g);
            alone.system.removeForce(0);
            alone.system.addForce(single);
            alone.force = single;
        }
        const State state = alone.evaluate();
        members.energies.push_back(state.getPotentialEnergy());
        members.forces.push_back(state.getForces());
        if (alone.force->getModelHasCharges())
            members.charges.push_back(alone.charges());
    }
    CHECK(ensemble.force->getNumEnsembleMembers() == 3);
    checkEnsemble(ensemble, members);
}

static void testEnsembles() {
    checkChangedMembers(chargedGolden("published-4x4", "two_regions simple"),
                        "energy_mlp.mlp.2.weight");
    checkChangedMembers(chargedGolden("published-4x4", "two_regions_box ewald"),
                        "mlps.0.0.weight");
    checkChangedMembers(testData("student-16x2.formamide"), "layer.0.filter.w1");
}

// The four published members against the original's mean and deviation.
static void testSharedEnsembles() {
    vector<string> files;
    for (int k = 0; k < 4; k++)
        files.push_back(findModel("aimnet2_wb97m_d3_member" + std::to_string(k)));
    if (std::find(files.begin(), files.end(), "") != files.end()) {
        printf("    skipped: no ensemble of AIMNet2 (MLFF_SHARED)\n");
        return;
    }
    double worst = 0;
    for (const char* name : {"methanol", "acetate_m1", "water8_triclinic"}) {
        const SharedGolden shared = readSharedGolden(folder("MLFF_SHARED") + "/golden/aimnet2/" +
                                                     name + ".json");
        Golden mean = shared.methods.at(0);
        mean.coulomb = shared.ensembleMethod;
        mean.energy = shared.energyMean;
        mean.forces = shared.forcesMean;
        Molecule ensemble(mean);
        for (int k = 1; k < 4; k++)
            CHECK(ensemble.force->addEnsembleMember(files[k]) == k);
        checkGolden(mean, ensemble.evaluate(), "ensemble of four");
        CHECK(largestDifference(shared.chargesMean, ensemble.charges()) <= testPlatform.charge);
        double energy, force;
        ensemble.force->getEnsembleDeviation(ensemble.context(), energy, force);
        CHECK_NEAR(shared.energyDeviation, energy, 2*energyTolerance(mean.size()));
        CHECK(force > 1);
        worst = std::max(worst, fabs(shared.energyDeviation-energy));
    }
    printf("    4 published members, worst deviation of the standard deviation: %.2e eV\n",
           worst/KJMOL_PER_EV);
}

// ----------------------------------------------------------------- second derivatives

// Column a of the Hessian from a Context's forces, fourth order: not symmetrised.
static vector<double> differentiateForces(Molecule& molecule, int a, double h) {
    static const double offset[4] = {-2, -1, 1, 2}, weight[4] = {-1, 8, -8, 1};
    vector<double> column(3*molecule.g.size());
    for (int k = 0; k < 4; k++) {
        vector<Vec3> positions(molecule.g.positions);
        positions[a/3][a%3] += offset[k]*h;
        molecule.context().setPositions(positions);
        const State state = molecule.evaluate();
        for (size_t b = 0; b < column.size(); b++)
            column[b] += weight[k]*state.getForces()[b/3][b%3]/(12*h);
    }
    molecule.context().setPositions(molecule.g.positions);
    return column;
}

// Row by row from the forces, as they come.
static vector<double> differentiateForces(Molecule& molecule, double h) {
    vector<double> rows;
    for (int a = 0; a < 3*molecule.g.size(); a++) {
        const vector<double> row = differentiateForces(molecule, a, h);
        rows.insert(rows.end(), row.begin(), row.end());
    }
    return rows;
}

// On the Reference platform, whatever is tested.
static vector<double> referenceHessian(const Golden& g) {
    const TestPlatform tested = testPlatform;
    testPlatform.name = "Reference";
    testPlatform.properties.clear();
    Molecule molecule(g);
    const vector<double> hessian = molecule.hessian();
    testPlatform = tested;
    return hessian;
}

// Symmetric, and blind to translations.
static void checkShape(const vector<double>& hessian, double tolerance) {
    const int n = (int) sqrt((double) hessian.size());
    CHECK((size_t) n*n == hessian.size() && n > 0);
    double translation = 0;
    for (int a = 0; a < n; a++) {
        Vec3 total;
        for (int b = 0; b < n; b++) {
            CHECK(hessian[a*n+b] == hessian[b*n+a]);
            total[b%3] += hessian[a*n+b];
        }
        translation = std::max(translation, norm(total));
    }
    CHECK_NEAR(0, translation, n*tolerance);
}

/* In double precision 1e-6 of the largest. In single precision the forces' tolerance, divided by
   the step of 5e-4 nm, times the weights of the difference. */
static double hessianTolerance(const Golden& g, double scale) {
    return isSinglePrecision() ? 1.5*forceTolerance(largest(g.forces))/5e-4 : 1e-6*scale;
}

/*
 * In double precision against differences of the forces with another step: they must agree, and be
 * symmetric before anything makes them so. In single precision against the Reference platform.
 */
static void checkHessian(const Golden& g) {
    Molecule molecule(g);
    const vector<double> hessian = molecule.hessian();
    const size_t n = 3*(size_t) g.size();
    const double scale = largest(hessian), tolerance = hessianTolerance(g, scale);
    CHECK(hessian.size() == n*n && scale > 1);
    if (isSinglePrecision()) {
        const double error = largestDifference(referenceHessian(g), hessian);
        printf("    Hessian of %s: %.1e of the largest (%.3g kJ/mol/nm^2) off Reference\n",
               g.name.c_str(), error/scale, scale);
        CHECK(error <= tolerance);
        checkShape(hessian, tolerance);
        return;
    }
    const vector<double> raw = differentiateForces(molecule, 3e-5);
    double asymmetry = 0;
    for (size_t a = 0; a < n; a++)
        for (size_t b = 0; b < n; b++)
            asymmetry = std::max(asymmetry, fabs(raw[a*n+b]-raw[b*n+a]));
    const double error = largestDifference(raw, hessian);
    printf("    Hessian of %s: asymmetry of raw differences %.1e, deviation from them %.1e of the "
           "largest (%.3g kJ/mol/nm^2)\n", g.name.c_str(), asymmetry/scale, error/scale, scale);
    CHECK(asymmetry <= tolerance);
    CHECK(error <= tolerance);
    checkShape(hessian, tolerance);
}

// The made-up dispersion of formamide has a kink near its positions (a reference that drops out),
// where no difference says anything.
static void testHessian() {
    Golden formamide = chargedGolden("published-4x4", "formamide simple");
    formamide.dispersion = false;
    checkHessian(formamide);
    checkHessian(chargedGolden("published-4x4", "small_cell dsf"));
    checkHessian(chargedGolden("published-4x4", "two_regions simple"));
    checkHessian(chargedGolden("open-shell-3x5", "two_regions simple"));
    checkHessian(testData("painn-hcno-distilled.methanol"));
}

// Second differences of the energy, Richardson's way: (4 D(h) - D(2h))/3.
static double differentiateEnergy(Molecule& molecule, int a, int b, double h) {
    double d[2];
    for (int level = 0; level < 2; level++) {
        const double step = h*(level+1);
        d[level] = 0;
        for (int sa : {1, -1})
            for (int sb : {1, -1}) {
                vector<Vec3> positions(molecule.g.positions);
                positions[a/3][a%3] += sa*step;
                positions[b/3][b%3] += sb*step;
                molecule.context().setPositions(positions);
                d[level] += sa*sb*molecule.simulation->energy()/(4*step*step);
            }
    }
    return (4*d[0]-d[1])/3;
}

// A charged water: the response of the charges is in the Hessian, as it is in the energy.
static void testHessianOfEnergy() {
    Golden water = chargedGolden("published-4x4", "formamide simple");
    water.numbers = {8, 1, 1};
    water.positions = {Vec3(0, 0, 0.0118), Vec3(0.003, 0.0757, -0.0472), Vec3(0, -0.0737, -0.0492)};
    water.region.clear();
    water.charge = {-1};
    Molecule molecule(water);
    const vector<double> hessian = molecule.hessian();
    if (isSinglePrecision())
        return;  // energies have too few digits: the forces are compared instead
    double worst = 0;
    for (int a = 0; a < 9; a++)
        for (int b = 0; b <= a; b++)
            worst = std::max(worst, fabs(hessian[9*a+b]-differentiateEnergy(molecule, a, b, 5e-4)));
    printf("    Hessian of a charged water: %.1e of the largest off second differences of the "
           "energy\n", worst/largest(hessian));
    CHECK(worst <= 1e-5*largest(hessian));
}

// Ends a computation when it asks for the n-th time, counted from 1.
struct AtQuestion : MLFFInterruption {
    int wanted, asked = 0;
    explicit AtQuestion(int n) : wanted(n) {
    }
    bool isRequested() {
        return ++asked >= wanted;
    }
};

// Ended anywhere, a question leaves the Context as it was: energy, forces, answers, bit by bit.
static void checkInterruptions(const Golden& golden, int members) {
    Molecule molecule(golden);
    for (int k = 1; k < members; k++)
        molecule.force->addEnsembleMember(findModel(golden.model));
    const State before = molecule.evaluate();
    const vector<double> hessian = molecule.hessian();
    const auto checkUnchanged = [&] {
        const State after = molecule.evaluate();
        CHECK(before.getPotentialEnergy() == after.getPotentialEnergy());
        CHECK(forcesOf(molecule.g, before) == forcesOf(molecule.g, after));
    };

    // the first row, in the middle of a row, the last evaluation
    const int evaluations = 4*3*golden.size();
    for (int at : {1, 2, 5, evaluations/2+3, evaluations}) {
        AtQuestion interruption(at);
        vector<double> unused;
        CHECK_THROWS("interrupted", molecule.force->computeHessian(molecule.context(), unused,
                                                                   &interruption));
        CHECK(interruption.asked == at);
        checkUnchanged();
    }
    CHECK(hessian == molecule.hessian());

    // asked, and not ended; afterwards nothing asks any more
    AtQuestion never(INT_MAX);
    vector<double> found;
    molecule.force->computeHessian(molecule.context(), found, &never);
    CHECK(hessian == found && never.asked >= evaluations);
    const int asked = never.asked;
    checkUnchanged();
    molecule.force->getEnergyComponents(molecule.context());
    CHECK(never.asked == asked);

    if (members > 1) {
        AtQuestion second(2);
        double energy, force;
        CHECK_THROWS("interrupted", molecule.force->getEnsembleDeviation(
            molecule.context(), energy, force, &second));
        checkUnchanged();
        molecule.force->getEnsembleDeviation(molecule.context(), energy, force);
        CHECK(energy == 0 && force == 0);  // the members are equal
    }
}

static void testInterruptions() {
    checkInterruptions(chargedGolden("published-4x4", "two_regions simple"), 1);
    checkInterruptions(chargedGolden("published-4x4", "small_cell dsf"), 1);
    checkInterruptions(testData("painn-hcno-distilled.methanol"), 2);
}

// An ensemble's Hessian is the mean of the members'.
static void testHessianOfEnsemble() {
    const Golden g = chargedGolden("published-4x4", "pair_apart simple");
    const string content = readContent(findModel(g.model));
    Golden near = g;
    near.positions[1] = near.positions[0]+Vec3(0.05, 0.08, -0.03);
    Molecule one(near), both(near);
    both.force->addEnsembleMember(findModel(g.model));
    const vector<double> a = one.hessian();
    // where forces are summed in fixed point, half a force is not exactly half of it
    const bool exact = testPlatform.properties.count("Precision") == 0;
    const double tolerance = (exact ? 1e-12*largest(a) : hessianTolerance(near, largest(a)));
    CHECK_NEAR(0, largestDifference(a, both.hessian()), tolerance);
    Molecule mixed(near);
    mixed.force->addEnsembleMember("other", scaleTensor(content, "energy_mlp.mlp.2.weight", 1.5f));
    CHECK(largestDifference(a, mixed.hessian())/largest(a) > 1e-4);
}

// ------------------------------------------------------------------------------- overflow

// In single precision an energy that has not overflowed has six digits.
static double overflowTolerance() {
    return isSinglePrecision() ? 5e-6 : 1e-9;
}

static void checkSameComponents(Molecule& molecule, Context& reference) {
    const std::map<string, double> found = molecule.force->getEnergyComponents(molecule.context());
    for (const auto& [name, expected] : molecule.force->getEnergyComponents(reference))
        CHECK_NEAR(expected, found.at(name),
                   energyTolerance(molecule.g.size())+overflowTolerance()*fabs(expected));
}

// Every question has Reference's answer where the platform's own numbers overflow.
static void testQuestionsWhereNumbersOverflow() {
    for (double distance : {1e-5, 1e-6}) {                  // nm
        Golden g = testData("painn-hcno-distilled.methanol");
        const Vec3 oxygen = g.positions[1];
        for (Vec3& p : g.positions)     // a float resolves the distance near the origin
            p -= oxygen;
        g.positions[4] = Vec3(distance, 0, 0);
        if (keepsFloatPositions())
            g.positions = roundToFloat(g.positions);
        Molecule molecule(g);
        molecule.force->addEnsembleMember("changed", scaleTensor(
            readContent(findModel(g.model)), "readout.0.w", 1.25f));
        ReferenceContext reference(molecule.system, g.positions);
        checkSameComponents(molecule, reference.context);
        double energy, force, expectedEnergy, expectedForce;
        molecule.force->getEnsembleDeviation(molecule.context(), energy, force);
        molecule.force->getEnsembleDeviation(reference.context, expectedEnergy, expectedForce);
        CHECK(expectedEnergy > 1e7);                        // else nothing has overflowed
        CHECK_NEAR(expectedEnergy, energy, 1e-9*expectedEnergy);
        CHECK_NEAR(expectedForce, force, 1e-9*expectedForce);
        if (testPlatform.name == "CPU")
            continue;   // its differences have another step
        vector<double> hessian;
        molecule.force->computeHessian(reference.context, hessian);
        CHECK_NEAR(0, largestDifference(hessian, molecule.hessian()), 1e-6*largest(hessian));
        // afterwards the Context answers as before
        checkSameComponents(molecule, reference.context);
    }
    Golden g = chargedGolden("published-4x4", "pair_apart simple");
    g.positions[0] = Vec3();
    g.positions[1] = Vec3(2e-9, 0, 0);
    if (keepsFloatPositions())
        g.positions = roundToFloat(g.positions);
    Molecule molecule(g);
    ReferenceContext reference(molecule.system, g.positions);
    vector<double> charges;
    molecule.force->getAtomCharges(reference.context, charges);
    CHECK(largest(charges) > 1e-3);
    CHECK_NEAR(0, largestDifference(charges, molecule.charges()), testPlatform.charge);
    checkSameComponents(molecule, reference.context);
}

// ---------------------------------------------------------------------------------- all

static void runChargeTests() {
    RUN(testChargedGoldens);
    RUN(testSharedGoldens);
    RUN(testBatches);
    RUN(testChargeStaysInRegion);
    RUN(testUpdateCharge);
    RUN(testCoulombMethodInContext);
    RUN(testAskingIsAboutNow);
    RUN(testAskingBetweenSteps);
    RUN(testAskingWithoutAnswer);
    RUN(testScaleWithCharges);
    RUN(testWrappedCharges);
    RUN(testListsFollow);
    RUN(testEnsembles);
    RUN(testSharedEnsembles);
    RUN(testHessian);
    RUN(testHessianOfEnergy);
    RUN(testHessianOfEnsemble);
    RUN(testInterruptions);
    RUN(testQuestionsWhereNumbersOverflow);
}

} // namespace mlfftest

#endif
