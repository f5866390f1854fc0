#include "CommonDispersion.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>
#include <string>

using namespace OpenMM;
using std::vector;

enum {REFERENCES = MLFF_D3_REFERENCES, TABLE = REFERENCES*REFERENCES, OWN = 12};

static const double UNUSED = 1e6;               // coordination number that no atom has
static const double SMALLEST_EXPONENT = -12;    // as in dispersion.cc

// An array of at least this many elements.
static void reserve(CommonDevice& device, ComputeArray& array, size_t size, int elementSize,
                    const char* name) {
    size = std::max<size_t>(size, 1);
    if (!array.isInitialized())
        array.initialize(device.cc, size, elementSize, name);
    else if (array.getSize() < size)
        array.resize(size);
}

// Values to an array that may be longer.
static void uploadStart(CommonDevice& device, ComputeArray& array, const char* name,
                        vector<double> values) {
    reserve(device, array, values.size(), device.getRealSize(), name);
    values.resize(array.getSize());
    device.uploadReal(array, values);
}

CommonDispersion::CommonDispersion(CommonDevice& device, CommonAtoms& atoms,
                                   const mlff_longrange& choices) :
        device(device), atoms(atoms), choices(choices) {
    findFactors();
}

/*
 * The reference coordination numbers of each element, if they do not depend on its partner:
 * cnref[i][j][p][s] = numbers[i][p] for all j and s wherever c6ref is not 0, and c6ref is 0 exactly
 * where one of the two references is not used.
 */
void CommonDispersion::findFactors() {
    const mlff_dispersion_table& t = *choices.model.table;
    const size_t n = t.n;
    numbers.assign(n*REFERENCES, UNUSED);
    factors = false;
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n*TABLE; k++) {
            const size_t p = k/REFERENCES%REFERENCES, at = i*n*TABLE+k;
            double& mine = numbers[i*REFERENCES+p];
            if (t.c6ref[at] == 0)
                continue;
            if (mine != UNUSED && mine != t.cnref[at])
                return;
            mine = t.cnref[at];
        }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < n*TABLE; k++) {
            const size_t j = k/TABLE, p = k/REFERENCES%REFERENCES, s = k%REFERENCES;
            const bool used = numbers[i*REFERENCES+p] != UNUSED &&
                              numbers[j*REFERENCES+s] != UNUSED;
            if (used != (t.c6ref[i*n*TABLE+k] != 0))
                return;
        }
    factors = true;
}

void CommonDispersion::addDefines(KernelDefines& defines) const {
    const mlff_dispersion_damping& damping = choices.model.damping;
    defines["DISPERSION"] = "1";
    if (factors)
        defines["FACTORS"] = "1";
    const double width = choices.dispersion_cutoff-choices.dispersion_on;
    const std::pair<const char*, double> numbers[] = {
        {"DAMPING_S6", damping.s6}, {"DAMPING_S8", damping.s8}, {"DAMPING_A1", damping.a1},
        {"DAMPING_A2", damping.a2}, {"PER_BOHR", 1/MLFF_BOHR}, {"HALF_HARTREE", 0.5*MLFF_HARTREE},
        {"DISPERSION_ON", choices.dispersion_on}, {"PER_SWITCH_WIDTH", 1/width},
        {"DROPPED_WEIGHT", std::exp(SMALLEST_EXPONENT)},
        {"COUNTING_RANGE", std::min(choices.dispersion_list, 1e30)}
    };
    for (auto& number : numbers)
        defines[number.first] = device.literal(number.second);
}

void CommonDispersion::initialize() {
    const size_t n = std::max(atoms.numAtoms, 1);
    kind.initialize<int>(device.cc, n, "mlffKind");
    device.initializeReal(radius, n, "mlffRadius");
    device.initializeReal(gradCN, n, "mlffGradCN");
    device.initializeReal(own, factors ? n*OWN : 1, "mlffDispersionOwn");
    updateParameters();
}

void CommonDispersion::updateParameters() {
    const int n = atoms.numAtoms;
    vector<int> kinds;
    findKinds(kinds);
    vector<double> radii(n);
    for (int i = 0; i < n; i++)
        radii[i] = choices.model.table->rcov[rows[kinds[i]]]*MLFF_BOHR;
    if (n > 0) {
        kind.upload(kinds);
        device.uploadReal(radius, radii);
    }
    fillTables();
    reserve(device, record, factors ? 2*rows.size()*n : n, 4*device.getRealSize(),
            "mlffDispersionRecord");
}

// Numbers of the atoms' elements, in the order in which they come; rows of the table.
void CommonDispersion::findKinds(vector<int>& kinds) {
    const mlff_dispersion_table& t = *choices.model.table;
    vector<int> kindOf(t.n, -1);
    rows.clear();
    for (int i = 0; i < atoms.numAtoms; i++) {
        const int z = atoms.species[i], row = z < 0 || z > MLFF_D3_MAX_Z ? -1 : t.row[z];
        if (row < 0)
            throw OpenMMException("MLFFForce: row "+std::to_string(i)+": the dispersion table has "
                                  "no data of atomic number "+std::to_string(z));
        if (kindOf[row] < 0) {
            kindOf[row] = (int) rows.size();
            rows.push_back(row);
        }
        kinds.push_back(kindOf[row]);
    }
}

void CommonDispersion::fillTables() {
    const mlff_dispersion_table& t = *choices.model.table;
    vector<double> c6, cn, roots;
    for (size_t a : rows) {
        roots.push_back(std::sqrt(std::sqrt(3.0)*t.r4r2[a]));
        for (int p = 0; p < REFERENCES && factors; p++)
            cn.push_back(numbers[a*REFERENCES+p]);
        for (size_t b : rows)
            for (int k = 0; k < TABLE; k++) {
                const size_t at = (a*t.n+b)*TABLE+k;
                c6.push_back(t.c6ref[at]);
                if (!factors)
                    cn.push_back(t.cnref[at]);
            }
    }
    uploadStart(device, root, "mlffDispersionRoot", roots);
    uploadStart(device, c6ref, "mlffC6", c6);
    uploadStart(device, cnref, "mlffCN", cn);
}

void CommonDispersion::createKernels(ComputeProgram program, ComputeArray& charge) {
    countKernel = program->createKernel("mlffCoordination");
    for (ComputeArray* array : {&atoms.position, &charge, &kind, &radius, &root, &c6ref, &cnref,
                                &own, &record})
        countKernel->addArg(*array);
    countKernel->addArg(atoms.numAtoms);
    countKernel->addArg();      // 10: kinds
    forceKernel = program->createKernel("mlffCoordinationForces");
    for (ComputeArray* array : {&atoms.position, &radius, &gradCN, &atoms.force, &atoms.status})
        forceKernel->addArg(*array);
    forceKernel->addArg(atoms.numAtoms);
    forceKernel->addArg();      // 6: weight
}

size_t CommonDispersion::getMemory() const {
    size_t sum = 0;
    for (const ComputeArray* array : {&kind, &radius, &root, &gradCN, &own, &record, &c6ref,
                                      &cnref})
        sum += array->getSize()*array->getElementSize();
    return sum;
}
