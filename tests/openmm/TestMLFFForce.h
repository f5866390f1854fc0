/*
 * What MLFFForce must do on every platform. A platform's test sets `testPlatform` and calls
 * runPlatformTests().
 */
#ifndef TEST_MLFFFORCE_H_
#define TEST_MLFFFORCE_H_

#include "TestMLFFForceCharges.h"
#include "TestMLFFForceLifetime.h"
#include "hard_models.h"

namespace mlfftest {

// --------------------------------------------------------------- energies and forces

// Values of the original codes and of an independent implementation (tests/data/painn/README.md).
static void testGoldens() {
    double worstEnergy = 0, worstForce = 0;
    int count = 0;
    vector<string> paths = listGoldens(folder("MLFF_TEST_DATA") + "/painn");
    CHECK(!paths.empty());
    const vector<string> shared = listGoldens(folder("MLFF_SHARED") + "/golden/painn");
    if (shared.empty())
        printf("    skipped: no values of the original codes (MLFF_SHARED)\n");
    paths.insert(paths.end(), shared.begin(), shared.end());
    for (const string& path : paths) {
        Golden g = readGolden(path);
        if (findModel(g.model).empty()) {
            CHECK_SAY("%s: there is no model %s", path.c_str(), g.model.c_str());
            continue;
        }
        System system;
        addParticles(system, g);
        system.addForce(makeForce(g));
        Simulation simulation(system, g.positions);
        const State state = simulation.evaluate();
        g = atKeptPositions(g, system);
        checkGolden(g, state, "golden");
        worstEnergy = std::max(worstEnergy, fabs(state.getPotentialEnergy()-g.energy));
        worstForce = std::max(worstForce, largestDifference(forcesOf(g, state), g.forces));
        count++;
    }
    printf("    %d goldens, worst deviation: energy %.2e eV, force %.2e eV/angstrom\n", count,
           worstEnergy/KJMOL_PER_EV, worstForce/KJMOL_PER_EV/10);
}

// Atoms in any order, between particles that the network does not describe: those feel nothing.
static void testSubsetInAnyOrder() {
    const Golden g = testData("painn-hcno-distilled.formamide_4water");
    const int n = g.size();
    vector<int> order(2*n);
    for (int i = 0; i < 2*n; i++)
        order[i] = i;
    std::shuffle(order.begin(), order.end(), std::mt19937(5));

    System with, without;
    vector<Vec3> positions(2*n);
    auto* force = new MLFFForce(findModel(g.model));
    HarmonicBondForce springs;
    for (int i = 0; i < 2*n; i++) {
        with.addParticle(10);
        without.addParticle(10);
    }
    for (int i = 0; i < n; i++) {
        positions[order[i]] = g.positions[i];
        positions[order[n+i]] = g.positions[i]+Vec3(0.01, 0.02, 0);  // in the midst of them
        force->addAtom(order[i], g.numbers[i]);
        if (i > 0)
            springs.addBond(order[n+i], order[n+i-1], 0.1, 1000);
    }
    with.addForce(new HarmonicBondForce(springs));
    without.addForce(new HarmonicBondForce(springs));
    with.addForce(force);
    Simulation simulation(with, positions), plain(without, positions);
    const State state = simulation.evaluate(), other = plain.evaluate();
    CHECK_NEAR(g.energy, state.getPotentialEnergy()-other.getPotentialEnergy(),
               energyTolerance(n));
    vector<Vec3> ml(n);
    int changed = 0;
    for (int i = 0; i < n; i++) {
        ml[i] = state.getForces()[order[i]];
        changed += !(state.getForces()[order[n+i]] == other.getForces()[order[n+i]]);
    }
    CHECK_NEAR(0, largestDifference(ml, g.forces), forceTolerance(largest(g.forces)));
    CHECK(changed == 0);
}

// The forces are the derivatives of the energy: along one random direction, 4th order.
static void testFiniteDifference() {
    const Golden g = testData("painn-hcno-distilled.box_triclinic");
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    Simulation simulation(system, g.positions);
    std::mt19937 random(7);
    std::normal_distribution<double> normal;
    vector<Vec3> direction(g.size());
    for (Vec3& v : direction)
        v = Vec3(normal(random), normal(random), normal(random));
    const vector<Vec3> forces = simulation.evaluate().getForces();
    double expected = 0;
    for (int i = 0; i < g.size(); i++)
        expected -= forces[i].dot(direction[i]);
    const double h = testPlatform.energyPerAtom > 0 ? 2e-4 : 1e-5;
    double e[4];
    const double steps[4] = {-2*h, -h, h, 2*h};
    for (int k = 0; k < 4; k++) {
        vector<Vec3> positions(g.positions);
        for (int i = 0; i < g.size(); i++)
            positions[i] += direction[i]*steps[k];
        simulation.context.setPositions(positions);
        e[k] = simulation.energy();
    }
    const double found = (e[0]-8*e[1]+8*e[2]-e[3])/(12*h);
    CHECK_NEAR(expected, found, 2*energyTolerance(g.size())/h + 1e-6*fabs(expected));
}

// An atom that is a virtual site: OpenMM hands its force to the particles that place it.
static void testVirtualSite() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    const int n = g.size();
    System system;
    addParticles(system, g);
    system.setParticleMass(n-1, 0);
    system.addParticle(5);
    system.addParticle(7);
    system.setVirtualSite(n-1, new TwoParticleAverageSite(n, n+1, 0.25, 0.75));
    system.addForce(makeForce(g));
    vector<Vec3> positions(g.positions);
    const Vec3 offset(0.03, -0.02, 0.01);
    positions.push_back(g.positions[n-1]+offset*3);
    positions.push_back(g.positions[n-1]-offset);
    Simulation simulation(system, positions);
    simulation.context.computeVirtualSites();
    const State state = simulation.evaluate();
    const double tolerance = forceTolerance(largest(g.forces));
    CHECK_NEAR(g.energy, state.getPotentialEnergy(), energyTolerance(n));
    CHECK_NEAR(0, norm(state.getForces()[n]-g.forces[n-1]*0.25), tolerance);
    CHECK_NEAR(0, norm(state.getForces()[n+1]-g.forces[n-1]*0.75), tolerance);
}

// --------------------------------------------------------------------------------- box

static vector<Vec3> shiftByCells(const vector<Vec3>& positions, const Vec3* box, unsigned seed) {
    std::mt19937 random(seed);
    std::uniform_int_distribution<int> cells(-2, 2);
    vector<Vec3> shifted(positions);
    for (Vec3& p : shifted)
        for (int a = 0; a < 3; a++)
            p += box[a]*cells(random);
    return shifted;
}

// With periodic boundary conditions it does not matter in which cell an atom is.
static void testPeriodicImages() {
    for (const char* name : {"painn-hcno-distilled.box_ortho", "painn-hcno-distilled.box_triclinic",
                             "student-16x2.small_cell"}) {
        const Golden g = testData(name);
        System system;
        addParticles(system, g);
        system.addForce(makeForce(g));
        Simulation simulation(system, shiftByCells(g.positions, g.box, 3));
        checkGolden(g, simulation.evaluate(), "other cells");
    }
}

