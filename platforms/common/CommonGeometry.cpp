#include "CommonGeometry.h"
#include "atoms.cc.h"
#include "internal/MLFFException.h"
#include "internal/MLFFMessages.h"
#include "mlff_box.h"
#include "mlff_elements.h"
#include "pairs.cc.h"
#include "openmm/OpenMMException.h"
#include "openmm/common/ContextSelector.h"
#include <algorithm>
#include <climits>
#include <cmath>
#include <cstring>
#include <numeric>
#include <sstream>

using namespace OpenMM;
using std::string;
using std::vector;

namespace {

const double ANGSTROM_PER_NM = 10.0;
const double SKIN = 0.1;            // nm, of all lists
const double SOON = 0.5;            // of half the skin: a search is due
const int BRUTE_LIMIT = 256;        // rows up to which every pair is looked at
const double LARGEST_RADIUS = 2.65; // angstrom, covalent: francium's and more
const int FIRST_CAPACITY = 64;      // of a row
const int BLOCK = 64, SORT_BLOCK = 256;
// Words of the status, as in support.cc
enum {NOT_FINITE = 0, MOVED = 2, SPAN = 3, OVERFLOWN = 4, FULL = 6, HALF = 8, RANGE = 10,
      POSITION = 11, FAR = 12, CLOSE = 13, COPIES = 17};

/*
 * Largest coordinate, nm. Floats are 1.5e-5 nm apart from here on: rounding moves an atom by up to
 * half of that, and the force of a stiff bond (5e5 kJ/mol/nm^2) by 4 kJ/mol/nm, some thousandth of
 * the forces in a molecule. Beyond the second limit, lattice vectors do not fit an int.
 */
const double FARTHEST_SINGLE = 128, FARTHEST = 1e9;

int roundUp(double value) {
    return 8*(int) std::ceil(value/8);
}

} // namespace

// The status words of an evaluation on their way to the host.
struct CommonGeometry::Copy {
    std::shared_ptr<void> memory;
    ComputeEvent event;
    bool posted;
    int generation;
    long long evaluation;
};

struct CommonGeometry::Status {
    Copy copies[3];             // two that take turns behind evaluations, one to wait for
    int next, generation;       // what was posted before capacities changed says nothing about them

    explicit Status(CommonDevice& device) : next(0), generation(0) {
        for (Copy& copy : copies)
            copy = {device.allocateStaging(CommonAtoms::STATUS_SIZE*sizeof(int)),
                    device.cc.createEvent(), false, 0, 0};
    }
    // The device may still be writing.
    ~Status() {
        waitForAll();
    }
    void waitForAll() {
        for (Copy& copy : copies)
            if (copy.posted)
                wait(copy);
    }
    void post(Copy& copy, ComputeArray& words, long long evaluation) {
        words.download(copy.memory.get(), false);
        copy.event->enqueue();
        copy.posted = true;
        copy.generation = generation;
        copy.evaluation = evaluation;
    }
    const int* wait(Copy& copy) {
        copy.event->wait();
        copy.posted = false;
        return static_cast<const int*>(copy.memory.get());
    }
};

// Where a list with a skin lives, and what finds its pairs.
struct CommonGeometry::SkinList {
    int which;
    double range;               // nm, without skin
    CommonPairs& pairs;
    mm_int4 reach;
    ComputeKernel find;
};

// ------------------------------------------------------------------------------- the rows

