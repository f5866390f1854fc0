#include "CommonLongRange.h"
#include "CommonDispersion.h"
#include "CommonEwald.h"
#include "CommonPME.h"
#include "coulomb.cc.h"
#include "dispersion.cc.h"
#include "longrange.cc.h"
#include <algorithm>
#include <cmath>

using namespace OpenMM;
using std::vector;

static const double PI = 3.14159265358979323846;

// From here on every pair counts: no distance is as long.
static const double UNLIMITED = 1e30;

class CommonLongRange::Impl {
public:
    Impl(CommonDevice& device, CommonAtoms& atoms, const mlff_longrange& choices);
    double getRange() const;
    void initialize(const CommonPairs& message, const CommonPairs* longRange, ComputeArray& charge,
                    ComputeArray& chargeGradient, ComputeArray& energies);
    void updateParameters();
    void execute(const CommonRequest& request);
    bool canBeRepeated(bool& boxMatters, std::string& whyNot) const;
    size_t getMemory() const;
private:
    bool hasPairs() const {
        return dispersion || choices.coulomb != MLFF_COULOMB_NONE;
    }
    bool isEwald() const {
        return choices.coulomb == MLFF_COULOMB_EWALD || choices.coulomb == MLFF_COULOMB_PME;
    }
    void createSplitting();
    KernelDefines createDefines() const;
    void addCoulombDefines(KernelDefines& defines) const;
    void createKernel(ComputeProgram program, ComputeArray& charge, ComputeArray& chargeGradient,
                      ComputeArray& energies);
    void addPairs(ComputeKernel kernel);
    void setPairs(ComputeKernel kernel, int index);
    void queuePairs(const CommonRequest& request, const CommonReciprocal* reciprocal);

    CommonDevice& device;
    CommonAtoms& atoms;
    const mlff_longrange choices;
    const CommonPairs *message, *longRange;
    std::unique_ptr<CommonDispersion> dispersion;
    std::unique_ptr<CommonEwald> ewald;
    std::unique_ptr<CommonPME> pme;
    ComputeArray regionFactor, fraction;    // Ewald and PME, see kernels/coulomb.cc
    int block;
    ComputeKernel pairKernel;
};

CommonLongRange::Impl::Impl(CommonDevice& device, CommonAtoms& atoms,
                            const mlff_longrange& choices) :
        device(device), atoms(atoms), choices(choices), message(nullptr), longRange(nullptr),
        block(128) {
    if (choices.dispersion)
        dispersion.reset(new CommonDispersion(device, atoms, this->choices));
    if (choices.coulomb == MLFF_COULOMB_EWALD)
        ewald.reset(new CommonEwald(device, atoms, this->choices));
    if (choices.coulomb == MLFF_COULOMB_PME)
        pme.reset(new CommonPME(device, atoms, this->choices));
}

double CommonLongRange::Impl::getRange() const {
    double range = mlff_longrange_range(&choices);
    if (!isEwald())
        return range;
    const CommonReciprocal reciprocal(atoms.box);
    for (int r = 0; r < atoms.numRegions; r++) {
        const int count = atoms.regionFirst[r+1]-atoms.regionFirst[r];
        if (count > 0)
            range = std::max(range, mlff_ewald_choose(choices.ewald_tolerance, count,
                                                      reciprocal.cell).r_cut);
    }
    return range;
}

// --------------------------------------------------------------------------- initialize

void CommonLongRange::Impl::initialize(const CommonPairs& message, const CommonPairs* longRange,
                                       ComputeArray& charge, ComputeArray& chargeGradient,
                                       ComputeArray& energies) {
    this->message = &message;
    this->longRange = hasPairs() ? longRange : nullptr;
    // a block for rows as long as they are likely to be
    if (!hasPairs() || (longRange->kind == CommonPairs::All && atoms.largestRegion <= 96))
        block = 64;
    if (isEwald())
        createSplitting();
    if (dispersion)
        dispersion->initialize();
    vector<const char*> texts = {longrange_cc};
    if (dispersion)
        texts.push_back(dispersion_cc);
    texts.push_back(coulomb_cc);
    ComputeProgram program = device.compile(texts, createDefines());
    createKernel(program, charge, chargeGradient, energies);
    if (dispersion) {
        dispersion->createKernels(program, charge);
        addPairs(dispersion->countKernel);
        addPairs(dispersion->forceKernel);
    }
    if (ewald)
        ewald->initialize(fraction, chargeGradient, energies);
    if (pme)
        pme->initialize(charge, chargeGradient, energies);
}