// A molecule in vacuum inside a periodic System, each of its atoms in some other cell.
static void testWrappedRegion() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    const Vec3 boxes[2][3] = {  // exact in float too
        {Vec3(1.5, 0, 0), Vec3(0, 1.625, 0), Vec3(0, 0, 1.75)},
        {Vec3(1.625, 0, 0), Vec3(0.5, 1.75, 0), Vec3(-0.625, 0.75, 1.875)}};
    for (const auto& box : boxes)
        for (bool withBonds : {false, true}) {
            System system;
            addParticles(system, g);
            system.addForce(makeForce(g, 0, withBonds));
            makePeriodic(system, box[0], box[1], box[2]);
            Simulation simulation(system, g.positions);
            checkGolden(g, simulation.evaluate(), "whole in a periodic System");
            const vector<Vec3> wrapped = shiftByCells(g.positions, box, 11);
            simulation.context.setPositions(wrapped);
            if (keepsFloatPositions()) {
                // far from the origin they are others, when OpenMM has moved them: ask about those
                const State state = simulation.evaluate();
                const vector<Vec3> kept =
                    simulation.context.getState(State::Positions).getPositions();
                CHECK_NEAR(0, largestDifference(kept, wrapped), 1e-6);
                checkSame(onReference(system, kept), state, g.size());
            }
            else
                checkGolden(g, simulation.evaluate(), "wrapped atom by atom");
        }
}

// Bonds put a molecule together that is longer than half the box; without them that is refused.
static void testLongRegion() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    const Vec3 box[3] = {Vec3(0.65, 0, 0), Vec3(0, 0.65, 0), Vec3(0, 0, 0.65)};
    // a chain of three methanols, longer than the box, as one region
    Golden chain = g;
    for (int copy = 1; copy < 3; copy++)
        for (int i = 0; i < g.size(); i++) {
            chain.numbers.push_back(g.numbers[i]);
            chain.positions.push_back(g.positions[i]+Vec3(0.3, 0, 0)*copy);
        }
    System open, periodic, unbonded;
    for (System* system : {&open, &periodic, &unbonded}) {
        addParticles(*system, chain);
        MLFFForce* force = makeForce(chain, 0, system != &unbonded);
        if (system != &unbonded)
            for (int copy = 1; copy < 3; copy++)  // tie the chain: heavy atoms, 0.3 nm apart
                force->addBond(g.size()*copy, g.size()*(copy-1));
        system->addForce(force);
        if (system != &open)
            makePeriodic(*system, box[0], box[1], box[2]);
    }
    Simulation whole(open, chain.positions);
    Simulation wrapped(periodic, shiftByCells(chain.positions, box, 2));
    checkSame(whole.evaluate(), wrapped.evaluate(), chain.size());
    Simulation refused(unbonded, shiftByCells(chain.positions, box, 2));
    CHECK_THROWS("half", refused.evaluate());
    CHECK_THROWS("evaluation 2", refused.evaluate());
}

// Copies of a molecule at these places, one after the other.
static Golden copiesOf(const Golden& g, const vector<Vec3>& offsets) {
    Golden copies = g;
    copies.numbers.clear();
    copies.positions.clear();
    for (const Vec3& offset : offsets)
        for (int i = 0; i < g.size(); i++) {
            copies.numbers.push_back(g.numbers[i]);
            copies.positions.push_back(g.positions[i]+offset);
        }
    return copies;
}

// Molecules of one region, each with its bonds, are placed beside each other whatever copies they
// come in; the second region is a pair without contact. Values: the same without a box.
static void testMoleculesOfARegion() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    const Vec3 box[3] = {Vec3(3, 0, 0), Vec3(0.5, 2.5, 0), Vec3(-0.75, 0.75, 2.75)};
    Golden all = copiesOf(g, {Vec3(0, 0, 0), Vec3(0.42, 0, 0.1), Vec3(0.85, 0.1, 0),
                              Vec3(1.3, 0, 0.05), Vec3(1.7, 0.1, 0),
                              Vec3(0, 1.1, 1), Vec3(1.3, 1.3, 1)});
    const int inFirst = 5*g.size();
    for (auto mode : {MLFFForce::Auto, MLFFForce::Sparse}) {
        System open, periodic;
        for (System* system : {&open, &periodic}) {
            addParticles(*system, all);
            MLFFForce* force = makeForce(all, 0, true);
            force->addRegion();
            for (int i = inFirst; i < all.size(); i++)
                force->setAtomParameters(i, i, all.numbers[i], 1);
            force->setEvaluationMode(mode);
            system->addForce(force);
        }
        makePeriodic(periodic, box[0], box[1], box[2]);
        for (unsigned seed : {3, 4}) {
            const vector<Vec3> wrapped = shiftByCells(all.positions, box, seed);
            checkSame(onReference(open, all.positions), onReference(periodic, wrapped), all.size());
            Simulation simulation(periodic, wrapped);
            const State state = simulation.evaluate();
            // OpenMM may have moved positions on a device: ask about those it keeps
            const vector<Vec3> kept = simulation.context.getState(State::Positions).getPositions();
            CHECK_NEAR(0, largestDifference(kept, wrapped), keptPositionTolerance());
            checkSame(onReference(periodic, kept), state, all.size());
        }
    }
}

static double nearestDistance(const Golden& g, const Vec3& offset) {
    double nearest = INFINITY;
    for (const Vec3& p : g.positions)
        for (const Vec3& q : g.positions)
            nearest = std::min(nearest, norm(q+offset-p));
    return nearest;
}

// The width of a box in which a molecule half the box away from its like is this far from it.
static double widthFor(const Golden& g, double distance) {
    double width = 1;
    while (nearestDistance(g, Vec3(width/2, 0, 0)) < distance)
        width += 1.0/1024;
    return width;
}

// A molecule that moves through the box takes its other copy halfway, lists or not.
static void testMoleculeTakesAnotherCopy() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    const double width = widthFor(g, 0.515);    // the cutoff is 0.5 nm
    const Golden two = copiesOf(g, {Vec3(), Vec3()});
    for (auto mode : {MLFFForce::Auto, MLFFForce::Sparse}) {
        System open, periodic;
        for (System* system : {&open, &periodic}) {
            addParticles(*system, two);
            MLFFForce* force = makeForce(two, 0, false);
            for (int first : {0, g.size()})
                for (const auto& bond : findBonds(g))
                    force->addBond(first+bond.first, first+bond.second);
            force->setEvaluationMode(mode);
            system->addForce(force);
        }
        makePeriodic(periodic, Vec3(width, 0, 0), Vec3(0, 2.5, 0), Vec3(0, 0, 2.5));
        Simulation simulation(periodic, two.positions);
        double apart = 0, near = 0;
        for (int k = -4; k < 24; k++) {
            const double x = width/2+(k+0.5)/128;
            const vector<Vec3> moved = copiesOf(g, {Vec3(), Vec3(x, 0, 0)}).positions;
            const vector<Vec3> placed =
                copiesOf(g, {Vec3(), Vec3(k < 0 ? x : x-width, 0, 0)}).positions;
            simulation.context.setPositions(moved);
            const State expected = onReference(open, keepsFloatPositions() ? roundToFloat(placed) :
                                                                            placed);
            checkSame(expected, simulation.evaluate(), two.size());
            (k < 0 ? apart : near) = expected.getPotentialEnergy();
        }
        CHECK(fabs(near-apart) > 1);
    }
}

