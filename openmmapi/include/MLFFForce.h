#ifndef OPENMM_MLFFFORCE_H_
#define OPENMM_MLFFFORCE_H_

#include "openmm/Context.h"
#include "openmm/Force.h"
#include "openmm/OpenMMException.h"
#include "openmm/Vec3.h"
#include <map>
#include <memory>
#include <string>
#include <vector>

#if defined(__GNUC__)
#define OPENMM_EXPORT_MLFF __attribute__((visibility("default")))
#else
#define OPENMM_EXPORT_MLFF
#endif

struct mlff_model;

namespace OpenMM {

/**
 * This class lets the caller of a long computation end it early.  MLFFForce asks an object of it
 * between evaluations.  The Python wrapper passes one that looks for Ctrl-C.
 */
class OPENMM_EXPORT_MLFF MLFFInterruption {
public:
    virtual ~MLFFInterruption() {
    }
    /**
     * Get whether the computation should end.  Called often, by the thread that called MLFFForce.
     */
    virtual bool isRequested() = 0;
};

/**
 * This exception is thrown by a computation that an MLFFInterruption has ended.  The Context is as
 * it was before.
 */
class OPENMM_EXPORT_MLFF MLFFInterrupted : public OpenMMException {
public:
    MLFFInterrupted() : OpenMMException("MLFFForce: the computation was interrupted") {
    }
};

/**
 * This class computes the energy and forces of a set of particles with a neural network potential.
 * The network, its neighbor search and its analytic forces run inside OpenMM: there is no Python
 * and no deep learning library behind it.
 *
 * To use it, create an MLFFForce from a model file (see docs/model-file.md), then call addAtom()
 * once for every particle that the network describes, in any order, then add the force to the
 * System.  The particles may be the whole System or a part of it, for example a ligand whose
 * surroundings are described by a force field:
 *
 * <tt><pre>
 *    MLFFForce* force = new MLFFForce("painn-hcno-distilled.safetensors");
 *    for (int i = 0; i < numLigandAtoms; i++)
 *        force->addAtom(ligandParticle[i], ligandAtomicNumber[i]);
 *    system.addForce(force);
 * </pre></tt>
 *
 * The force adds the network's energy to whatever the other forces of the System compute: it
 * removes nothing.  In a mixed system, leave out the bonded terms, constraints and nonbonded
 * interactions among the particles that the network describes.
 *
 * <b>Regions.</b>  A region is a molecule (or several) that is evaluated on its own: atoms of
 * different regions do not see each other through this force, and each region has its own total
 * charge.  Region 0 exists from the start; addRegion() adds more.  Several regions in one System
 * are evaluated as one batch.
 *
 * <b>Periodic boundary conditions.</b>  By default a region is a molecule in vacuum, also inside a
 * periodic System.  Its atoms may then be wrapped into the box one by one: the force puts the
 * region together again.  Bonds given by addBond() hold molecules together; several molecules of a
 * region are placed beside each other, each at the copy that is nearest to those placed before.
 * Two of them that are within the model's cutoff in another copy as well are refused: such a
 * region reaches around the box.  Terms without a cutoff (Simple Coulomb, dispersion) see only the
 * copies placed; the energy then makes a small jump when a molecule changes its copy.  A region
 * without any bonds takes each atom's copy that is nearest to its first atom, and must be smaller
 * than half the box.  With setUsesPeriodicBoundaryConditions(true) all periodic images interact,
 * in boxes of any shape, cells smaller than the cutoff included.  The box is that of the Context:
 * set it by System::setDefaultPeriodicBoxVectors() or Context::setPeriodicBoxVectors().  One that
 * cannot be meant is refused, see setCheckGeometry().
 *
 * <b>Charges.</b>  Models with charges (AIMNet2) honour the total charge of each region and add
 * Coulomb and dispersion terms to the network's energy.  The published choices are the defaults;
 * setCoulombMethod(), setUseDispersion() and their companions change them.  Forces contain the
 * response of the charges to the positions.  getAtomCharges() and getEnergyComponents() report the
 * terms for the present positions of a Context.
 *
 * <b>Ensembles.</b>  addEnsembleMember() adds a model of the same kind: energy, forces and charges
 * are then the mean of all members, and getEnsembleDeviation() tells how well they agree.
 *
 * <b>Scaling.</b>  setScaleParameter() names a global parameter that multiplies the energy, with
 * addEnergyParameterDerivative() its derivative is computed; setEnergyFactor() sets a constant
 * factor.
 *
 * <b>Execution.</b>  setEvaluationMode(), setMatrixPrecision() and setUseDeviceGraph() choose how the
 * GPU platforms work; the defaults choose by themselves.  getExecutionInfo() tells what a Context
 * does.
 *
 * <b>Errors.</b>  What cannot be computed (a position that is not finite, atoms at the same place,
 * numbers that overflow) is an OpenMMException that names atoms and evaluation.  Reference and CPU
 * throw it at once.  The GPU platforms throw it at once outside of steps (getState(), a minimizer,
 * whatever asks for energies); in a step that needs forces only they do not wait for the device, and
 * throw it up to two evaluations later, with the number of the evaluation that failed.  Until then
 * its forces are 805306368 kJ/mol/nm along each axis, which no real force is.  Afterwards the Context
 * works again, with other positions.  Where numbers overflow outside of a step, as when a minimizer
 * tries too long a step, the evaluation is repeated in double precision on the host instead; so are
 * getAtomCharges(), getEnergyComponents(), getEnsembleDeviation() and computeHessian().  In single
 * precision a GPU rounds positions, and atoms more than 128 nm from the origin are refused
 * unless setCheckGeometry(false) is called.
 *
 * <b>Units.</b>  As everywhere in OpenMM: nm, kJ/mol, e.  The energy is the model's total energy,
 * including its constant per element, so it may be large; only differences have a meaning.
 *
 * Atomic numbers, regions, the regions' charges and multiplicities and the energy factor may be
 * changed for an existing Context by updateParametersInContext().  Everything else (the model, the
 * particles, bonds, periodicity, parameter names) is fixed when the Context is created.
 */
class OPENMM_EXPORT_MLFF MLFFForce : public Force {
public:
    /**
     * How a saved System carries the model.
     */
    enum ModelStorage {
        /**
         * The XML holds the content of the model file.  It can be loaded on any machine.
         */
        Embedded = 0,
        /**
         * The XML holds the file's path and its SHA-256.  The file must be there, unchanged, when
         * the XML is loaded.
         */
        Path = 1
    };
    /**
     * How the charges of a model with charges interact, beyond what the network knows.
     */
    enum CoulombMethod {
        /**
         * The published rule of the model; for AIMNet2 Simple, or DSF with periodic boundary
         * conditions.  getCoulombMethodInContext() tells which it took.
         */
        Default = 0,
        /**
         * No Coulomb sum.
         */
        NoCoulomb = 1,
        /**
         * All pairs of a region, without cutoff.  Only without periodic boundary conditions.
         */
        Simple = 2,
        /**
         * Damped shifted force: a pair sum with a cutoff.
         */
        DSF = 3,
        /**
         * Ewald summation.  Only with periodic boundary conditions.
         */
        Ewald = 4,
        /**
         * Particle mesh Ewald.  Only with periodic boundary conditions.
         */
        PME = 5
    };
    /**
     * How the OpenCL and CUDA platforms find the pairs of atoms.
     */
    enum EvaluationMode {
        /**
         * Dense for open regions of up to getDenseThreshold() atoms, Sparse otherwise.
         */
        Auto = 0,
        /**
         * Without lists: all pairs of a region are looked at in each evaluation.  Only without
         * periodic boundary conditions.
         */
        Dense = 1,
        /**
         * Lists with a skin, which the device builds anew when atoms have moved.
         */
        Sparse = 2
    };
    /**
     * How the CUDA platform multiplies matrices in single and mixed precision.
     */
    enum MatrixPrecision {
        /**
         * In the arithmetic of the Context's precision.
         */
        Full = 0,
        /**
         * On tensor cores, each number as the sum of two halves: three products instead of one,
         * with errors like those of single precision.  From compute capability 8.0 on; PaiNN's
         * kernels for few atoms do without.  It has not run on a card yet.
         */
        SplitHalf = 1,
        /**
         * On tensor cores, numbers rounded to TF32: forces with errors of up to 2e-3 of the
         * largest.  Where SplitHalf is used.  It has not run on a card yet.
         */
        TF32 = 2
    };
    /**
     * Create an MLFFForce.
     *
     * The file is read and checked here; the force does not need it afterwards.
     *
     * @param modelFile    path of the model file
     */
    explicit MLFFForce(const std::string& modelFile);
    /**
     * Create an MLFFForce from the content of a model file in memory.
     *
     * @param modelFile    the path (or a name) to report; nothing is read from it
     * @param content      the file's bytes
     */
    MLFFForce(const std::string& modelFile, const std::string& content);
    ~MLFFForce();
    /**
     * Get the path of the model file, as it was given to the constructor.
     */
    const std::string& getModelFile() const;
    /**
     * Get the SHA-256 of the model file's content, in lower-case hexadecimal.
     */
    std::string getModelHash() const;
    /**
     * Get the architecture of the model, for example "PaiNN".
     */
    std::string getModelArchitecture() const;
    /**
     * Get what the model was trained on, and what it was not: a text from the model file, empty
     * where the file does not say.
     */
    std::string getModelScope() const;
    /**
     * Get the range of one message passing layer, measured in nm.
     */
    double getModelCutoff() const;
    /**
     * Get the atomic numbers of the elements that the model knows, in ascending order.
     */
    std::vector<int> getModelElements() const;
    /**
     * Get whether the model computes atomic charges and honours the total charge of a region.
     */
    bool getModelHasCharges() const;
    /**
     * Get how a saved System carries the model.  The default is Embedded.
     */
    ModelStorage getModelStorage() const;
    /**
     * Set how a saved System carries the model.
     */
    void setModelStorage(ModelStorage storage);

