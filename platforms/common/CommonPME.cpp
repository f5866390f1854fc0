#include "CommonPME.h"
#include "longrange.cc.h"
#include "openmm/OpenMMException.h"
#include "pme.cc.h"
#include <algorithm>
#include <cmath>
#include <string>

using namespace OpenMM;
using std::string;

static const double PI = 3.14159265358979323846;
enum {BLOCK = 128, LANES = 32, LARGEST_MESH = 1 << 26, MOST_TRANSFORMS = 16};

CommonPME::CommonPME(CommonDevice& device, CommonAtoms& atoms, const mlff_longrange& choices) :
        device(device), atoms(atoms), choices(choices) {
}

void CommonPME::initialize(ComputeArray& charge, ComputeArray& chargeGradient,
                           ComputeArray& energies) {
    ComputeContext& cc = device.cc;
    sums.initialize<long long>(cc, 1, "mlffMeshSums");
    mesh.initialize(cc, 1, 2*device.getRealSize(), "mlffMesh");
    wave.initialize(cc, 1, 2*device.getRealSize(), "mlffMeshWave");
    KernelDefines defines;
    defines["BLOCK"] = cc.intToString(BLOCK);
    defines["ENERGY_FULL"] = cc.intToString(MLFF_COULOMB_FULL);
    ComputeProgram program = device.compile({longrange_cc, pme_cc}, defines);
    spreadKernel = program->createKernel("mlffPmeSpread");
    for (ComputeArray* array : {&atoms.position, &charge, &sums, &atoms.status})
        spreadKernel->addArg(*array);
    for (int k = 0; k < 6; k++)
        spreadKernel->addArg();         // 4: first, last, K, per
    chargesKernel = program->createKernel("mlffPmeCharges");
    chargesKernel->addArg(sums);
    chargesKernel->addArg(mesh);
    chargesKernel->addArg();            // 2: points
    convolveKernel = program->createKernel("mlffPmeConvolve");
    convolveKernel->addArg(wave);
    for (int k = 0; k < 6; k++)
        convolveKernel->addArg();       // 1: K, factor, decay, wave
    rowsKernel = program->createKernel("mlffPmeRows");
    for (ComputeArray* array : {&atoms.position, &charge, &mesh, &chargeGradient, &atoms.force,
                                &energies, &atoms.status})
        rowsKernel->addArg(*array);
    rowsKernel->addArg(atoms.numAtoms);
    for (int k = 0; k < 8; k++)
        rowsKernel->addArg();           // 8: first, last, K, per, forces, weight
}

/* The reference platform's mesh, or the next that the device can transform. */
CommonPME::Size CommonPME::chooseMesh(double alpha, const CommonReciprocal& reciprocal) const {
    Size size;
    mlff_pme_mesh(choices.ewald_tolerance, alpha, reciprocal.cell, size.data());
    double points = 1;
    for (int& K : size) {
        K = device.cc.findLegalFFTDimension(K);
        points *= K;
    }
    if (points > LARGEST_MESH)
        throw OpenMMException(
            "MLFFForce: PME needs a mesh of "+std::to_string(size[0])+" x "+
            std::to_string(size[1])+" x "+std::to_string(size[2])+" points at the tolerance "+
            device.cc.doubleToString(choices.ewald_tolerance)+", more than "+
            std::to_string(LARGEST_MESH)+" in all: choose a larger tolerance, or Ewald");
    return size;
}

// The transform of a mesh, and room for it.
FFT3D CommonPME::prepare(const Size& size) {
    const size_t points = (size_t) size[0]*size[1]*size[2];
    if (sums.getSize() < points) {
        for (ComputeArray* array : {&sums, &mesh, &wave})
            array->resize(points);
        device.cc.clearBuffer(sums);    // whoever reads them clears them from now on
    }
    auto known = transforms.find(size);
    if (known != transforms.end())
        return known->second;
    if (transforms.size() >= MOST_TRANSFORMS)
        transforms.clear();
    return transforms[size] = device.cc.createFFT(size[0], size[1], size[2], true);
}

void CommonPME::setMesh(const CommonRequest& request, const CommonReciprocal& reciprocal, int first,
                        int last, const Size& size, double alpha) {
    const mm_int4 K(size[0], size[1], size[2], 0);
    spreadKernel->setArg(4, first);
    spreadKernel->setArg(5, last);
    spreadKernel->setArg(6, K);
    reciprocal.setPer(device, spreadKernel, 7);
    chargesKernel->setArg(2, size[0]*size[1]*size[2]);
    convolveKernel->setArg(1, K);
    device.setReal(convolveKernel, 2, 4*PI*choices.model.coulomb_constant/reciprocal.volume);
    device.setReal(convolveKernel, 3, 1/(4*alpha*alpha));
    reciprocal.setWave(device, convolveKernel, 4);
    rowsKernel->setArg(8, first);
    rowsKernel->setArg(9, last);
    rowsKernel->setArg(10, K);
    reciprocal.setPer(device, rowsKernel, 11);
    rowsKernel->setArg(14, (int) request.forces);
    device.setReal(rowsKernel, 15, request.weight);
}

void CommonPME::execute(const CommonRequest& request, const CommonReciprocal& reciprocal) {
    for (int r = 0; r < atoms.numRegions; r++) {
        const int first = atoms.regionFirst[r], last = atoms.regionFirst[r+1];
        if (first == last)
            continue;
        const double alpha = mlff_ewald_choose(choices.ewald_tolerance, last-first,
                                               reciprocal.cell).alpha;
        const Size size = chooseMesh(alpha, reciprocal);
        FFT3D transform = prepare(size);
        setMesh(request, reciprocal, first, last, size, alpha);
        spreadKernel->execute((last-first)*LANES, BLOCK);
        chargesKernel->execute(size[0]*size[1]*size[2], BLOCK);
        transform->execFFT(mesh, wave, true);
        convolveKernel->execute(size[0]*size[1]*(size[2]/2+1), BLOCK);
        transform->execFFT(wave, mesh, false);
        rowsKernel->execute((last-first)*LANES, BLOCK);
    }
}

size_t CommonPME::getMemory() const {
    size_t sum = 0;
    for (const ComputeArray* array : {&sums, &mesh, &wave})
        sum += array->getSize()*array->getElementSize();
    return sum;
}