// Two copies of a molecule within the cutoff: the region reaches around the box.
static void testRegionAroundTheBox() {
    LeakAllowed leak;
    const Golden g = testData("painn-hcno-distilled.methanol");
    const double width = widthFor(g, 0.47);
    const Golden two = copiesOf(g, {Vec3(), Vec3(width/2, 0, 0)});
    for (bool check : {true, false}) {
        System system;
        addParticles(system, two);
        MLFFForce* force = makeForce(two, 0, true);
        force->setCheckGeometry(check);
        system.addForce(force);
        makePeriodic(system, Vec3(width, 0, 0), Vec3(0, 2.5, 0), Vec3(0, 0, 2.5));
        Simulation simulation(system, copiesOf(g, {Vec3(), Vec3(0, 1, 0)}).positions);
        CHECK(std::isfinite(simulation.energy()));
        simulation.context.setPositions(two.positions);
        if (!check) {
            CHECK(std::isfinite(simulation.energy()));
            continue;
        }
        // molecules that move freely come there: no matter of stability
        const string message = messageOf([&] { simulation.evaluate(); });
        CHECK(has(message, "MLFFForce: evaluation 2 of this Context: atoms "));
        CHECK(has(message, "reaches around the box") && has(message, "cutoff of 5 A"));
        CHECK(has(message, "setUsesPeriodicBoundaryConditions(True)"));
        CHECK(message.find("unstable") == string::npos);
    }
}

// The box may change at any time.
static void testBoxChange() {
    const Golden g = testData("student-16x2.box_triclinic");
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    Simulation simulation(system, g.positions);
    const double before = simulation.energy();
    simulation.context.setPeriodicBoxVectors(g.box[0]*1.2, g.box[1]*1.2, g.box[2]*1.2);
    CHECK(fabs(simulation.energy()-before) > 1);
    simulation.context.setPeriodicBoxVectors(g.box[0], g.box[1], g.box[2]);
    checkGolden(g, simulation.evaluate(), "box restored");
}

static void setCube(Context& context, double a, double b, double c) {
    context.setPeriodicBoxVectors(Vec3(a, 0, 0), Vec3(0, b, 0), Vec3(0, 0, c));
}

// Boxes that cannot be meant are refused before anything is made of them, to every question and in
// a step, and the Context is usable afterwards.
static void testAbsurdBoxes() {
    const Golden g = testData("student-16x2.box_triclinic");
    System system;
    addParticles(system, g);
    auto* force = makeForce(g);
    system.addForce(force);
    Simulation simulation(system, g.positions);
    Context& context = simulation.context;
    const double before = simulation.energy();
    setCube(context, 0.1, 0.1, 0.1);
    CHECK_THROWS("dummy CRYST1", simulation.energy());
    CHECK_THROWS("dummy CRYST1", simulation.energy());
    CHECK_THROWS("setCheckGeometry(false)", simulation.integrator.step(1));
    vector<double> hessian;
    CHECK_THROWS("dummy CRYST1", force->computeHessian(context, hessian));
    CHECK_THROWS("dummy CRYST1", force->getEnergyComponents(context));
    for (double edge : {0.09, 0.01, 1e-3, 1e-50, 1e-100}) {
        setCube(context, edge, edge, edge);
        CHECK_THROWS("from its own periodic image", simulation.energy());
        setCube(context, 1, 1, edge);
        CHECK_THROWS("from its own periodic image", simulation.energy());
    }
    for (double edge : {1e-110, 1e110}) {
        setCube(context, edge, edge, edge);
        CHECK_THROWS("do not lie in a plane", simulation.energy());
    }
    context.setPeriodicBoxVectors(Vec3(1, 0, 0), Vec3(0.5, 1e-3, 0), Vec3(0, 0, 1));  // reduced
    CHECK_THROWS("from its own periodic image", simulation.energy());
    const double edge = 0.1*std::cbrt(0.98*system.getNumParticles());
    setCube(context, edge, edge, edge);
    CHECK_THROWS("0.98 A^3 per atom: expected at least 1", simulation.energy());
    setCube(context, 2, 2, 2);  // no default any more
    CHECK(std::isfinite(simulation.energy()));
    context.setPeriodicBoxVectors(g.box[0], g.box[1], g.box[2]);
    CHECK_NEAR(before, simulation.energy(), energyTolerance(g.size()));
    simulation.integrator.step(1);
}

// Who insists gets what can be computed, and an error for the rest.
static void testInsistedBoxes() {
    const Golden g = testData("single-layer-7x1.self_images");
    System system;
    addParticles(system, g);
    auto* force = makeForce(g);
    force->setCheckGeometry(false);
    system.addForce(force);
    Simulation simulation(system, g.positions);
    checkGolden(g, simulation.evaluate(), "insisted");
    setCube(simulation.context, 0.1, 0.3, 0.3);
    CHECK(std::isfinite(simulation.energy()));
    setCube(simulation.context, 0.005, 0.005, 0.005);
    CHECK_THROWS("pairs per atom within", simulation.energy());
    setCube(simulation.context, 0.3, 0.3, 1e-4);
    CHECK_THROWS("periodic cells, which are 0.001 A wide", simulation.energy());
    setCube(simulation.context, 1e-100, 1e-100, 1e-100);
    CHECK_THROWS("periodic cells, which are 1e-99 A wide", simulation.energy());
    simulation.context.setPeriodicBoxVectors(g.box[0], g.box[1], g.box[2]);
    checkGolden(g, simulation.evaluate(), "insisted, and back");
}

// More atoms than a brute search takes, in a long and narrow box: the answer of the same atoms in
// a short one, repeated out of reach of each other. All are near the origin, where single precision
// resolves them, the middle one where it is in the short box.
static void testLongNarrowBox() {
    const Golden g = testData("student-16x2.box_triclinic");
    const int copies = 260/g.size()+1, middle = copies/2;
    const double length = 0.9, far = 4000, apart = 4;  // nm
    System system;
    auto* force = new MLFFForce(findModel(g.model));
    vector<Vec3> positions;
    for (int k = 0; k < copies; k++)
        for (int i = 0; i < g.size(); i++) {
            force->addAtom(system.addParticle(12), g.numbers[i]);
            positions.push_back(g.positions[i]+Vec3(0, 0, (k-middle)*apart));
        }
    force->setUsesPeriodicBoundaryConditions(true);
    system.setDefaultPeriodicBoxVectors(Vec3(length, 0, 0), Vec3(0, length, 0), Vec3(0, 0, far));
    system.addForce(force);
    System one;
    addParticles(one, g);
    one.addForce(makeForce(g));
    Simulation many(system, positions), single(one, g.positions);
    single.context.setPeriodicBoxVectors(Vec3(length, 0, 0), Vec3(0, length, 0), Vec3(0, 0, 10));
    const State a = many.evaluate(), b = single.evaluate();
    CHECK_NEAR(copies*b.getPotentialEnergy(), a.getPotentialEnergy(),
               energyTolerance(system.getNumParticles()));
    for (int i = 0; i < g.size(); i++)
        CHECK_NEAR(0, norm(a.getForces()[middle*g.size()+i]-b.getForces()[i]),
                   forceTolerance(largest(b.getForces())));
}

