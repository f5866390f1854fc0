#include "MLFFForce.h"
#include "internal/MLFFException.h"
#include "internal/MLFFForceImpl.h"
#include "mlff.h"
#include "openmm/OpenMMException.h"
#include <algorithm>

using namespace OpenMM;
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

static shared_ptr<const mlff_model> share(mlff_model* model) {
    return shared_ptr<const mlff_model>(model, [](const mlff_model* m) {
        mlff_model_free(const_cast<mlff_model*>(m));
    });
}

static shared_ptr<const mlff_model> loadFile(const string& path) {
    mlff_model* model;
    mlff_error err;
    checkMLFFStatus(mlff_model_load(path.c_str(), &model, &err), err);
    return share(model);
}

static shared_ptr<const mlff_model> loadMemory(const string& name, const string& content) {
    mlff_model* model;
    mlff_error err;
    checkMLFFStatus(mlff_model_load_memory(content.data(), content.size(), name.c_str(), &model,
                                           &err), err);
    return share(model);
}

MLFFForce::MLFFForce(const string& modelFile) :
        modelFile(modelFile), model(loadFile(modelFile)), storage(Embedded), regions(1, {0.0, 1}),
        periodic(false), scaleDefault(1.0), energyFactor(1.0) {
}

MLFFForce::MLFFForce(const string& modelFile, const string& content) :
        modelFile(modelFile), model(loadMemory(modelFile, content)), storage(Embedded),
        regions(1, {0.0, 1}), periodic(false), scaleDefault(1.0), energyFactor(1.0) {
}

MLFFForce::~MLFFForce() {
}

// ------------------------------------------------------------------------------- model

const string& MLFFForce::getModelFile() const {
    return modelFile;
}

string MLFFForce::getModelHash() const {
    return mlff_model_get_info(model.get())->sha256;
}

string MLFFForce::getModelArchitecture() const {
    return mlff_model_get_info(model.get())->display_name;
}

double MLFFForce::getModelCutoff() const {
    return 0.1*mlff_model_get_info(model.get())->cutoff;
}

vector<int> MLFFForce::getModelElements() const {
    const mlff_model_info* info = mlff_model_get_info(model.get());
    return vector<int>(info->elements, info->elements+info->n_elements);
}

bool MLFFForce::getModelHasCharges() const {
    return mlff_model_get_info(model.get())->has_charges;
}

MLFFForce::ModelStorage MLFFForce::getModelStorage() const {
    return storage;
}

void MLFFForce::setModelStorage(ModelStorage storage) {
    this->storage = storage;
}

const mlff_model& MLFFForce::getModel() const {
    return *model;
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

// ------------------------------------------------------------------- box and parameters

void MLFFForce::setUsesPeriodicBoundaryConditions(bool periodic) {
    this->periodic = periodic;
}

bool MLFFForce::usesPeriodicBoundaryConditions() const {
    return periodic;
}

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

// ----------------------------------------------------------------------------- context

void MLFFForce::updateParametersInContext(Context& context) {
    dynamic_cast<MLFFForceImpl&>(getImplInContext(context))
        .updateParametersInContext(getContextImpl(context));
}

ForceImpl* MLFFForce::createImpl() const {
    return new MLFFForceImpl(*this);
}
