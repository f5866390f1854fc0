#include "MLFFForce.h"
#include "internal/MLFFException.h"
#include "internal/MLFFForceImpl.h"
#include "mlff_longrange.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <sstream>

using namespace OpenMM;
using std::map;
using std::shared_ptr;
using std::string;
using std::to_string;
using std::vector;

// OpenMM's ASSERT_VALID_INDEX with a message for users: who was asked, for what, and what exists.
static void checkIndex(const char* method, const char* what, int index, size_t count) {
    if (index >= 0 && (size_t) index < count)
        return;
    const string valid = (count == 0 ? "there is none" : "valid are 0 to " + to_string(count-1));
    throw OpenMMException(string("MLFFForce::") + method + "(): " + what + " index " +
                          to_string(index) + " is out of range: " + valid);
}

static shared_ptr<const mlff_model> loadFile(const string& path) {
    mlff_model* model;
    mlff_error err;
    checkMLFFStatus(mlff_model_load(path.c_str(), &model, &err), err);
    return shared_ptr<const mlff_model>(model, mlff_model_free);
}

static shared_ptr<const mlff_model> loadMemory(const string& name, const string& content) {
    mlff_model* model;
    mlff_error err;
    checkMLFFStatus(mlff_model_load_memory(content.data(), content.size(), name.c_str(), &model,
                                           &err), err);
    return shared_ptr<const mlff_model>(model, mlff_model_free);
}

static string listElements(const mlff_model_info& info) {
    string all;
    for (int i = 0; i < info.n_elements; i++)
        all += string(all.empty() ? "" : " ") + mlff_element_symbol(info.elements[i]);
    return all;
}

// One line of what members of an ensemble must have in common.
static string describeKind(const mlff_model& model) {
    const mlff_longrange_model& terms = *mlff_model_longrange(&model);
    const mlff_model_info& info = *mlff_model_get_info(&model);
    std::stringstream text;
    text << info.display_name << ", cutoff " << 0.1*info.cutoff << " nm, " << info.n_layers
         << " layers, " << (info.has_charges ? "charges" : "no charges") << ", "
         << (info.has_spin ? "spin" : "no spin") << ", "
         << (terms.coulomb ? "Coulomb" : "no Coulomb") << ", "
         << (terms.dispersion ? "dispersion" : "no dispersion") << ", elements "
         << listElements(info);
    return text.str();
}

static void checkSameKind(const mlff_model& first, const string& firstFile,
                          const mlff_model& other, const string& otherFile) {
    const string expected = describeKind(first);
    const string found = describeKind(other);
    if (found != expected)
        throw OpenMMException("MLFFForce::addEnsembleMember(): " + otherFile + " (" + found +
                              ") is not of the same kind as " + firstFile + " (" + expected +
                              "): the members of an ensemble differ only in their weights");
}

MLFFForce::MLFFForce(const string& modelFile) :
        storage(Embedded), regions(1, {0.0, 1}), periodic(false), coulombMethod(Default),
        coulombCutoff(0), coulombAlpha(0), ewaldErrorTolerance(0), useDispersion(true),
        dispersionCutoff(0), scaleDefault(1.0), energyFactor(1.0) {
    addMember({modelFile, loadFile(modelFile)});
}

MLFFForce::MLFFForce(const string& modelFile, const string& content) :
        storage(Embedded), regions(1, {0.0, 1}), periodic(false), coulombMethod(Default),
        coulombCutoff(0), coulombAlpha(0), ewaldErrorTolerance(0), useDispersion(true),
        dispersionCutoff(0), scaleDefault(1.0), energyFactor(1.0) {
    addMember({modelFile, loadMemory(modelFile, content)});
}

MLFFForce::~MLFFForce() {
}

// ------------------------------------------------------------------------------- model

const string& MLFFForce::getModelFile() const {
    return members[0].file;
}

string MLFFForce::getModelHash() const {
    return mlff_model_get_info(members[0].model.get())->sha256;
}

