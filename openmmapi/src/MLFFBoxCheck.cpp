#include "internal/MLFFBoxCheck.h"
#include "internal/MLFFException.h"
#include "internal/MLFFSettings.h"
#include "mlff_box.h"
#include "mlff_longrange.h"
#include "openmm/System.h"
#include "openmm/internal/ContextImpl.h"
#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

using namespace OpenMM;
using std::string;
using std::vector;

static const double ANGSTROM_PER_NM = 10.0;

// Particles per nm^3 of a liquid or solid, with room: liquid argon has 21, water 100, diamond 176.
static const double THINNEST = 20, DENSEST = 180;

static const char* const INSIST = "; if this box is meant, insist by setCheckGeometry(false) (command "
                                  "line: --no-geometry-check)";

static bool same(const Vec3 a[3], const Vec3 b[3]) {
    return a[0] == b[0] && a[1] == b[1] && a[2] == b[2];
}

// What a System has until somebody sets its box.
static const Vec3 DEFAULT_BOX[3] = {Vec3(2, 0, 0), Vec3(0, 2, 0), Vec3(0, 0, 2)};

static string describe(const Vec3 box[3]) {
    std::stringstream text;
    if (box[1][0] == 0 && box[2][0] == 0 && box[2][1] == 0)
        text << box[0][0] << " x " << box[1][1] << " x " << box[2][2] << " nm";
    else
        for (int a = 0; a < 3; a++)
            text << (a == 0 ? "(" : ", (") << box[a][0] << " " << box[a][1] << " " << box[a][2]
                 << (a == 2 ? ") nm" : ")");
    return text.str();
}

// Distance within which two atoms have an energy, nm.
static double findRange(const MLFFForce& force) {
    const mlff_settings settings = readMLFFSettings(force);
    double range = 0;
    for (int k = 0; k < force.getNumEnsembleMembers(); k++) {
        const mlff_model& model = force.getModel(k);
        mlff_longrange terms;
        mlff_error err;
        checkMLFFStatus(mlff_longrange_resolve(mlff_model_longrange(&model), &settings,
                                               force.usesPeriodicBoundaryConditions(), &terms, &err),
                        err);
        range = std::max({range, mlff_model_get_info(&model)->cutoff, mlff_longrange_range(&terms)});
        if (terms.coulomb == MLFF_COULOMB_EWALD || terms.coulomb == MLFF_COULOMB_PME)
            range = INFINITY;
    }
    return range/ANGSTROM_PER_NM;
}

// Whether all atoms of a region are connected by bonds, for each region.
static bool areWholeMolecules(const MLFFForce& force, const vector<vector<int> >& regions,
                              int numParticles) {
    vector<int> root(numParticles);
    std::iota(root.begin(), root.end(), 0);
    const auto find = [&](int p) {
        while (root[p] != p)
            p = root[p] = root[root[p]];
        return p;
    };
    for (int i = 0; i < force.getNumBonds(); i++) {
        int particle1, particle2;
        force.getBondParameters(i, particle1, particle2);
        root[find(particle1)] = find(particle2);
    }
    for (const vector<int>& region : regions)
        for (int p : region)
            if (find(p) != find(region[0]))
                return false;
    return true;
}

// Whether a force uses the box; one that does not say does not.
static bool usesBox(const Force& force) {
    try {
        return force.usesPeriodicBoundaryConditions();
    }
    catch (const OpenMMException&) {
        return false;
    }
}

