#include "MLFFForceCWrapper.h"
#include "MLFFForce.h"
#include "MLFFKernels.h"
#include "internal/MLFFPluginFailures.h"
#include "mlff.h"
#include "openmm/Context.h"
#include "openmm/Integrator.h"
#include "openmm/LocalEnergyMinimizer.h"
#include "openmm/OpenMMException.h"
#include "openmm/Platform.h"
#include "openmm/System.h"
#include "openmm/serialization/XmlSerializer.h"
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <exception>
#include <filesystem>
#include <limits>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

using namespace OpenMM;
using std::string;
using std::vector;

// ------------------------------------------------------------------------------ errors

static thread_local string lastError;

static void rememberError(const char* text) noexcept {
    try {
        lastError = text;
    }
    catch (...) {
        lastError.clear();  // no memory for the text
    }
}

// Run the body; no exception may reach the C caller.
template <class Result, class Body>
static Result guarded(Result failure, Body body) noexcept {
    try {
        return body();
    }
    catch (const std::exception& e) {
        rememberError(e.what());
    }
    catch (...) {
        rememberError("an exception of unknown type");
    }
    return failure;
}

// The same for a body that returns nothing: 0, or -1.
template <class Body>
static int guardedCode(Body body) noexcept {
    return guarded(-1, [&] {
        body();
        return 0;
    });
}

static const double NOT_A_NUMBER = std::numeric_limits<double>::quiet_NaN();

// ------------------------------------------------------------------------------- casts

template <class T>
static T& notNull(T* pointer, const char* what) {
    if (pointer == nullptr)
        throw OpenMMException(string("a NULL pointer was given instead of ") + what);
    return *pointer;
}

static MLFFForce& cpp(OpenMM_MLFFForce* target) {
    return notNull(reinterpret_cast<MLFFForce*>(target), "an MLFFForce");
}

static const MLFFForce& cpp(const OpenMM_MLFFForce* target) {
    return notNull(reinterpret_cast<const MLFFForce*>(target), "an MLFFForce");
}

static Context& cpp(OpenMM_Context* context) {
    return notNull(reinterpret_cast<Context*>(context), "a Context");
}

static const Context& cpp(const OpenMM_Context* context) {
    return notNull(reinterpret_cast<const Context*>(context), "a Context");
}

static const System& cpp(const OpenMM_System* system) {
    return notNull(reinterpret_cast<const System*>(system), "a System");
}

static Integrator& cpp(OpenMM_Integrator* integrator) {
    return notNull(reinterpret_cast<Integrator*>(integrator), "an Integrator");
}

static Vec3 cpp(const OpenMM_Vec3* v) {
    notNull(v, "a box vector");
    return Vec3(v->x, v->y, v->z);
}

static const mlff_model_info& info(const OpenMM_MLFFForce* target) {
    return *mlff_model_get_info(&cpp(target).getModel());
}

static string join(const vector<string>& parts, const char* separator) {
    string all;
    for (const string& part : parts)
        all += (all.empty() ? "" : separator) + part;
    return all;
}

const char* OpenMM_MLFF_getLastError(void) {
    return lastError.c_str();
}

// ------------------------------------------------------------------------------- force

static string bytes(const void* content, size_t length) {
    return string(&notNull(static_cast<const char*>(content), "a model file's content"), length);
}

OpenMM_MLFFForce* OpenMM_MLFFForce_create(const char* modelFile) {
    return guarded<OpenMM_MLFFForce*>(nullptr, [&] {
        return reinterpret_cast<OpenMM_MLFFForce*>(
            new MLFFForce(&notNull(modelFile, "the name of a model file")));
    });
}

OpenMM_MLFFForce* OpenMM_MLFFForce_create_2(const char* modelFile, const void* content,
                                            size_t length) {
    return guarded<OpenMM_MLFFForce*>(nullptr, [&] {
        const char* name = &notNull(modelFile, "the name of a model file");
        return reinterpret_cast<OpenMM_MLFFForce*>(new MLFFForce(name, bytes(content, length)));
    });
}

void OpenMM_MLFFForce_destroy(OpenMM_MLFFForce* target) {
    delete reinterpret_cast<MLFFForce*>(target);
}

