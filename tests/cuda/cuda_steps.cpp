/*
 * Runs Systems on the CUDA platform: under the pretend driver, whose log pretend_cuda.py reads, or
 * on a device, under CUDA's tools that look for errors.
 *
 *   cuda_steps STEPS PRECISION[,PRECISION...] [NAME ...]
 *
 * Each System, or those named: an evaluation of everything, then the steps, each marked in the
 * pretend driver's log, then whatever else a force can be asked, then steps between which things
 * change. Prints the mean time of a step, in which atoms move too little for new lists.
 *   empty, two-empty, large-empty     particles alone: what OpenMM itself does
 *   painn            MLFFForce alone, three layers, periodic
 *   two-painn        the same on two devices
 *   painn-open       without a box: dense
 *   painn-derivative the same with the derivative by the scale parameter
 *   painn-student    filters as tables, vectors mixed by a 3x3 matrix
 *   painn-medium     too many atoms for fused kernels, too few for cells
 *   painn-medium-split, -tf32, painn-student-split    the same with node kernels on tensor cores
 *   painn-large      thousands of atoms
 *   aimnet2          MLFFForce alone, DSF and dispersion, periodic
 *   aimnet2-open, -ewald, -pme, -large    other sums of charges; open: dense
 *   aimnet2-split, -tf32                  dense layers on tensor cores
 *   solvent          a NonbondedForce, periodic
 *   painn-solvent    the same and an MLFFForce on some of the particles
 * With tensor cores, the last steps are behind an operand outside the range of halves.
 * Models are those of full_size.py in MLFF_SHARED, or small ones, where they are not.
 */
#include "MLFFTestSupport.h"
#include <algorithm>
#include <chrono>
#include <dlfcn.h>
#include <sstream>

using namespace mlfftest;

enum { LARGE = 2001 };  // atoms, at least: with cells, and layers of all tiles

static int numSteps, numFailures;
static vector<string> wanted;  // empty: all

// A function of the pretend driver; null with a real one.
static void* findPretended(const char* name) {
    void* driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
    return driver == nullptr ? nullptr : dlsym(driver, name);
}

// Say it to the pretend driver; a real one has no ear for it.
static void mark(const string& text) {
    void* function = findPretended("pretend_cuda_mark");
    if (function != nullptr)
        reinterpret_cast<void (*)(const char*)>(function)(text.c_str());
}

// On the pretend driver: as if the kernel that finds the pairs had written a word of an array.
static void pretendWritten(int argument, int word, int value) {
    void* function = findPretended("pretend_cuda_write");
    if (function != nullptr)
        reinterpret_cast<void (*)(const char*, int, int, int)>(function)("mlffMessagePairs",
                                                                         argument, word, value);
}

static void ask(MLFFForce& force, Context& context) {
    vector<double> values;
    mark("questions");
    force.getEnergyComponents(context);
    if (force.getModelHasCharges())
        force.getAtomCharges(context, values);
    if (force.getNumAtoms() < 20 && force.getCoulombMethodInContext(context) != MLFFForce::PME)
        force.computeHessian(context, values);
    force.updateParametersInContext(context);
    context.getState(State::Forces);
}

/* Steps between which the scale, the box, parameters and positions change. */
static void change(MLFFForce& force, Context& context) {
    mark("changes");
    const auto step = [&] {
        context.getIntegrator().step(4);
        context.getState(State::Energy);
    };
    Vec3 a, b, c;
    const State state = context.getState(State::Positions);
    state.getPeriodicBoxVectors(a, b, c);
    const vector<Vec3> positions = state.getPositions();
    for (double lambda : {0.5, -1.0, 0.0, 1.0}) {
        context.setParameter("lambda", lambda);
        step();
    }
    context.setPeriodicBoxVectors(1.01*a, 1.01*b, 1.01*c);
    step();
    context.setPeriodicBoxVectors(a, b, c);
    context.setPositions(positions);
    step();
    force.setEnergyFactor(2);
    force.updateParametersInContext(context);
    step();
    // a row that nearly fills its room, in the status (support.cc) and in the lengths of the lists
    pretendWritten(0, 6, 1);
    pretendWritten(4, 0, 100);
    step();
    pretendWritten(0, 6, 0);
    step();
    // an operand outside the range of halves, seen behind the next evaluations
    const bool tensor = force.getMatrixPrecision() != MLFFForce::Full;
    pretendWritten(0, 10, tensor);
    context.getIntegrator().step(4);
    step();
}