CommonGeometry::CommonGeometry(CommonDevice& device, const System& system,
                               const MLFFForce& force) :
        evaluation(0), device(device), cc(device.cc), lists(false), wantLongRange(false),
        cells(false), outOfRange(false), checked(force.getCheckGeometry()), repeating(false),
        inStep(false), rebuild(false), scale(1), repeats(0), lastStep(-1), messageRange(0),
        numRounds(0), checkCopies(force.getCheckGeometry()), numCells(1, 1, 1, 0) {
    frame.fill(NAN);    // equal to no other
    atoms.periodic = force.usesPeriodicBoundaryConditions();
    unwrap = !atoms.periodic && system.usesPeriodicBoundaryConditions();
    denseLimit = force.getEvaluationMode() == MLFFForce::Dense ? INT_MAX :
                 force.getEvaluationMode() == MLFFForce::Sparse ? 0 : force.getDenseThreshold();
    orderRows(force);
    const size_t n = std::max(atoms.numAtoms, 1);
    atoms.position.initialize(cc, n, 4*device.getExactSize(), "mlffPosition");
    atoms.regionOfRow.initialize<int>(cc, n, "mlffRegionOfRow");
    atoms.regionRange.initialize<mm_int2>(cc, atoms.numRegions, "mlffRegionRange");
    atoms.force.initialize<long long>(cc, 3*n, "mlffForce");
    atoms.status.initialize<int>(cc, CommonAtoms::STATUS_SIZE, "mlffStatus");
    atoms.frame.initialize(cc, CommonAtoms::FRAME_SIZE, 4*device.getExactSize(), "mlffFrame");
    slots.initialize<int>(cc, n, "mlffSlots");
    device.initializeReal(radius, n, "mlffRadius");
    cell.initialize<mm_int4>(cc, atoms.periodic ? n : 1, "mlffCell");
    cc.clearBuffer(atoms.status);
    cc.clearBuffer(cell);
    vector<mm_int2> range;
    for (int r = 0; r < atoms.numRegions; r++)
        range.push_back(mm_int2(atoms.regionFirst[r], atoms.regionFirst[r+1]));
    atoms.regionRange.upload(range);
    if (atoms.numAtoms > 0)
        atoms.regionOfRow.upload(atoms.region);
    uploadRadii();
    if (unwrap)
        createTree(force);
    status.reset(new Status(device));
    updateSlots();
}

CommonGeometry::~CommonGeometry() {
}

// Rows by region; what never changes about them.
void CommonGeometry::orderRows(const MLFFForce& force) {
    const int n = atoms.numAtoms = force.getNumAtoms();
    atoms.numRegions = force.getNumRegions();
    vector<int> particleOf(n), regionOf(n), order(n);
    for (int i = 0; i < n; i++) {
        int atomicNumber;
        force.getAtomParameters(i, particleOf[i], atomicNumber, regionOf[i]);
    }
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return regionOf[a] < regionOf[b]; });
    row.resize(n);
    for (int i = 0; i < n; i++) {
        row[order[i]] = i;
        particle.push_back(particleOf[order[i]]);
        atoms.region.push_back(regionOf[order[i]]);
    }
    atoms.largestRegion = 0;
    for (int r = 0; r <= atoms.numRegions; r++) {
        auto first = std::lower_bound(atoms.region.begin(), atoms.region.end(), r);
        atoms.regionFirst.push_back(first-atoms.region.begin());
        if (r > 0)
            atoms.largestRegion = std::max(atoms.largestRegion,
                                           atoms.regionFirst[r]-atoms.regionFirst[r-1]);
    }
    readParameters(force);
}

bool CommonGeometry::hasRegionsOf(const MLFFForce& force) const {
    if (force.getNumRegions() != atoms.numRegions)
        return false;
    for (int i = 0; i < atoms.numAtoms; i++) {
        int unused1, unused2, region;
        force.getAtomParameters(i, unused1, unused2, region);
        if (region != atoms.region[row[i]])
            return false;
    }
    return true;
}

void CommonGeometry::readParameters(const MLFFForce& force) {
    atoms.species.resize(atoms.numAtoms);
    for (int i = 0; i < atoms.numAtoms; i++) {
        int unused1, unused2;
        force.getAtomParameters(i, unused1, atoms.species[row[i]], unused2);
    }
    atoms.totalCharge.resize(atoms.numRegions);
    atoms.multiplicity.resize(atoms.numRegions);
    for (int r = 0; r < atoms.numRegions; r++) {
        int multiplicity;
        force.getRegionParameters(r, atoms.totalCharge[r], multiplicity);
        atoms.multiplicity[r] = multiplicity;
    }
    if (radius.isInitialized())
        uploadRadii();
}

/*
 * Along which bonds a region is put together: for each row its parent. What no bond connects to
 * the first row of its region hangs there directly.
 */
