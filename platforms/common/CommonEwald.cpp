#include "CommonEwald.h"
#include "ewald.cc.h"
#include "longrange.cc.h"
#include "openmm/OpenMMException.h"
#include <algorithm>
#include <cmath>
#include <string>

using namespace OpenMM;

static const double ANGSTROM_PER_NM = 10.0, PI = 3.14159265358979323846;
enum {BLOCK = 128, LARGEST_SUM = 1 << 28};

CommonReciprocal::CommonReciprocal(const Vec3 box[3]) {
    double b[3][3];
    for (int d = 0; d < 3; d++)
        for (int x = 0; x < 3; x++)
            cell[d][x] = ANGSTROM_PER_NM*box[d][x];
    volume = mlff_cell_reciprocal(cell, b);
    for (int d = 0; d < 3; d++)
        for (int x = 0; x < 3; x++) {
            per[d][x] = ANGSTROM_PER_NM*b[d][x];
            wave[d][x] = 2*PI*b[d][x];
        }
}

void CommonReciprocal::setWave(const CommonDevice& device, ComputeKernel kernel, int index) const {
    for (int d = 0; d < 3; d++) {
        const Vec3& v = wave[d];
        if (device.cc.getUseDoublePrecision())
            kernel->setArg(index+d, mm_double4(v[0], v[1], v[2], 0));
        else
            kernel->setArg(index+d, mm_float4((float) v[0], (float) v[1], (float) v[2], 0));
    }
}

void CommonReciprocal::setPer(const CommonDevice& device, ComputeKernel kernel, int index) const {
    for (int d = 0; d < 3; d++)
        device.setExact4(kernel, index+d, per[d]);
}

CommonEwald::CommonEwald(CommonDevice& device, CommonAtoms& atoms, const mlff_longrange& choices) :
        device(device), atoms(atoms), choices(choices) {
}

void CommonEwald::initialize(ComputeArray& fraction, ComputeArray& chargeGradient,
                             ComputeArray& energies) {
    ComputeContext& cc = device.cc;
    structure.initialize(cc, 1, 2*device.getRealSize(), "mlffStructure");
    KernelDefines defines;
    defines["BLOCK"] = cc.intToString(BLOCK);
    defines["ENERGY_FULL"] = cc.intToString(MLFF_COULOMB_FULL);
    ComputeProgram program = device.compile({longrange_cc, ewald_cc}, defines);
    structureKernel = program->createKernel("mlffEwaldStructure");
    structureKernel->addArg(fraction);
    structureKernel->addArg(structure);
    for (int k = 0; k < 8; k++)
        structureKernel->addArg();  // 2: first, last, vectors, M, decay, waves
    rowsKernel = program->createKernel("mlffEwaldRows");
    for (ComputeArray* array : {&fraction, &structure, &chargeGradient, &atoms.force, &energies,
                                &atoms.status})
        rowsKernel->addArg(*array);
    rowsKernel->addArg(atoms.numAtoms);
    for (int k = 0; k < 10; k++)
        rowsKernel->addArg();       // 7: first, last, vectors, M, factor, waves, forces, weight
}

void CommonEwald::execute(const CommonRequest& request, const CommonReciprocal& reciprocal) {
    for (int r = 0; r < atoms.numRegions; r++) {
        const int first = atoms.regionFirst[r], last = atoms.regionFirst[r+1];
        if (first == last)
            continue;
        const mlff_ewald ewald = mlff_ewald_choose(choices.ewald_tolerance, last-first,
                                                   reciprocal.cell);
        // the box of integers around the sphere of k_cut, as on the reference platform
        int M[3];
        double size = 1;
        for (int d = 0; d < 3; d++) {
            const double* a = reciprocal.cell[d];
            M[d] = (int) std::ceil(ewald.k_cut*std::sqrt(a[0]*a[0]+a[1]*a[1]+a[2]*a[2])/(2*PI));
            size *= 2.0*M[d]+1;
        }
        if (size > LARGEST_SUM)
            throw OpenMMException("MLFFForce: Ewald's sum needs "+std::to_string(size)+
                                  " wave vectors: choose a larger tolerance, or PME");
        const int vectors = ((int) size+1)/2;
        if ((int) structure.getSize() < vectors)
            structure.resize(vectors+vectors/4);

        const mm_int4 box(M[0], M[1], M[2], 0);
        structureKernel->setArg(2, first);
        structureKernel->setArg(3, last);
        structureKernel->setArg(4, vectors);
        structureKernel->setArg(5, box);
        device.setReal(structureKernel, 6, 1/(4*ewald.alpha*ewald.alpha));
        rowsKernel->setArg(7, first);
        rowsKernel->setArg(8, last);
        rowsKernel->setArg(9, vectors);
        rowsKernel->setArg(10, box);
        device.setReal(rowsKernel, 11, 4*PI*choices.model.coulomb_constant/reciprocal.volume);
        reciprocal.setWave(device, structureKernel, 7);
        reciprocal.setWave(device, rowsKernel, 12);
        rowsKernel->setArg(15, (int) request.forces);
        device.setReal(rowsKernel, 16, request.weight);
        structureKernel->execute(std::min(vectors, 1 << 20)*BLOCK, BLOCK);
        rowsKernel->execute((last-first)*BLOCK, BLOCK);
    }
}

size_t CommonEwald::getMemory() const {
    return structure.getSize()*structure.getElementSize();
}