// OpenMM's default box that nobody has set, and what shows that it is meant.
static void testDefaultBox() {
    const char* const unset = "OpenMM's default box of 2 x 2 x 2 nm, which nobody seems to have set";
    const Golden g = testData("painn-hcno-distilled.methanol");
    const auto make = [&](System& system, bool bonds) {
        for (int z : g.numbers)
            system.addParticle(massOf(z));
        auto* force = makeForce(g, 0, bonds);
        force->setUsesPeriodicBoundaryConditions(true);
        system.addForce(force);
        return force;
    };
    System loose;
    make(loose, false);
    Simulation a(loose, g.positions);
    CHECK_THROWS(unset, a.energy());
    CHECK_THROWS(unset, a.integrator.step(1));
    setCube(a.context, 3, 3, 3);
    checkGolden(g, a.evaluate(), "a box set late");
    setCube(a.context, 2, 2, 2);
    checkGolden(g, a.evaluate(), "the same box, on purpose");

    System insisted;
    make(insisted, false)->setCheckGeometry(false);
    checkGolden(g, Simulation(insisted, g.positions).evaluate(), "insisted");
    System intended;
    make(intended, false)->setIntendedBoxVectors(Vec3(2, 0, 0), Vec3(0, 2, 0), Vec3(0, 0, 2));
    checkGolden(g, Simulation(intended, g.positions).evaluate(), "intended");
    System other;
    make(other, true)->setIntendedBoxVectors(Vec3(3, 0, 0), Vec3(0, 3, 0), Vec3(0, 0, 3.5));
    Simulation b(other, g.positions);
    CHECK_THROWS("but this force was made for a box of 3 x 3 x 3.5 nm", b.energy());
    setCube(b.context, 4, 4, 4);
    checkGolden(g, b.evaluate(), "any box that was set");

    // one molecule that reaches no image has the same energy in any box
    System whole;
    make(whole, true);
    Simulation c(whole, g.positions);
    checkGolden(g, c.evaluate(), "one molecule");
    vector<Vec3> stretched(g.positions);
    stretched[0][0] += 1.6;
    c.context.setPositions(stretched);
    CHECK_THROWS(unset, c.energy());

    System filled;
    make(filled, false);
    auto* gas = new NonbondedForce();
    gas->setNonbondedMethod(NonbondedForce::CutoffPeriodic);
    gas->setCutoffDistance(0.9);
    for (int i = 0; i < g.size(); i++)
        gas->addParticle(0, 0.1, 0);
    filled.addForce(gas);
    CHECK(std::isfinite(Simulation(filled, g.positions).energy()));
}

// ----------------------------------------------------------- regions, factors, groups

// Regions do not see each other, even if they lie on top of each other.
static void testRegions() {
    const Golden a = testData("painn-hcno-distilled.methanol");
    const Golden b = testData("painn-hcno-distilled.formamide");
    System system;
    auto* force = new MLFFForce(bundledModel());
    const int second = force->addRegion();
    CHECK(second == 1 && force->getNumRegions() == 2);
    vector<Vec3> positions, expected;
    for (int i = 0; i < std::max(a.size(), b.size()); i++)  // one of each in turn
        for (const Golden* g : {&a, &b})
            if (i < g->size()) {
                force->addAtom(system.addParticle(10), g->numbers[i], g == &a ? 0 : second);
                positions.push_back(g->positions[i]-g->positions[0]);
                expected.push_back(g->forces[i]);
            }
    system.addForce(force);
    Simulation simulation(system, positions);
    const State state = simulation.evaluate();
    CHECK_NEAR(a.energy+b.energy, state.getPotentialEnergy(),
               energyTolerance(a.size()+b.size()));
    CHECK_NEAR(0, largestDifference(state.getForces(), expected),
               forceTolerance(largest(expected)));
}

// A global parameter multiplies energy and forces; its derivative is the unscaled energy.
static void testScaleParameter() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    MLFFForce* force = makeForce(g);
    force->addEnergyParameterDerivative("lambda");
    force->setScaleParameter("lambda");
    force->setScaleParameterDefaultValue(0.25);
    force->setEnergyFactor(2);
    system.addForce(force);
    Simulation simulation(system, g.positions);
    CHECK(simulation.context.getParameter("lambda") == 0.25);
    const double tolerance = 2*energyTolerance(g.size());
    for (double lambda : {0.25, 1.0, 0.0, -1.5}) {
        simulation.context.setParameter("lambda", lambda);
        const State state = simulation.evaluate();
        CHECK_NEAR(2*lambda*g.energy, state.getPotentialEnergy(), 1.5*tolerance);
        vector<Vec3> expected(g.forces);
        for (Vec3& f : expected)
            f *= 2*lambda;
        CHECK_NEAR(0, largestDifference(state.getForces(), expected),
                   3*forceTolerance(largest(g.forces)));
        CHECK_NEAR(2*g.energy, state.getEnergyParameterDerivatives().at("lambda"), tolerance);
    }
    simulation.context.setParameter("lambda", NAN);
    CHECK_THROWS("the scale parameter 'lambda' is nan", simulation.evaluate());
    simulation.context.setParameter("lambda", 0.5);
    CHECK_NEAR(g.energy, simulation.energy(), tolerance);
}

// At scale 0 without a derivative nothing is evaluated: positions of no sense do no harm.
static void testScaleZeroSkips() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    MLFFForce* force = makeForce(g);
    force->setScaleParameter("lambda");
    system.addForce(force);
    Simulation simulation(system, g.positions);
    simulation.context.setParameter("lambda", 0);
    simulation.context.setPositions(vector<Vec3>(g.size()));
    const State state = simulation.evaluate();
    CHECK(state.getPotentialEnergy() == 0 && largest(state.getForces()) == 0);
    simulation.context.setPositions(g.positions);
    simulation.context.setParameter("lambda", 1);
    checkGolden(g, simulation.evaluate(), "scale back at 1");
}

// Two forces on one molecule, factors 1 and -1 in different groups: apart they are E and -E.
static void testFactorsAndGroups() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    MLFFForce *plus = makeForce(g), *minus = makeForce(g);
    minus->setEnergyFactor(-1);
    minus->setForceGroup(3);
    system.addForce(plus);
    system.addForce(minus);
    Simulation simulation(system, g.positions);
    checkGolden(g, simulation.evaluate(1 << 0), "group 0");
    CHECK_NEAR(-g.energy, simulation.energy(1 << 3), energyTolerance(g.size()));
    CHECK(simulation.energy(1 << 1) == 0);
    const State both = simulation.evaluate();
    CHECK_NEAR(0, both.getPotentialEnergy(), energyTolerance(g.size()));
    CHECK_NEAR(0, largest(both.getForces()), forceTolerance(largest(g.forces)));
}

// ------------------------------------------------------------------ changing parameters

static void testUpdateParameters() {
    const Golden g = testData("painn-hcno-distilled.formamide");
    System system;
    addParticles(system, g);
    MLFFForce* force = makeForce(g);
    system.addForce(force);
    Simulation simulation(system, g.positions);
    checkGolden(g, simulation.evaluate(), "before");

    // another element, another region, another factor: as in a new Context
    int particle, number, region;
    force->getAtomParameters(0, particle, number, region);
    force->setAtomParameters(0, particle, number == 8 ? 7 : 8, force->addRegion());
    force->setEnergyFactor(0.5);
    checkGolden(g, simulation.evaluate(), "changed but not copied");
    force->updateParametersInContext(simulation.context);
    Simulation fresh(system, g.positions);
    const State changed = simulation.evaluate();
    checkSame(fresh.evaluate(), changed, g.size());
    CHECK(fabs(changed.getPotentialEnergy()-g.energy) > 100);

    // what the check refuses leaves the Context as it is
    force->setAtomParameters(0, particle, 79, 0);
    CHECK_THROWS("particle 0 (atom 0)", force->updateParametersInContext(simulation.context));
    checkSame(changed, simulation.evaluate(), g.size());
    force->setAtomParameters(0, particle, number, 0);
    force->setEnergyFactor(1);
    force->updateParametersInContext(simulation.context);
    checkGolden(g, simulation.evaluate(), "restored");
}

static void testReinitialize() {
    const Golden g = testData("painn-hcno-distilled.formamide");
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    Simulation simulation(system, g.positions);
    simulation.integrator.step(2);
    const State before = simulation.evaluate();
    simulation.context.reinitialize(true);
    checkSame(before, simulation.evaluate(), g.size());
}