void CommonGeometry::createTree(const MLFFForce& force) {
    const int n = atoms.numAtoms;
    vector<int> atomOf;
    for (int i = 0; i < n; i++) {
        if (particle[i] >= (int) atomOf.size())
            atomOf.resize(particle[i]+1, -1);
        atomOf[particle[i]] = i;
    }
    vector<vector<int> > bonded(n);
    for (int k = 0; k < force.getNumBonds(); k++) {
        int p1, p2;
        force.getBondParameters(k, p1, p2);
        const int i = atomOf[p1], j = atomOf[p2];
        if (atoms.region[i] != atoms.region[j])
            continue;
        bonded[i].push_back(j);
        bonded[j].push_back(i);
    }
    vector<int> parents(n, -1), depth(n, 0), queue;
    vector<bool> hasBonds(atoms.numRegions, false);
    for (int i = 0; i < n; i++)
        if (!bonded[i].empty())
            hasBonds[atoms.region[i]] = true;
    molecule.assign(n, -1);
    int deepest = 1;
    for (int first = 0; first < n; first++) {
        if (parents[first] >= 0)
            continue;
        // CommonRegions places molecules; atoms of a region without bonds hang on its first
        const int r = atoms.region[first];
        parents[first] = (hasBonds[r] ? first : atoms.regionFirst[r]);
        depth[first] = (parents[first] == first ? 0 : 1);
        molecule[first] = first;
        queue.assign(1, first);
        for (size_t k = 0; k < queue.size(); k++)
            for (int j : bonded[queue[k]])
                if (parents[j] < 0) {
                    parents[j] = queue[k];
                    molecule[j] = first;
                    depth[j] = depth[queue[k]]+1;
                    deepest = std::max(deepest, depth[j]);
                    queue.push_back(j);
                }
    }
    for (numRounds = 0; (1 << numRounds) < deepest; numRounds++)
        ;
    for (int r = 0; r < atoms.numRegions; r++) {
        const auto begin = molecule.begin()+atoms.regionFirst[r],
                   end = molecule.begin()+atoms.regionFirst[r+1];
        if (!hasBonds[r] || std::count(begin, end, *begin) == end-begin)
            std::fill(begin, end, -1);
    }
    parent.initialize<int>(cc, std::max(n, 1), "mlffParent");
    root.initialize<int>(cc, std::max(2*n, 1), "mlffRoot");
    shift.initialize<mm_int4>(cc, std::max(2*n, 1), "mlffShift");
    if (n > 0)
        parent.upload(parents);
}

// Shares of the covalent radii, for reports of atoms that are too close.
void CommonGeometry::uploadRadii() {
    vector<double> radii;
    for (int z : atoms.species)
        radii.push_back(MLFF_OVERLAP_SHARE*mlff_covalent_radius(z));
    device.uploadReal(radius, radii);
}

void CommonGeometry::readPositions(vector<double>& positions) const {
    vector<mm_double4> x;
    atoms.position.download(x, true);
    positions.resize(3*row.size());
    for (size_t i = 0; i < row.size(); i++) {
        const mm_double4& p = x[row[i]];
        const double xyz[3] = {p.x, p.y, p.z};
        for (int d = 0; d < 3; d++)
            positions[3*i+d] = ANGSTROM_PER_NM*xyz[d];
    }
}

void CommonGeometry::updateSlots() {
    if (atoms.numAtoms == 0)
        return;
    const vector<int>& order = cc.getAtomIndex();
    vector<int> slotOf(order.size()), values;
    for (int slot = 0; slot < cc.getNumAtoms(); slot++)
        slotOf[order[slot]] = slot;
    for (int p : particle)
        values.push_back(slotOf[p]);
    slots.upload(values);
}

void CommonGeometry::readBox() {
    cc.getPeriodicBoxVectors(atoms.box[0], atoms.box[1], atoms.box[2]);
}

// --------------------------------------------------------------------------- initialize

void CommonGeometry::initialize(double messageRange, double longRange) {
    this->messageRange = messageRange;
    wantLongRange = (longRange > 0);
    lists = atoms.periodic || atoms.largestRegion > denseLimit;
    cells = atoms.periodic && atoms.numAtoms > BRUTE_LIMIT;
    rebuild = lists;
    const size_t n = std::max(atoms.numAtoms, 1);
    saved.initialize(cc, lists ? n : 1, 4*device.getExactSize(), "mlffSaved");
    if (cells) {
        cellOfRow.initialize<int>(cc, n, "mlffCellOfRow");
        cellStart.initialize<int>(cc, n+1, "mlffCellStart");
        cellCursor.initialize<int>(cc, n, "mlffCellCursor");
        message.order.initialize<int>(cc, n, "mlffOrder");
    }
    message.kind = CommonPairs::Message;
    const bool all = (longRange == INFINITY || !lists);
    this->longRange.kind = all ? CommonPairs::All : CommonPairs::List;
    createLists(longRange);
    createKernels();
    if (std::any_of(molecule.begin(), molecule.end(), [](int m) { return m >= 0; }))
        regions.reset(new CommonRegions(device, atoms, molecule,
                                        checkCopies ? messageRange/ANGSTROM_PER_NM : 0, lists));
}