// Splittings of regions differ by the sixth root of their atoms alone.
void CommonLongRange::Impl::createSplitting() {
    vector<double> factors;
    for (int r = 0; r < atoms.numRegions; r++)
        factors.push_back(std::pow(atoms.regionFirst[r+1]-atoms.regionFirst[r], 1.0/6));
    device.initializeReal(regionFactor, atoms.numRegions, "mlffRegionFactor");
    device.uploadReal(regionFactor, factors);
    fraction.initialize(device.cc, std::max(atoms.numAtoms, 1), 4*device.getRealSize(),
                        "mlffFraction");
}

KernelDefines CommonLongRange::Impl::createDefines() const {
    const mlff_longrange_model& model = choices.model;
    KernelDefines defines;
    defines["BLOCK"] = device.cc.intToString(block);
    if (hasPairs())
        defines[longRange->kind == CommonPairs::List ? "FAR_LIST" : "FAR_ALL"] = "1";
    defines["PI"] = device.literal(PI);
    defines["PER_ROOT_PI"] = device.literal(1/std::sqrt(PI));
    defines["HALF_KE"] = device.literal(model.coulomb_constant/2);
    defines["ENERGY_SHORT"] = device.cc.intToString(MLFF_COULOMB_SHORT);
    defines["ENERGY_FULL"] = device.cc.intToString(MLFF_COULOMB_FULL);
    defines["ENERGY_DISPERSION"] = device.cc.intToString(MLFF_DISPERSION);
    if (model.short_range_radius > 0) {
        const bool cosine = model.short_range_envelope == MLFF_ENVELOPE_COSINE;
        defines[cosine ? "SHORT_COSINE" : "SHORT_EXP"] = "1";
        defines["SHORT_RANGE"] = device.literal(model.short_range_radius);
        defines["PER_SHORT_RANGE"] = device.literal(1/model.short_range_radius);
    }
    addCoulombDefines(defines);
    if (dispersion)
        dispersion->addDefines(defines);
    return defines;
}

void CommonLongRange::Impl::addCoulombDefines(KernelDefines& defines) const {
    double range = choices.dispersion ? choices.dispersion_cutoff : 0;
    if (choices.coulomb == MLFF_COULOMB_DSF) {
        // shift: erfc(alpha Rc)/Rc; slope: minus its derivative
        const double a = choices.dsf_alpha, R = choices.dsf_cutoff, shift = std::erfc(a*R)/R;
        const double slope = (shift+2*a/std::sqrt(PI)*std::exp(-a*a*R*R))/R;
        const double self = -choices.model.coulomb_constant*(shift/2+a/std::sqrt(PI));
        defines["COULOMB_DSF"] = "1";
        defines["DSF_ALPHA"] = device.literal(a);
        defines["DSF_RANGE"] = device.literal(R);
        defines["DSF_SHIFT"] = device.literal(shift);
        defines["DSF_SLOPE"] = device.literal(slope);
        defines["DSF_SELF"] = device.literal(self);
        range = std::max(range, R);
    }
    if (choices.coulomb == MLFF_COULOMB_SIMPLE)
        defines["COULOMB_PLAIN"] = "1";
    if (isEwald())
        defines["COULOMB_EWALD"] = "1";
    if (choices.coulomb == MLFF_COULOMB_SIMPLE || isEwald())
        range = UNLIMITED;
    defines["FAR_RANGE"] = device.literal(range);
}

void CommonLongRange::Impl::createKernel(ComputeProgram program, ComputeArray& charge,
                                         ComputeArray& chargeGradient, ComputeArray& energies) {
    pairKernel = program->createKernel("mlffLongRange");
    for (ComputeArray* array : {&atoms.position, &charge, &chargeGradient, &atoms.force, &energies,
                                &atoms.status})
        pairKernel->addArg(*array);
    pairKernel->addArg(atoms.numAtoms);
    pairKernel->addArg();           // 7: forces, weight
    pairKernel->addArg();
    if (choices.model.short_range_radius > 0) {
        for (const ComputeArray* array : {&message->count, &message->neighbor, &message->vector})
            pairKernel->addArg(*const_cast<ComputeArray*>(array));
        pairKernel->addArg();       // capacity
    }
    if (isEwald()) {
        for (ComputeArray* array : {&regionFactor, &atoms.regionOfRow, &fraction})
            pairKernel->addArg(*array);
        for (int k = 0; k < 5; k++)
            pairKernel->addArg();   // alpha, range, reciprocal cell
    }
    if (dispersion) {
        for (ComputeArray* array : {&dispersion->kind, &dispersion->c6ref, &dispersion->cnref,
                                    &dispersion->own, &dispersion->record, &dispersion->gradCN})
            pairKernel->addArg(*array);
        pairKernel->addArg();       // kinds
    }
    if (hasPairs())
        addPairs(pairKernel);
}