OpenMM_MLFFForce* OpenMM_MLFFForce_cast(OpenMM_Force* force) {
    return guarded<OpenMM_MLFFForce*>(nullptr, [&] {
        Force& any = notNull(reinterpret_cast<Force*>(force), "a Force");
        auto* ours = dynamic_cast<MLFFForce*>(&any);
        if (ours == nullptr)
            throw OpenMMException("the force named '" + any.getName() + "' is not an MLFFForce");
        return reinterpret_cast<OpenMM_MLFFForce*>(ours);
    });
}

const char* OpenMM_MLFFForce_getModelFile(const OpenMM_MLFFForce* target) {
    return guarded<const char*>(nullptr, [&] { return cpp(target).getModelFile().c_str(); });
}

const char* OpenMM_MLFFForce_getModelHash(const OpenMM_MLFFForce* target) {
    return guarded<const char*>(nullptr, [&] { return info(target).sha256; });
}

const char* OpenMM_MLFFForce_getModelArchitecture(const OpenMM_MLFFForce* target) {
    return guarded<const char*>(nullptr, [&] { return info(target).display_name; });
}

const char* OpenMM_MLFFForce_getModelScope(const OpenMM_MLFFForce* target) {
    return guarded<const char*>(nullptr, [&] { return info(target).scope; });
}

double OpenMM_MLFFForce_getModelCutoff(const OpenMM_MLFFForce* target) {
    return guarded(-1.0, [&] { return cpp(target).getModelCutoff(); });
}

int OpenMM_MLFFForce_getNumModelElements(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return info(target).n_elements; });
}

int OpenMM_MLFFForce_getModelElement(const OpenMM_MLFFForce* target, int index) {
    return guarded(-1, [&] {
        const int count = info(target).n_elements;
        if (index < 0 || index >= count)
            throw OpenMMException("element index " + std::to_string(index) +
                                  " is out of range: valid are 0 to " + std::to_string(count-1));
        return info(target).elements[index];
    });
}

int OpenMM_MLFFForce_getModelHasCharges(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).getModelHasCharges(); });
}

int OpenMM_MLFFForce_getModelStorage(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).getModelStorage(); });
}

int OpenMM_MLFFForce_setModelStorage(OpenMM_MLFFForce* target, int storage) {
    return guardedCode([&] {
        MLFFForce& force = cpp(target);
        if (storage != MLFFForce::Embedded && storage != MLFFForce::Path)
            throw OpenMMException(std::to_string(storage) + " is not a way to store a model: "
                                  "expected OpenMM_MLFFForce_Embedded or OpenMM_MLFFForce_Path");
        force.setModelStorage(static_cast<MLFFForce::ModelStorage>(storage));
    });
}

int OpenMM_MLFFForce_addEnsembleMember(OpenMM_MLFFForce* target, const char* modelFile) {
    return guarded(-1, [&] {
        return cpp(target).addEnsembleMember(&notNull(modelFile, "the name of a model file"));
    });
}

int OpenMM_MLFFForce_addEnsembleMember_2(OpenMM_MLFFForce* target, const char* modelFile,
                                         const void* content, size_t length) {
    return guarded(-1, [&] {
        const char* name = &notNull(modelFile, "the name of a model file");
        return cpp(target).addEnsembleMember(name, bytes(content, length));
    });
}

int OpenMM_MLFFForce_getNumEnsembleMembers(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return cpp(target).getNumEnsembleMembers(); });
}

const char* OpenMM_MLFFForce_getEnsembleMemberFile(const OpenMM_MLFFForce* target, int index) {
    return guarded<const char*>(nullptr, [&] {
        return cpp(target).getEnsembleMemberFile(index).c_str();
    });
}

const char* OpenMM_MLFFForce_getEnsembleMemberHash(const OpenMM_MLFFForce* target, int index) {
    return guarded<const char*>(nullptr, [&] {
        return mlff_model_get_info(&cpp(target).getModel(index))->sha256;
    });
}

// ------------------------------------------------------------ regions, atoms and bonds

int OpenMM_MLFFForce_addRegion(OpenMM_MLFFForce* target, double totalCharge, int multiplicity) {
    return guarded(-1, [&] { return cpp(target).addRegion(totalCharge, multiplicity); });
}