// Arrays of the pairs, with room for a first guess.
void CommonGeometry::createLists(double longRange) {
    const size_t n = std::max(atoms.numAtoms, 1);
    const int all = std::max(atoms.largestRegion-1, 1);
    message.capacity = lists ? (atoms.periodic ? FIRST_CAPACITY : std::min(all, FIRST_CAPACITY))
                             : all;
    if ((double) n*message.capacity > INT_MAX)
        throw OpenMMException("MLFFForce: all pairs of "+std::to_string(n)+" atoms are too many "
                              "for the evaluation mode Dense: choose Auto or Sparse");
    message.count.initialize<int>(cc, n, "mlffPairCount");
    message.neighbor.initialize<int>(cc, n*message.capacity, "mlffPairNeighbor");
    message.vector.initialize(cc, n*message.capacity, 4*device.getRealSize(), "mlffPairVector");
    message.listCount.initialize<int>(cc, lists ? n : 1, "mlffListCount");
    message.entry.initialize<mm_int2>(cc, lists ? n*message.capacity : 1, "mlffListEntry");
    if (lists)
        skinLists[0].reset(new SkinList {0, messageRange/ANGSTROM_PER_NM, message, {}, {}});
    this->longRange.capacity = 0;
    if (wantLongRange && this->longRange.kind == CommonPairs::List) {
        this->longRange.capacity = 4*FIRST_CAPACITY;
        this->longRange.listCount.initialize<int>(cc, n, "mlffLongCount");
        this->longRange.entry.initialize<mm_int2>(cc, n*this->longRange.capacity, "mlffLongEntry");
        skinLists[1].reset(new SkinList {1, longRange/ANGSTROM_PER_NM, this->longRange, {}, {}});
    }
}

void CommonGeometry::createKernels() {
    KernelDefines defines;
    defines["BLOCK"] = cc.intToString(BLOCK);
    defines["SORT_BLOCK"] = cc.intToString(SORT_BLOCK);
    if (lists)
        defines["LISTS"] = "1";
    if (cells)
        defines["CELLS"] = "1";
    if (atoms.periodic)
        defines["PERIODIC"] = "1";
    if (unwrap)
        defines["UNWRAP"] = "1";
    if (cc.getUseMixedPrecision())
        defines["USE_MIXED"] = "1";
    const bool rounded = !cc.getUseMixedPrecision() && !cc.getUseDoublePrecision();
    defines["FARTHEST"] = device.literal(rounded && checked ? FARTHEST_SINGLE : FARTHEST);
    const ComputeProgram program = device.compile({atoms_cc, pairs_cc}, defines);
    const int n = atoms.numAtoms;

    frameKernel = program->createKernel("mlffSetFrame");
    frameKernel->addArg(atoms.frame);
    for (int k = 0; k < CommonAtoms::FRAME_SIZE; k++)
        frameKernel->addArg();
    if (unwrap) {
        unwrapKernel = program->createKernel("mlffUnwrap");
        for (ComputeArray* array : {&parent, &atoms.position, &root, &shift, &atoms.status,
                                    &atoms.frame})
            unwrapKernel->addArg(*array);
        unwrapKernel->addArg(n);
        unwrapKernel->addArg(numRounds);
        if (!lists) {
            addParticles(unwrapKernel);
            unwrapKernel->addArg(atoms.force);
        }
    }
    messageKernel = program->createKernel("mlffMessagePairs");
    for (ComputeArray* array : {&atoms.status, &atoms.position, &atoms.regionOfRow,
                                &atoms.regionRange, &message.listCount, &message.entry,
                                &message.count, &message.neighbor, &message.vector,
                                &atoms.frame})
        messageKernel->addArg(*array);
    messageKernel->addArg(n);
    messageKernel->addArg();        // 11: capacity
    device.addReal(messageKernel, messageRange);
    messageKernel->addArg(radius);
    device.addReal(messageKernel, checked ? 2*MLFF_OVERLAP_SHARE*LARGEST_RADIUS : 0);
    if (!lists) {
        addParticles(messageKernel);
        messageKernel->addArg(atoms.force);
        messageKernel->addArg();    // 19: gather
    }
    if (lists)
        createListKernels(program);
}

