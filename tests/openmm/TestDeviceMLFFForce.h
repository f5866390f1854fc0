/*
 * What MLFFForce must do on the device platforms, in every precision: all that it does elsewhere,
 * and what only happens there: atoms that change their slots, several devices, lists that outgrow
 * their arrays on the device.
 */
#ifndef TEST_DEVICE_MLFFFORCE_H_
#define TEST_DEVICE_MLFFFORCE_H_

#include "TestDeviceErrors.h"
#include "mlff.h"

namespace mlfftest {

/* Why there is no Context on the platform; "" if there is one. */
static string whyNoDevice(const string& platform, const string& precision) {
    if (!hasPlatform(platform))
        return "this OpenMM has no platform " + platform + " (OPENMM_PLUGINS)";
    LeakAllowed leaks;
    try {
        System system;
        for (int i = 0; i < 2; i++)  // one is too few for PoCL, see withCompany()
            system.addParticle(1);
        VerletIntegrator integrator(0.001);
        Context context(system, integrator, Platform::getPlatformByName(platform),
                        {{"Precision", precision}});
        return "";
    }
    catch (const OpenMMException& e) {
        return e.what();
    }
}

/*
 * Molecules of the network among argon in a box, so dense that OpenMM sorts and wraps atoms while
 * they move. The network's atoms are equal to OpenMM (no bonds, no charges), so they may change
 * places with each other's slots.
 */
static void checkReorder(const Golden& g, bool periodic, bool withBonds) {
    enum { SIDE = 6 };
    const double spacing = 0.375;  // a box that is exact in float too
    System system;
    vector<Vec3> positions;
    auto* argon = new NonbondedForce();
    argon->setNonbondedMethod(NonbondedForce::CutoffPeriodic);
    argon->setCutoffDistance(0.9);
    for (int k = 0; k < SIDE*SIDE*SIDE; k++) {
        const Vec3 p = Vec3(k%SIDE, k/SIDE%SIDE, k/SIDE/SIDE)*spacing;
        if (norm(p-Vec3(1, 1, 1)) < 0.6)
            continue;
        system.addParticle(39.9);
        argon->addParticle(0, 0.32, 1.0);
        positions.push_back(p);
    }
    const int first = system.getNumParticles();
    addParticles(system, g);
    Vec3 center;
    for (const Vec3& p : g.positions)
        center += p*(1.0/g.size());
    for (const Vec3& p : g.positions) {
        positions.push_back(p-center+Vec3(1, 1, 1));
        argon->addParticle(0, 0.2, 0.1);
    }
    for (int i = 0; i < g.size(); i++)
        for (int j = 0; j < i; j++)
            argon->addException(first+i, first+j, 0, 1, 0);
    const double edge = SIDE*spacing;
    system.setDefaultPeriodicBoxVectors(Vec3(edge, 0, 0), Vec3(spacing, edge, 0),
                                        Vec3(-spacing, spacing, edge));
    system.addForce(argon);
    MLFFForce* force = makeForce(g, first, withBonds);
    force->setUsesPeriodicBoundaryConditions(periodic);
    force->setForceGroup(5);
    system.addForce(force);

    LangevinMiddleIntegrator integrator(300, 5, 5e-4);
    integrator.setRandomNumberSeed(3);
    Context context(system, integrator, Platform::getPlatformByName(testPlatform.name),
                    testPlatform.properties);
    context.setPositions(positions);
    context.setVelocitiesToTemperature(300, 2);
    // fly through the border of the box
    vector<Vec3> velocities = context.getState(State::Velocities).getVelocities();
    for (int i = first; i < (int) velocities.size(); i++)
        velocities[i] += Vec3(5, 4, -6);
    context.setVelocities(velocities);
    for (int k = 0; k < 3; k++) {
        integrator.step(100);
        const State state = context.getState(State::Positions | State::Energy | State::Forces,
                                             false, 1 << 5);
        checkSame(onReference(system, state, 1 << 5), state, g.size());
    }
}

static void testReorder() {
    const Golden g = testData("painn-hcno-distilled.formamide");
    checkReorder(g, false, false);
    checkReorder(g, false, true);
    checkReorder(g, true, false);
}

// One CPU as two devices: the force is computed on the first, by its thread.
static void testTwoDevices() {
    const std::map<string, string> before = testPlatform.properties;
    testPlatform.properties["DeviceIndex"] = "0,0";
    for (const Golden& g : {testData("painn-hcno-distilled.formamide_4water"),
                            testData("painn-hcno-distilled.box_triclinic")}) {
        System system;
        addParticles(system, g);
        MLFFForce* force = makeForce(g);
        force->setScaleParameter("lambda");
        force->addEnergyParameterDerivative("lambda");
        system.addForce(force);
        Simulation simulation(system, g.positions);
        const State state = simulation.evaluate();
        checkGolden(g, state, "two devices");
        CHECK_NEAR(g.energy, state.getEnergyParameterDerivatives().at("lambda"),
                   energyTolerance(g.size())+1e-7*fabs(g.energy));
        simulation.integrator.step(10);
    }
    testPlatform.properties = before;
}

/*
 * Water that is drawn together until rows hold twice as many pairs, then apart again: arrays grow
 * and shrink, no pair is lost.
 */
static void testCapacities() {
    const Golden g = testData("painn-hcno-distilled.formamide_4water");
    System system;
    Golden box = g;
    box.periodic = true;
    for (int k = 0; k < 3; k++)
        box.box[k][k] = 1.1;
    addParticles(system, box);
    system.addForce(makeForce(box));
    Simulation simulation(system, g.positions);
    for (double scale : {1.0, 0.75, 0.55, 0.75, 1.0, 2.0, 1.0}) {
        simulation.context.setPeriodicBoxVectors(Vec3(1.1*scale, 0, 0), Vec3(0, 1.1*scale, 0),
                                                 Vec3(0, 0, 1.1*scale));
        vector<Vec3> positions = g.positions;
        simulation.context.setPositions(positions);
        for (int k = 0; k < 3; k++)  // what the status said is heard two evaluations later
            simulation.context.getState(State::Forces);
        const State state = simulation.context.getState(State::Positions | State::Energy |
                                                        State::Forces);
        checkSame(onReference(system, state), state, g.size());
    }
}

// A region of more atoms than the dense mode takes, and more rows than are compared one by one.
static std::map<string, string> infoOf(Molecule& molecule) {
    return molecule.force->getExecutionInfo(molecule.context());
}

/* With lists and without, by the mode and by the threshold: the same pairs. */
static void testEvaluationModes() {
    const Golden g = testData("painn-hcno-distilled.formamide_4water");
    struct Choice {
        MLFFForce::EvaluationMode mode;
        int threshold;
        const char* expected;
    };
    for (const Choice& choice : {Choice {MLFFForce::Auto, 512, "dense"},
                                 Choice {MLFFForce::Auto, g.size(), "dense"},
                                 Choice {MLFFForce::Auto, g.size()-1, "sparse"},
                                 Choice {MLFFForce::Dense, 0, "dense"},
                                 Choice {MLFFForce::Sparse, 512, "sparse"}}) {
        Molecule molecule(g);
        molecule.force->setEvaluationMode(choice.mode);
        molecule.force->setDenseThreshold(choice.threshold);
        checkGolden(atKeptPositions(g, molecule.system), molecule.evaluate(), choice.expected);
        const std::map<string, string> info = infoOf(molecule);
        CHECK(info.at("mode") == choice.expected);
        CHECK(info.at("platform") == testPlatform.name);
        CHECK(info.at("precision") == testPlatform.properties.at("Precision"));
        CHECK(std::stoi(info.at("pair_capacity")) >= g.size()-1);
        const long parameters = mlff_model_get_info(&molecule.force->getModel())->n_parameters;
        CHECK(std::stoll(info.at("memory_bytes")) > 4*parameters);
        CHECK(testPlatform.name != "OpenCL" || info.at("graph") == "no: this platform has none");
    }
    Molecule periodic(testData("painn-hcno-distilled.box_triclinic"));
    periodic.context().getState(State::Energy);
    CHECK(infoOf(periodic).at("mode") == "sparse");
}

static void testManyAtoms() {
    const Golden g = testData("painn-hcno-distilled.methanol");
    for (bool periodic : {false, true}) {
        Golden many = g;
        many.numbers.clear();
        many.positions.clear();
        many.periodic = periodic;
        const int side = periodic ? 7 : 5;  // 2,058 and 750 atoms
        const double spacing = 0.625;
        for (int k = 0; k < side*side*side; k++)
            for (int i = 0; i < g.size(); i++) {
                many.numbers.push_back(g.numbers[i]);
                many.positions.push_back(g.positions[i]+
                                         Vec3(k%side, k/side%side, k/side/side)*spacing);
            }
        many.box[0] = Vec3(side*spacing, 0, 0);
        many.box[1] = Vec3(0.5, side*spacing, 0);
        many.box[2] = Vec3(-0.375, 0.25, side*spacing);
        System system;
        addParticles(system, many);
        MLFFForce* force = makeForce(many);
        force->setForceGroup(5);
        system.addForce(force);
        Simulation simulation(system, many.positions, 5e-4);
        simulation.context.setVelocitiesToTemperature(300, 4);
        simulation.integrator.step(2);
        const State state = simulation.context.getState(State::Positions | State::Energy |
                                                        State::Forces, false, 1 << 5);
        checkSame(onReference(system, state, 1 << 5), state, many.size());
    }
}

/* More than any device has multiprocessors. */
enum { UNFUSED_ATOMS = 200 };

/* A molecule so many times over that there are at least so many atoms; each time is a region. */
static Golden asRegions(const Golden& g, int numAtoms) {
    Golden many = g;
    for (int r = 0; many.size() < numAtoms || r == 0; r++)
        for (int i = 0; i < g.size(); i++) {
            many.region.push_back(r);
            if (r > 0) {
                many.numbers.push_back(g.numbers[i]);
                many.positions.push_back(g.positions[i]);
                many.forces.push_back(g.forces[i]);
            }
        }
    many.energy *= many.size()/g.size();
    many.charge.assign(many.size()/g.size(), 0);
    many.spin.assign(many.size()/g.size(), 1);
    return many;
}

/*
 * More rows than multiprocessors: kernels of PaiNN that are not fused, in every form of the model.
 * Few atoms take fused ones: all goldens do on PoCL but those of hundreds of atoms. Sanitizers watch
 * the host, for which models are alike: two of them serve there, since PoCL takes long to compile.
 */
static void testManyRegions() {
    int left = 1000;
#ifdef __SANITIZE_ADDRESS__
    left = 2;
#endif
    for (const string& path : listGoldens(folder("MLFF_TEST_DATA") + "/painn")) {
        const Golden g = readGolden(path);
        const bool small = (g.size() == 6 && !g.periodic);
        if (!small || g.model == "painn-hcno-distilled")  // testManyAtoms() has it
            continue;
        if (left-- == 0)
            break;
        const Golden many = asRegions(g, UNFUSED_ATOMS);
        System system;
        addParticles(system, many);
        system.addForce(makeForce(many));
        Simulation simulation(system, many.positions);
        const State state = simulation.evaluate();
        checkGolden(atKeptPositions(many, system), state, "many regions");
    }
}

/* TestXMLFFForce single|mixed|double */
static int runDeviceTests(const string& platform, int argc, char** argv) {
    const string precision = argc > 1 ? argv[1] : "mixed";
    loadPlugins();
    const string reason = whyNoDevice(platform, precision);
    if (!reason.empty()) {
        printf("skipped: %s\n", reason.c_str());
        return CHECK_SKIPPED;
    }
    if (precision == "double")
        testPlatform = {platform, {}, 1e-7, 0, 1e-7, 0, 1e-8, false};
    else
        testPlatform = {platform, {}, 0, 2e-6, 2e-5, 2e-5, 5e-6, false};
    testPlatform.properties["Precision"] = precision;
    RUN(testReorder);
    RUN(testTwoDevices);
    RUN(testCapacities);
    RUN(testEvaluationModes);
    RUN(testManyAtoms);
    RUN(testManyRegions);
    runErrorTests();
    return runPlatformTests();
}

} // namespace mlfftest

#endif