// Contexts side by side do not disturb each other.
static void testTwoContexts() {
    const Golden a = testData("painn-hcno-distilled.methanol");
    const Golden b = testData("student-16x2.box_triclinic");
    System systemA, systemB;
    addParticles(systemA, a);
    systemA.addForce(makeForce(a));
    addParticles(systemB, b);
    systemB.addForce(makeForce(b));
    Simulation one(systemA, a.positions), other(systemB, b.positions), third(systemA, a.positions);
    for (int k = 0; k < 2; k++) {
        checkGolden(a, one.evaluate(), "one");
        checkGolden(b, other.evaluate(), "other");
        third.integrator.step(1);
    }
    CHECK(third.energy() != a.energy);
}

// Inside a CustomCVForce the force lives in a Context of its own.
static void testCustomCVForce() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    auto* cv = new CustomCVForce("3*(e-e0)");
    cv->addGlobalParameter("e0", g.energy);
    cv->addCollectiveVariable("e", makeForce(g));
    system.addForce(cv);
    Simulation simulation(system, g.positions);
    const State state = simulation.evaluate();
    vector<Vec3> expected(g.forces);
    for (Vec3& f : expected)
        f *= 3;
    CHECK_NEAR(0, state.getPotentialEnergy(), 3*energyTolerance(g.size()));
    CHECK_NEAR(0, largestDifference(state.getForces(), expected),
               3*forceTolerance(largest(g.forces)));
}

// ---------------------------------------------------------------------------- dynamics

static void testMinimizer() {
    const Golden g = testData("painn-hcno-distilled.formamide");
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    Simulation simulation(system, g.positions);
    if (isOnPoCL(simulation.context)) {
        printf("    skipped: OpenMM's own kernels for minimization crash on PoCL\n");
        return;
    }
    LocalEnergyMinimizer::minimize(simulation.context, 1.0);
    const State state = simulation.evaluate();
    CHECK(state.getPotentialEnergy() < g.energy-1);
    CHECK(largest(state.getForces()) < 10);
    CHECK(largest(g.forces) > 100);
}

// From a checkpoint the same steps lead to the same place, to the last bit.
static void testCheckpoint() {
    const Golden g = testData("painn-hcno-distilled.formamide_4water");
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    Simulation simulation(system, g.positions, 5e-4);
    simulation.context.setVelocitiesToTemperature(300, 1);
    simulation.integrator.step(5);
    std::stringstream checkpoint(std::ios::in | std::ios::out | std::ios::binary);
    simulation.context.createCheckpoint(checkpoint);
    simulation.integrator.step(10);
    const State first = simulation.context.getState(State::Positions | State::Velocities);
    simulation.context.loadCheckpoint(checkpoint);
    simulation.integrator.step(10);
    const State second = simulation.context.getState(State::Positions | State::Velocities);
    CHECK(largestDifference(first.getPositions(), second.getPositions()) == 0);
    CHECK(largestDifference(first.getVelocities(), second.getVelocities()) == 0);
    CHECK(largestDifference(first.getPositions(), g.positions) > 1e-3);
}

/*
 * A barostat moves what the bonds connect as one molecule: with an integrator that does nothing
 * else, distances within the molecule must stay. Without bonds each atom is a molecule. Rounding
 * decides which moves the barostat accepts, so the volume wanders and can come back to where it
 * began: its largest change counts, not its last.
 */
static void testBarostatMovesMolecules() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    for (bool withBonds : {true, false}) {
        System system;
        addParticles(system, g);
        system.addForce(makeForce(g, 0, withBonds));
        makePeriodic(system, Vec3(2, 0, 0), Vec3(0, 2, 0), Vec3(0, 0, 2));
        auto* barostat = new MonteCarloBarostat(1, 300, 1);
        barostat->setRandomNumberSeed(4);
        system.addForce(barostat);
        vector<Vec3> start(g.positions);
        for (Vec3& p : start)
            p += Vec3(1, 1, 1)-g.positions[0];
        CustomIntegrator barostatOnly(1e-3);
        barostatOnly.addUpdateContextState();
        Context context(system, barostatOnly, Platform::getPlatformByName(testPlatform.name),
                        testPlatform.properties);
        context.setPositions(start);
        CHECK((int) context.getMolecules().size() == (withBonds ? 1 : g.size()));
        if (!withBonds)
            continue;
        double largestChange = 0, largestShift = 0;
        for (int k = 0; k < 20; k++) {
            barostatOnly.step(1);
            const State state = context.getState(State::Positions);
            const vector<Vec3>& end = state.getPositions();
            largestChange = std::max(largestChange, fabs(state.getPeriodicBoxVolume()-8));
            largestShift = std::max(largestShift, norm(end[0]-start[0]));
            for (int i = 1; i < g.size(); i++)
                CHECK_NEAR(0, norm(end[i]-end[0]-start[i]+start[0]), 1e-6);
        }
        CHECK(largestChange > 1e-3);
        CHECK(largestShift > 1e-4);
    }
}

// Constant pressure with a gas around the molecule: bonds keep their length, the volume moves.
static void testBarostatRun() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    vector<Vec3> positions(g.positions);
    auto* gas = new NonbondedForce();
    gas->setNonbondedMethod(NonbondedForce::CutoffPeriodic);
    gas->setCutoffDistance(0.9);
    for (int i = 0; i < g.size(); i++)
        gas->addParticle(0, 0.3, 0.5);
    for (int i = 0; i < g.size(); i++)
        for (int j = 0; j < i; j++)
            gas->addException(i, j, 0, 1, 0);
    for (int k = 0; k < 26; k++) {  // argon on a grid of 3x3x3, the molecule in its middle
        const int cell = k+(k >= 13);
        positions.push_back(Vec3(cell%3-1, cell/3%3-1, cell/9-1)*0.7+g.positions[0]);
        system.addParticle(39.9);
        gas->addParticle(0, 0.34, 1.0);
    }
    system.setDefaultPeriodicBoxVectors(Vec3(2.1, 0, 0), Vec3(0, 2.1, 0), Vec3(0, 0, 2.1));
    system.addForce(gas);
    system.addForce(makeForce(g, 0, true));
    system.addForce(new MonteCarloBarostat(10, 150, 5));
    LangevinMiddleIntegrator integrator(150, 2, 5e-4);
    integrator.setRandomNumberSeed(1);
    Context context(system, integrator, Platform::getPlatformByName(testPlatform.name),
                    testPlatform.properties);
    context.setPositions(positions);
    context.setVelocitiesToTemperature(150, 1);
    double largestChange = 0;
    for (int k = 0; k < 20; k++) {
        integrator.step(10);
        const double volume = context.getState(0).getPeriodicBoxVolume();
        largestChange = std::max(largestChange, fabs(volume-2.1*2.1*2.1));
    }
    const State state = context.getState(State::Positions | State::Energy, true);
    CHECK(std::isfinite(state.getPotentialEnergy()));
    CHECK(largestChange > 1e-4);
    for (auto [i, j] : findBonds(g)) {
        const double before = norm(g.positions[i]-g.positions[j]);
        const double after = norm(state.getPositions()[i]-state.getPositions()[j]);
        CHECK(after > 0.75*before && after < 1.3*before);
    }
}

/*
 * Largest change of the total energy in 2000 steps without a thermostat, in units of kT (300 K)
 * per degree of freedom.
 */
static double energyDeviation(const Golden& g, double stepSize) {
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    Simulation simulation(system, minimizeOnReference(system, g.positions), stepSize);
    simulation.context.setVelocitiesToTemperature(300, 17);
    double first = 0, worst = 0;
    for (int k = 0; k <= 200; k++) {
        const State state = simulation.context.getState(State::Energy);
        const double total = state.getPotentialEnergy()+state.getKineticEnergy();
        first = (k == 0 ? total : first);
        worst = std::max(worst, fabs(total-first));
        simulation.integrator.step(10);
    }
    return worst/(300*KB)/(3*g.size());
}

