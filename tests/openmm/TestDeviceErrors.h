/*
 * When the device platforms report that an evaluation failed, and what they answer where numbers
 * overflow: at once where a user or a minimizer asks, two evaluations later in a step.
 */
#ifndef TEST_DEVICE_ERRORS_H_
#define TEST_DEVICE_ERRORS_H_

#include "TestMLFFForce.h"

namespace mlfftest {

/* Methanol: C O H H H H. */
static Golden methanol() {
    return testData("painn-hcno-distilled.methanol");
}

/* Right forces at the first try. */
static void checkForces(const Golden& g, Context& context) {
    const State state = context.getState(State::Forces);
    CHECK_NEAR(0, largestDifference(forcesOf(g, state), g.forces),
               forceTolerance(largest(g.forces)));
}

static vector<Vec3> withAtom(vector<Vec3> positions, int atom, Vec3 place) {
    positions[atom] = place;
    return positions;
}

/* Questions for forces alone, on one device and on two: the error comes at once, and only once. */
static void testErrorsAtOnce() {
    Golden g = methanol();
    const std::map<string, string> before = testPlatform.properties;
    for (const char* devices : {"", "0,0"}) {
        if (*devices != 0)
            testPlatform.properties["DeviceIndex"] = devices;
        System system;
        addParticles(system, g);
        system.addForce(makeForce(g));
        const Golden kept = atKeptPositions(g, system);
        Simulation simulation(system, g.positions);
        Context& context = simulation.context;
        const auto ask = [&] {
            context.getState(State::Forces);
        };
        checkForces(kept, context);
        int evaluation = 1;
        for (int round = 0; round < 3; round++) {
            // a graph, where there is one, is recorded at the second evaluation
            context.setPositions(withAtom(g.positions, 3, Vec3(0, NAN, 0)));
            const string broken = messageOf(ask);
            CHECK(has(broken, "particle 3 (H, atom 3)") && has(broken, "not finite"));
            CHECK(has(broken, "evaluation "+std::to_string(++evaluation)+" of"));
            context.setPositions(g.positions);
            checkForces(kept, context);
            evaluation++;
            context.setPositions(withAtom(g.positions, 4, g.positions[2]));
            const string same = messageOf(ask);
            CHECK(has(same, "atoms 2 and 4 are at the same place"));
            CHECK(has(same, "evaluation "+std::to_string(++evaluation)+" of"));
            context.setPositions(g.positions);
            checkForces(kept, context);
            evaluation++;
        }
    }
    testPlatform.properties = before;
}

/* In steps the error names the evaluation that failed; the forces of that one are no forces. */
static void testErrorsInSteps() {
    const Golden g = methanol();
    System system;
    addParticles(system, g);
    system.addForce(makeForce(g));
    const Golden kept = atKeptPositions(g, system);
    for (const Vec3& place : {Vec3(NAN, 0, 0), g.positions[2]}) {
        Simulation simulation(system, g.positions);
        Context& context = simulation.context;
        checkForces(kept, context);
        simulation.integrator.step(3);          // evaluations 2 to 4
        context.setPositions(withAtom(g.positions, 4, place));
        context.setVelocities(vector<Vec3>(g.size()));
        const string late = messageOf([&] {
            simulation.integrator.step(20);
        });
        const bool same = (place == g.positions[2]);
        CHECK(has(late, "evaluation 5 of"));
        CHECK(has(late, same ? "atoms 2 (H, particle 2) and 4 (H, particle 4) are at the same place"
                             : "the position of particle 4 (H, atom 4) is not finite"));
        CHECK(has(late, "unstable"));
        context.setPositions(g.positions);
        context.setVelocities(vector<Vec3>(g.size()));
        checkForces(kept, context);
        simulation.integrator.step(3);
        context.setPositions(g.positions);
        checkForces(kept, context);
    }
    // one step: what it leaves behind cannot be taken for a result, and the next question says why
    Simulation simulation(system, g.positions);
    Context& context = simulation.context;
    checkForces(kept, context);
    context.setPositions(withAtom(g.positions, 4, g.positions[2]));
    const string at_once = messageOf([&] {
        simulation.integrator.step(1);
    });
    if (at_once.empty()) {
        const vector<Vec3> v = context.getState(State::Velocities).getVelocities();
        CHECK(largest(v) > 1000);               // nm/ps
        context.setPositions(g.positions);
        CHECK(has(messageOf([&] { context.getState(State::Forces); }), "evaluation 2 of"));
    }
    else
        CHECK(has(at_once, "evaluation 2 of"));
    context.setPositions(g.positions);
    checkForces(kept, context);
}

/* Lists: the host waits at other places. */
static void testErrorsWithLists() {
    const Golden g = methanol();
    System system;
    addParticles(system, g);
    MLFFForce* force = makeForce(g);
    force->setEvaluationMode(MLFFForce::Sparse);
    system.addForce(force);
    const Golden kept = atKeptPositions(g, system);
    Simulation simulation(system, g.positions);
    Context& context = simulation.context;
    checkForces(kept, context);
    context.setPositions(withAtom(g.positions, 3, Vec3(0, 0, NAN)));
    CHECK(has(messageOf([&] { context.getState(State::Forces); }), "evaluation 2 of"));
    context.setPositions(g.positions);
    checkForces(kept, context);
    context.setPositions(withAtom(g.positions, 4, g.positions[2]));
    CHECK(has(messageOf([&] { simulation.integrator.step(20); }), "evaluation 4 of"));
    context.setPositions(g.positions);
    context.setVelocities(vector<Vec3>(g.size()));
    checkForces(kept, context);
}

static void testErrorsInCustomCVForce() {
    const Golden g = methanol();
    System system;
    addParticles(system, g);
    auto* cv = new CustomCVForce("1*e");
    cv->addCollectiveVariable("e", makeForce(g));
    system.addForce(cv);
    Simulation simulation(system, g.positions);
    simulation.context.getState(State::Forces);
    simulation.context.setPositions(withAtom(g.positions, 4, g.positions[2]));
    CHECK(has(messageOf([&] { simulation.context.getState(State::Forces); }), "same place"));
    simulation.context.setPositions(g.positions);
    CHECK_NEAR(0, largestDifference(simulation.context.getState(State::Forces).getForces(),
                                    g.forces), 3*forceTolerance(largest(g.forces)));
}

/*
 * Atoms so close that numbers overflow: a question gets Reference's answer, its forces within what
 * OpenMM's sums of forces can hold; so does dE/dlambda. In a step it is an error.
 */
static void testOverflow() {
    const double limit = 2147483000.0;
    const Golden g = methanol();
    for (double distance : {0.03, 0.01, 1e-3, 1e-5}) {     // nm
        System system;
        addParticles(system, g);
        MLFFForce* force = makeForce(g);
        force->setScaleParameter("lambda");
        force->addEnergyParameterDerivative("lambda");
        system.addForce(force);
        auto* spring = new HarmonicBondForce();
        spring->addBond(0, 1, 0.1, 1000);
        system.addForce(spring);
        vector<Vec3> positions = withAtom(g.positions, 4, g.positions[1]+Vec3(distance, 0, 0));
        if (keepsFloatPositions())
            positions = roundToFloat(positions);
        Simulation simulation(system, g.positions);
        simulation.evaluate();
        simulation.context.setPositions(positions);
        const State expected = onReference(system, positions);
        // in float, where nothing overflows yet, activations of 1e4 cancel
        const double part = isSinglePrecision() ? 1e-3 : 2e-5;
        const double scale = fabs(expected.getPotentialEnergy());
        for (int round = 0; round < 2; round++) {
            const State found = simulation.evaluate();
            CHECK_NEAR(expected.getPotentialEnergy(), found.getPotentialEnergy(),
                       energyTolerance(g.size())+part*scale);
            CHECK_NEAR(found.getPotentialEnergy(), found.getEnergyParameterDerivatives().at("lambda"),
                       20+1e-5*scale);          // less the spring
            for (int i = 0; i < g.size(); i++)
                for (int d = 0; d < 3; d++) {
                    const double f = expected.getForces()[i][d];
                    const double within = std::max(-limit, std::min(limit, f));
                    CHECK_NEAR(within, found.getForces()[i][d],
                               fabs(f) < limit ? part*largest(expected.getForces()) : 1e4);
                }
        }
        CHECK_NEAR(expected.getPotentialEnergy(), simulation.energy(),
                   energyTolerance(g.size())+part*scale);
        CHECK(has(messageOf([&] { simulation.integrator.step(20); }), "unstable"));
        simulation.context.setPositions(g.positions);
        CHECK_NEAR(0, fabs(simulation.energy(1)), limit);
    }
}

/* Closer than 0.6 of the sum of covalent radii: an error in steps, which names both; no error at a
   question, or if the user insists. */
static void testOverlap() {
    const Golden g = methanol();
    // O 0.66 A, H 0.31 A
    const vector<Vec3> positions = withAtom(g.positions, 4, g.positions[1]+Vec3(0.056, 0, 0));
    for (bool check : {true, false}) {
        System system;
        addParticles(system, g);
        MLFFForce* force = makeForce(g);
        force->setCheckGeometry(check);
        system.addForce(force);
        Simulation simulation(system, positions, 1e-9);
        CHECK(messageOf([&] { simulation.context.getState(State::Forces); }).empty());
        CHECK(messageOf([&] { simulation.evaluate(); }).empty());
        const string late = messageOf([&] {
            simulation.integrator.step(4);
        });
        if (check) {
            CHECK(has(late, "atoms 1 (O, particle 1) and 4 (H, particle 4) are 0.560 A apart, less "
                            "than 0.6 of the sum of their covalent radii (0.97 A)"));
            CHECK(has(late, "evaluation 3 of") && has(late, "smaller time step"));
        }
        else
            CHECK(late.empty());
        // not too close
        simulation.context.setPositions(g.positions);
        CHECK(messageOf([&] { simulation.integrator.step(4); }).empty());
    }
}

/* Far from the origin: right, or refused where positions are kept in float. */
static void testFarFromOrigin() {
    const Golden g = methanol();
    for (double far : {20.0, 120.0, 7654.0, 1e6}) {
        System system;
        addParticles(system, g);
        system.addForce(makeForce(g));
        vector<Vec3> positions(g.positions);
        for (Vec3& p : positions)
            p += Vec3(far, 0, -far);
        Simulation simulation(system, positions);
        const string message = messageOf([&] { simulation.context.getState(State::Forces); });
        if (keepsFloatPositions() && far > 128) {
            CHECK(has(message, "128 nm from the origin") && has(message, "mixed or double"));
            continue;
        }
        CHECK(message == "");
        const State found = simulation.evaluate();
        const double error = largestDifference(found.getForces(),
                                               onReference(system, positions).getForces());
        CHECK_NEAR(0, error, (keepsFloatPositions() ? 2e-3 : 2e-5)*largest(g.forces)+
                             forceTolerance(largest(g.forces)));
    }
    // who insists gets numbers
    System system;
    addParticles(system, g);
    MLFFForce* force = makeForce(g);
    force->setCheckGeometry(false);
    system.addForce(force);
    vector<Vec3> positions(g.positions);
    for (Vec3& p : positions)
        p += Vec3(7654, 0, 0);
    Simulation simulation(system, positions);
    CHECK(messageOf([&] { simulation.evaluate(); }) == "");
}

/* A region that the box may have cut anywhere: at the start the box is too small, later the simulation
   has become unstable, which the message says first. */
static void testErrorsOfSpan() {
    const Golden g = methanol();
    System system;
    addParticles(system, g);
    system.setDefaultPeriodicBoxVectors(Vec3(2, 0, 0), Vec3(0, 2, 0), Vec3(0, 0, 2));
    auto* spring = new HarmonicBondForce();
    spring->setUsesPeriodicBoundaryConditions(true);
    system.addForce(spring);
    system.addForce(makeForce(g));
    const vector<Vec3> cut = withAtom(g.positions, 4, g.positions[0]+Vec3(0.98, 0.98, 0.98));
    Simulation simulation(system, cut);
    const auto ask = [&] {
        simulation.context.getState(State::Forces);
    };
    const string first = messageOf(ask);
    CHECK(has(first, "evaluation 1 of") && has(first, "particle 4") && has(first, "larger box"));
    CHECK(first.find("unstable") == string::npos);
    simulation.context.setPositions(g.positions);
    checkForces(atKeptPositions(g, system), simulation.context);
    simulation.context.setPositions(cut);
    const string later = messageOf(ask);
    CHECK(has(later, "evaluation 3 of") && has(later, "larger box") && has(later, "unstable"));
    CHECK(later.find("unstable") < later.find("larger box"));
}

static void runErrorTests() {
    RUN(testErrorsAtOnce);
    RUN(testErrorsInSteps);
    RUN(testErrorsWithLists);
    RUN(testErrorsInCustomCVForce);
    RUN(testErrorsOfSpan);
    RUN(testOverflow);
    RUN(testOverlap);
    RUN(testFarFromOrigin);
}

} // namespace mlfftest

#endif