int OpenMM_MLFFForce_getNumRegions(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return cpp(target).getNumRegions(); });
}

int OpenMM_MLFFForce_getRegionParameters(const OpenMM_MLFFForce* target, int index,
                                         double* totalCharge, int* multiplicity) {
    return guardedCode([&] {
        cpp(target).getRegionParameters(index, notNull(totalCharge, "totalCharge"),
                                        notNull(multiplicity, "multiplicity"));
    });
}

int OpenMM_MLFFForce_setRegionParameters(OpenMM_MLFFForce* target, int index, double totalCharge,
                                         int multiplicity) {
    return guardedCode([&] { cpp(target).setRegionParameters(index, totalCharge, multiplicity); });
}

int OpenMM_MLFFForce_addAtom(OpenMM_MLFFForce* target, int particle, int atomicNumber, int region) {
    return guarded(-1, [&] { return cpp(target).addAtom(particle, atomicNumber, region); });
}

int OpenMM_MLFFForce_getNumAtoms(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return cpp(target).getNumAtoms(); });
}

int OpenMM_MLFFForce_getAtomParameters(const OpenMM_MLFFForce* target, int index, int* particle,
                                       int* atomicNumber, int* region) {
    return guardedCode([&] {
        cpp(target).getAtomParameters(index, notNull(particle, "particle"),
                                      notNull(atomicNumber, "atomicNumber"),
                                      notNull(region, "region"));
    });
}

int OpenMM_MLFFForce_setAtomParameters(OpenMM_MLFFForce* target, int index, int particle,
                                       int atomicNumber, int region) {
    return guardedCode([&] {
        cpp(target).setAtomParameters(index, particle, atomicNumber, region);
    });
}

int OpenMM_MLFFForce_addBond(OpenMM_MLFFForce* target, int particle1, int particle2) {
    return guarded(-1, [&] { return cpp(target).addBond(particle1, particle2); });
}

int OpenMM_MLFFForce_getNumBonds(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return cpp(target).getNumBonds(); });
}

int OpenMM_MLFFForce_getBondParameters(const OpenMM_MLFFForce* target, int index, int* particle1,
                                       int* particle2) {
    return guardedCode([&] {
        cpp(target).getBondParameters(index, notNull(particle1, "particle1"),
                                      notNull(particle2, "particle2"));
    });
}

int OpenMM_MLFFForce_setBondParameters(OpenMM_MLFFForce* target, int index, int particle1,
                                       int particle2) {
    return guardedCode([&] { cpp(target).setBondParameters(index, particle1, particle2); });
}

// --------------------------------------------------------------------------------- box

int OpenMM_MLFFForce_setUsesPeriodicBoundaryConditions(OpenMM_MLFFForce* target,
                                                       OpenMM_Boolean periodic) {
    return guardedCode([&] {
        cpp(target).setUsesPeriodicBoundaryConditions(periodic != OpenMM_False);
    });
}

int OpenMM_MLFFForce_usesPeriodicBoundaryConditions(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).usesPeriodicBoundaryConditions(); });
}

// ------------------------------------------------------------------ Coulomb, dispersion

// An int as one of the choices 0 ... last.
template <class Choice>
static Choice choose(int value, Choice last, const char* what, const char* names) {
    if (value < 0 || value > (int) last)
        throw OpenMMException(std::to_string(value) + " is not " + what + ": expected one of " +
                              names);
    return static_cast<Choice>(value);
}

int OpenMM_MLFFForce_setCoulombMethod(OpenMM_MLFFForce* target, int method) {
    return guardedCode([&] {
        cpp(target).setCoulombMethod(choose(method, MLFFForce::PME, "a Coulomb method",
                                            "OpenMM_MLFFForce_CoulombMethod"));
    });
}

int OpenMM_MLFFForce_getCoulombMethod(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).getCoulombMethod(); });
}

int OpenMM_MLFFForce_setCoulombCutoff(OpenMM_MLFFForce* target, double cutoff) {
    return guardedCode([&] { cpp(target).setCoulombCutoff(cutoff); });
}

double OpenMM_MLFFForce_getCoulombCutoff(const OpenMM_MLFFForce* target) {
    return guarded(NOT_A_NUMBER, [&] { return cpp(target).getCoulombCutoff(); });
}