static void markInfo(const string& when, MLFFForce& force, Context& context) {
    for (const auto& item : force.getExecutionInfo(context))
        mark(when + " " + item.first + " " + item.second);
}

static void simulate(const string& name, const string& precision, const System& system,
                     const vector<Vec3>& positions, MLFFForce* force) {
    const string devices = (name.find("two-") == 0 ? "0,0" : "0");
    VerletIntegrator integrator(1e-5);
    Context context(system, integrator, Platform::getPlatformByName("CUDA"),
                    {{"Precision", precision}, {"DeviceIndex", devices}});
    context.setPositions(positions);
    context.getState(State::Energy | State::Forces);
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < numSteps; i++) {
        mark("step");
        integrator.step(1);
    }
    mark("energy");
    context.getState(State::Energy);  // which waits for all of them
    const std::chrono::duration<double, std::milli> time = std::chrono::steady_clock::now()-start;
    printf("%-16s %-7s %6d atoms %9.4f ms/step\n", name.c_str(), precision.c_str(),
           system.getNumParticles(), time.count()/(numSteps+1));
    fflush(stdout);
    if (force != nullptr) {
        markInfo("info", *force, context);
        ask(*force, context);
        change(*force, context);
        markInfo("end-info", *force, context);
    }
    mark("end");
}

static bool isWanted(const string& name) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), name) != wanted.end();
}

static void run(const string& name, const string& precision, const System& system,
                const vector<Vec3>& positions, MLFFForce* force) {
    mark("case " + name + " " + precision + " " + std::to_string(positions.size()));
    try {
        simulate(name, precision, system, positions, force);
    }
    catch (const std::exception& e) {
        string text = e.what();
        std::replace(text.begin(), text.end(), '\n', ' ');
        mark("failed " + text);
        printf("%s, %s: %s\n", name.c_str(), precision.c_str(), e.what());
        numFailures++;
    }
}

/* The atoms of a golden, with the force or without. */
static void runAlone(const string& name, const string& precision, const Golden& g,
                     bool withForce = true) {
    if (!isWanted(name))
        return;
    System system;
    addParticles(system, g);
    MLFFForce* force = withForce ? makeForce(g) : nullptr;
    if (withForce) {
        force->setScaleParameter("lambda");
        if (name.find("-split") != string::npos)
            force->setMatrixPrecision(MLFFForce::SplitHalf);
        if (name.find("-tf32") != string::npos)
            force->setMatrixPrecision(MLFFForce::TF32);
        if (name.find("-derivative") != string::npos)
            force->addEnergyParameterDerivative("lambda");
        system.addForce(force);
    }
    run(name, precision, system, g.positions, force);
}

/* 400 particles that OpenMM's nonbonded force sorts anew now and then; the first are the atoms. */
static void runInSolvent(const string& name, const string& precision, const Golden& g,
                         bool withForce) {
    if (!isWanted(name))
        return;
    const double edge = 3;
    System system;
    system.setDefaultPeriodicBoxVectors(Vec3(edge, 0, 0), Vec3(0, edge, 0), Vec3(0, 0, edge));
    auto* nonbonded = new NonbondedForce();
    nonbonded->setNonbondedMethod(NonbondedForce::CutoffPeriodic);
    nonbonded->setCutoffDistance(0.9);
    std::mt19937 random(3);
    std::uniform_real_distribution<double> uniform(0, edge);
    vector<Vec3> positions(g.positions);
    while (positions.size() < 400)
        positions.push_back(Vec3(uniform(random), uniform(random), uniform(random)));
    for (size_t i = 0; i < positions.size(); i++) {
        system.addParticle(12);
        nonbonded->addParticle(0, 0.1, 0);
    }
    system.addForce(nonbonded);
    MLFFForce* force = nullptr;
    if (withForce) {
        Golden periodic(g);
        periodic.periodic = true;
        force = makeForce(periodic);
        force->setScaleParameter("lambda");
        system.addForce(force);
    }
    run(name, precision, system, positions, force);
}