// Where the particles are: positions, what mixed precision adds to them, slots.
void CommonGeometry::addParticles(ComputeKernel kernel) {
    kernel->addArg(cc.getPosq());
    kernel->addArg(cc.getUseMixedPrecision() ? cc.getPosqCorrection() : cc.getPosq());
    kernel->addArg(slots);
}

void CommonGeometry::createListKernels(ComputeProgram program) {
    gatherKernel = program->createKernel("mlffGather");
    addParticles(gatherKernel);
    for (ComputeArray* array : {&cell, &saved, &atoms.position, &atoms.force, &atoms.status,
                                &atoms.frame})
        gatherKernel->addArg(*array);
    gatherKernel->addArg(atoms.numAtoms);
    gatherKernel->addArg();         // 10: rebuild
    device.addExact(gatherKernel, std::pow(0.5*SOON*SKIN, 2));
    device.addExact(gatherKernel, std::pow(0.5*SKIN, 2));
    beginKernel = program->createKernel("mlffBeginLists");
    addParticles(beginKernel);
    for (ComputeArray* array : {&cell, &saved, &atoms.position, &atoms.status, &atoms.frame})
        beginKernel->addArg(*array);
    beginKernel->addArg(atoms.numAtoms);
    if (cells) {
        sortKernel = program->createKernel("mlffSortRows");
        for (ComputeArray* array : {&atoms.status, &atoms.position, &cellOfRow, &cellStart,
                                    &cellCursor, &message.order, &atoms.frame})
            sortKernel->addArg(*array);
        sortKernel->addArg(atoms.numAtoms);
    }
    for (auto& list : skinLists) {
        if (!list)
            continue;
        list->find = program->createKernel("mlffFindPairs");
        for (ComputeArray* array : {&atoms.status, &atoms.position, &atoms.regionOfRow,
                                    &atoms.regionRange})
            list->find->addArg(*array);
        if (cells)
            for (ComputeArray* array : {&cellStart, &message.order})
                list->find->addArg(*array);
        list->find->addArg(list->pairs.listCount);
        list->find->addArg(list->pairs.entry);
        list->find->addArg(atoms.frame);
        list->find->addArg(atoms.numAtoms);
        list->find->addArg();           // capacity
        list->find->addArg(list->which);
    }
}

// ------------------------------------------------------------------------------- update

// The engine's judgement of a new box, before lists are made for it.
void CommonGeometry::judgeBox() const {
    double cell[3][3];
    for (int a = 0; a < 3; a++)
        for (int x = 0; x < 3; x++)
            cell[a][x] = ANGSTROM_PER_NM*atoms.box[a][x];
    mlff_error err;
    mlff_box measured;
    checkMLFFStatus(mlff_box_measure(cell, &measured, &err), err);
    for (const auto& list : skinLists)
        if (list)
            checkMLFFStatus(mlff_box_check_pairs(&measured, atoms.largestRegion,
                                                 ANGSTROM_PER_NM*(list->range+SKIN), &err), err);
}

// Cells of at least half the message range, not more than rows, and how far pairs reach.
void CommonGeometry::chooseCells(SkinList& list) {
    const Vec3 *box = atoms.box;
    int* count[3] = {&numCells.x, &numCells.y, &numCells.z};
    int* reach[3] = {&list.reach.x, &list.reach.y, &list.reach.z};
    const Vec3 normal[3] = {box[1].cross(box[2]), box[2].cross(box[0]), box[0].cross(box[1])};
    const double volume = std::fabs(box[0].dot(normal[0]));
    double size = (messageRange/ANGSTROM_PER_NM+SKIN)/2;
    if (cells)  // a cell holds some atoms
        size = std::max(size, std::cbrt(4*volume/atoms.numAtoms));
    double width[3];
    for (int a = 0; a < 3; a++) {
        *count[a] = 1;
        *reach[a] = 0;
        width[a] = volume/std::sqrt(normal[a].dot(normal[a]));
        if (cells)
            *count[a] = (int) std::min(std::max(1.0, width[a]/size), (double) atoms.numAtoms);
    }
    // a long, narrow box: its arrays have room for as many cells as rows
    while ((double) *count[0]**count[1]**count[2] > atoms.numAtoms) {
        int** longest = std::max_element(count, count+3, [](int* a, int* b) { return *a < *b; });
        **longest = (**longest+1)/2;
    }
    // without cells an atom may stand anywhere in the box
    for (int a = 0; a < 3 && atoms.periodic; a++)
        *reach[a] = (int) std::ceil((list.range+SKIN)/width[a]*(*count[a])-1e-9);
}