int OpenMM_MLFFForce_setCoulombAlpha(OpenMM_MLFFForce* target, double alpha) {
    return guardedCode([&] { cpp(target).setCoulombAlpha(alpha); });
}

double OpenMM_MLFFForce_getCoulombAlpha(const OpenMM_MLFFForce* target) {
    return guarded(NOT_A_NUMBER, [&] { return cpp(target).getCoulombAlpha(); });
}

int OpenMM_MLFFForce_setEwaldErrorTolerance(OpenMM_MLFFForce* target, double tolerance) {
    return guardedCode([&] { cpp(target).setEwaldErrorTolerance(tolerance); });
}

double OpenMM_MLFFForce_getEwaldErrorTolerance(const OpenMM_MLFFForce* target) {
    return guarded(NOT_A_NUMBER, [&] { return cpp(target).getEwaldErrorTolerance(); });
}

int OpenMM_MLFFForce_setDispersionCutoff(OpenMM_MLFFForce* target, double cutoff) {
    return guardedCode([&] { cpp(target).setDispersionCutoff(cutoff); });
}

double OpenMM_MLFFForce_getDispersionCutoff(const OpenMM_MLFFForce* target) {
    return guarded(NOT_A_NUMBER, [&] { return cpp(target).getDispersionCutoff(); });
}

int OpenMM_MLFFForce_setUseDispersion(OpenMM_MLFFForce* target, OpenMM_Boolean use) {
    return guardedCode([&] { cpp(target).setUseDispersion(use != OpenMM_False); });
}

int OpenMM_MLFFForce_getUseDispersion(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).getUseDispersion(); });
}

// -------------------------------------------------------------------- scale and factor

int OpenMM_MLFFForce_setScaleParameter(OpenMM_MLFFForce* target, const char* name) {
    return guardedCode([&] {
        cpp(target).setScaleParameter(&notNull(name, "a parameter's name"));
    });
}

const char* OpenMM_MLFFForce_getScaleParameter(const OpenMM_MLFFForce* target) {
    return guarded<const char*>(nullptr, [&] { return cpp(target).getScaleParameter().c_str(); });
}

int OpenMM_MLFFForce_setScaleParameterDefaultValue(OpenMM_MLFFForce* target, double value) {
    return guardedCode([&] { cpp(target).setScaleParameterDefaultValue(value); });
}

double OpenMM_MLFFForce_getScaleParameterDefaultValue(const OpenMM_MLFFForce* target) {
    return guarded(NOT_A_NUMBER, [&] { return cpp(target).getScaleParameterDefaultValue(); });
}

int OpenMM_MLFFForce_getNumGlobalParameters(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return cpp(target).getNumGlobalParameters(); });
}

const char* OpenMM_MLFFForce_getGlobalParameterName(const OpenMM_MLFFForce* target, int index) {
    return guarded<const char*>(nullptr, [&] {
        return cpp(target).getGlobalParameterName(index).c_str();
    });
}

double OpenMM_MLFFForce_getGlobalParameterDefaultValue(const OpenMM_MLFFForce* target, int index) {
    return guarded(NOT_A_NUMBER, [&] {
        return cpp(target).getGlobalParameterDefaultValue(index);
    });
}

int OpenMM_MLFFForce_setGlobalParameterDefaultValue(OpenMM_MLFFForce* target, int index,
                                                    double value) {
    return guardedCode([&] { cpp(target).setGlobalParameterDefaultValue(index, value); });
}

int OpenMM_MLFFForce_addEnergyParameterDerivative(OpenMM_MLFFForce* target, const char* name) {
    return guardedCode([&] {
        cpp(target).addEnergyParameterDerivative(&notNull(name, "a parameter's name"));
    });
}

int OpenMM_MLFFForce_getNumEnergyParameterDerivatives(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return cpp(target).getNumEnergyParameterDerivatives(); });
}

const char* OpenMM_MLFFForce_getEnergyParameterDerivativeName(const OpenMM_MLFFForce* target,
                                                              int index) {
    return guarded<const char*>(nullptr, [&] {
        return cpp(target).getEnergyParameterDerivativeName(index).c_str();
    });
}