/* Copies of a periodic golden side by side, as one region of at least so many atoms. */
static Golden enlarge(const Golden& g, int numAtoms = LARGE) {
    int sides = 1;
    while (sides*sides*sides*g.size() < numAtoms)
        sides++;
    Golden large(g);
    large.numbers.clear();
    large.positions.clear();
    large.region.clear();
    large.charge.clear();
    large.spin.clear();
    for (int k = 0; k < sides*sides*sides; k++) {
        const Vec3 shift = g.box[0]*(k%sides)+g.box[1]*(k/sides%sides)+g.box[2]*(k/sides/sides);
        large.numbers.insert(large.numbers.end(), g.numbers.begin(), g.numbers.end());
        for (const Vec3& p : g.positions)
            large.positions.push_back(p+shift);
    }
    for (Vec3& vector : large.box)
        vector *= sides;
    return large;
}

/* With a model of full size, where there is one. */
static Golden withModel(Golden g, const string& model) {
    if (!findModel(model).empty())
        g.model = model;
    return g;
}

static void runPaiNN(const string& precision) {
    const Golden box = withModel(testData("painn-hcno-distilled.box_triclinic"), "painn-128x3");
    const Golden solute = withModel(testData("painn-hcno-distilled.formamide"), "painn-128x3");
    runAlone("empty", precision, box, false);
    runAlone("two-empty", precision, box, false);
    runAlone("large-empty", precision, enlarge(box), false);
    runInSolvent("solvent", precision, solute, false);
    runAlone("painn", precision, box);
    runAlone("two-painn", precision, box);
    runAlone("painn-open", precision, solute);
    runAlone("painn-derivative", precision, solute);
    const Golden student = withModel(testData("student-16x2.box_triclinic"), "student-128x3");
    runAlone("painn-student", precision, student);
    for (const char* name : {"painn-medium", "painn-medium-split", "painn-medium-tf32"})
        runAlone(name, precision, enlarge(box, 140));
    runAlone("painn-student-split", precision, enlarge(student, 140));
    runAlone("painn-large", precision, enlarge(box));
    runInSolvent("painn-solvent", precision, solute, true);
}

static void runAIMNet2(const string& precision) {
    const auto golden = [](const string& name) {
        return withModel(chargedGolden("published-4x4", name), "aimnet2-16x16");
    };
    runAlone("aimnet2", precision, golden("two_regions_box dsf"));
    runAlone("aimnet2-split", precision, golden("two_regions_box dsf"));
    runAlone("aimnet2-tf32", precision, golden("two_regions_box dsf"));
    runAlone("aimnet2-open", precision, golden("formamide_4water simple"));
    for (const char* method : {"ewald", "pme"}) {
        Golden g = golden("box_triclinic ewald");
        g.coulomb = method;
        runAlone(string("aimnet2-")+method, precision, g);
    }
    runAlone("aimnet2-large", precision, enlarge(golden("two_regions_box dsf")));
}

int main(int argc, char** argv) {
    if (argc < 3) {
        printf("usage: cuda_steps STEPS PRECISION[,PRECISION...] [NAME ...]\n");
        return 2;
    }
    try {
        numSteps = std::stoi(argv[1]);
        Platform::loadPluginLibrary(folder("MLFF_CUDA_PLATFORM"));
        Platform::loadPluginLibrary(folder("MLFF_PLUGINS") + "/libOpenMMMLFFCUDA.so");
        wanted.assign(argv+3, argv+argc);
        std::stringstream precisions(argv[2]);
        for (string precision; std::getline(precisions, precision, ',');) {
            runPaiNN(precision);
            runAIMNet2(precision);
        }
    }
    catch (const std::exception& e) {
        printf("cuda_steps: %s\n", e.what());
        return 2;
    }
    return numFailures > 0;
}