    /**
     * Add a member to the ensemble: energy, forces and charges are the mean of all members.  The
     * model given to the constructor is member 0.  All members must be of the same kind
     * (architecture, cutoff, elements, energy terms); one that is not is refused here.
     *
     * @param modelFile    path of the model file
     * @return the index of the member that was added
     */
    int addEnsembleMember(const std::string& modelFile);
    /**
     * The same from the content of a model file in memory.
     */
    int addEnsembleMember(const std::string& modelFile, const std::string& content);
    /**
     * Get the number of ensemble members, at least 1.
     */
    int getNumEnsembleMembers() const;
    /**
     * Get the path of a member's model file, as it was given.
     */
    const std::string& getEnsembleMemberFile(int index) const;
    /**
     * Get the SHA-256 of a member's model file.
     */
    std::string getEnsembleMemberHash(int index) const;

    /**
     * Add a region: a molecule with a charge sum of its own, independent of the others.
     *
     * @param totalCharge     the sum of its charges, measured in units of the proton charge
     * @param multiplicity    its spin multiplicity, 2S+1
     * @return the index of the region that was added (the first one added is 1)
     */
    int addRegion(double totalCharge = 0, int multiplicity = 1);
    /**
     * Get the number of regions.  It is at least 1: region 0 exists from the start.
     */
    int getNumRegions() const;
    /**
     * Get the parameters of a region.
     *
     * @param index                the index of the region
     * @param[out] totalCharge     the sum of its charges, measured in units of the proton charge
     * @param[out] multiplicity    its spin multiplicity, 2S+1
     */
    void getRegionParameters(int index, double& totalCharge, int& multiplicity) const;
    /**
     * Set the parameters of a region.  A charge other than 0 on a model without charges, a
     * multiplicity other than 1 on a model without spin, and one that does not fit the region's
     * number of electrons on a model with spin are refused when the Context is created.
     *
     * @param index           the index of the region
     * @param totalCharge     the sum of its charges, measured in units of the proton charge
     * @param multiplicity    its spin multiplicity, 2S+1
     */
    void setRegionParameters(int index, double totalCharge, int multiplicity = 1);

