#ifndef OPENMM_COMMONGEOMETRY_H_
#define OPENMM_COMMONGEOMETRY_H_

#include "CommonNetwork.h"
#include "CommonRegions.h"
#include "MLFFForce.h"
#include "openmm/System.h"
#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace OpenMM {

/**
 * The rows of a force on the device, their positions and their pairs.
 *
 * Small open systems are dense: the message pairs are found among all rows of a region at each
 * evaluation, and nothing has to be decided.  Others have lists with a skin.  The device itself
 * decides in each evaluation whether they still hold, and builds them.  What it cannot do is
 * make room: a row that outgrows the capacity is counted, the host hears of it, enlarges the rows
 * and has the evaluation repeated.
 *
 * The host reads from the device the status words.  After an evaluation in a step of an integrator
 * they are copied without waiting and read two evaluations later; after any other, the host waits
 * for them.  It also waits after the lists and before the network where lists are known to be
 * built: at the first evaluation, when the box has changed, when atoms have come near the limit,
 * and when the positions were not made by a step of an integrator.
 */
class CommonGeometry {
public:
    /**
     * @param device    outlives this object
     * @param system    the System of the Context
     * @param force     the force, checked
     */
    CommonGeometry(CommonDevice& device, const System& system, const MLFFForce& force);
    /**
     * What came of an evaluation.
     *
     *   Complete    all is well
     *   Repeat      the lists had no room, or operands were outside the range of the matrix mode
     *   Failed      a number overflowed; the status is as before the evaluation
     */
    enum Outcome {Complete, Repeat, Failed};
    ~CommonGeometry();
    /**
     * Choose between dense and lists, compile, allocate.  Called once.
     *
     * @param messageRange    angstrom, of the networks
     * @param longRange       angstrom, as CommonNetwork::getLongRange()
     */
    void initialize(double messageRange, double longRange);
    /**
     * Whether the atoms of the force are in the regions that these rows were made for.
     */
    bool hasRegionsOf(const MLFFForce& force) const;
    /**
     * Elements, charges or multiplicities have changed.
     */
    void readParameters(const MLFFForce& force);
    /**
     * Atoms stand in other slots: to be called whenever the Context reorders them.
     */
    void updateSlots();
    /**
     * Read the box of the Context, before anything asks for ranges.
     */
    void readBox();
    /**
     * Begin an evaluation: read the status of earlier ones, set the frame (support.cc).  An
     * evaluation that has to be repeated keeps its number.
     *
     * @param longRange    of this box, angstrom
     * @param scale        what forces on rows are times, (kJ/mol/nm)/(eV/angstrom)
     * @param inStep       false: of all earlier ones, and an overlap of atoms is no error
     * @return whether lists are known to be built: then, after queue(), checkStatus() is due
     */
    bool begin(double longRange, double scale, bool inStep);
    /**
     * Queue positions and pairs, from the particles of the Context.
     */
    void queue();
    /**
     * An evaluation's positions and pairs, complete, for questions between steps.
     *
     * @param longRange    of this box, angstrom
     * @return Repeat if the lists had no room: call again
     */
    Outcome update(double longRange);
    /**
     * Queue the pairs once more, for positions that were changed on the device by less than the
     * skin allows (a hundredth of an angstrom).
     */
    void updatePairs();
    /**
     * After an evaluation in a step: have the status copied, to be read two evaluations later.
     */
    void postStatus();
    /**
     * Wait for the device and read the status of this evaluation now.  Throws if nothing can be
     * computed at these positions; in a step, if the evaluation failed or atoms overlap.
     */
    Outcome checkStatus();
    /**
     * Positions of this evaluation as the networks read them: every region in one piece.
     *
     * @param[out] positions    [n][3] in the order of MLFFForce::addAtom(), angstrom
     */
    void readPositions(std::vector<double>& positions) const;
    /**
     * Whether operands were outside the range of the matrix mode since this was asked last.
     */
    bool takeOutOfRange();

    CommonPairs message, longRange;
    CommonAtoms atoms;
    ComputeArray slots;                 // int [n] slot of each row
    std::vector<int> particle;          // [n] of each row
    std::vector<int> row;               // [n] of each atom of the force
    long long evaluation;               // counts from 1
    bool hasLongRange() const {
        return wantLongRange;
    }
    /**
     * Changes whenever a capacity does.
     */
    int getGeneration() const;
    /**
     * Add what is to be told of rows and pairs, see MLFFForce::getExecutionInfo().
     */
    void getExecutionInfo(std::map<std::string, std::string>& info) const;
    size_t getMemory() const;
private:
    struct Status;
    struct SkinList;
    void orderRows(const MLFFForce& force);
    void createTree(const MLFFForce& force);
    void createLists(double longRange);
    void createListKernels(ComputeProgram program);
    void createKernels();
    void addParticles(ComputeKernel kernel);
    void judgeBox() const;
    void chooseCells(SkinList& list);
    void setFrame();
    void setCapacity(SkinList& list, int capacity);
    void adaptCapacities(const int* words);
    bool enlarge(const int* words);
    void clearStatus();
    void fitCapacity(SkinList& list);
    struct Copy;
    void readOldStatus(Copy& copy);
    void throwIfBroken(const int* words, long long at, bool stepped);
    [[noreturn]] void throwPosition(const int* words, long long at) const;
    [[noreturn]] void throwSpan(int row, long long evaluation) const;
    std::string describeClose(const int* words) const;
    int atomOf(int row) const;
    std::string nameRow(int row) const;
    void uploadRadii();
    void throwCopies(const int* words, long long at);
    void queueUnwrap(bool second);
    void queueLists();
    void queuePairs(bool gather);

    CommonDevice& device;
    ComputeContext& cc;
    bool unwrap, lists, wantLongRange, cells;
    bool outOfRange, checked;           // checked: setCheckGeometry()
    bool repeating, inStep;             // of this evaluation
    bool rebuild;                       // at the next evaluation, whatever the device thinks
    Vec3 lastBox[3];
    typedef std::array<double, 4*CommonAtoms::FRAME_SIZE> Frame;
    Frame frame;                        // as the device has it
    double scale;
    long long repeats;                  // evaluations that had to be repeated for room
    long long lastStep;
    double messageRange;
    std::unique_ptr<SkinList> skinLists[2];     // message, long-range; null where there is none
    std::unique_ptr<Status> status;
    int denseLimit;                     // atoms of an open region that does without lists
    int numRounds;                      // of unwrapping
    std::vector<int> molecule;          // [n] see CommonRegions
    std::unique_ptr<CommonRegions> regions;     // null where none has several molecules
    bool checkCopies;                   // second copies of molecules are errors
    ComputeArray radius;                // real [n] MLFF_OVERLAP_SHARE of the covalent radius, A
    ComputeArray cell, saved, parent, root, shift;
    ComputeArray cellOfRow, cellStart, cellCursor;
    mm_int4 numCells;
    ComputeKernel frameKernel;
    ComputeKernel gatherKernel, unwrapKernel, beginKernel, sortKernel, messageKernel;
};

} // namespace OpenMM

#endif /*OPENMM_COMMONGEOMETRY_H_*/
