#include "TestDeviceMLFFForce.h"

using namespace mlfftest;

static bool sameBits(const State& a, const State& b) {
    if (a.getPotentialEnergy() != b.getPotentialEnergy())
        return false;
    for (size_t i = 0; i < a.getForces().size(); i++)
        if (!(a.getForces()[i] == b.getForces()[i] && a.getPositions()[i] == b.getPositions()[i]))
            return false;
    return true;
}

static State stateOf(Context& context) {
    return context.getState(State::Positions | State::Forces | State::Energy);
}

// In steps of 0.02 fs: random weights hold no molecule together, and atoms would meet after 4 fs.
static void startMoving(Molecule& molecule) {
    molecule.context().setVelocitiesToTemperature(300, 5);
    molecule.simulation->integrator.setStepSize(2e-5);
}

// The same positions give the same bits: again in a Context, in another one, and after 50 steps.
static void testSameBits() {
    for (const Golden& g : {testData("painn-hcno-distilled.box_triclinic"),
                            testData("painn-hcno-distilled.formamide_4water"),
                            chargedGolden("published-4x4", "two_regions_box dsf"),
                            chargedGolden("published-4x4", "formamide_4water simple")}) {
        Molecule one(g), other(g);
        const State first = stateOf(one.context());
        CHECK(sameBits(first, stateOf(one.context())));
        CHECK(sameBits(first, stateOf(other.context())));
        for (Molecule* molecule : {&one, &other}) {
            startMoving(*molecule);
            molecule->simulation->integrator.step(50);
        }
        CHECK(sameBits(stateOf(one.context()), stateOf(other.context())));
        CHECK(!sameBits(first, stateOf(one.context())));
    }
}

// As a graph and kernel by kernel: the same bits, whatever changes between the steps.
static void testGraph() {
    for (const Golden& g : {testData("painn-hcno-distilled.box_triclinic"),
                            testData("painn-hcno-distilled.formamide_4water"),
                            chargedGolden("published-4x4", "two_regions_box dsf"),
                            chargedGolden("published-4x4", "box_triclinic ewald")}) {
        Molecule with(g), without(g);
        without.force->setUseDeviceGraph(false);
        for (Molecule* molecule : {&with, &without}) {
            molecule->force->setScaleParameter("lambda");
            Context& context = molecule->context();
            startMoving(*molecule);
            for (double scale : {1.0, 0.7, 1.0}) {
                context.setParameter("lambda", scale);
                molecule->simulation->integrator.step(20);
                if (g.periodic) {
                    const double size = 0.9+0.1*scale;
                    context.setPeriodicBoxVectors(g.box[0]*size, g.box[1]*size, g.box[2]*size);
                }
                molecule->simulation->integrator.step(20);
            }
            molecule->force->setEnergyFactor(0.5);
            molecule->force->updateParametersInContext(context);
            molecule->simulation->integrator.step(20);
        }
        CHECK(sameBits(stateOf(with.context()), stateOf(without.context())));
        const auto info = with.force->getExecutionInfo(with.context());
        CHECK(info.at("graph") == "yes" && std::stoi(info.at("graph_launches")) > 90);
        const auto other = without.force->getExecutionInfo(without.context());
        CHECK(other.at("graph") == "no: setUseDeviceGraph(false)");
        CHECK(other.count("graph_launches") == 0);
    }
}

// Dense layers on tensor cores: pairs of halves as exact as single precision, TF32 within what
// its 11 bits allow: an operand is off by 2^-11 at most, a product by 2^-10, and forces come from a
// forward and a backward pass: 2^-9 of the largest, or of 1 eV/angstrom. Energy: 1e-3 eV per atom.
static void testTensorCores() {
    for (const Golden& g : {chargedGolden("published-4x4", "formamide_4water simple"),
                            chargedGolden("published-4x4", "two_regions_box dsf"),
                            asRegions(testData("painn-hcno-distilled.formamide"), UNFUSED_ATOMS),
                            asRegions(testData("student-16x2.formamide"), UNFUSED_ATOMS)}) {
        for (MLFFForce::MatrixPrecision precision : {MLFFForce::SplitHalf, MLFFForce::TF32}) {
            Molecule molecule(g);
            molecule.force->setMatrixPrecision(precision);
            const State state = molecule.evaluate();
            const auto info = molecule.force->getExecutionInfo(molecule.context());
            if (info.count("matrix_precision_refused")) {
                printf("    skipped: %s\n", info.at("matrix_precision_refused").c_str());
                return;
            }
            const Golden expected = atKeptPositions(g, molecule.system);
            if (precision == MLFFForce::SplitHalf) {
                CHECK(info.at("matrix_precision") == "SplitHalf");
                checkGolden(expected, state, "pairs of halves");
                continue;
            }
            CHECK(info.at("matrix_precision") == "TF32");
            const double error = largestDifference(expected.forces, forcesOf(g, state));
            CHECK(error <= std::max(largest(expected.forces), 10*KJMOL_PER_EV)/512);
            CHECK(fabs(state.getPotentialEnergy()-expected.energy) <= 1e-3*KJMOL_PER_EV*g.size());
            CHECK(error > forceTolerance(largest(expected.forces)));  // else it was not TF32
        }
    }
}

// TestCudaMLFFForce single|mixed|double
int main(int argc, char** argv) {
    const int result = runDeviceTests("CUDA", argc, argv);
    if (result == CHECK_SKIPPED)
        return result;
    RUN(testSameBits);
    RUN(testGraph);
    RUN(testTensorCores);
    return check_report("the same on CUDA, and the same bits");
}