    /**
     * Add an atom to the part of the System that the network describes.
     *
     * @param particle        the index of the particle in the System
     * @param atomicNumber    the atomic number of its element
     * @param region          the index of the region it belongs to
     * @return the index of the atom that was added
     */
    int addAtom(int particle, int atomicNumber, int region = 0);
    /**
     * Get the number of atoms.
     */
    int getNumAtoms() const;
    /**
     * Get the parameters of an atom.
     *
     * @param index                the index of the atom
     * @param[out] particle        the index of the particle in the System
     * @param[out] atomicNumber    the atomic number of its element
     * @param[out] region          the index of the region it belongs to
     */
    void getAtomParameters(int index, int& particle, int& atomicNumber, int& region) const;
    /**
     * Set the parameters of an atom.
     *
     * @param index           the index of the atom
     * @param particle        the index of the particle in the System
     * @param atomicNumber    the atomic number of its element
     * @param region          the index of the region it belongs to
     */
    void setAtomParameters(int index, int particle, int atomicNumber, int region = 0);

    /**
     * Say that two particles belong to one molecule.  A bond has no energy.  It tells how to put a
     * region together that the periodic box has cut, and which particles a barostat must move as
     * one molecule.
     *
     * @param particle1    the index of the first particle; must be an atom of this force
     * @param particle2    the index of the second particle; likewise, in the same region
     * @return the index of the bond that was added
     */
    int addBond(int particle1, int particle2);
    /**
     * Get the number of bonds.
     */
    int getNumBonds() const;
    /**
     * Get the particles of a bond.
     *
     * @param index             the index of the bond
     * @param[out] particle1    the index of the first particle
     * @param[out] particle2    the index of the second particle
     */
    void getBondParameters(int index, int& particle1, int& particle2) const;
    /**
     * Set the particles of a bond.
     *
     * @param index        the index of the bond
     * @param particle1    the index of the first particle
     * @param particle2    the index of the second particle
     */
    void setBondParameters(int index, int particle1, int particle2);

