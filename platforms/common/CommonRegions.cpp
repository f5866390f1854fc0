#include "CommonRegions.h"
#include "mlff_lattice.h"
#include "regions.cc.h"
#include <algorithm>
#include <cmath>

using namespace OpenMM;
using std::vector;

static const int BLOCK = 256;

CommonRegions::CommonRegions(CommonDevice& device, CommonAtoms& atoms, const vector<int>& molecule,
                             double cutoff, bool lists) :
        device(device), atoms(atoms), cutoff(cutoff), numPlaced(0) {
    createArrays(molecule);
    createKernels(lists);
}

// Molecules are numbered in the order of their first rows, so that those of a region are together.
void CommonRegions::createArrays(const vector<int>& firstRow) {
    const int n = atoms.numAtoms;
    vector<int> number(n, -1), members, start;
    vector<mm_int4> regions;
    for (int r = 0; r < atoms.numRegions; r++) {
        const int first = atoms.regionFirst[r], last = atoms.regionFirst[r+1];
        if (first == last || firstRow[first] < 0)
            continue;
        const int firstMolecule = start.size();
        for (int i = first; i < last; i++)
            if (firstRow[i] == i) {
                number[i] = start.size();
                start.push_back(members.size());
                for (int j = i; j < last; j++)
                    if (firstRow[j] == i) {
                        number[j] = number[i];
                        members.push_back(j);
                    }
            }
        regions.push_back(mm_int4(first, last, firstMolecule, (int) start.size()));
    }
    const size_t numMolecules = start.size();
    start.push_back(members.size());
    numPlaced = regions.size();

    ComputeContext& cc = device.cc;
    molecule.initialize<int>(cc, n, "mlffMolecule");
    member.initialize<int>(cc, members.size(), "mlffMember");
    memberStart.initialize<int>(cc, start.size(), "mlffMemberStart");
    placed.initialize<mm_int4>(cc, numPlaced, "mlffPlaced");
    distance.initialize(cc, n, device.getExactSize(), "mlffPlaceDistance");
    move.initialize(cc, n, 4*device.getExactSize(), "mlffPlaceMove");
    saved.initialize(cc, numMolecules, 4*device.getExactSize(), "mlffPlaceSaved");
    lattice.initialize(cc, 7, 4*device.getExactSize(), "mlffLattice");
    molecule.upload(number);
    member.upload(members);
    memberStart.upload(start);
    placed.upload(regions);
    cc.clearBuffer(saved);
}

void CommonRegions::createKernels(bool lists) {
    KernelDefines defines;
    defines["PLACE_BLOCK"] = device.cc.intToString(BLOCK);
    if (lists)
        defines["LISTS"] = "1";
    const ComputeProgram program = device.compile({regions_cc}, defines);
    latticeKernel = program->createKernel("mlffSetLattice");
    latticeKernel->addArg(lattice);
    for (int k = 0; k < 7; k++)
        latticeKernel->addArg();
    for (int second = 0; second < 2; second++) {
        ComputeKernel kernel = program->createKernel("mlffPlaceMolecules");
        for (ComputeArray* array : {&atoms.position, &molecule, &member, &memberStart, &placed,
                                    &distance, &move, &saved, &atoms.status, &lattice})
            kernel->addArg(*array);
        kernel->addArg(numPlaced);
        kernel->addArg(second);
        placeKernel[second] = kernel;
    }
}

void CommonRegions::setBox(const Vec3* now) {
    if (std::equal(now, now+3, box))
        return;
    std::copy(now, now+3, box);
    double cell[3][3];
    for (int a = 0; a < 3; a++)
        for (int d = 0; d < 3; d++)
            cell[a][d] = box[a][d];
    mlff_lattice_reduce(cell, cell);
    Vec3 v[3], normal[3];
    for (int a = 0; a < 3; a++)
        v[a] = Vec3(cell[a][0], cell[a][1], cell[a][2]);
    double shortest = INFINITY;
    for (int a = 0; a < 3; a++) {
        normal[a] = v[(a+1)%3].cross(v[(a+2)%3]);
        normal[a] /= normal[a].dot(v[a]);       // of length 1/(distance of the planes)
        shortest = std::min(shortest, std::sqrt(v[a].dot(v[a])));
    }
    for (int a = 0; a < 3; a++) {
        device.setExact4(latticeKernel, 1+a, v[a], a == 0 ? 0.5*shortest : 0);
        device.setExact4(latticeKernel, 4+a, normal[a],
                         cutoff*std::sqrt(normal[a].dot(normal[a])));
    }
    device.setExact4(latticeKernel, 7, Vec3(cutoff, 0, 0));
    latticeKernel->execute(1);
}

void CommonRegions::queue(bool second) {
    placeKernel[second]->execute(numPlaced*BLOCK, BLOCK);
}

size_t CommonRegions::getMemory() const {
    size_t bytes = 0;
    for (const ComputeArray* array : {&molecule, &member, &memberStart, &placed, &distance, &move,
                                      &saved, &lattice})
        bytes += array->getSize()*array->getElementSize();
    return bytes;
}