int OpenMM_MLFFForce_setEnergyFactor(OpenMM_MLFFForce* target, double factor) {
    return guardedCode([&] { cpp(target).setEnergyFactor(factor); });
}

double OpenMM_MLFFForce_getEnergyFactor(const OpenMM_MLFFForce* target) {
    return guarded(NOT_A_NUMBER, [&] { return cpp(target).getEnergyFactor(); });
}

int OpenMM_MLFFForce_setEvaluationMode(OpenMM_MLFFForce* target, int mode) {
    return guardedCode([&] {
        cpp(target).setEvaluationMode(choose(mode, MLFFForce::Sparse, "an evaluation mode",
                                             "OpenMM_MLFFForce_EvaluationMode"));
    });
}

int OpenMM_MLFFForce_getEvaluationMode(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).getEvaluationMode(); });
}

int OpenMM_MLFFForce_setDenseThreshold(OpenMM_MLFFForce* target, int numAtoms) {
    return guardedCode([&] { cpp(target).setDenseThreshold(numAtoms); });
}

int OpenMM_MLFFForce_getDenseThreshold(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return cpp(target).getDenseThreshold(); });
}

int OpenMM_MLFFForce_setMatrixPrecision(OpenMM_MLFFForce* target, int precision) {
    return guardedCode([&] {
        cpp(target).setMatrixPrecision(choose(precision, MLFFForce::TF32, "a matrix precision",
                                              "OpenMM_MLFFForce_MatrixPrecision"));
    });
}

int OpenMM_MLFFForce_getMatrixPrecision(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).getMatrixPrecision(); });
}

int OpenMM_MLFFForce_setUseDeviceGraph(OpenMM_MLFFForce* target, OpenMM_Boolean use) {
    return guardedCode([&] { cpp(target).setUseDeviceGraph(use != OpenMM_False); });
}

int OpenMM_MLFFForce_getUseDeviceGraph(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).getUseDeviceGraph(); });
}

int OpenMM_MLFFForce_setCheckGeometry(OpenMM_MLFFForce* target, OpenMM_Boolean check) {
    return guardedCode([&] { cpp(target).setCheckGeometry(check != OpenMM_False); });
}

int OpenMM_MLFFForce_getCheckGeometry(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).getCheckGeometry(); });
}

int OpenMM_MLFFForce_setIntendedBoxVectors(OpenMM_MLFFForce* target, const OpenMM_Vec3* a,
                                           const OpenMM_Vec3* b, const OpenMM_Vec3* c) {
    return guardedCode([&] { cpp(target).setIntendedBoxVectors(cpp(a), cpp(b), cpp(c)); });
}

int OpenMM_MLFFForce_getIntendedBoxVectors(const OpenMM_MLFFForce* target, OpenMM_Vec3* a,
                                           OpenMM_Vec3* b, OpenMM_Vec3* c) {
    return guardedCode([&] {
        Vec3 box[3];
        cpp(target).getIntendedBoxVectors(box[0], box[1], box[2]);
        OpenMM_Vec3* out[3] = {a, b, c};
        for (OpenMM_Vec3* v : out)
            notNull(v, "a box vector");
        for (int k = 0; k < 3; k++)
            *out[k] = {box[k][0], box[k][1], box[k][2]};
    });
}

int OpenMM_MLFFForce_setCheckElectrons(OpenMM_MLFFForce* target, OpenMM_Boolean check) {
    return guardedCode([&] { cpp(target).setCheckElectrons(check != OpenMM_False); });
}

int OpenMM_MLFFForce_getCheckElectrons(const OpenMM_MLFFForce* target) {
    return guarded(-1, [&] { return (int) cpp(target).getCheckElectrons(); });
}

int OpenMM_MLFFForce_validate(const OpenMM_MLFFForce* target, const OpenMM_System* system) {
    return guardedCode([&] { cpp(target).validate(cpp(system)); });
}

int OpenMM_MLFFForce_updateParametersInContext(OpenMM_MLFFForce* target, OpenMM_Context* context) {
    return guardedCode([&] { cpp(target).updateParametersInContext(cpp(context)); });
}

// ---------------------------------------------------------------------- with a Context