    /**
     * Set whether the network sees the periodic images of its atoms.  The default is false.
     */
    void setUsesPeriodicBoundaryConditions(bool periodic);
    /**
     * Get whether the network sees the periodic images of its atoms.
     */
    bool usesPeriodicBoundaryConditions() const;
    /**
     * Say which periodic box the System is meant to have, where that is known: the vectors of the
     * Topology that the force was made from.  This sets no box.  An evaluation in OpenMM's default
     * box of 2 x 2 x 2 nm while another one is intended is an error, because nobody has set it then;
     * any other box is taken as it is.
     *
     * @param a    the first vector, measured in nm; zero, with the others: no box is known (the
     *             default)
     * @param b    the second vector
     * @param c    the third vector
     */
    void setIntendedBoxVectors(const Vec3& a, const Vec3& b, const Vec3& c);
    /**
     * Get which periodic box the System is meant to have.
     *
     * @param[out] a    the first vector, measured in nm; zero, with the others: no box is known
     * @param[out] b    the second vector
     * @param[out] c    the third vector
     */
    void getIntendedBoxVectors(Vec3& a, Vec3& b, Vec3& c) const;

    /**
     * Set how the charges of a model with charges interact.  Anything but Default and NoCoulomb is
     * refused for models without charges when the Context is created.
     */
    void setCoulombMethod(CoulombMethod method);
    /**
     * Get how the charges interact.
     */
    CoulombMethod getCoulombMethod() const;
    /**
     * Set the cutoff of the DSF method, measured in nm.  0 (the default) means the published one.
     */
    void setCoulombCutoff(double cutoff);
    /**
     * Get the cutoff of the DSF method, measured in nm; 0: the published one.
     */
    double getCoulombCutoff() const;
    /**
     * Set the damping of the DSF method, measured in 1/nm.  0 (the default) means the published
     * one.
     */
    void setCoulombAlpha(double alpha);
    /**
     * Get the damping of the DSF method, measured in 1/nm; 0: the published one.
     */
    double getCoulombAlpha() const;
    /**
     * Set the relative error of the Ewald and PME methods.  0 (the default) means the published
     * one.
     */
    void setEwaldErrorTolerance(double tolerance);
    /**
     * Get the relative error of the Ewald and PME methods; 0: the published one.
     */
    double getEwaldErrorTolerance() const;
    /**
     * Set whether to add the dispersion term that the model was published with.  The default is
     * true; it has no effect on models that have none.
     */
    void setUseDispersion(bool use);
    /**
     * Get whether to add the dispersion term that the model was published with.
     */
    bool getUseDispersion() const;
    /**
     * Set the cutoff of the dispersion term, measured in nm.  0 (the default) means the published
     * one.
     */
    void setDispersionCutoff(double cutoff);
    /**
     * Get the cutoff of the dispersion term, measured in nm; 0: the published one.
     */
    double getDispersionCutoff() const;