/*
 * The integrator's error falls with the square of the time step, that of a force which is not the
 * derivative of the energy does not. So the time step is small (the model's card tells that 0.5 fs
 * is a usual one), and half of it must do at least three times better.
 */
static void checkEnergyConservation(const Golden& g) {
    const double coarse = energyDeviation(g, 1e-4), fine = energyDeviation(g, 5e-5);
    printf("    %s, 2000 steps: total energy within %.2e (0.1 fs) and %.2e (0.05 fs) kT per degree "
           "of freedom\n", g.name.c_str(), coarse, fine);
    CHECK(fine < 1e-4);
    if (testPlatform.energyPerAtom == 0)  // else rounding is what remains
        CHECK(3*fine < coarse);
}

static void testEnergyConservation() {
    checkEnergyConservation(testData("painn-hcno-distilled.methanol"));
    const string path = folder("MLFF_SHARED") + "/golden/painn/painn-hcno-distilled.";
#if defined(__SANITIZE_ADDRESS__)
    const bool slow = true;
#else
    const bool slow = false;
#endif
    if (slow)
        printf("    skipped: alanine dipeptide (under sanitizers)\n");
    else if (std::filesystem::exists(path + "alanine_dipeptide.txt"))
        checkEnergyConservation(readGolden(path + "alanine_dipeptide.txt"));
    else
        printf("    skipped: alanine dipeptide (MLFF_SHARED)\n");
}

// ------------------------------------------------------------------------------ errors

// The message says which particle, and at which evaluation; afterwards the Context works again.
static void testNonFinitePositions() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    system.addParticle(1);
    addParticles(system, g);
    system.addForce(makeForce(g, 1));
    vector<Vec3> positions(g.positions);
    positions.insert(positions.begin(), Vec3(5, 5, 5));
    Simulation simulation(system, positions);
    simulation.energy();
    vector<Vec3> broken(positions);
    broken[3][1] = NAN;
    simulation.context.setPositions(broken);
    if (testPlatform.checksPositions)
        CHECK_THROWS("Particle coordinate is NaN", simulation.evaluate());
    else {
        CHECK_THROWS("particle 3", simulation.evaluate());
        CHECK_THROWS("evaluation 3", simulation.evaluate());
        broken[3] = Vec3(INFINITY, 0, 0);
        simulation.context.setPositions(broken);
        CHECK_THROWS("atom 2", simulation.evaluate());
    }
    simulation.context.setPositions(positions);
    CHECK_NEAR(g.energy, simulation.energy(), energyTolerance(g.size()));
}

static void testAtomsAtOnePlace() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    vector<Vec3> positions(g.positions);
    positions[4] = positions[2];
    Simulation simulation(system, positions);
    CHECK_THROWS("evaluation 1", simulation.evaluate());
    simulation.context.setPositions(g.positions);
    checkGolden(g, simulation.evaluate(), "apart again");
}

// The pair that overlaps worst, by atom, element and particle; nothing without one, or unasked.
static void testGeometryWarning() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    vector<Vec3> positions(g.positions);
    positions.insert(positions.begin(), Vec3(5, 5, 5));
    const Vec3 carbon = positions[1];
    for (bool check : {true, false})
        for (bool wrapped : {false, true}) {
            System system;
            system.addParticle(1);
            addParticles(system, g);
            auto* force = makeForce(g, 1);
            force->setCheckGeometry(check);
            system.addForce(force);
            if (wrapped)
                makePeriodic(system, Vec3(1.5, 0, 0), Vec3(0, 1.625, 0), Vec3(0, 0, 1.75));
            Simulation simulation(system, positions);
            Context& context = simulation.context;
            CHECK(force->getGeometryWarning(context) == "");

            // H on C: 0.6 of the sum of their radii is 0.0642 nm
            vector<Vec3> close(positions);
            close[4] = carbon+Vec3(0, 0.0643, 0);
            context.setPositions(close);
            CHECK(force->getGeometryWarning(context) == "");
            close[4] = carbon+Vec3(0, 0.0641, wrapped ? 1.75 : 0);
            context.setPositions(close);
            const string text = force->getGeometryWarning(context);
            if (check) {
                CHECK(text.find("atoms 0 (C, particle 1) and 3 (H, particle 4)") == 0);
                CHECK(text.find("0.641 A apart") != string::npos);
                CHECK(text.find("1.07 A") != string::npos);
            }
            else
                CHECK(text == "");
        }
}

static bool isHost() {
    return testPlatform.name == "Reference" || testPlatform.name == "CPU";
}

// Idealized, nm.
static Golden ringOrCage(const string& name) {
    Golden g;
    g.name = name;
    g.model = "painn-hcno-distilled";
    g.periodic = false;
    auto add = [&](int z, double x, double y, double w) {
        g.numbers.push_back(z);
        g.positions.push_back(Vec3(x, y, w));
    };
    for (int k = 0; k < 6 && name == "benzene"; k++) {
        const double a = M_PI/3*k;
        add(6, 0.1397*cos(a), 0.1397*sin(a), 0);
        add(1, 0.2481*cos(a), 0.2481*sin(a), 0);
    }
    for (int k = 0; k < 8 && name == "cubane"; k++) {
        const double x = k & 1 ? 1 : -1, y = k & 2 ? 1 : -1, w = k & 4 ? 1 : -1;
        add(6, 0.0785*x, 0.0785*y, 0.0785*w);
        add(1, 0.1414*x, 0.1414*y, 0.1414*w);
    }
    if (name == "pyridine") {
        add(7, 0, 0.1419, 0);
        for (double side : {-1.0, 1.0}) {
            add(6, side*0.1139, 0.0720, 0);
            add(1, side*0.2056, 0.1303, 0);
            add(6, side*0.1195, -0.0671, 0);
            add(1, side*0.2153, -0.1282, 0);
        }
        add(6, 0, -0.1384, 0);
        add(1, 0, -0.2469, 0);
    }
    return g;
}

// The first step of OpenMM's minimizer is 1 nm long: atoms overlap, single precision overflows, and
// holes of the model lie on the way. The search must come back from there, to Reference's minimum.
static void testMinimizerComesBack() {
    for (const char* name : {"benzene", "pyridine", "cubane"}) {
        const Golden g = ringOrCage(name);
        System system;
        addParticles(system, g);
        system.addForce(makeForce(g));
        std::mt19937 random(7);
        std::normal_distribution<double> normal(0, 0.001);
        for (int k = 0; k < 6; k++) {
            vector<Vec3> positions(g.positions);
            for (Vec3& p : positions)
                p += Vec3(normal(random), normal(random), normal(random))*k;
            Simulation simulation(system, positions);
            const double before = simulation.energy();
            LocalEnergyMinimizer::minimize(simulation.context, 1.0);
            const State after = simulation.context.getState(State::Positions | State::Energy);
            CHECK(after.getPotentialEnergy() < before);
            CHECK(after.getPotentialEnergy() > before-1000);
            const vector<Vec3> expected = minimizeOnReference(system, positions);
            CHECK_NEAR(onReference(system, expected).getPotentialEnergy(),
                       after.getPotentialEnergy(), 0.1);
        }
    }
}

