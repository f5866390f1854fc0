#include "MLFFForce.h"
#include "mlff.h"
#include "openmm/OpenMMException.h"
#include "openmm/serialization/SerializationNode.h"
#include "openmm/serialization/SerializationProxy.h"
#include <algorithm>
#include <array>
#include <climits>
#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <typeinfo>

extern "C" {
#include "mlff_elements.h"
#include "mlff_sha256.h"
}

namespace OpenMM {

using std::string;
using std::to_string;

/**
 * Saves an MLFFForce as XML, and makes it from XML again:
 *
 * <tt><pre>
 *    <Force type="MLFFForce" version="1" name=... forceGroup=... periodic=... energyFactor=...
 *           scaleParameter=... scaleParameterDefaultValue=... coulombMethod=... coulombCutoff=...
 *           coulombAlpha=... ewaldErrorTolerance=... useDispersion=... dispersionCutoff=...
 *           evaluationMode=... denseThreshold=... matrixPrecision=... useDeviceGraph=...
 *           checkGeometry=... checkElectrons=...>
 *        <Model storage="embedded" file=... size=... sha256=...>
 *            <Part base64=.../> ...          (storage="path": no parts, the file must be there)
 *        </Model>
 *        <EnsembleMembers> <Model .../> ... </EnsembleMembers>     (members 1, 2, ...)
 *        <Regions> <Region charge=... multiplicity=.../> ... </Regions>
 *        <Atoms> <Atom particle=... atomicNumber=... region=.../> ... </Atoms>
 *        <MoleculeBonds> <MoleculeBond particle1=... particle2=.../> ... </MoleculeBonds>
 *        <EnergyParameterDerivatives> <Parameter name=.../> </EnergyParameterDerivatives>
 *        <IntendedBox> <A x=... y=... z=.../> <B .../> <C .../> </IntendedBox>    (if one is known)
 *    </Force>
 * </pre></tt>
 *
 * coulombMethod, evaluationMode and matrixPrecision are the numbers in MLFFForce::CoulombMethod and
 * so on.  coulombMethod and what follows it, and EnsembleMembers, may be absent: their defaults
 * hold.  Bonds are not called <Bond>: programs that edit a System's XML, openmmml among them, look
 * for bonded terms under this name.  Files with <Bonds> <Bond .../> </Bonds> are read as well.
 */
class MLFFForceProxy : public SerializationProxy {
public:
    MLFFForceProxy() : SerializationProxy("MLFFForce") {
    }
    void serialize(const void* object, SerializationNode& node) const;
    void* deserialize(const SerializationNode& node) const;
private:
    static void saveModel(const MLFFForce& force, int member, SerializationNode& node);
    static void loadModel(const SerializationNode& node, std::unique_ptr<MLFFForce>& force);
    static void saveLongRange(const MLFFForce& force, SerializationNode& node);
    static void loadLongRange(const SerializationNode& node, MLFFForce& force);
    static void saveIntendedBox(const MLFFForce& force, SerializationNode& node);
    static void loadIntendedBox(const SerializationNode& node, MLFFForce& force);
    static void saveExecution(const MLFFForce& force, SerializationNode& node);
    static void loadExecution(const SerializationNode& node, MLFFForce& force);
};

// ------------------------------------------------------------------------------ base64

static const int VERSION = 1;

// Bytes of the model in one child node: a multiple of 3, so that only the last one is padded.
static const size_t BYTES_PER_PART = 3*16384;

static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static string encodeBase64(const unsigned char* bytes, size_t count) {
    string text;
    text.reserve(4*((count+2)/3));
    for (size_t k = 0; k < count; k += 3) {
        const size_t left = std::min<size_t>(count-k, 3);
        const unsigned triple = bytes[k] << 16 | (left > 1 ? bytes[k+1] << 8 : 0) |
                                (left > 2 ? bytes[k+2] : 0);
        text.push_back(DIGITS[triple >> 18]);
        text.push_back(DIGITS[triple >> 12 & 63]);
        text.push_back(left > 1 ? DIGITS[triple >> 6 & 63] : '=');
        text.push_back(left > 2 ? DIGITS[triple & 63] : '=');
    }
    return text;
}

// The value of each character, 255 for those that are no digit.
static std::array<unsigned char, 256> makeDigitValues() {
    std::array<unsigned char, 256> values;
    values.fill(255);
    for (unsigned char v = 0; v < 64; v++)
        values[(unsigned char) DIGITS[v]] = v;
    return values;
}

// Append the bytes of a text. What is no base64 is left out: the hash tells that it was damaged.
static void decodeBase64(const string& text, string& bytes) {
    static const std::array<unsigned char, 256> values = makeDigitValues();
    unsigned bits = 0;
    int count = 0;
    for (const char c : text) {
        const unsigned char value = values[(unsigned char) c];
        if (value == 255)
            continue;
        bits = (bits << 6 | value) & 0xFFFF;
        if (++count % 4 != 1)
            bytes.push_back((char) (bits >> (6-2*((count-1)%4)) & 255));
    }
}

// -------------------------------------------------------------------------- attributes

// OpenMM's getters take "abc" for 0 and "0,5" for 0; these take numbers alone, within bounds.

static const string ANY;  // no default: the attribute must be there

[[noreturn]] static void failAttribute(const SerializationNode& node, const string& name,
                                       const string& text, const string& expected) {
    string shown;
    for (const char c : text.substr(0, 60))
        shown += ((unsigned char) c < 32 || c == 127 ? '?' : c);
    throw OpenMMException("MLFFForce: this XML has " + name + "=\"" + shown +
                          (text.size() > 60 ? "..." : "") + "\": expected " + expected +
                          ", in an element <" + node.getName() + ">");
}

// The text of an attribute, or the default's; ANY: it must be there.
static string getText(const SerializationNode& node, const string& name, const string& absent) {
    if (&absent == &ANY)
        return node.getStringProperty(name);
    return node.getStringProperty(name, absent);
}

static bool isDigit(char c) {
    return c >= '0' && c <= '9';
}

// Whether a text is [+-]digits[.digits][e[+-]digits], without the fraction for integers.
static bool isNumber(const string& text, bool integer) {
    size_t k = 0, digits = 0;
    const auto skipDigits = [&] {
        const size_t first = k;
        while (k < text.size() && isDigit(text[k]))
            k++;
        return k-first;
    };
    if (k < text.size() && (text[k] == '+' || text[k] == '-'))
        k++;
    digits = skipDigits();
    if (integer)
        return digits > 0 && digits <= 18 && k == text.size();
    if (k < text.size() && text[k] == '.') {
        k++;
        digits += skipDigits();
    }
    if (digits == 0 || text.size() > 400)
        return false;
    if (k < text.size() && (text[k] == 'e' || text[k] == 'E')) {
        k++;
        if (k < text.size() && (text[k] == '+' || text[k] == '-'))
            k++;
        if (skipDigits() == 0)
            return false;
    }
    return k == text.size();
}

static int getInt(const SerializationNode& node, const string& name, int lowest,
                  int highest = INT_MAX, const string& absent = ANY) {
    const string text = getText(node, name, absent);
    const long long value = (isNumber(text, true) ? std::stoll(text) : LLONG_MIN);
    if (value < lowest || value > highest)
        failAttribute(node, name, text, highest == INT_MAX ?
                      "a whole number, " + to_string(lowest) + " or more" :
                      to_string(lowest) + " to " + to_string(highest));
    return (int) value;
}

static double getDouble(const SerializationNode& node, const string& name, double lowest,
                        const string& absent = ANY) {
    const string text = getText(node, name, absent);
    const double value = (!isNumber(text, false) ? NAN :
                          node.getDoubleProperty(name, std::strtod(absent.c_str(), NULL)));
    if (!std::isfinite(value) || value < lowest)
        failAttribute(node, name, text, lowest == 0 ? "a number that is not negative" :
                      "a finite number");
    return value;
}

static bool getBool(const SerializationNode& node, const string& name,
                    const string& absent = ANY) {
    const string text = getText(node, name, absent);
    if (text != "0" && text != "1")
        failAttribute(node, name, text, "0 or 1");
    return text == "1";
}

// ------------------------------------------------------------------------------- model

static string sha256(const string& content) {
    char hex[65];
    mlff_sha256_hex(content.data(), content.size(), hex);
    return hex;
}

void MLFFForceProxy::saveModel(const MLFFForce& force, int member, SerializationNode& node) {
    size_t size;
    const auto* bytes = static_cast<const unsigned char*>(
        mlff_model_get_bytes(&force.getModel(member), &size));
    const bool embedded = (force.getModelStorage() == MLFFForce::Embedded);
    node.setStringProperty("storage", embedded ? "embedded" : "path");
    node.setStringProperty("file", force.getEnsembleMemberFile(member));
    node.setStringProperty("sha256", force.getEnsembleMemberHash(member));
    node.setLongProperty("size", (long long) size);
    if (!embedded)
        return;
    for (size_t k = 0; k < size; k += BYTES_PER_PART)
        node.createChildNode("Part").setStringProperty(
            "base64", encodeBase64(bytes+k, std::min(BYTES_PER_PART, size-k)));
}

static string readParts(const SerializationNode& node) {
    string content;
    for (const SerializationNode& part : node.getChildren())
        decodeBase64(part.getStringProperty("base64"), content);
    return content;
}

[[noreturn]] static void failHash(const string& what, const SerializationNode& node,
                                  const string& found, size_t size) {
    throw OpenMMException("MLFFForce: " + what + ": expected SHA-256 " +
                          node.getStringProperty("sha256") + ", found " + found + " (" +
                          to_string(size) + " bytes, expected " +
                          node.getStringProperty("size", "?") + ")");
}

// The first model makes the force, the others become members of its ensemble.
template <class... Arguments>
static void addModel(std::unique_ptr<MLFFForce>& force, const Arguments&... arguments) {
    if (force)
        force->addEnsembleMember(arguments...);
    else
        force = std::make_unique<MLFFForce>(arguments...);
}

static void loadEmbedded(const SerializationNode& node, std::unique_ptr<MLFFForce>& force) {
    const string content = readParts(node);
    const string found = sha256(content);
    if (found != node.getStringProperty("sha256"))
        failHash("the model in this XML is damaged", node, found, content.size());
    addModel(force, node.getStringProperty("file"), content);
}

// Bytes of a file that is no model and is read all the same, for its hash.
static const std::uintmax_t LARGEST_FILE = 1 << 28;

// The file at a path is no model, or not there. Only a regular file of a bounded size is opened:
// a pipe may wait for ever, a device may have no end.
[[noreturn]] static void failToLoad(const SerializationNode& node, const string& path,
                                    const string& reason) {
    std::error_code none;
    if (std::filesystem::is_regular_file(path, none) &&
            std::filesystem::file_size(path, none) <= LARGEST_FILE) {
        std::ifstream file(path, std::ios::binary);
        const string content{std::istreambuf_iterator<char>(file),
                             std::istreambuf_iterator<char>()};
        if (file.is_open() && !file.bad())
            failHash("the model file " + path + " is not the one that this XML was saved with",
                     node, sha256(content), content.size());
    }
    throw OpenMMException("MLFFForce: this XML refers to the model file " + path + " (SHA-256 " +
                          node.getStringProperty("sha256") + "), which cannot be read: put it "
                          "there, or save the System with the model embedded (" + reason + ")");
}

// By its path, because a model may take its dispersion table from a second file beside it; the
// hash is that of both.
static void loadFromPath(const SerializationNode& node, std::unique_ptr<MLFFForce>& force) {
    const string path = node.getStringProperty("file");
    try {
        addModel(force, path);
    }
    catch (const OpenMMException& error) {
        failToLoad(node, path, error.what());
    }
    const int added = force->getNumEnsembleMembers()-1;
    const string found = force->getEnsembleMemberHash(added);
    if (found == node.getStringProperty("sha256"))
        return;
    size_t size;
    mlff_model_get_bytes(&force->getModel(added), &size);
    failHash("the model file " + path + " (with its dispersion table, where that is a file of its "
             "own) is not the one that this XML was saved with", node, found, size);
}

void MLFFForceProxy::loadModel(const SerializationNode& node, std::unique_ptr<MLFFForce>& force) {
    const string storage = node.getStringProperty("storage");
    if (storage == "embedded")
        loadEmbedded(node, force);
    else if (storage == "path")
        loadFromPath(node, force);
    else
        throw OpenMMException("MLFFForce: this XML carries its model by the unknown way '" +
                              storage + "': expected 'embedded' or 'path'");
    force->setModelStorage(storage == "embedded" ? MLFFForce::Embedded : MLFFForce::Path);
}

// ------------------------------------------------------------------------------- force

void MLFFForceProxy::saveLongRange(const MLFFForce& force, SerializationNode& node) {
    node.setIntProperty("coulombMethod", force.coulombMethod);
    node.setDoubleProperty("coulombCutoff", force.coulombCutoff);
    node.setDoubleProperty("coulombAlpha", force.coulombAlpha);
    node.setDoubleProperty("ewaldErrorTolerance", force.ewaldErrorTolerance);
    node.setBoolProperty("useDispersion", force.useDispersion);
    node.setDoubleProperty("dispersionCutoff", force.dispersionCutoff);
}

// One of the choices 0 ... last; the first if there is none.
template <class Choice>
static Choice getChoice(const SerializationNode& node, const string& name, Choice last) {
    return static_cast<Choice>(getInt(node, name, 0, (int) last, "0"));
}

void MLFFForceProxy::loadLongRange(const SerializationNode& node, MLFFForce& force) {
    force.coulombMethod = getChoice(node, "coulombMethod", MLFFForce::PME);
    force.coulombCutoff = getDouble(node, "coulombCutoff", 0, "0");
    force.coulombAlpha = getDouble(node, "coulombAlpha", 0, "0");
    force.ewaldErrorTolerance = getDouble(node, "ewaldErrorTolerance", 0, "0");
    force.useDispersion = getBool(node, "useDispersion", "1");
    force.dispersionCutoff = getDouble(node, "dispersionCutoff", 0, "0");
}

void MLFFForceProxy::saveExecution(const MLFFForce& force, SerializationNode& node) {
    node.setIntProperty("evaluationMode", force.evaluationMode);
    node.setIntProperty("denseThreshold", force.denseThreshold);
    node.setIntProperty("matrixPrecision", force.matrixPrecision);
    node.setBoolProperty("useDeviceGraph", force.useDeviceGraph);
    node.setBoolProperty("checkGeometry", force.checkGeometry);
    node.setBoolProperty("checkElectrons", force.checkElectrons);
}

void MLFFForceProxy::loadExecution(const SerializationNode& node, MLFFForce& force) {
    force.evaluationMode = getChoice(node, "evaluationMode", MLFFForce::Sparse);
    force.denseThreshold = getInt(node, "denseThreshold", 0, INT_MAX, to_string(force.denseThreshold));
    force.matrixPrecision = getChoice(node, "matrixPrecision", MLFFForce::TF32);
    force.useDeviceGraph = getBool(node, "useDeviceGraph", "1");
    force.checkGeometry = getBool(node, "checkGeometry", "1");
    force.checkElectrons = getBool(node, "checkElectrons", "1");
}

static const char* const BOX_VECTORS[3] = {"A", "B", "C"};

void MLFFForceProxy::saveIntendedBox(const MLFFForce& force, SerializationNode& node) {
    const Vec3* box = force.intendedBox;
    if (box[0] == Vec3() && box[1] == Vec3() && box[2] == Vec3())
        return;
    SerializationNode& child = node.createChildNode("IntendedBox");
    for (int a = 0; a < 3; a++)
        child.createChildNode(BOX_VECTORS[a]).setDoubleProperty("x", box[a][0])
            .setDoubleProperty("y", box[a][1]).setDoubleProperty("z", box[a][2]);
}

void MLFFForceProxy::loadIntendedBox(const SerializationNode& node, MLFFForce& force) {
    for (const SerializationNode& child : node.getChildren())
        if (child.getName() == "IntendedBox")
            for (int a = 0; a < 3; a++) {
                const SerializationNode& v = child.getChildNode(BOX_VECTORS[a]);
                force.intendedBox[a] = Vec3(getDouble(v, "x", -INFINITY), getDouble(v, "y", -INFINITY),
                                            getDouble(v, "z", -INFINITY));
            }
}

void MLFFForceProxy::serialize(const void* object, SerializationNode& node) const {
    const MLFFForce& force = *static_cast<const MLFFForce*>(object);
    node.setIntProperty("version", VERSION);
    node.setStringProperty("name", force.getName());
    node.setIntProperty("forceGroup", force.getForceGroup());
    node.setBoolProperty("periodic", force.periodic);
    node.setDoubleProperty("energyFactor", force.energyFactor);
    node.setStringProperty("scaleParameter", force.scaleParameter);
    node.setDoubleProperty("scaleParameterDefaultValue", force.scaleDefault);
    saveLongRange(force, node);
    saveExecution(force, node);
    saveIntendedBox(force, node);
    saveModel(force, 0, node.createChildNode("Model"));
    SerializationNode& members = node.createChildNode("EnsembleMembers");
    for (int k = 1; k < force.getNumEnsembleMembers(); k++)
        saveModel(force, k, members.createChildNode("Model"));

    SerializationNode& regions = node.createChildNode("Regions");
    for (const auto& region : force.regions)
        regions.createChildNode("Region").setDoubleProperty("charge", region.totalCharge)
            .setIntProperty("multiplicity", region.multiplicity);
    SerializationNode& atoms = node.createChildNode("Atoms");
    for (const auto& atom : force.atoms)
        atoms.createChildNode("Atom").setIntProperty("particle", atom.particle)
            .setIntProperty("atomicNumber", atom.atomicNumber)
            .setIntProperty("region", atom.region);
    SerializationNode& bonds = node.createChildNode("MoleculeBonds");
    for (const auto& bond : force.bonds)
        bonds.createChildNode("MoleculeBond").setIntProperty("particle1", bond.particle1)
            .setIntProperty("particle2", bond.particle2);
    SerializationNode& derivatives = node.createChildNode("EnergyParameterDerivatives");
    for (const string& name : force.derivatives)
        derivatives.createChildNode("Parameter").setStringProperty("name", name);
}

void* MLFFForceProxy::deserialize(const SerializationNode& node) const {
    const int version = getInt(node, "version", INT_MIN);
    if (version < 1 || version > VERSION)
        throw OpenMMException("MLFFForce: this XML has version " + to_string(version) +
                              " of the force, this plugin reads versions 1 to " +
                              to_string(VERSION) + ": use the plugin that wrote it, or a newer "
                              "one");
    std::unique_ptr<MLFFForce> force;
    loadModel(node.getChildNode("Model"), force);
    for (const auto& child : node.getChildren())
        if (child.getName() == "EnsembleMembers")
            for (const auto& member : child.getChildren())
                loadModel(member, force);
    force->setName(node.getStringProperty("name"));
    force->setForceGroup(getInt(node, "forceGroup", 0, 31));
    force->periodic = getBool(node, "periodic");
    force->energyFactor = getDouble(node, "energyFactor", -INFINITY);
    force->scaleParameter = node.getStringProperty("scaleParameter");
    force->scaleDefault = getDouble(node, "scaleParameterDefaultValue", -INFINITY);
    loadLongRange(node, *force);
    loadExecution(node, *force);
    loadIntendedBox(node, *force);

    force->regions.clear();
    for (const auto& region : node.getChildNode("Regions").getChildren())
        force->addRegion(getDouble(region, "charge", -INFINITY), getInt(region, "multiplicity", 1));
    if (force->regions.empty())
        throw OpenMMException("MLFFForce: this XML has no region: expected at least one");
    for (const auto& atom : node.getChildNode("Atoms").getChildren())
        force->addAtom(getInt(atom, "particle", 0),
                       getInt(atom, "atomicNumber", 1, MLFF_N_ELEMENTS),
                       getInt(atom, "region", 0, force->getNumRegions()-1));
    for (const auto& child : node.getChildren())
        if (child.getName() == "MoleculeBonds" || child.getName() == "Bonds")
            for (const auto& bond : child.getChildren())
                force->addBond(getInt(bond, "particle1", 0), getInt(bond, "particle2", 0));
    for (const auto& parameter : node.getChildNode("EnergyParameterDerivatives").getChildren())
        force->addEnergyParameterDerivative(parameter.getStringProperty("name"));
    return force.release();
}

// Runs when libOpenMMMLFF is loaded, so linking (C, C++) or importing openmm (Python) is enough.
__attribute__((constructor)) static void registerSerializationProxies() {
    SerializationProxy::registerProxy(typeid(MLFFForce), new MLFFForceProxy());
}

} // namespace OpenMM