// The frame of support.cc, if it is another than the device has.
void CommonGeometry::setFrame() {
    Frame now;
    auto end = now.begin();
    const auto add = [&](double x, double y, double z, double w) {
        for (double value : {x, y, z, w})
            *end++ = value;
    };
    for (const Vec3& row : atoms.box)
        add(row[0], row[1], row[2], 0);
    add(scale, 0, 0, 0);
    for (auto& list : skinLists)
        if (list)
            chooseCells(*list);
    add(numCells.x, numCells.y, numCells.z, 0);
    for (auto& list : skinLists) {
        if (list)
            add(list->reach.x, list->reach.y, list->reach.z, list->range+SKIN);
        else
            add(0, 0, 0, 0);
    }
    if (now == frame)
        return;
    frame = now;
    for (int k = 0; k < CommonAtoms::FRAME_SIZE; k++)
        device.setExact4(frameKernel, k+1, Vec3(now[4*k], now[4*k+1], now[4*k+2]), now[4*k+3]);
    frameKernel->execute(1);
}

// Every molecule in one piece, then the molecules of a region beside each other. With lists twice:
// before and after it is decided whether they are built.
void CommonGeometry::queueUnwrap(bool second) {
    unwrapKernel->execute(SORT_BLOCK, SORT_BLOCK);
    if (regions)
        regions->queue(second);
}

// The first kernel gathers positions.
void CommonGeometry::queueLists() {
    gatherKernel->setArg(10, (int) rebuild);
    rebuild = false;
    gatherKernel->execute(atoms.numAtoms, BLOCK);
    if (unwrap)
        queueUnwrap(false);
    beginKernel->execute(atoms.numAtoms, BLOCK);
    if (unwrap)
        queueUnwrap(true);
    if (cells)
        sortKernel->execute(SORT_BLOCK, SORT_BLOCK);
    for (auto& list : skinLists) {
        if (!list)
            continue;
        list->find->setArg(cells ? 10 : 8, list->pairs.capacity);
        list->find->execute(atoms.numAtoms*BLOCK, BLOCK);
    }
}

void CommonGeometry::queuePairs(bool gather) {
    messageKernel->setArg(11, message.capacity);
    if (!lists)
        messageKernel->setArg(19, (int) gather);
    messageKernel->execute(atoms.numAtoms*BLOCK, BLOCK);
}

void CommonGeometry::updatePairs() {
    queuePairs(false);
}

bool CommonGeometry::begin(double longRange, double scale, bool inStep) {
    if (!repeating)
        evaluation++;
    repeating = false;
    this->inStep = inStep;
    if (atoms.numAtoms == 0)
        return false;
    readOldStatus(status->copies[status->next]);
    if (!inStep)
        readOldStatus(status->copies[1-status->next]);
    if (skinLists[1])
        skinLists[1]->range = longRange/ANGSTROM_PER_NM;
    if (!std::equal(lastBox, lastBox+3, atoms.box)) {
        if (atoms.periodic)
            judgeBox();
        rebuild |= lists;
        std::copy(atoms.box, atoms.box+3, lastBox);
    }
    this->scale = scale;
    setFrame();
    if (regions)
        regions->setBox(atoms.box);
    const bool sameStep = (cc.getStepCount() == lastStep);
    lastStep = cc.getStepCount();
    return rebuild || (lists && sameStep);
}

void CommonGeometry::queue() {
    if (atoms.numAtoms == 0)
        return;
    if (lists)
        queueLists();
    else if (unwrap)
        queueUnwrap(false);  // gathers
    queuePairs(!lists && !unwrap);
}

CommonGeometry::Outcome CommonGeometry::update(double longRange) {
    begin(longRange, scale, false);
    queue();
    return lists ? checkStatus() : Complete;
}

// ------------------------------------------------------------------------------- status

void CommonGeometry::postStatus() {
    if (atoms.numAtoms == 0)
        return;
    status->post(status->copies[status->next], atoms.status, evaluation);
    status->next = 1-status->next;
}