// Questions where single precision overflows, or has no digits left, are answered as on Reference.
static void testAbsurdPositions() {
    for (double scale : {0.4, 0.2, 0.1, 0.03}) {
        Golden g = ringOrCage("benzene");
        for (Vec3& p : g.positions)
            p *= scale;
        System system;
        addParticles(system, g);
        auto* force = makeForce(g);
        system.addForce(force);
        Simulation simulation(system, g.positions);
        const State expected = onReference(system, g.positions), found = simulation.evaluate();
        const double largestForce = largest(expected.getForces());
        CHECK(std::isfinite(expected.getPotentialEnergy()) && largestForce > 1e6);
        CHECK_NEAR(expected.getPotentialEnergy(), found.getPotentialEnergy(),
                   1e-9*fabs(expected.getPotentialEnergy()));
        CHECK_NEAR(0, largestDifference(expected.getForces(), found.getForces()),
                   1e-9*largestForce);
        std::map<string, double> components = force->getEnergyComponents(simulation.context);
        CHECK_NEAR(expected.getPotentialEnergy(), components["network"]+components["elements"],
                   1e-9*fabs(expected.getPotentialEnergy()));
    }
}

// In a step atoms that overlap are an error that names them, unless the user insists.
static void testOverlapInStep() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    vector<Vec3> positions(g.positions);
    positions[3] = positions[0]+Vec3(0, 0.05, 0);
    positions.insert(positions.begin(), Vec3(5, 5, 5));
    for (bool check : {true, false}) {
        System system;
        system.addParticle(1);
        addParticles(system, g);
        auto* force = makeForce(g, 1);
        force->setCheckGeometry(check);
        system.addForce(force);
        Simulation simulation(system, positions);
        CHECK(std::isfinite(simulation.energy()));
        auto step = [&] { simulation.integrator.step(1); };
        if (!check) {
            step();
            continue;
        }
        CHECK_THROWS("atoms 0 (C, particle 1) and 3 (H, particle 4) are 0.500 A apart", step());
        CHECK_THROWS("evaluation 3", step());
        CHECK_THROWS("time step", step());
        CHECK_THROWS("a minimization has ended where the model has no repulsion", step());
        simulation.context.setPositions(positions);
        CHECK(std::isfinite(simulation.energy()));
        // nothing has moved the positions before the first evaluation
        Simulation first(system, positions);
        const string message = messageOf([&] { first.integrator.step(1); });
        CHECK(has(message, "evaluation 1 of this Context: atoms 0 (C, particle 1)"));
        CHECK(has(message, "; minimize the energy before the first step; setCheckGeometry(false)"));
        CHECK(message.find("unstable") == string::npos);
    }
}

// What went wrong first is said first, also where a box is what an evaluation stumbles over.
static void testUnstableRun() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g, 0, true));
    makePeriodic(system, Vec3(1.5, 0, 0), Vec3(0, 1.5, 0), Vec3(0, 0, 1.5));
    Simulation simulation(system, g.positions, 0.02);
    simulation.context.setVelocitiesToTemperature(3000, 1);
    string message;
    try {
        simulation.integrator.step(2000);
    }
    catch (const OpenMMException& e) {
        message = e.what();
    }
    const size_t unstable = message.find("has become unstable");
    CHECK(unstable != string::npos && unstable < 100);
    CHECK(message.find("time step") != string::npos);
    for (const char* later : {"larger box", "overlap:", "the bond"})
        CHECK(message.find(later) == string::npos || message.find(later) > unstable);
    printf("    an unstable run: %s\n", message.c_str());
}

// A hole of the model is a number once, as for a minimizer that passes through; who stays is told.
static void testHole() {
    Golden g;
    g.model = "painn-hcno-distilled";
    g.periodic = false;
    g.numbers = {8, 1, 1};
    g.positions = {Vec3(0, 0, 0), Vec3(0.02, 0, 0), Vec3(-0.024, 0.0927, 0)};
    System system;
    addParticles(system, g);
    auto* force = makeForce(g);
    system.addForce(force);
    Simulation simulation(system, g.positions);
    simulation.energy();
    CHECK(force->getEnergyComponents(simulation.context)["network"] < -100*KJMOL_PER_EV*3);
    CHECK(force->getGeometryWarning(simulation.context).find("0.200 A") != string::npos);
    CHECK_THROWS("hole", simulation.energy());
    CHECK_THROWS("atoms 0 (O, particle 0) and 1 (H, particle 1)", simulation.evaluate());
}

// A hole of the model that is no deep one, but a minimum.
static void testMinimumInHole() {
    Golden g = testData("painn-hcno-distilled.formamide");
    g.positions = {Vec3(0.1042, 0.0347, 0.16942), Vec3(0.07365, -0.00979, 0.11116),
                   Vec3(0.18098, 0.28786, 0.37807), Vec3(0.10917, -0.03904, -0.01021),
                   Vec3(-0.02973, -0.08742, 0.09959), Vec3(-0.06426, 0.0907, -0.01903)};
    for (bool check : {true, false}) {
        System system;
        addParticles(system, g);
        auto* force = makeForce(g);
        force->setCheckGeometry(check);
        system.addForce(force);
        Simulation simulation(system, g.positions);
        const State state = simulation.evaluate();
        CHECK(largest(state.getForces()) < 1000);
        const double network = force->getEnergyComponents(simulation.context)["network"];
        CHECK(network > -10*KJMOL_PER_EV*g.size());
        const string warning = force->getGeometryWarning(simulation.context);
        const string again = messageOf([&] { simulation.energy(); });
        const string step = messageOf([&] { simulation.integrator.step(1); });
        if (check) {
            CHECK(has(warning, "atoms 0 (C, particle 0) and 1 (O, particle 1) are 0.79"));
            CHECK(has(again, "comes back to a hole of the model") && has(again, "other positions"));
            CHECK(has(step, "or a minimization has ended where the model has no repulsion (begin "
                            "it with other positions)"));
        }
        else
            CHECK(warning == "" && again == "" && step == "");
    }
}

// ----------------------------------------------------------------- functions of a distance

// Two atoms in a direction that is no axis; a float holds the small distances, too.
static vector<Vec3> dimerAt(double d) {
    const vector<Vec3> positions = {Vec3(), Vec3(d/3, -2*d/3, 2*d/3)};
    return keepsFloatPositions() ? roundToFloat(positions) : positions;
}

// From contact to a meter everything that a model makes of a distance has Reference's value. What a
// device's sums of forces do not hold ends at their limit.
static void walkDimer(Golden g, double cutoff) {
    const double eV = KJMOL_PER_EV, limit = 2147483000.0;
    g.positions = dimerAt(0.1);
    System system;
    addParticles(system, g);
    auto* force = makeForce(g);
    force->setCheckGeometry(false);
    system.addForce(force);
    Simulation simulation(system, g.positions);
    ReferenceContext reference(system, g.positions);
    vector<double> distances;                               // nm
    for (int k = -12; k <= 18; k++)
        distances.push_back(0.99*pow(10, 0.5*k));
    for (double part : {1-1e-3, 1-1e-6, 1-1e-7, 1+1e-7, 1+1e-3})
        distances.push_back(cutoff*part);
    for (double d : distances) {
        const vector<Vec3> positions = dimerAt(d);
        simulation.context.setPositions(positions);
        reference.context.setPositions(positions);
        const State expected = reference.context.getState(State::Energy | State::Forces);
        State found;
        const string error = messageOf([&] { found = simulation.evaluate(); });
        CHECK(error == "");
        const double scale = 1+norm(expected.getForces()[1])/(10*eV);   // eV/angstrom
        // a direction is rounded by 1.2e-7, over the length that it turns on, 20 times a layer
        const double turn = 40*1.2e-7/(10*d+1e-3);
        // Coulomb and what the network has of it cancel
        std::map<string, double> terms = force->getEnergyComponents(reference.context);
        const double lost = isSinglePrecision() ? 2e-6*(fabs(terms["coulomb"])+
                                                        fabs(terms["coulomb_short_range"])) : 0;
        const double part = isSinglePrecision() ? 2e-5 : 1e-8;
        const double rounding = isSinglePrecision() ? 2e-7 : 1e-12;
        const double energy = expected.getPotentialEnergy();
        const int before = check_failures;
        CHECK_NEAR(energy, found.getPotentialEnergy(),
                   eV*part*scale+rounding*fabs(energy)+lost);
        for (int i = 0; i < 2; i++)
            for (int a = 0; a < 3; a++) {
                const double f = expected.getForces()[i][a];
                const double held = isHost() ? f : std::max(-limit, std::min(limit, f));
                CHECK_NEAR(held, found.getForces()[i][a],
                           10*eV*scale*(isSinglePrecision() ? 5e-5+turn : part)+lost/d);
            }
        if (check_failures > before)
            printf("    of %s %s, %.9g nm\n", g.model.c_str(), g.coulomb.c_str(), d);
    }
}