string MLFFForce::getModelArchitecture() const {
    return mlff_model_get_info(members[0].model.get())->display_name;
}

string MLFFForce::getModelScope() const {
    return mlff_model_get_info(members[0].model.get())->scope;
}

double MLFFForce::getModelCutoff() const {
    return 0.1*mlff_model_get_info(members[0].model.get())->cutoff;
}

vector<int> MLFFForce::getModelElements() const {
    const mlff_model_info* info = mlff_model_get_info(members[0].model.get());
    return vector<int>(info->elements, info->elements+info->n_elements);
}

bool MLFFForce::getModelHasCharges() const {
    return mlff_model_get_info(members[0].model.get())->has_charges;
}

MLFFForce::ModelStorage MLFFForce::getModelStorage() const {
    return storage;
}

void MLFFForce::setModelStorage(ModelStorage storage) {
    this->storage = storage;
}

// ---------------------------------------------------------------------------- ensemble

int MLFFForce::addEnsembleMember(const string& modelFile) {
    addMember({modelFile, loadFile(modelFile)});
    return (int) members.size()-1;
}

int MLFFForce::addEnsembleMember(const string& modelFile, const string& content) {
    addMember({modelFile, loadMemory(modelFile, content)});
    return (int) members.size()-1;
}

// The mean of members makes sense only if they are the same kind of model.
void MLFFForce::addMember(const MemberInfo& member) {
    if (!members.empty())
        checkSameKind(*members[0].model, members[0].file, *member.model, member.file);
    members.push_back(member);
}

const MLFFForce::MemberInfo& MLFFForce::getMember(const char* method, int index) const {
    checkIndex(method, "ensemble member", index, members.size());
    return members[index];
}

int MLFFForce::getNumEnsembleMembers() const {
    return (int) members.size();
}

const string& MLFFForce::getEnsembleMemberFile(int index) const {
    return getMember("getEnsembleMemberFile", index).file;
}

string MLFFForce::getEnsembleMemberHash(int index) const {
    return mlff_model_get_info(getMember("getEnsembleMemberHash", index).model.get())->sha256;
}

const mlff_model& MLFFForce::getModel(int member) const {
    return *getMember("getModel", member).model;
}

// ----------------------------------------------------------------------------- regions

int MLFFForce::addRegion(double totalCharge, int multiplicity) {
    regions.push_back({totalCharge, multiplicity});
    return (int) regions.size()-1;
}

int MLFFForce::getNumRegions() const {
    return (int) regions.size();
}

void MLFFForce::getRegionParameters(int index, double& totalCharge, int& multiplicity) const {
    checkIndex("getRegionParameters", "region", index, regions.size());
    totalCharge = regions[index].totalCharge;
    multiplicity = regions[index].multiplicity;
}

void MLFFForce::setRegionParameters(int index, double totalCharge, int multiplicity) {
    checkIndex("setRegionParameters", "region", index, regions.size());
    regions[index] = {totalCharge, multiplicity};
}

// --------------------------------------------------------------------- atoms and bonds

int MLFFForce::addAtom(int particle, int atomicNumber, int region) {
    atoms.push_back({particle, atomicNumber, region});
    return (int) atoms.size()-1;
}

int MLFFForce::getNumAtoms() const {
    return (int) atoms.size();
}

void MLFFForce::getAtomParameters(int index, int& particle, int& atomicNumber, int& region) const {
    checkIndex("getAtomParameters", "atom", index, atoms.size());
    particle = atoms[index].particle;
    atomicNumber = atoms[index].atomicNumber;
    region = atoms[index].region;
}

void MLFFForce::setAtomParameters(int index, int particle, int atomicNumber, int region) {
    checkIndex("setAtomParameters", "atom", index, atoms.size());
    atoms[index] = {particle, atomicNumber, region};
}