CommonGeometry::Outcome CommonGeometry::checkStatus() {
    if (atoms.numAtoms == 0)
        return Complete;
    Copy& copy = status->copies[2];
    status->post(copy, atoms.status, evaluation);
    const int* words = status->wait(copy);
    throwIfBroken(words, evaluation, inStep);

    // what is repeated, or told to the caller, leaves no mark
    const bool full = enlarge(words);
    const bool failed = words[NOT_FINITE] != 0;
    outOfRange |= (words[RANGE] != 0);
    repeating = full || words[RANGE];
    repeats += full;
    if (failed || words[RANGE] || words[CLOSE])
        clearStatus();
    return repeating ? Repeat : failed ? Failed : Complete;
}

// The status of an evaluation in a step, before this one.
void CommonGeometry::readOldStatus(Copy& copy) {
    if (!copy.posted)
        return;
    const int* words = status->wait(copy);
    throwIfBroken(words, copy.evaluation, true);
    if (words[RANGE]) {  // below infinity: what was computed is right
        outOfRange = true;
        clearStatus();
        return;
    }
    for (int k = 0; k < 2; k++)
        if (words[OVERFLOWN+k]) {
            clearStatus();
            throw OpenMMException("MLFFForce: "+describeMLFFInstability(copy.evaluation)+": atoms "
                                  "moved so far in one step that pairs were lost");
        }
    if (!lists || copy.generation != status->generation)
        return;
    if (words[MOVED])
        rebuild = true;
    adaptCapacities(words);
}

// More room before it is needed, less where half of it is empty.
void CommonGeometry::adaptCapacities(const int* words) {
    for (auto& list : skinLists) {
        if (!list)
            continue;
        const int w = list->which;
        if (words[FULL+w] || (!words[HALF+w] && list->pairs.capacity > FIRST_CAPACITY))
            fitCapacity(*list);
    }
}

// Make room after rows were too long; true if they were.
bool CommonGeometry::enlarge(const int* words) {
    bool any = false;
    for (auto& list : skinLists)
        if (list && words[OVERFLOWN+list->which]) {
            fitCapacity(*list);
            any = true;
        }
    return any;
}

// Room for the longest row and a third more.
void CommonGeometry::fitCapacity(SkinList& list) {
    vector<int> counts;
    list.pairs.listCount.download(counts);
    const auto longest = std::max_element(counts.begin(), counts.end());
    if (atoms.periodic && *longest > MLFF_BOX_MOST_PAIRS) {
        const int at = longest-counts.begin();
        mlff_error err;
        checkMLFFStatus(mlff_box_fail_crowded(std::find(row.begin(), row.end(), at)-row.begin(),
                                              ANGSTROM_PER_NM*list.range, &err), err);
    }
    setCapacity(list, roundUp(1.3**longest+4));
}

void CommonGeometry::setCapacity(SkinList& list, int capacity) {
    capacity = std::max(capacity, FIRST_CAPACITY);
    if (capacity == list.pairs.capacity)
        return;
    const size_t size = atoms.numAtoms*(size_t) capacity;
    list.pairs.capacity = capacity;
    list.pairs.entry.resize(size);
    if (list.which == 0) {
        message.neighbor.resize(size);
        message.vector.resize(size);
    }
    rebuild = true;
    status->generation++;
}

bool CommonGeometry::takeOutOfRange() {
    const bool was = outOfRange;
    outOfRange = false;
    return was;
}

// All words to zero; copies on their way say nothing.
void CommonGeometry::clearStatus() {
    atoms.status.upload(vector<int>(CommonAtoms::STATUS_SIZE, 0));
    status->waitForAll();
    rebuild = lists;
}

// An error, if the words of evaluation number `at` tell of one. stepped: it was in a step.
void CommonGeometry::throwIfBroken(const int* words, long long at, bool stepped) {
    if (words[COPIES])
        throwCopies(words, at);
    const bool same = words[CLOSE] && words[CLOSE+3] == 0;
    const bool close = words[CLOSE] && stepped && (checked || same);
    if (!words[POSITION] && !words[FAR] && !words[SPAN] && !close &&
        !(stepped && words[NOT_FINITE]))
        return;
    clearStatus();
    repeating = false;
    if (words[POSITION] || words[FAR])
        throwPosition(words, at);
    if (close)
        refuseMLFFOverlap(at, describeClose(words));
    if (words[SPAN])
        throwSpan(words[SPAN]-1, at);
    throw OpenMMException("MLFFForce: "+describeMLFFInstability(at)+": the energy or force of "+
                          nameRow(words[NOT_FINITE]-1)+" is not finite, or its force is beyond 1e6 "
                          "eV/angstrom");
}