// The caller's array must have the right length.
static void checkLength(const double* array, size_t length, size_t expected, const char* what) {
    notNull(array, what);
    if (length != expected)
        throw OpenMMException(string(what) + ": the array has room for " + std::to_string(length) +
                              " values, expected " + std::to_string(expected));
}

int OpenMM_MLFFForce_getAtomCharges(const OpenMM_MLFFForce* target, OpenMM_Context* context,
                                    double* charges, size_t length) {
    return guardedCode([&] {
        checkLength(charges, length, (size_t) cpp(target).getNumAtoms(), "charges");
        vector<double> values;
        cpp(target).getAtomCharges(cpp(context), values);
        std::copy(values.begin(), values.end(), charges);
    });
}

int OpenMM_MLFFForce_getEnergyComponent(const OpenMM_MLFFForce* target, OpenMM_Context* context,
                                        const char* name, double* value) {
    return guardedCode([&] {
        const string wanted = &notNull(name, "the name of a component");
        double& out = notNull(value, "value");
        const std::map<string, double> components = cpp(target).getEnergyComponents(cpp(context));
        const auto found = components.find(wanted);
        if (found == components.end()) {
            vector<string> names;
            for (const auto& component : components)
                names.push_back(component.first);
            throw OpenMMException("the energy has no component '" + wanted + "': it has " +
                                  join(names, ", "));
        }
        out = found->second;
    });
}

// As much of a text as there is room for; its length.
static int copyText(const string& from, char* text, size_t length) {
    if (length > 0) {
        char* to = &notNull(text, "text");
        to[from.copy(to, length-1)] = '\0';
    }
    return (int) from.size();
}

int OpenMM_MLFFForce_getGeometryWarning(const OpenMM_MLFFForce* target, OpenMM_Context* context,
                                        char* text, size_t length) {
    return guarded(-1, [&] {
        return copyText(cpp(target).getGeometryWarning(cpp(context)), text, length);
    });
}

int OpenMM_MLFFForce_getExecutionInfo(const OpenMM_MLFFForce* target, OpenMM_Context* context,
                                      char* text, size_t length) {
    return guarded(-1, [&] {
        string lines;
        for (const auto& item : cpp(target).getExecutionInfo(cpp(context)))
            lines += item.first + ": " + item.second + "\n";
        return copyText(lines, text, length);
    });
}

int OpenMM_MLFFForce_getEnsembleDeviation(const OpenMM_MLFFForce* target, OpenMM_Context* context,
                                          double* energy, double* force) {
    return guardedCode([&] {
        double& energyOut = notNull(energy, "energy");
        double& forceOut = notNull(force, "force");
        cpp(target).getEnsembleDeviation(cpp(context), energyOut, forceOut);
    });
}

int OpenMM_MLFFForce_computeHessian(const OpenMM_MLFFForce* target, OpenMM_Context* context,
                                    double* hessian, size_t length) {
    return guardedCode([&] {
        const size_t n = 3*(size_t) cpp(target).getNumAtoms();
        checkLength(hessian, length, n*n, "hessian");  // before the long computation
        vector<double> values;
        cpp(target).computeHessian(cpp(context), values);
        std::copy(values.begin(), values.end(), hessian);
    });
}

int OpenMM_MLFFForce_getCoulombMethodInContext(const OpenMM_MLFFForce* target,
                                               OpenMM_Context* context) {
    return guarded(-1, [&] { return (int) cpp(target).getCoulombMethodInContext(cpp(context)); });
}

// --------------------------------------------------------- OpenMM's functions, with errors

// Load the plugins of a folder; how many there are. The texts of OpenMM's failures are added.
static size_t loadFolder(const string& folder, vector<string>& failures) {
    const vector<string> loaded = Platform::loadPluginsFromDirectory(folder);
    vector<string> ours;
    for (const string& text : Platform::getPluginLoadFailures()) {  // of this call
        failures.push_back(text);
        if (isMLFFPluginFailure(text))
            ours.push_back(text);
    }
    if (!ours.empty())
        throw OpenMMException("a plugin of MLFFForce in " + folder + " cannot be loaded: " +
                              join(ours, "; "));
    return loaded.size();
}