int MLFFForce::addBond(int particle1, int particle2) {
    bonds.push_back({particle1, particle2});
    return (int) bonds.size()-1;
}

int MLFFForce::getNumBonds() const {
    return (int) bonds.size();
}

void MLFFForce::getBondParameters(int index, int& particle1, int& particle2) const {
    checkIndex("getBondParameters", "bond", index, bonds.size());
    particle1 = bonds[index].particle1;
    particle2 = bonds[index].particle2;
}

void MLFFForce::setBondParameters(int index, int particle1, int particle2) {
    checkIndex("setBondParameters", "bond", index, bonds.size());
    bonds[index] = {particle1, particle2};
}

// --------------------------------------------------------------------------------- box

void MLFFForce::setUsesPeriodicBoundaryConditions(bool periodic) {
    this->periodic = periodic;
}

bool MLFFForce::usesPeriodicBoundaryConditions() const {
    return periodic;
}

// ---------------------------------------------------------------- Coulomb and dispersion

// Values are checked when a Context is created: whether one makes sense depends on the others.
void MLFFForce::setCoulombMethod(CoulombMethod method) {
    coulombMethod = method;
}

MLFFForce::CoulombMethod MLFFForce::getCoulombMethod() const {
    return coulombMethod;
}

void MLFFForce::setCoulombCutoff(double cutoff) {
    coulombCutoff = cutoff;
}

double MLFFForce::getCoulombCutoff() const {
    return coulombCutoff;
}

void MLFFForce::setCoulombAlpha(double alpha) {
    coulombAlpha = alpha;
}

double MLFFForce::getCoulombAlpha() const {
    return coulombAlpha;
}

void MLFFForce::setEwaldErrorTolerance(double tolerance) {
    ewaldErrorTolerance = tolerance;
}

double MLFFForce::getEwaldErrorTolerance() const {
    return ewaldErrorTolerance;
}

void MLFFForce::setUseDispersion(bool use) {
    useDispersion = use;
}

bool MLFFForce::getUseDispersion() const {
    return useDispersion;
}

void MLFFForce::setDispersionCutoff(double cutoff) {
    dispersionCutoff = cutoff;
}

double MLFFForce::getDispersionCutoff() const {
    return dispersionCutoff;
}

// ------------------------------------------------------------------------------- scale

void MLFFForce::setScaleParameter(const string& name) {
    scaleParameter = name;
}

const string& MLFFForce::getScaleParameter() const {
    return scaleParameter;
}

void MLFFForce::setScaleParameterDefaultValue(double value) {
    scaleDefault = value;
}

double MLFFForce::getScaleParameterDefaultValue() const {
    return scaleDefault;
}

int MLFFForce::getNumGlobalParameters() const {
    return scaleParameter.empty() ? 0 : 1;
}

const string& MLFFForce::getGlobalParameterName(int index) const {
    checkIndex("getGlobalParameterName", "global parameter", index, getNumGlobalParameters());
    return scaleParameter;
}

double MLFFForce::getGlobalParameterDefaultValue(int index) const {
    checkIndex("getGlobalParameterDefaultValue", "global parameter", index,
               getNumGlobalParameters());
    return scaleDefault;
}

void MLFFForce::setGlobalParameterDefaultValue(int index, double defaultValue) {
    checkIndex("setGlobalParameterDefaultValue", "global parameter", index,
               getNumGlobalParameters());
    scaleDefault = defaultValue;
}

// The name is compared with the scale parameter's when a Context is created, so that the two may
// be set in either order.
void MLFFForce::addEnergyParameterDerivative(const string& name) {
    if (std::find(derivatives.begin(), derivatives.end(), name) == derivatives.end())
        derivatives.push_back(name);
}

int MLFFForce::getNumEnergyParameterDerivatives() const {
    return (int) derivatives.size();
}

const string& MLFFForce::getEnergyParameterDerivativeName(int index) const {
    checkIndex("getEnergyParameterDerivativeName", "derivative", index, derivatives.size());
    return derivatives[index];
}