// A region that reaches around the box.
void CommonGeometry::throwCopies(const int* words, long long at) {
    const int atom[2] = {atomOf(words[COPIES+1]), atomOf(words[COPIES+2])};
    const int region = atoms.region[words[COPIES+1]];
    clearStatus();
    repeating = false;
    mlff_error err;
    checkMLFFEvaluation(mlff_box_fail_around(std::min(atom[0], atom[1]), std::max(atom[0], atom[1]),
                                             region, messageRange, &err), err, at);
    throw OpenMMException("MLFFForce: no molecule reaches around the box");
}

int CommonGeometry::atomOf(int at) const {
    return std::find(row.begin(), row.end(), at)-row.begin();
}

// As in "particle 7 (O, atom 3)".
string CommonGeometry::nameRow(int at) const {
    std::stringstream text;
    text << "particle " << particle[at] << " (" << mlff_element_symbol(atoms.species[at])
         << ", atom " << atomOf(at) << ")";
    return text.str();
}

void CommonGeometry::throwPosition(const int* words, long long at) const {
    const bool rounded = !cc.getUseMixedPrecision() && !cc.getUseDoublePrecision() && checked;
    std::stringstream text;
    text << "MLFFForce: ";
    if (words[POSITION])
        text << describeMLFFInstability(at) << ": the position of " << nameRow(words[POSITION]-1)
             << " is not finite: expected finite numbers";
    else if (rounded)
        text << describeMLFFEvaluation(at) << ": " << nameRow(words[FAR]-1) << " is more than "
             << FARTHEST_SINGLE << " nm from the origin along an axis, where positions in single "
                "precision are rounded so much that forces are wrong: use mixed or double "
                "precision or move the System to the origin (setCheckGeometry(False) insists)";
    else
        text << describeMLFFInstability(at) << ": " << nameRow(words[FAR]-1) << " is more than "
             << FARTHEST << " nm from the origin along an axis: move the System to the origin";
    throw OpenMMException(text.str());
}

string CommonGeometry::describeClose(const int* words) const {
    int rows[2] = {words[CLOSE+1], words[CLOSE+2]};
    if (atomOf(rows[0]) > atomOf(rows[1]))
        std::swap(rows[0], rows[1]);
    const int z[2] = {atoms.species[rows[0]], atoms.species[rows[1]]};
    const int p[2] = {particle[rows[0]], particle[rows[1]]};
    const double radii = mlff_covalent_radius(z[0])+mlff_covalent_radius(z[1]);
    const double distance = 1e-6*words[CLOSE+3];
    return describeMLFFOverlap({atomOf(rows[0]), atomOf(rows[1]), distance, radii}, z, p);
}

void CommonGeometry::throwSpan(int at, long long evaluation) const {
    throw OpenMMException("MLFFForce: "+describeMLFFInstability(evaluation)+": "+nameRow(at)+
        " is half the periodic box or more away from the atom it is bonded to (without bonds: from "
        "the first of its region; free molecules drift apart), so that it is not known which "
        "periodic copy is meant: " MLFF_BOX_REMEDY_BONDS);
}

int CommonGeometry::getGeneration() const {
    return status->generation;
}

void CommonGeometry::getExecutionInfo(std::map<string, string>& info) const {
    info["mode"] = lists ? "sparse" : "dense";
    info["evaluations"] = std::to_string(evaluation);
    info["pair_capacity"] = std::to_string(message.capacity);
    if (lists)
        info["repeats_for_room"] = std::to_string(repeats);
    if (cells)
        info["cells"] = std::to_string(numCells.x)+" x "+std::to_string(numCells.y)+" x "+
                        std::to_string(numCells.z);
    if (skinLists[1])
        info["long_range_capacity"] = std::to_string(longRange.capacity);
}

size_t CommonGeometry::getMemory() const {
    size_t bytes = 0;
    for (const ComputeArray* array : {&atoms.position, &atoms.regionOfRow, &atoms.force, &slots,
            &cell, &saved, &parent, &root, &shift, &cellOfRow, &cellStart, &cellCursor,
            &message.order, &message.count, &message.neighbor, &message.vector, &message.listCount,
            &message.entry, &longRange.listCount, &longRange.entry})
        if (array->isInitialized())
            bytes += array->getSize()*array->getElementSize();
    return bytes+(regions ? regions->getMemory() : 0);
}