int OpenMM_MLFF_loadPlugins(const char* folder) {
    return guardedCode([&] {
        const string path = &notNull(folder, "the name of a folder");
        vector<string> failures;
        if (loadFolder(path, failures) == 0)
            throw OpenMMException("no plugin was loaded from the folder '" + path + "': " +
                                  (failures.empty() ? "it does not exist or has none"
                                                    : join(failures, "; ")));
    });
}

// The folder "plugins" beside the library that a function is in; "" if there is none.
template <class Function>
static string pluginsBeside(Function* function) {
    Dl_info library;
    if (dladdr(reinterpret_cast<void*>(function), &library) == 0)
        return "";
    std::error_code error;
    const auto folder = std::filesystem::absolute(library.dli_fname).parent_path()/"plugins";
    return std::filesystem::is_directory(folder, error) ? folder.string() : "";
}

static vector<string> defaultPluginFolders() {
    if (getenv("OPENMM_PLUGIN_DIR") != nullptr)
        return {Platform::getDefaultPluginsDirectory()};
    const string openmm = pluginsBeside(&Platform::getDefaultPluginsDirectory);
    const string ours = pluginsBeside(&OpenMM_MLFF_loadDefaultPlugins);
    vector<string> folders;
    if (!openmm.empty())
        folders.push_back(openmm);
    if (!ours.empty() && (openmm.empty() || !std::filesystem::equivalent(openmm, ours)))
        folders.push_back(ours);
    if (folders.empty())
        folders.push_back(Platform::getDefaultPluginsDirectory());
    return folders;
}

static bool computesMLFFForce(const Platform& platform) {
    return platform.supportsKernels({CalcMLFFForceKernel::Name()});
}

int OpenMM_MLFF_loadDefaultPlugins(void) {
    return guardedCode([&] {
        const vector<string> folders = defaultPluginFolders();
        vector<string> failures;
        for (const string& folder : folders)
            loadFolder(folder, failures);
        for (int i = 0; i < Platform::getNumPlatforms(); i++)
            if (computesMLFFForce(Platform::getPlatform(i)))
                return;
        throw OpenMMException("no plugin of MLFFForce was found in " + join(folders, " and ") +
                              (failures.empty() ? "" : " (" + join(failures, "; ") + ")") +
                              ": give its folder to OpenMM_MLFF_loadPlugins(), after OpenMM's, or "
                              "set the environment variable OPENMM_PLUGIN_DIR");
    });
}

static Platform& findPlatform(const string& name) {
    vector<string> names;
    for (int i = 0; i < Platform::getNumPlatforms(); i++) {
        Platform& platform = Platform::getPlatform(i);
        if (platform.getName() == name)
            return platform;
        names.push_back(platform.getName());
    }
    throw OpenMMException("there is no platform '" + name + "': available are " +
                          join(names, ", ") + "; others than Reference come from plugins");
}

OpenMM_Platform* OpenMM_MLFF_getPlatformByName(const char* name) {
    return guarded<OpenMM_Platform*>(nullptr, [&] {
        return reinterpret_cast<OpenMM_Platform*>(
            &findPlatform(&notNull(name, "the name of a platform")));
    });
}

static bool hasMLFFForce(const System& system) {
    for (int i = 0; i < system.getNumForces(); i++)
        if (dynamic_cast<const MLFFForce*>(&system.getForce(i)) != nullptr)
            return true;
    return false;
}

// OpenMM says only that kernels are missing: name the plugin.
static void checkPluginLoaded(const System& system, const string& platformName) {
    if (!hasMLFFForce(system))
        return;
    for (int i = 0; i < Platform::getNumPlatforms(); i++) {
        const Platform& platform = Platform::getPlatform(i);
        if ((platformName.empty() || platform.getName() == platformName) &&
                computesMLFFForce(platform))
            return;
    }
    throw OpenMMException("MLFFForce is not available on " +
                          (platformName.empty() ? string("any platform")
                                                : "the platform " + platformName) +
                          ": load the plugins by "
                          "OpenMM_MLFF_loadDefaultPlugins(), or OpenMM's and then MLFFForce's by "
                          "OpenMM_MLFF_loadPlugins()");
}