    /**
     * Name a global parameter that multiplies the energy.  Its default value is 1.  An empty name
     * (the default) means that there is none.
     */
    void setScaleParameter(const std::string& name);
    /**
     * Get the name of the global parameter that multiplies the energy.
     */
    const std::string& getScaleParameter() const;
    /**
     * Set the value that the scale parameter has in a new Context.  In one that exists,
     * Context::setParameter() changes the value.
     */
    void setScaleParameterDefaultValue(double value);
    /**
     * Get the value that the scale parameter has in a new Context.
     */
    double getScaleParameterDefaultValue() const;
    /**
     * Get the number of global parameters that the energy depends on: 1 with a scale parameter,
     * else 0.  This method and the next three are those of OpenMM's own forces, for programs that
     * look for parameters in any force.
     */
    int getNumGlobalParameters() const;
    /**
     * Get the name of a global parameter: getScaleParameter().
     *
     * @param index    the index of the parameter
     */
    const std::string& getGlobalParameterName(int index) const;
    /**
     * Get the value that a global parameter has in a new Context.
     *
     * @param index    the index of the parameter
     */
    double getGlobalParameterDefaultValue(int index) const;
    /**
     * Set the value that a global parameter has in a new Context.
     *
     * @param index           the index of the parameter
     * @param defaultValue    its value
     */
    void setGlobalParameterDefaultValue(int index, double defaultValue);
    /**
     * Request that this force compute the derivative of its energy with respect to the scale
     * parameter; read it with State::getEnergyParameterDerivatives().
     *
     * @param name    the name of the scale parameter
     */
    void addEnergyParameterDerivative(const std::string& name);
    /**
     * Get the number of parameters for which the derivative is computed: 0 or 1.
     */
    int getNumEnergyParameterDerivatives() const;
    /**
     * Get the name of a parameter for which the derivative is computed.
     */
    const std::string& getEnergyParameterDerivativeName(int index) const;
    /**
     * Set a constant that multiplies the energy, in addition to the scale parameter.  A factor of
     * -1 subtracts this potential, for multiple time step integrators.  The default is 1.
     */
    void setEnergyFactor(double factor);
    /**
     * Get the constant that multiplies the energy.
     */
    double getEnergyFactor() const;

