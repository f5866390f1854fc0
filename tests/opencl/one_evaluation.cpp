/*
 * One evaluation of energy and forces on OpenCL in single precision, small enough for a device that
 * is simulated instruction by instruction; data_races.py runs it there.
 *
 *   one_evaluation CASE      exit status 0: the forces are those of the Reference platform; 77:
 *                            there is no platform OpenCL, and a line says so
 *   one_evaluation           prints the cases
 */
#include "MLFFTestPlatform.h"

using namespace mlfftest;

// Copies of a golden in a row: of a periodic one with its box, of an open one 0.9 nm apart.
static Golden repeat(const Golden& one, int copies) {
    Golden g(one);
    for (int k = 1; k < copies; k++) {
        const Vec3 shift = one.periodic ? one.box[0]*k : Vec3(0.9*k, 0, 0);
        g.numbers.insert(g.numbers.end(), one.numbers.begin(), one.numbers.end());
        for (const Vec3& p : one.positions)
            g.positions.push_back(p+shift);
    }
    g.box[0] *= copies;
    return g;
}

struct Case {
    string name, golden;
    int copies;
    bool wrapped;   // in a periodic System, atom by atom
};

// Kernels of every kind; of PaiNN fused ones, and others for more than 64 atoms.
static const vector<Case> CASES = {
    {"fused", "schnet-16x3.formamide_4water", 1, false},
    {"fused-wide", "painn-hcno-distilled.formamide", 1, false},
    {"fused-periodic", "student-16x2.box_triclinic", 1, false},
    {"fused-wrapped", "student-16x2.formamide_4water", 1, true},
    {"split", "schnet-16x3.formamide", 12, false},
    {"split-spatial", "student-16x2.formamide", 12, false},
    {"cells", "shared-interactions-8x3.box_triclinic", 15, false},
    {"aimnet2", "formamide_4water simple", 1, false},
    {"aimnet2-dsf", "two_regions_box dsf", 1, false},
    {"aimnet2-ewald", "box_triclinic ewald", 1, false}};

static bool isRight(const Case& c) {
    const bool charged = c.name.find("aimnet2") == 0;
    const Golden g = repeat(charged ? chargedGolden("published-4x4", c.golden) : testData(c.golden),
                            c.copies);
    System system;
    addParticles(system, g);
    MLFFForce* force = makeForce(g);
    force->setForceGroup(3);
    system.addForce(force);
    vector<Vec3> positions = g.positions;
    if (c.wrapped) {
        const Vec3 box[3] = {Vec3(2, 0, 0), Vec3(0, 2, 0), Vec3(0, 0, 2)};
        makePeriodic(system, box[0], box[1], box[2]);
        for (size_t i = 0; i < positions.size(); i += 2)
            positions[i] += box[i%3];
    }
    testPlatform = {"OpenCL", {{"Precision", "single"}}, 0, 2e-6, 2e-5, 2e-5, 5e-6, false};
    Simulation simulation(system, positions);
    const State found = simulation.context.getState(State::Energy | State::Forces, false, 1 << 3);
    const vector<Vec3> expected = onReference(system, roundToFloat(positions)).getForces();
    const double error = largestDifference(expected, found.getForces());
    printf("%s: %d atoms, forces off by %.2g of %.2g kJ/mol/nm\n", c.name.c_str(), g.size(), error,
           forceTolerance(largest(expected)));
    return error <= forceTolerance(largest(expected));
}

int main(int argc, char** argv) {
    for (const Case& c : CASES) {
        if (argc == 1)
            printf("%s\n", c.name.c_str());
        else if (c.name == argv[1]) {
            loadPlugins();
            if (hasPlatform("OpenCL"))
                return isRight(c) ? 0 : 1;
            printf("skipped: this OpenMM has no platform OpenCL (OPENMM_PLUGINS)\n");
            return 77;
        }
    }
    return argc == 1 ? 0 : 2;
}