OpenMM_Context* OpenMM_MLFF_createContext(const OpenMM_System* system,
                                          OpenMM_Integrator* integrator,
                                          const char* platformName) {
    return guarded<OpenMM_Context*>(nullptr, [&] {
        const System& s = cpp(system);
        Integrator& i = cpp(integrator);
        const string name = (platformName == nullptr ? "" : platformName);
        Platform* platform = (platformName == nullptr ? nullptr : &findPlatform(name));
        checkPluginLoaded(s, name);
        auto* context = (platform == nullptr ? new Context(s, i) : new Context(s, i, *platform));
        return reinterpret_cast<OpenMM_Context*>(context);
    });
}

int OpenMM_MLFF_setPositions(OpenMM_Context* context, const OpenMM_Vec3Array* positions) {
    return guardedCode([&] {
        cpp(context).setPositions(notNull(reinterpret_cast<const vector<Vec3>*>(positions),
                                          "an array of positions"));
    });
}

int OpenMM_MLFF_setVelocitiesToTemperature(OpenMM_Context* context, double temperature,
                                           int randomSeed) {
    return guardedCode([&] { cpp(context).setVelocitiesToTemperature(temperature, randomSeed); });
}

int OpenMM_MLFF_setPeriodicBoxVectors(OpenMM_Context* context, const OpenMM_Vec3* a,
                                      const OpenMM_Vec3* b, const OpenMM_Vec3* c) {
    return guardedCode([&] { cpp(context).setPeriodicBoxVectors(cpp(a), cpp(b), cpp(c)); });
}

int OpenMM_MLFF_step(OpenMM_Integrator* integrator, int steps) {
    return guardedCode([&] { cpp(integrator).step(steps); });
}

OpenMM_State* OpenMM_MLFF_getState(const OpenMM_Context* context, int types,
                                   OpenMM_Boolean enforcePeriodicBox) {
    return guarded<OpenMM_State*>(nullptr, [&] {
        return reinterpret_cast<OpenMM_State*>(
            new State(cpp(context).getState(types, enforcePeriodicBox != OpenMM_False)));
    });
}

int OpenMM_MLFF_setParameter(OpenMM_Context* context, const char* name, double value) {
    return guardedCode([&] {
        cpp(context).setParameter(&notNull(name, "a parameter's name"), value);
    });
}

int OpenMM_MLFF_getParameter(OpenMM_Context* context, const char* name, double* value) {
    return guardedCode([&] {
        double& out = notNull(value, "value");
        out = cpp(context).getParameter(&notNull(name, "a parameter's name"));
    });
}

int OpenMM_MLFF_minimizeEnergy(OpenMM_Context* context, double tolerance, int maxIterations) {
    return guardedCode([&] {
        LocalEnergyMinimizer::minimize(cpp(context), tolerance, maxIterations);
    });
}

char* OpenMM_MLFF_serializeSystem(const OpenMM_System* system) {
    return guarded<char*>(nullptr, [&] {
        std::stringstream stream;
        XmlSerializer::serialize(&cpp(system), "System", stream);
        const string xml = stream.str();
        auto text = std::make_unique<char[]>(xml.size()+1);
        std::memcpy(text.get(), xml.c_str(), xml.size()+1);
        return text.release();
    });
}

// OpenMM would take any serialized object for a System.
static void checkIsSystem(const string& xml) {
    size_t start = xml.find('<');
    while (start != string::npos && start+1 < xml.size() &&
           (xml[start+1] == '?' || xml[start+1] == '!'))
        start = xml.find('<', start+1);
    const size_t end = (start == string::npos ? start : xml.find('>', start));
    if (end == string::npos || xml.substr(start, end-start).find("type=\"System\"") == string::npos)
        throw OpenMMException("the XML is not that of a System: expected type=\"System\" in its "
                              "first element");
}

OpenMM_System* OpenMM_MLFF_deserializeSystem(const char* xml) {
    return guarded<OpenMM_System*>(nullptr, [&] {
        const string text = &notNull(xml, "the XML of a System");
        checkIsSystem(text);
        std::stringstream stream(text);
        return reinterpret_cast<OpenMM_System*>(XmlSerializer::deserialize<System>(stream));
    });
}

void OpenMM_MLFF_freeString(char* text) {
    delete[] text;
}