    /**
     * Set how the OpenCL and CUDA platforms find pairs.  Other platforms take no notice.
     */
    void setEvaluationMode(EvaluationMode mode);
    /**
     * Get how the OpenCL and CUDA platforms find pairs.
     */
    EvaluationMode getEvaluationMode() const;
    /**
     * Set how many atoms an open region may have to be evaluated without lists in the mode Auto.
     * The default is 512.
     */
    void setDenseThreshold(int numAtoms);
    /**
     * Get how many atoms an open region may have to be evaluated without lists in the mode Auto.
     */
    int getDenseThreshold() const;
    /**
     * Set how the CUDA platform multiplies matrices.  Anything but Full is a choice for speed that
     * getExecutionInfo() reports; where the device or the model has no use for it, Full holds.
     * Other platforms, and Contexts in double precision, take no notice.
     */
    void setMatrixPrecision(MatrixPrecision precision);
    /**
     * Get how the CUDA platform multiplies matrices.
     */
    MatrixPrecision getMatrixPrecision() const;
    /**
     * Set whether the CUDA platform hands an evaluation to the device as one graph instead of
     * kernel by kernel.  The results are the same, bit for bit.  The default is true.  Other
     * platforms take no notice.
     */
    void setUseDeviceGraph(bool use);
    /**
     * Get whether the CUDA platform hands an evaluation to the device as one graph.
     */
    bool getUseDeviceGraph() const;

    /**
     * Set whether boxes and positions that no model was made for are refused.  The default is true:
     * an error names a box that cannot be meant, positions that a GPU in single precision rounds too
     * much, and, in an integrator's step, atoms closer than 0.6 of the sum of their covalent radii.
     * Such boxes are: less than 1 A^3 per atom of a region; a lattice vector of less than 1 A; the
     * cube of 1 A of dummy CRYST1 records; OpenMM's default cube of 2 nm in a Context that has had
     * no other box, if setIntendedBoxVectors() names another one.  Where it names none, that cube is
     * refused if no other force uses periodic boundary conditions, the System has fewer than 20 or
     * more than 180 particles per nm^3, and the box may matter: a region is not one molecule by
     * addBond(), or is in range of its images.  A box is judged at the first evaluation and when it
     * has changed.  With false, only what cannot be computed is refused.
     */
    void setCheckGeometry(bool check);
    /**
     * Get whether boxes and positions that no model was made for are refused.
     */
    bool getCheckGeometry() const;

    /**
     * Set whether a number of electrons that cannot have a region's multiplicity is refused.  The
     * default is true.  It concerns models with charges: with an odd number of electrons and a
     * multiplicity of 1, mostly, the total charge was forgotten.  With false they are computed: a
     * radical by a model for closed shells, for instance, as well as that model can.
     */
    void setCheckElectrons(bool check);
    /**
     * Get whether a number of electrons that cannot have a region's multiplicity is refused.
     */
    bool getCheckElectrons() const;

    /**
     * Check whatever can be checked without a Context, as the creation of a Context does; an
     * OpenMMException says what is wrong.  A Context that is refused by a force costs threads,
     * which OpenMM does not give back; this costs nothing.
     *
     * @param system    the System that has, or will have, this force
     */
    void validate(const System& system) const;

    /**
     * Copy the atomic numbers, the regions, their charges and multiplicities and the energy factor
     * of this object to an existing Context.
     */
    void updateParametersInContext(Context& context);