/* FAR_ARGUMENTS of kernels/longrange.cc. */
void CommonLongRange::Impl::addPairs(ComputeKernel kernel) {
    CommonPairs& pairs = const_cast<CommonPairs&>(*longRange);
    if (pairs.kind == CommonPairs::List) {
        kernel->addArg(pairs.listCount);
        kernel->addArg(pairs.entry);
    } else {
        kernel->addArg(atoms.regionOfRow);
        kernel->addArg(atoms.regionRange);
    }
    kernel->addArg(atoms.frame);
    kernel->addArg();           // capacity
}

// index: that of the first of addPairs().
void CommonLongRange::Impl::setPairs(ComputeKernel kernel, int index) {
    kernel->setArg(index+3, longRange->capacity);
}

void CommonLongRange::Impl::updateParameters() {
    if (dispersion)
        dispersion->updateParameters();
}

// ------------------------------------------------------------------------------ execute

void CommonLongRange::Impl::queuePairs(const CommonRequest& request,
                                       const CommonReciprocal* reciprocal) {
    int index = 7;
    pairKernel->setArg(index++, (int) request.forces);
    device.setReal(pairKernel, index++, request.weight);
    if (choices.model.short_range_radius > 0) {
        index += 3;
        pairKernel->setArg(index++, message->capacity);
    }
    if (reciprocal != nullptr) {
        const mlff_ewald one = mlff_ewald_choose(choices.ewald_tolerance, 1, reciprocal->cell);
        index += 3;
        device.setReal(pairKernel, index++, one.alpha);
        device.setReal(pairKernel, index++, one.r_cut);
        reciprocal->setPer(device, pairKernel, index);
        index += 3;
    }
    if (dispersion) {
        index += 6;
        pairKernel->setArg(index++, dispersion->getNumKinds());
    }
    if (hasPairs())
        setPairs(pairKernel, index);
    pairKernel->execute(atoms.numAtoms*block, block);
}

void CommonLongRange::Impl::execute(const CommonRequest& request) {
    if (atoms.numAtoms == 0)
        return;
    const int threads = atoms.numAtoms*block;
    std::unique_ptr<CommonReciprocal> reciprocal;
    if (isEwald())
        reciprocal.reset(new CommonReciprocal(atoms.box));
    if (dispersion) {
        dispersion->countKernel->setArg(10, dispersion->getNumKinds());
        setPairs(dispersion->countKernel, CommonDispersion::COUNT_PAIRS);
        dispersion->countKernel->execute(threads, block);
    }
    queuePairs(request, reciprocal.get());
    if (dispersion && request.forces) {
        device.setReal(dispersion->forceKernel, 6, request.weight);
        setPairs(dispersion->forceKernel, CommonDispersion::FORCE_PAIRS);
        dispersion->forceKernel->execute(threads, block);
    }
    if (ewald)
        ewald->execute(request, *reciprocal);
    if (pme)
        pme->execute(request, *reciprocal);
}

// Splitting and reciprocal vectors follow the box, as arguments. A library launches the FFT.
bool CommonLongRange::Impl::canBeRepeated(bool& boxMatters, std::string& whyNot) const {
    boxMatters = isEwald();
    if (pme)
        whyNot = "PME";
    return !pme;
}

size_t CommonLongRange::Impl::getMemory() const {
    size_t sum = 0;
    if (isEwald())
        sum += regionFactor.getSize()*regionFactor.getElementSize()+
               fraction.getSize()*fraction.getElementSize();
    sum += dispersion ? dispersion->getMemory() : 0;
    sum += ewald ? ewald->getMemory() : 0;
    return sum+(pme ? pme->getMemory() : 0);
}

// -------------------------------------------------------------------------------- outside

CommonLongRange::CommonLongRange(CommonDevice& device, CommonAtoms& atoms,
                                 const mlff_longrange& choices) :
        impl(new Impl(device, atoms, choices)) {
}

CommonLongRange::~CommonLongRange() {
}

double CommonLongRange::getRange() const {
    return impl->getRange();
}

void CommonLongRange::initialize(const CommonPairs& message, const CommonPairs* longRange,
                                 ComputeArray& charge, ComputeArray& chargeGradient,
                                 ComputeArray& energies) {
    impl->initialize(message, longRange, charge, chargeGradient, energies);
}

void CommonLongRange::updateParameters() {
    impl->updateParameters();
}

void CommonLongRange::execute(const CommonRequest& request) {
    impl->execute(request);
}

bool CommonLongRange::canBeRepeated(bool& boxMatters, std::string& whyNot) const {
    return impl->canBeRepeated(boxMatters, whyNot);
}

size_t CommonLongRange::getMemory() const {
    return impl->getMemory();
}
