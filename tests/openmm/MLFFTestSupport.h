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
#include "internal/MLFFPluginFailures.h"
#include "leak_scope.h"
#include <algorithm>
#include <exception>
#include <filesystem>
#include <fstream>
#include <map>
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
        const char* only_ = getenv("MLFF_ONLY"); /* only the tests with this in their name */     \
        if (only_ != nullptr && strstr(#test, only_) == nullptr)                                  \
            break;                                                                                \
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
            if (isMLFFPluginFailure(failure))
                CHECK_SAY("plugin not loaded: %s", failure.c_str());
    }
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
    // models with charges only
    string coulomb;                 // "none", "simple", "dsf", "ewald"; "": the default
    double coulombCutoff = 0, coulombAlpha = 0, dispersionCutoff = 0;  // nm, 1/nm, nm
    bool dispersion = true;
    vector<double> charges;         // of each atom, e
    std::map<string, double> components;  // kJ/mol, as getEnergyComponents() names them
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

/* Some JSON, read by its keys: the first of a name counts, however deep. Texts hold no brackets. */
class Json {
public:
    explicit Json(const string& text) : text(text) {}
    bool contains(const string& part) const {
        return text.find(part) != string::npos;
    }
    bool has(const string& key) const {
        return contains("\"" + key + "\":");
    }
    /* The value of a key. */
    Json at(const string& key) const {
        const size_t found = text.find("\"" + key + "\":");
        if (found == string::npos)
            throw OpenMMException("golden: no key " + key);
        const size_t begin = text.find_first_not_of(" \n", found+key.size()+3);
        size_t end = begin;
        int depth = 0;
        do {
            const char c = text[end];
            depth += (c == '[' || c == '{') - (c == ']' || c == '}');
        } while (++end < text.size() && (depth > 0 || !strchr(",]} \n", text[end])));
        return Json(text.substr(begin, end-begin));
    }
    /* All numbers of a value, however deep. */
    vector<double> numbers(const string& key) const {
        const Json value = at(key);
        vector<double> found;
        for (const char* p = value.text.c_str(); *p;)
            if (*p == '"')
                p = strchr(p+1, '"')+1;
            else if (*p == '-' || (*p >= '0' && *p <= '9')) {
                char* end;
                found.push_back(strtod(p, &end));
                p = end;
            }
            else
                p++;
        return found;
    }
    double number(const string& key, double otherwise = NAN) const {
        return has(key) ? numbers(key).at(0) : otherwise;
    }
    string word(const string& key) const {
        const string value = at(key).text;
        return value.substr(1, value.size()-2);
    }
private:
    string text;
};

inline vector<Vec3> vectors(const vector<double>& x, double unit) {
    vector<Vec3> v;
    for (size_t i = 0; i+2 < x.size(); i += 3)
        v.push_back(Vec3(x[i], x[i+1], x[i+2])*unit);
    return v;
}

inline void readSystem(const Json& json, Golden& g) {
    for (double z : json.numbers("numbers"))
        g.numbers.push_back((int) z);
    g.positions = vectors(json.numbers("coord"), 0.1);
    const vector<Vec3> cell = vectors(json.numbers("cell"), 0.1);
    g.periodic = (cell.size() == 3);
    std::copy(cell.begin(), cell.end(), g.box);
}

/* tests/data/aimnet2: one line a system, one Golden for each of its methods. */
inline Golden readMethod(Golden g, const Json& json) {
    static const char* const names[5][2] = {
        {"network", "network"}, {"elements", "elements"}, {"coulomb_short", "coulomb_short_range"},
        {"coulomb_full", "coulomb"}, {"dispersion", "dispersion"}};
    g.coulomb = json.word("coulomb");
    g.name += " " + g.coulomb;
    g.coulombCutoff = 0.1*json.number("coulomb_cutoff", 0);
    g.coulombAlpha = 10*json.number("coulomb_alpha", 0);
    g.dispersionCutoff = 0.1*json.number("dispersion_cutoff", 0);
    g.dispersion = !json.contains("\"dispersion\": false");
    g.energy = 0;
    for (const auto& name : names) {
        g.components[name[1]] = KJMOL_PER_EV*json.at("components").number(name[0]);
        g.energy += g.components[name[1]];
    }
    g.forces = vectors(json.numbers("forces"), 10*KJMOL_PER_EV);
    g.charges = json.numbers("charges");
    return g;
}

/* All systems and methods of a model. */
inline vector<Golden> chargedGoldens(const string& model) {
    const string mark = "{\"coulomb\":";
    std::ifstream in(folder("MLFF_TEST_DATA") + "/aimnet2/" + model + ".json");
    vector<Golden> goldens;
    string line;
    while (std::getline(in, line)) {
        const size_t begin = line.find("{\"name\"");
        if (begin == string::npos)
            continue;
        const Json json(line.substr(begin));
        Golden g;
        g.name = json.word("name");
        g.model = model;
        readSystem(json, g);
        for (double r : json.numbers("region"))
            g.region.push_back((int) r);
        g.charge = json.numbers("total_charge");
        g.spin = json.numbers("multiplicity");
        for (size_t at = line.find(mark); at != string::npos; at = line.find(mark, at+1))
            goldens.push_back(readMethod(g, Json(line.substr(at, line.find(mark, at+1)-at))));
    }
    return goldens;
}

/* One of them by the beginning of its name, "system method". */
inline Golden chargedGolden(const string& model, const string& name) {
    for (const Golden& g : chargedGoldens(model))
        if (g.name.compare(0, name.size(), name) == 0)
            return g;
    throw OpenMMException("golden: no " + name + " of " + model);
}

/* ../shared/golden/aimnet2: a file a system, values of the original implementation. */
struct SharedGolden {
    vector<Golden> methods;         // member 0 by each method
    string ensembleMethod;
    double energyMean, energyDeviation;  // kJ/mol, of members 0 to 3
    vector<Vec3> forcesMean;        // kJ/mol/nm
    vector<double> chargesMean;     // e
};

inline Golden readSharedMethod(Golden g, const Json& methods, const string& method) {
    static const char* const names[5][2] = {
        {"nn", "network"}, {"sae", "elements"}, {"sr_coulomb_subtracted", "coulomb_short_range"},
        {"coulomb_full", "coulomb"}, {"d3", "dispersion"}};
    const Json json = methods.at(method), components = json.at("components");
    g.coulomb = (method == "ewald_converged" ? "ewald" : method);
    g.name += " " + g.coulomb;
    g.energy = KJMOL_PER_EV*json.number("energy");
    for (const auto& name : names)
        g.components[name[1]] = KJMOL_PER_EV*components.at(name[0]).number("energy");
    g.forces = vectors(json.numbers("forces"), 10*KJMOL_PER_EV);
    g.charges = json.numbers("charges");
    return g;
}

inline SharedGolden readSharedGolden(const string& path) {
    std::ifstream in(path);
    std::stringstream text;
    text << in.rdbuf();
    const Json head(text.str()), json(text.str().substr(text.str().find("\"numbers\":")));
    const Json methods = json.at("methods"), ensemble = json.at("ensemble4");
    Golden g;
    g.name = head.word("name");
    g.model = head.word("model");
    readSystem(json, g);
    g.charge = {json.number("charge")};
    g.spin = {1};
    SharedGolden shared;
    for (const char* method : {"simple", "dsf", "ewald_converged"})
        if (methods.has(method))
            shared.methods.push_back(readSharedMethod(g, methods, method));
    shared.ensembleMethod = ensemble.word("method");
    shared.energyMean = KJMOL_PER_EV*ensemble.number("energy_mean");
    shared.energyDeviation = KJMOL_PER_EV*ensemble.number("energy_std_unbiased");
    shared.forcesMean = vectors(ensemble.numbers("forces_mean"), 10*KJMOL_PER_EV);
    shared.chargesMean = ensemble.numbers("charges_mean");
    return shared;
}

// ------------------------------------------------------------------------------ models

inline string readContent(const string& path) {
    std::ifstream file(path, std::ios::binary);
    return string{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/* A model file's content with all numbers (float32) of one tensor multiplied: another model of the
   same kind. */
inline string scaleTensor(string content, const string& tensor, float factor) {
    uint64_t headerSize;
    memcpy(&headerSize, content.data(), sizeof headerSize);
    const Json header(content.substr(8, headerSize));
    const vector<double> range = header.at(tensor).numbers("data_offsets");
    for (size_t k = (size_t) range.at(0); k < (size_t) range.at(1); k += sizeof(float)) {
        float value;
        char* at = &content.at(8+headerSize+k);
        memcpy(&value, at, sizeof value);
        value *= factor;
        memcpy(at, &value, sizeof value);
    }
    return content;
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

/* How the golden's charges interact. */
inline void chooseMethods(MLFFForce& force, const Golden& g) {
    static const std::map<string, MLFFForce::CoulombMethod> methods = {
        {"", MLFFForce::Default}, {"none", MLFFForce::NoCoulomb}, {"simple", MLFFForce::Simple},
        {"dsf", MLFFForce::DSF}, {"ewald", MLFFForce::Ewald}, {"pme", MLFFForce::PME}};
    force.setCoulombMethod(methods.at(g.coulomb));
    force.setCoulombCutoff(g.coulombCutoff);
    force.setCoulombAlpha(g.coulombAlpha);
    force.setEwaldErrorTolerance(g.coulomb == "ewald" ? 1e-12 : 0);  // the values are converged
    force.setUseDispersion(g.dispersion);
    force.setDispersionCutoff(g.dispersionCutoff);
}

/* A force for all atoms of a golden; particle k + first is atom k. The caller owns it. */
/* MLFF_DEVICE_GRAPH=0: without graphs. */
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
    force->setCheckElectrons(false);  // any atoms will do for a random network
    force->setUseDeviceGraph(folder("MLFF_DEVICE_GRAPH") != "0");
    chooseMethods(*force, g);
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

/* What a float holds of a number. By way of memory: GCC 12 drops conversions to float and back of
   numbers that lie side by side. */
inline double asFloat(double x) {
    volatile float rounded = (float) x;
    return rounded;
}

inline Vec3 asFloat(const Vec3& v) {
    return Vec3(asFloat(v[0]), asFloat(v[1]), asFloat(v[2]));
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