    /**
     * Get the charges of the atoms at the present positions of a Context, in the order of
     * addAtom(), measured in units of the proton charge.  With an ensemble: the mean.  Models
     * without charges: an OpenMMException.
     *
     * @param context         the Context
     * @param[out] charges    the charge of each atom
     * @param interruption    may end the computation between the members of an ensemble; may be null
     */
    void getAtomCharges(Context& context, std::vector<double>& charges,
                        MLFFInterruption* interruption = 0) const;
    /**
     * Get the terms of the energy at the present positions of a Context, measured in kJ/mol:
     * "network", "elements" and, for models with charges, "coulomb_short_range", "coulomb" and
     * "dispersion".  Before scale parameter and energy factor; they sum to the model's energy.
     * With an ensemble: the mean.
     *
     * @param context         the Context
     * @param interruption    may end the computation between the members of an ensemble; may be null
     */
    std::map<std::string, double> getEnergyComponents(Context& context,
                                                      MLFFInterruption* interruption = 0) const;
    /**
     * Get how well the members of an ensemble agree at the present positions of a Context.
     *
     * @param context         the Context
     * @param[out] energy     the unbiased standard deviation of the energy, measured in kJ/mol
     * @param[out] force      the largest, over the atoms, of the standard deviation of the force:
     *                        sqrt(sum over members and x y z of (F - mean)^2/(members - 1)),
     *                        measured in kJ/mol/nm
     * @param interruption    may end the computation between members; may be null
     */
    void getEnsembleDeviation(Context& context, double& energy, double& force,
                              MLFFInterruption* interruption = 0) const;
    /**
     * Get the second derivatives of the energy at the present positions of a Context, by central
     * differences of the analytic forces, measured in kJ/mol/nm^2.  Before scale parameter and
     * energy factor.  They have the precision of the platform's forces: about 1e-9 of the largest
     * on the Reference platform, 1e-5 to 1e-4 in single precision.
     *
     * @param context         the Context
     * @param[out] hessian    3n x 3n values, row by row, in the order of addAtom(); symmetric
     * @param interruption    may end the computation between evaluations, of which there are 12 per
     *                        atom; may be null
     */
    void computeHessian(Context& context, std::vector<double>& hessian,
                        MLFFInterruption* interruption = 0) const;
    /**
     * Get what is odd about the present positions of a Context: a sentence that names the two atoms
     * that overlap worst, closer than 0.6 of the sum of their covalent radii, periodic images
     * included.  An empty text if there is no such pair, or after setCheckGeometry(false).  In an
     * integrator's step such an overlap is an error; elsewhere the model's numbers for it are
     * returned, which have no meaning.
     */
    std::string getGeometryWarning(Context& context) const;
    /**
     * Get the Coulomb method that a Context uses: what Default stands for there.
     */
    CoulombMethod getCoulombMethodInContext(Context& context) const;
    /**
     * Get how a Context evaluates this force: names and values as text, for people, benchmarks and
     * bug reports.  "platform", "precision" and "mode" are always there; the rest depends on the
     * platform, see docs/execution-info.md.
     */
    std::map<std::string, std::string> getExecutionInfo(Context& context) const;

    /**
     * For use by the platforms: the checked model, never changed.  It lives as long as this force;
     * who keeps it longer calls mlff_model_retain() (mlff.h).
     */
    const mlff_model& getModel(int member = 0) const;
protected:
    ForceImpl* createImpl() const;
private:
    friend class MLFFForceProxy;
    struct RegionInfo {
        double totalCharge;
        int multiplicity;
    };
    struct AtomInfo {
        int particle, atomicNumber, region;
    };
    struct BondInfo {
        int particle1, particle2;
    };
    struct MemberInfo {
        std::string file;
        std::shared_ptr<const mlff_model> model;
    };
    void addMember(const MemberInfo& member);
    const MemberInfo& getMember(const char* method, int index) const;
    std::vector<MemberInfo> members;  // member 0 is the model of the constructor
    ModelStorage storage;
    std::vector<RegionInfo> regions;
    std::vector<AtomInfo> atoms;
    std::vector<BondInfo> bonds;
    bool periodic;
    CoulombMethod coulombMethod;
    double coulombCutoff, coulombAlpha, ewaldErrorTolerance;
    bool useDispersion;
    double dispersionCutoff;
    std::string scaleParameter;
    double scaleDefault, energyFactor;
    std::vector<std::string> derivatives;
    EvaluationMode evaluationMode = Auto;
    int denseThreshold = 512;
    MatrixPrecision matrixPrecision = Full;
    bool useDeviceGraph = true;
    bool checkGeometry = true;
    Vec3 intendedBox[3];
    bool checkElectrons = true;
};

} // namespace OpenMM

#endif /*OPENMM_MLFFFORCE_H_*/