static void testDistances() {
    Golden g;
    g.periodic = false;
    for (const char* model : {"kj-7x2", "poly5-7x2", "poly6-rbf-8x2", "rbf-linear-7x2",
                              "schnet-16x3", "student-16x2", "spatial-context-7x2"}) {
        g.model = model;
        g.numbers = {8, 1};
        walkDimer(g, 0.5);
    }
    g.model = "published-4x4";
    for (const char* coulomb : {"simple", "dsf", "none"}) {
        g.coulomb = coulomb;
        g.charge = {0};
        g.spin = {1};
        walkDimer(g, 0.5);
    }
}

// ------------------------------------------------------------------------------ hard filters

/* Water, and a fourth atom beyond it, with a model that a table may not hold: right as on
   Reference, or refused in words. Returns whether the platform took it. */
static bool checkHardFilters(const hard_filters& filters) {
    size_t size = 0;
    unsigned char* bytes = hard_model_build(&filters, &size);
    const string content(reinterpret_cast<const char*>(bytes), size);
    free(bytes);
    System system;
    auto* force = new MLFFForce("hard", content);
    for (int z : {8, 1, 1, 6})
        force->addAtom(system.addParticle(massOf(z)), z);
    system.addForce(force);
    vector<Vec3> positions = {Vec3(0, 0, 0.0119), Vec3(0, 0.0763, -0.0477),
                              Vec3(0, -0.0763, -0.0477), Vec3(0.19, 0.04, 0.11)};
    if (keepsFloatPositions())
        positions = roundToFloat(positions);
    State found;
    LeakAllowed leak;
    const string refusal = messageOf([&] {
        Simulation simulation(system, positions);
        found = simulation.evaluate();
    });
    if (refusal != "") {
        // what overflows on Reference, too, is no finite number anywhere
        CHECK(refusal.find("use the Reference platform") != string::npos ||
              has(refusal, "finite number"));
        return false;
    }
    const State expected = onReference(system, positions);
    const double scale = std::max(largest(expected.getForces()), 10*KJMOL_PER_EV);
    const double part = isSinglePrecision() ? 3e-5 : 1e-7;
    const int before = check_failures;
    const double energy = expected.getPotentialEnergy();
    CHECK_NEAR(energy, found.getPotentialEnergy(),
               (isSinglePrecision() ? 1e-5 : 1e-7)*(KJMOL_PER_EV+fabs(energy)));
    CHECK_NEAR(0, largestDifference(expected.getForces(), found.getForces()), part*scale);
    if (check_failures > before)
        printf("    %s, %d layers, cutoff %g, basis %g %g %g, beta %g %g %g\n",
               filters.bessel ? "Bessel" : "Gaussian", filters.two_layers ? 2 : 1, filters.cutoff,
               filters.basis[0], filters.basis[1], filters.basis[2], filters.beta[0],
               filters.beta[1], filters.beta[2]);
    return true;
}

// Devices compile kernels for each cutoff, so that they get some of the models.
static void testHardFilters() {
    typedef vector<double> Values;
    const double hydrogen = sqrt(0.763*0.763+0.596*0.596);  // O-H, angstrom
    const double fast = 2*M_PI*256/5;                       // a wave per interval of a grid of 256
    const bool all = isHost();
    for (bool two : {false, true}) {
        for (double cutoff : all ? Values {2.5, 50, 1e3, 1e4, 1e6, 1e30}
                                 : Values {2.5, 1e4, 1e30}) {
            const bool gaussian = checkHardFilters({false, two, cutoff, {0.5, 1.5, 2.5},
                                                    {2, 2, 2}});
            const bool bessel = checkHardFilters({true, two, cutoff, {0.6, 1.3, 1.9}, {}});
            CHECK(cutoff > 2.5 || (gaussian && bessel));
        }
        for (double beta : all ? Values {1, 1e2, 1e4, 1e6, 1e8, 1e12} : Values {1, 1e4, 1e8})
            for (double offset : all ? Values {0, 1e-4, 3e-3, 2} : Values {1e-4}) {
                const bool taken = checkHardFilters({false, two, 5, {0.5, hydrogen+offset, 2.5},
                                                     {2, beta, 2}});
                CHECK(taken || beta > 1);
            }
        for (double multiple : all ? Values {1, 1.001, 8, 8.008, 64, 64.064} : Values {8, 64.064})
            checkHardFilters({true, two, 5, {0.6, multiple*fast, 1.9}, {}});
        checkHardFilters({true, two, 5, {0.6, 1e7, 1.9}, {}});
        checkHardFilters({false, two, 8, {0.5, 1.5, 2.5}, {2, -100, 2}});
    }
}

// ---------------------------------------------------------------------------------- all

static int runPlatformTests() {
    RUN(testGoldens);
    RUN(testSubsetInAnyOrder);
    RUN(testFiniteDifference);
    RUN(testVirtualSite);
    RUN(testPeriodicImages);
    RUN(testWrappedRegion);
    RUN(testLongRegion);
    RUN(testMoleculesOfARegion);
    RUN(testMoleculeTakesAnotherCopy);
    RUN(testRegionAroundTheBox);
    RUN(testBoxChange);
    RUN(testAbsurdBoxes);
    RUN(testInsistedBoxes);
    RUN(testLongNarrowBox);
    RUN(testDefaultBox);
    RUN(testRegions);
    RUN(testScaleParameter);
    RUN(testScaleZeroSkips);
    RUN(testFactorsAndGroups);
    RUN(testUpdateParameters);
    RUN(testReinitialize);
    RUN(testTwoContexts);
    RUN(testCustomCVForce);
    RUN(testMinimizer);
    RUN(testCheckpoint);
    RUN(testBarostatMovesMolecules);
    RUN(testBarostatRun);
    RUN(testEnergyConservation);
    RUN(testNonFinitePositions);
    RUN(testAtomsAtOnePlace);
    runLifetimeTests();
    RUN(testGeometryWarning);
    if (isHost()) {
        RUN(testMinimizerComesBack);
        RUN(testAbsurdPositions);
        RUN(testOverlapInStep);
        RUN(testUnstableRun);
        RUN(testHole);
        RUN(testMinimumInHole);
    }
    RUN(testDistances);
    RUN(testHardFilters);
    runChargeTests();
    return check_report(("MLFFForce on " + testPlatform.name).c_str());
}

} // namespace mlfftest

#endif