void MLFFBoxCheck::initialize(const System& system, const MLFFForce& force) {
    periodic = force.usesPeriodicBoundaryConditions();
    used = periodic || system.usesPeriodicBoundaryConditions();
    check = force.getCheckGeometry();
    particles = system.getNumParticles();
    regions.assign(force.getNumRegions(), {});
    for (int i = 0; i < force.getNumAtoms(); i++) {
        int particle, atomicNumber, region;
        force.getAtomParameters(i, particle, atomicNumber, region);
        regions[region].push_back(particle);
    }
    crowded = 0;
    for (const vector<int>& region : regions)
        crowded = std::max(crowded, (int) region.size());
    wholeMolecules = areWholeMolecules(force, regions, particles);
    range = findRange(force);
    fillers = false;
    for (int i = 0; i < system.getNumForces(); i++) {
        const Force& other = system.getForce(i);
        if (dynamic_cast<const MLFFForce*>(&other) == nullptr)
            fillers |= usesBox(other);
    }
    force.getIntendedBoxVectors(intended[0], intended[1], intended[2]);
    Vec3 first[3];
    system.getDefaultPeriodicBoxVectors(first[0], first[1], first[2]);
    wasSet |= !same(first, DEFAULT_BOX);
    judged = false;
}

void MLFFBoxCheck::judge(ContextImpl& context, bool inStep) {
    if (!used)
        return;
    Vec3 now[3];
    context.getPeriodicBoxVectors(now[0], now[1], now[2]);
    if (judged && same(now, box) && (inStep || !provisional))
        return;
    judged = provisional = false;
    double cell[3][3];
    for (int a = 0; a < 3; a++)
        for (int x = 0; x < 3; x++)
            cell[a][x] = ANGSTROM_PER_NM*now[a][x];
    mlff_error err;
    mlff_box measured;
    checkMLFFStatus(mlff_box_measure(cell, &measured, &err), err);
    if (periodic) {
        wasSet |= !same(now, DEFAULT_BOX);
        if (check) {
            if (!wasSet)
                provisional = judgeDefault(context);
            const mlff_status status = mlff_box_check_meant(cell, crowded, &err);
            if (status != MLFF_OK)
                throw OpenMMException("MLFFForce: the box of "+describe(now)+" cannot be meant: "+
                                      err.message+"; set another one by setPeriodicBoxVectors() "
                                      "of the Context"+INSIST);
        }
    }
    std::copy(now, now+3, box);
    judged = true;
}

// Whether no atom is in range of an image of its region in OpenMM's default box.
bool MLFFBoxCheck::imagesAreOutOfReach(ContextImpl& context) const {
    vector<Vec3> positions;
    context.getPositions(positions);
    for (const vector<int>& region : regions)
        for (int x = 0; x < 3; x++) {
            double low = INFINITY, high = -INFINITY;
            for (int p : region) {
                low = std::min(low, positions[p][x]);
                high = std::max(high, positions[p][x]);
            }
            if (high-low+range > DEFAULT_BOX[x][x])
                return false;
        }
    return true;
}

// OpenMM's default box that nobody is known to have set. Returns whether the positions decided.
bool MLFFBoxCheck::judgeDefault(ContextImpl& context) const {
    const Vec3 unknown[3];
    if (same(intended, DEFAULT_BOX))
        return false;
    std::stringstream text;
    text << "MLFFForce: the Context has OpenMM's default box of " << describe(DEFAULT_BOX) << ", ";
    if (!same(intended, unknown)) {
        text << "but this force was made for a box of " << describe(intended) << " (its Topology's): "
                "call system.setDefaultPeriodicBoxVectors(*topology.getPeriodicBoxVectors()) before "
                "the Context is created (openmmmlff.createSystem() does), or "
                "context.setPeriodicBoxVectors() after it" << INSIST;
        throw OpenMMException(text.str());
    }
    const double density = particles/8.0;
    if (fillers || (density >= THINNEST && density <= DENSEST))
        return false;
    if (wholeMolecules && imagesAreOutOfReach(context))
        return true;    // in any box it has this energy
    text << "which nobody seems to have set: " << particles << " particles do not fill it as a liquid "
            "or solid would (" << density << " per nm^3, expected " << THINNEST << " to " << DENSEST
         << "), and no other force uses it: call System::setDefaultPeriodicBoxVectors() before the "
            "Context is created, or Context::setPeriodicBoxVectors(), with another box; or "
            "setIntendedBoxVectors() of this force with this one; or "
            "setUsesPeriodicBoundaryConditions(false) for a molecule in vacuum" << INSIST;
    throw OpenMMException(text.str());
}