void MLFFForce::setEnergyFactor(double factor) {
    energyFactor = factor;
}

double MLFFForce::getEnergyFactor() const {
    return energyFactor;
}

// --------------------------------------------------------------------------- execution

void MLFFForce::setEvaluationMode(EvaluationMode mode) {
    evaluationMode = mode;
}

MLFFForce::EvaluationMode MLFFForce::getEvaluationMode() const {
    return evaluationMode;
}

void MLFFForce::setDenseThreshold(int numAtoms) {
    denseThreshold = numAtoms;
}

int MLFFForce::getDenseThreshold() const {
    return denseThreshold;
}

void MLFFForce::setMatrixPrecision(MatrixPrecision precision) {
    matrixPrecision = precision;
}

MLFFForce::MatrixPrecision MLFFForce::getMatrixPrecision() const {
    return matrixPrecision;
}

void MLFFForce::setUseDeviceGraph(bool use) {
    useDeviceGraph = use;
}

bool MLFFForce::getUseDeviceGraph() const {
    return useDeviceGraph;
}

void MLFFForce::setCheckGeometry(bool check) {
    checkGeometry = check;
}

bool MLFFForce::getCheckGeometry() const {
    return checkGeometry;
}

void MLFFForce::setIntendedBoxVectors(const Vec3& a, const Vec3& b, const Vec3& c) {
    intendedBox[0] = a;
    intendedBox[1] = b;
    intendedBox[2] = c;
}

void MLFFForce::getIntendedBoxVectors(Vec3& a, Vec3& b, Vec3& c) const {
    a = intendedBox[0];
    b = intendedBox[1];
    c = intendedBox[2];
}

void MLFFForce::setCheckElectrons(bool check) {
    checkElectrons = check;
}

bool MLFFForce::getCheckElectrons() const {
    return checkElectrons;
}

void MLFFForce::validate(const System& system) const {
    MLFFForceImpl(*this).validate(system);
}

// ----------------------------------------------------------------------------- context

static MLFFForceImpl& mlff(ForceImpl& impl) {
    return dynamic_cast<MLFFForceImpl&>(impl);
}

void MLFFForce::updateParametersInContext(Context& context) {
    mlff(getImplInContext(context)).updateParametersInContext(getContextImpl(context));
}

void MLFFForce::getAtomCharges(Context& context, vector<double>& charges,
                               MLFFInterruption* interruption) const {
    mlff(getImplInContext(context)).getAtomCharges(getContextImpl(context), charges,
                                                   interruption);
}

map<string, double> MLFFForce::getEnergyComponents(Context& context,
                                                   MLFFInterruption* interruption) const {
    return mlff(getImplInContext(context)).getEnergyComponents(getContextImpl(context),
                                                               interruption);
}

void MLFFForce::getEnsembleDeviation(Context& context, double& energy, double& force,
                                     MLFFInterruption* interruption) const {
    mlff(getImplInContext(context)).getEnsembleDeviation(getContextImpl(context), energy, force,
                                                         interruption);
}

void MLFFForce::computeHessian(Context& context, vector<double>& hessian,
                               MLFFInterruption* interruption) const {
    mlff(getImplInContext(context)).computeHessian(getContextImpl(context), hessian,
                                                   interruption);
}

string MLFFForce::getGeometryWarning(Context& context) const {
    return mlff(getImplInContext(context)).getGeometryWarning(getContextImpl(context));
}

MLFFForce::CoulombMethod MLFFForce::getCoulombMethodInContext(Context& context) const {
    return mlff(getImplInContext(context)).getCoulombMethod();
}

map<string, string> MLFFForce::getExecutionInfo(Context& context) const {
    return mlff(getImplInContext(context)).getExecutionInfo(getContextImpl(context));
}

ForceImpl* MLFFForce::createImpl() const {
    return new MLFFForceImpl(*this);
}
