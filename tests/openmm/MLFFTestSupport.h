/*
 * For the tests of MLFFForce in OpenMM: expected values, small Systems, checks of exceptions.
 *
 * Folders come from the environment (see tests/CMakeLists.txt): MLFF_PLUGINS, OPENMM_PLUGINS,
 * MLFF_TEST_DATA, MLFF_MODELS, and MLFF_SHARED, which may be absent.
 */
#ifndef MLFF_TEST_SUPPORT_H_
#define MLFF_TEST_SUPPORT_H_

#include "MLFFForce.h"
#include "OpenMM.h"
#include "check.h"
#include "leak_scope.h"
#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <memory>
#include <random>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

namespace mlfftest {

using namespace OpenMM;
using std::string;
using std::vector;

const double KJMOL_PER_EV = 96.48533212331002;
const double KB = 8.314462618e-3;  // kJ/mol/K

/* What is allocated while this lives may leak: OpenMM's leaks, in a test of an error. */
struct LeakAllowed {
    LeakAllowed() { leak_allow(); }
    ~LeakAllowed() { leak_forbid(); }
};

/* The statement must throw an OpenMMException whose message contains the text. */
#define CHECK_THROWS(text, ...)                                                                   \
    do {                                                                                          \
        check_count++;                                                                            \
        string check_message_ = "(no exception)";                                                 \
        try {                                                                                     \
            __VA_ARGS__;                                                                          \
        }                                                                                         \
        catch (const OpenMM::OpenMMException& check_e_) {                                         \
            check_message_ = check_e_.what();                                                     \
        }                                                                                         \
        if (check_message_.find(text) == string::npos)                                            \
            CHECK_SAY("%s: expected an exception with \"%s\", found: %s", #__VA_ARGS__,           \
                      std::string(text).c_str(), check_message_.c_str());                         \
    } while (0)

/* Run a test function; an exception that escapes from it is a failure. */
#define RUN(test, ...)                                                                            \
    do {                                                                                          \
        check_count++;                                                                            \
        try {                                                                                     \
            test(__VA_ARGS__);                                                                    \
        }                                                                                         \
        catch (const std::exception& check_e_) {                                                  \
            CHECK_SAY("%s: exception: %s", #test, check_e_.what());                               \
        }                                                                                         \
    } while (0)

// ---------------------------------------------------------------------------- folders

inline string folder(const char* variable) {
    const char* value = getenv(variable);
    return value == nullptr ? "" : value;
}

/* OpenMM's plugins first: ours add a kernel to the platforms that exist. */
inline void loadPlugins() {
    for (const char* variable : {"OPENMM_PLUGINS", "MLFF_PLUGINS"}) {
        if (folder(variable).empty())
            continue;
        Platform::loadPluginsFromDirectory(folder(variable));
        for (const string& failure : Platform::getPluginLoadFailures())
            if (failure.find("OpenMMMLFF") != string::npos)
                CHECK_SAY("plugin not loaded: %s", failure.c_str());
    }
}

inline bool hasPlatform(const string& name) {
    for (int i = 0; i < Platform::getNumPlatforms(); i++)
        if (Platform::getPlatform(i).getName() == name)
            return true;
    return false;
}

/* A model by name, from the repository's own folders or the shared one; "" if there is none. */
inline string findModel(const string& name) {
    for (const string& place : {folder("MLFF_MODELS"), folder("MLFF_TEST_DATA") + "/painn",
                                folder("MLFF_TEST_DATA") + "/aimnet2",
                                folder("MLFF_SHARED") + "/models"}) {
        const string path = place + "/" + name + ".safetensors";
        if (std::filesystem::exists(path))
            return path;
    }
    return "";
}

inline string bundledModel() {
    return findModel("painn-hcno-distilled");
}

// --------------------------------------------------------------------- expected values

/* One system with the energy and forces that another code computed, in OpenMM's units. */
struct Golden {
    string name, model;
    vector<int> numbers;
    vector<Vec3> positions;         // nm
    bool periodic;
    Vec3 box[3];                    // nm
    double energy;                  // kJ/mol
    vector<Vec3> forces;            // kJ/mol/nm
    vector<int> region;             // of each atom; empty: one region without charge
    vector<double> charge, spin;    // of each region: e, 2S+1
    int size() const {
        return (int) numbers.size();
    }
};

inline double kjmolPer(const string& unit) {
    if (unit == "eV") return KJMOL_PER_EV;
    if (unit == "kcal/mol") return 4.184;
    if (unit == "kJ/mol") return 1.0;
    if (unit == "Hartree") return 27.211386024367243*KJMOL_PER_EV;
    throw OpenMMException("golden: unknown energy unit " + unit);
}

inline void readGoldenAtoms(std::istream& in, double unit, int count, Golden& golden) {
    for (int i = 0; i < count; i++) {
        int z;
        double x[3], f[3], e;
        in >> z >> x[0] >> x[1] >> x[2] >> f[0] >> f[1] >> f[2] >> e;
        golden.numbers.push_back(z);
        golden.positions.push_back(Vec3(x[0], x[1], x[2])*0.1);
        golden.forces.push_back(Vec3(f[0], f[1], f[2])*(10*unit));
    }
}

inline Golden readGolden(const string& path) {
    std::ifstream in(path);
    Golden golden;
    golden.name = std::filesystem::path(path).stem().string();
    double unit = 0;
    int count = 0;
    string key;
    while (in >> key) {
        string rest;
        if (key == "model") in >> golden.model;
        else if (key == "energy_unit") { in >> rest; unit = kjmolPer(rest); }
        else if (key == "natoms") in >> count;
        else if (key == "periodic") in >> golden.periodic;
        else if (key == "energy") { in >> golden.energy; golden.energy *= unit; }
        else if (key == "cell")
            for (Vec3& v : golden.box)
                for (int d = 0; d < 3; d++) { in >> v[d]; v[d] *= 0.1; }
        else if (key == "atoms") {
            std::getline(in, rest);
            readGoldenAtoms(in, unit, count, golden);
        }
        else std::getline(in, rest);
    }
    if (golden.size() == 0 || golden.size() != count || unit == 0)
        throw OpenMMException("golden: cannot read " + path);
    return golden;
}

inline Golden testData(const string& name) {
    return readGolden(folder("MLFF_TEST_DATA") + "/painn/" + name + ".txt");
}

/* All files of a folder, in order. A dimer scan holds many systems and is left out. */
inline vector<string> listGoldens(const string& place) {
    vector<string> paths;
    if (std::filesystem::is_directory(place))
        for (const auto& entry : std::filesystem::directory_iterator(place)) {
            const string path = entry.path().string();
            if (entry.path().extension() == ".txt" && path.find("dimer_scan") == string::npos)
                paths.push_back(path);
        }
    std::sort(paths.begin(), paths.end());
    return paths;
}

/*
 * The expected values of models with charges (tests/data/aimnet2): one line of JSON a system. Of
 * its methods the first counts, which must be the default one.
 */
class JsonLine {
public:
    explicit JsonLine(const string& text) : text(text) {}
    bool has(const string& key) const {
        return text.find("\"" + key + "\":") != string::npos;
    }
    /* All numbers of a value, however deep; texts are skipped. */
    vector<double> numbers(const string& key) const {
        const char* p = value(key);
        vector<double> found;
        int depth = 0;
        do {
            if (*p == '"')
                p = strchr(p+1, '"')+1;
            else if (*p == '-' || (*p >= '0' && *p <= '9')) {
                char* end;
                found.push_back(strtod(p, &end));
                p = end;
            }
            else {
                depth += (*p == '[' || *p == '{') - (*p == ']' || *p == '}');
                p++;
            }
        } while (*p && (depth > 0 || *p == '"'));
        return found;
    }
    string word(const string& key) const {
        const char* p = strchr(value(key), '"')+1;
        return string(p, strchr(p, '"'));
    }
private:
    const char* value(const string& key) const {
        const size_t at = text.find("\"" + key + "\":");
        if (at == string::npos)
            throw OpenMMException("golden: no key " + key);
        const char* p = text.c_str()+at+key.size()+3;
        return p+strspn(p, " ");
    }
    string text;
};

inline Golden readChargedGolden(const string& model, const string& line) {
    const JsonLine json(line);
    Golden g;
    g.name = json.word("name");
    g.model = model;
    for (double z : json.numbers("numbers"))
        g.numbers.push_back((int) z);
    const vector<double> x = json.numbers("coord"), f = json.numbers("forces");
    for (int i = 0; i < g.size(); i++) {
        g.positions.push_back(Vec3(x.at(3*i), x.at(3*i+1), x.at(3*i+2))*0.1);
        g.forces.push_back(Vec3(f.at(3*i), f.at(3*i+1), f.at(3*i+2))*(10*KJMOL_PER_EV));
    }
    const vector<double> cell = json.numbers("cell");
    g.periodic = (cell.size() == 9);
    for (int a = 0; g.periodic && a < 3; a++)
        g.box[a] = Vec3(cell[3*a], cell[3*a+1], cell[3*a+2])*0.1;
    g.energy = 0;
    for (double component : json.numbers("components"))
        g.energy += KJMOL_PER_EV*component;
    for (double r : json.numbers("region"))
        g.region.push_back((int) r);
    g.charge = json.numbers("total_charge");
    g.spin = json.numbers("multiplicity");
    return g;
}

/* The systems of a model whose first method is the one that a force has by default. */
inline vector<Golden> chargedGoldens(const string& model) {
    std::ifstream in(folder("MLFF_TEST_DATA") + "/aimnet2/" + model + ".json");
    vector<Golden> goldens;
    string line;
    while (std::getline(in, line)) {
        const size_t begin = line.find("{\"name\""), methods = line.find("{\"coulomb\"");
        if (begin == string::npos || methods == string::npos)
            continue;
        line = line.substr(begin, line.find("{\"coulomb\"", methods+1)-begin);
        const JsonLine json(line);
        if (json.has("coulomb_cutoff") || json.has("dispersion_cutoff"))
            continue;
        const Golden g = readChargedGolden(model, line);
        const string method = json.word("coulomb");
        if (method == "none" || method == (g.periodic ? "dsf" : "simple"))
            goldens.push_back(g);
    }
    return goldens;
}

// ----------------------------------------------------------------------------- systems

inline double massOf(int z) {
    return z == 1 ? 1.008 : z == 6 ? 12.011 : z == 7 ? 14.007 : z == 8 ? 15.999 : 2.0*z;
}

/* Pairs closer than a bond length: 0.125 nm with a hydrogen, else 0.17 nm. */
inline vector<std::pair<int, int> > findBonds(const Golden& g) {
    vector<std::pair<int, int> > bonds;
    for (int i = 0; i < g.size(); i++)
        for (int j = i+1; j < g.size(); j++) {
            const Vec3 d = g.positions[i]-g.positions[j];
            const bool hydrogen = (g.numbers[i] == 1 || g.numbers[j] == 1);
            if (sqrt(d.dot(d)) < (hydrogen ? 0.125 : 0.17) &&
                    g.numbers[i]+g.numbers[j] > 2)
                bonds.push_back({i, j});
        }
    return bonds;
}

/* A force for all atoms of a golden; particle k + first is atom k. The caller owns it. */
inline MLFFForce* makeForce(const Golden& g, int first = 0, bool withBonds = false) {
    auto* force = new MLFFForce(findModel(g.model));
    for (size_t r = 0; r < g.charge.size(); r++) {
        if (r > 0)
            force->addRegion();
        force->setRegionParameters((int) r, g.charge[r], (int) g.spin[r]);
    }
    for (int i = 0; i < g.size(); i++)
        force->addAtom(first+i, g.numbers[i], g.region.empty() ? 0 : g.region[i]);
    if (withBonds)
        for (auto [i, j] : findBonds(g))
            force->addBond(first+i, first+j);
    force->setUsesPeriodicBoundaryConditions(g.periodic);
    return force;
}

/* Particles of a golden, its box, no force. */
inline void addParticles(System& system, const Golden& g) {
    for (int z : g.numbers)
        system.addParticle(massOf(z));
    if (g.periodic)
        system.setDefaultPeriodicBoxVectors(g.box[0], g.box[1], g.box[2]);
}

/* Make the System periodic for others than the network: forces that do nothing. */
inline void makePeriodic(System& system, const Vec3& a, const Vec3& b, const Vec3& c) {
    system.setDefaultPeriodicBoxVectors(a, b, c);
    auto* nonbonded = new NonbondedForce();
    nonbonded->setNonbondedMethod(NonbondedForce::CutoffPeriodic);
    nonbonded->setCutoffDistance(0.3);
    for (int i = 0; i < system.getNumParticles(); i++)
        nonbonded->addParticle(0, 0.1, 0);
    system.addForce(nonbonded);
}

inline double norm(const Vec3& v) {
    return sqrt(v.dot(v));
}

inline double largest(const vector<Vec3>& v) {
    double max = 0;
    for (const Vec3& x : v)
        max = std::max(max, norm(x));
    return max;
}

/* Largest difference of two arrays of vectors; NaN if any number is NaN. */
inline double largestDifference(const vector<Vec3>& a, const vector<Vec3>& b) {
    double max = (a.size() == b.size() ? 0 : NAN);
    for (size_t i = 0; i < a.size() && !std::isnan(max); i++) {
        const double d = norm(a[i]-b[i]);
        max = std::isnan(d) ? d : std::max(max, d);
    }
    return max;
}

} // namespace mlfftest

#endif
