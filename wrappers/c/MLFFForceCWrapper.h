/*
 * MLFFForce for C programs, beside OpenMM's own C interface (OpenMMCWrapper.h).
 *
 *   OpenMM_MLFF_loadDefaultPlugins();
 *   OpenMM_MLFFForce *force = OpenMM_MLFFForce_create("painn-hcno-distilled.safetensors");
 *   if (!force)
 *       fprintf(stderr, "%s\n", OpenMM_MLFF_getLastError());
 *   OpenMM_MLFFForce_addAtom(force, 0, 8, 0);
 *   ...
 *   OpenMM_System_addForce(system, (OpenMM_Force *) force);
 *   OpenMM_Context *context = OpenMM_MLFF_createContext(system, integrator, NULL);
 *
 * Errors: OpenMM's C functions end the program when something is wrong. The functions here never
 * do. Each that can fail returns NULL instead of a pointer, or -1 instead of 0 or of an index or
 * count; OpenMM_MLFF_getLastError() then says what was wrong. A NULL argument is an error, not a
 * crash, where nothing else is said. The second half of this header has versions of those OpenMM
 * functions that fail in practice.
 *
 * Units are OpenMM's: nm, ps, kJ/mol, e. examples/md_in_c.c is a complete program.
 */
#ifndef OPENMM_MLFFFORCE_CWRAPPER_H_
#define OPENMM_MLFFFORCE_CWRAPPER_H_

#include "OpenMMCWrapper.h"
#include <stddef.h>

#if defined(__GNUC__)
#define OPENMM_MLFF_C_API __attribute__((visibility("default")))
#else
#define OPENMM_MLFF_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What went wrong in the last call of this thread that failed; "" if none did. Valid until the
   next call that fails. */
OPENMM_MLFF_C_API const char *OpenMM_MLFF_getLastError(void);

/* ------------------------------------------------------------------------------- force -- */

/* A force; (OpenMM_Force *) force is the same as an OpenMM force. */
typedef struct OpenMM_MLFFForce_struct OpenMM_MLFFForce;

/* How a saved System carries the model. */
typedef enum {
    OpenMM_MLFFForce_Embedded = 0, /* the XML holds the content of the model file */
    OpenMM_MLFFForce_Path = 1      /* the XML holds the path and the SHA-256 of the model file */
} OpenMM_MLFFForce_ModelStorage;

/* How the charges of a model with charges interact (default: Default). */
typedef enum {
    OpenMM_MLFFForce_Default = 0,   /* the published rule: for AIMNet2 Simple, or DSF if periodic */
    OpenMM_MLFFForce_NoCoulomb = 1, /* not at all */
    OpenMM_MLFFForce_Simple = 2,    /* all pairs; not periodic */
    OpenMM_MLFFForce_DSF = 3,       /* damped shifted force, a pair sum with a cutoff */
    OpenMM_MLFFForce_Ewald = 4,     /* Ewald summation; periodic only */
    OpenMM_MLFFForce_PME = 5        /* particle mesh Ewald; periodic only */
} OpenMM_MLFFForce_CoulombMethod;

/* How the OpenCL and CUDA platforms find pairs (default: Auto). */
typedef enum {
    OpenMM_MLFFForce_Auto = 0,  /* Dense for open regions of up to the dense threshold */
    OpenMM_MLFFForce_Dense = 1, /* without lists; not periodic */
    OpenMM_MLFFForce_Sparse = 2 /* lists with a skin */
} OpenMM_MLFFForce_EvaluationMode;

/* How the CUDA platform multiplies matrices in single and mixed precision (default: Full). */
typedef enum {
    OpenMM_MLFFForce_Full = 0,      /* in the precision of the Context */
    OpenMM_MLFFForce_SplitHalf = 1, /* on tensor cores, as pairs of halves: like single precision */
    OpenMM_MLFFForce_TF32 = 2       /* on tensor cores: errors of 1e-3 of the largest force */
} OpenMM_MLFFForce_MatrixPrecision;

/* A force with the model of a file, or of length bytes in memory (modelFile is then only a name).
   The force belongs to the caller until OpenMM_System_addForce(). NULL on failure. */
OPENMM_MLFF_C_API OpenMM_MLFFForce *OpenMM_MLFFForce_create(const char *modelFile);
OPENMM_MLFF_C_API OpenMM_MLFFForce *OpenMM_MLFFForce_create_2(const char *modelFile,
                                                              const void *content, size_t length);

/* For a force that no System owns; NULL is fine. */
OPENMM_MLFF_C_API void OpenMM_MLFFForce_destroy(OpenMM_MLFFForce *target);

/* A force taken from a System; NULL, an error, if it is not an MLFFForce. */
OPENMM_MLFF_C_API OpenMM_MLFFForce *OpenMM_MLFFForce_cast(OpenMM_Force *force);

/* The path as it was given; the SHA-256 of the content, 64 lower-case digits; "PaiNN"; what the
   model was trained on and what not ("" where the file does not say). The texts belong to the
   force. NULL on failure. */
OPENMM_MLFF_C_API const char *OpenMM_MLFFForce_getModelFile(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API const char *OpenMM_MLFFForce_getModelHash(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API const char *OpenMM_MLFFForce_getModelArchitecture(
    const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API const char *OpenMM_MLFFForce_getModelScope(const OpenMM_MLFFForce *target);

/* Range of one message passing layer, nm; -1 on failure. */
OPENMM_MLFF_C_API double OpenMM_MLFFForce_getModelCutoff(const OpenMM_MLFFForce *target);

/* The atomic numbers that the model knows, ascending: how many there are, and number index of
   them. -1 on failure. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getNumModelElements(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getModelElement(const OpenMM_MLFFForce *target, int index);

/* 1 if the model gives charges and honours a region's total charge, else 0; -1 on failure. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getModelHasCharges(const OpenMM_MLFFForce *target);

/* An OpenMM_MLFFForce_ModelStorage (default Embedded), or -1 on failure; 0 or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getModelStorage(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setModelStorage(OpenMM_MLFFForce *target, int storage);

/* Ensembles: energy, forces and charges are the mean of all members, which must be of the same
   kind; member 0 is the model of create. Add one of a file or of length bytes in memory: its index
   or -1. How many there are, 1 or more; -1 on failure. File and SHA-256 of one (texts of the
   force's); NULL on failure. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_addEnsembleMember(OpenMM_MLFFForce *target,
                                                         const char *modelFile);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_addEnsembleMember_2(OpenMM_MLFFForce *target,
                                                           const char *modelFile,
                                                           const void *content, size_t length);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getNumEnsembleMembers(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API const char *OpenMM_MLFFForce_getEnsembleMemberFile(
    const OpenMM_MLFFForce *target, int index);
OPENMM_MLFF_C_API const char *OpenMM_MLFFForce_getEnsembleMemberHash(
    const OpenMM_MLFFForce *target, int index);

/* ----------------------------------------------------------- regions, atoms and bonds -- */

/* Regions are molecules with their own charge sum (e) and multiplicity (2S+1); region 0 exists
   from the start. add: the index of the new one or -1; set and get: 0 or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_addRegion(OpenMM_MLFFForce *target, double totalCharge,
                                                 int multiplicity);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getNumRegions(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getRegionParameters(const OpenMM_MLFFForce *target,
                                                           int index, double *totalCharge,
                                                           int *multiplicity);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setRegionParameters(OpenMM_MLFFForce *target, int index,
                                                           double totalCharge, int multiplicity);

/* Atoms: which particles the network describes. Likewise. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_addAtom(OpenMM_MLFFForce *target, int particle,
                                               int atomicNumber, int region);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getNumAtoms(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getAtomParameters(const OpenMM_MLFFForce *target, int index,
                                                         int *particle, int *atomicNumber,
                                                         int *region);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setAtomParameters(OpenMM_MLFFForce *target, int index,
                                                         int particle, int atomicNumber,
                                                         int region);

/* Bonds have no energy: they say what is one molecule. Likewise. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_addBond(OpenMM_MLFFForce *target, int particle1,
                                               int particle2);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getNumBonds(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getBondParameters(const OpenMM_MLFFForce *target, int index,
                                                         int *particle1, int *particle2);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setBondParameters(OpenMM_MLFFForce *target, int index,
                                                         int particle1, int particle2);

/* -------------------------------------------------------------------- box and parameters -- */

/* Whether the network sees the periodic images of its atoms (default: no): 0 or -1; 0, 1 or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setUsesPeriodicBoundaryConditions(OpenMM_MLFFForce *target,
                                                                         OpenMM_Boolean periodic);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_usesPeriodicBoundaryConditions(
    const OpenMM_MLFFForce *target);

/* An OpenMM_MLFFForce_CoulombMethod: 0 or -1; the method or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setCoulombMethod(OpenMM_MLFFForce *target, int method);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getCoulombMethod(const OpenMM_MLFFForce *target);

/* Cutoff (nm) and damping (1/nm) of DSF, relative error of Ewald and PME, cutoff of the dispersion
   (nm); 0, the default, means the published value. The setters return 0 or -1, the getters NaN on
   failure. A value that cannot take effect is refused when a Context is created. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setCoulombCutoff(OpenMM_MLFFForce *target, double cutoff);
OPENMM_MLFF_C_API double OpenMM_MLFFForce_getCoulombCutoff(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setCoulombAlpha(OpenMM_MLFFForce *target, double alpha);
OPENMM_MLFF_C_API double OpenMM_MLFFForce_getCoulombAlpha(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setEwaldErrorTolerance(OpenMM_MLFFForce *target,
                                                              double tolerance);
OPENMM_MLFF_C_API double OpenMM_MLFFForce_getEwaldErrorTolerance(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setDispersionCutoff(OpenMM_MLFFForce *target,
                                                           double cutoff);
OPENMM_MLFF_C_API double OpenMM_MLFFForce_getDispersionCutoff(const OpenMM_MLFFForce *target);

/* Whether to add the dispersion that the model was published with (default: yes): 0 or -1; 0, 1 or
   -1. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setUseDispersion(OpenMM_MLFFForce *target,
                                                        OpenMM_Boolean use);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getUseDispersion(const OpenMM_MLFFForce *target);

/* The global parameter that multiplies the energy, "" for none; its value in a new Context. The
   setters return 0 or -1, the getters NULL (a text of the force's) or NaN on failure. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setScaleParameter(OpenMM_MLFFForce *target,
                                                         const char *name);
OPENMM_MLFF_C_API const char *OpenMM_MLFFForce_getScaleParameter(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setScaleParameterDefaultValue(OpenMM_MLFFForce *target,
                                                                     double value);
OPENMM_MLFF_C_API double OpenMM_MLFFForce_getScaleParameterDefaultValue(
    const OpenMM_MLFFForce *target);

/* The same by the names that OpenMM's own forces have: how many global parameters there are (0 or 1),
   -1 on failure; a name, NULL on failure (a text of the force's); a default value, NaN on failure;
   0 or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getNumGlobalParameters(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API const char *OpenMM_MLFFForce_getGlobalParameterName(
    const OpenMM_MLFFForce *target, int index);
OPENMM_MLFF_C_API double OpenMM_MLFFForce_getGlobalParameterDefaultValue(
    const OpenMM_MLFFForce *target, int index);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setGlobalParameterDefaultValue(OpenMM_MLFFForce *target,
                                                                      int index, double value);

/* The derivative of the energy by the scale parameter: ask for it, 0 or -1; how many are asked
   for; their names, NULL on failure. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_addEnergyParameterDerivative(OpenMM_MLFFForce *target,
                                                                    const char *name);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getNumEnergyParameterDerivatives(
    const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API const char *OpenMM_MLFFForce_getEnergyParameterDerivativeName(
    const OpenMM_MLFFForce *target, int index);

/* A constant that multiplies the energy (default 1): 0 or -1; NaN on failure. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setEnergyFactor(OpenMM_MLFFForce *target, double factor);
OPENMM_MLFF_C_API double OpenMM_MLFFForce_getEnergyFactor(const OpenMM_MLFFForce *target);

/* How the GPU platforms work, see the enumerations above: 0 or -1; the choice or -1. The dense
   threshold is a number of atoms (default 512), UseDeviceGraph a choice (default: yes) whether CUDA
   gets an evaluation as one graph. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setEvaluationMode(OpenMM_MLFFForce *target, int mode);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getEvaluationMode(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setDenseThreshold(OpenMM_MLFFForce *target, int numAtoms);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getDenseThreshold(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setMatrixPrecision(OpenMM_MLFFForce *target,
                                                          int precision);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getMatrixPrecision(const OpenMM_MLFFForce *target);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setUseDeviceGraph(OpenMM_MLFFForce *target,
                                                         OpenMM_Boolean use);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getUseDeviceGraph(const OpenMM_MLFFForce *target);

/* The box that the System is meant to have, nm; all zero (the default): not known. Sets no box: an
   evaluation in OpenMM's default box while another one is intended is an error. 0 or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setIntendedBoxVectors(OpenMM_MLFFForce *target,
                                                             const OpenMM_Vec3 *a,
                                                             const OpenMM_Vec3 *b,
                                                             const OpenMM_Vec3 *c);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getIntendedBoxVectors(const OpenMM_MLFFForce *target,
                                                             OpenMM_Vec3 *a, OpenMM_Vec3 *b,
                                                             OpenMM_Vec3 *c);

/* Whether boxes and positions that no model was made for are refused (default: yes). */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setCheckGeometry(OpenMM_MLFFForce *target,
                                                        OpenMM_Boolean check);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getCheckGeometry(const OpenMM_MLFFForce *target);

/* Whether a number of electrons that cannot have a region's multiplicity is refused, for models with
   charges (default: yes). */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_setCheckElectrons(OpenMM_MLFFForce *target,
                                                         OpenMM_Boolean check);
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getCheckElectrons(const OpenMM_MLFFForce *target);

/* Check whatever can be checked without a Context: 0, or -1 and the message says what is wrong. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_validate(const OpenMM_MLFFForce *target,
                                                const OpenMM_System *system);

/* Copy atomic numbers, regions, their charges and multiplicities, and the energy factor to a
   Context. 0 or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_updateParametersInContext(OpenMM_MLFFForce *target,
                                                                 OpenMM_Context *context);

/* ------------------------------------------------------------------ with a Context -- */

/* What follows is about the present positions of a Context, before scale parameter and energy
   factor, and the mean of an ensemble. Arrays belong to the caller, who gives their length in
   values; it must be the right one. 0 or -1. */

/* [number of atoms] e, in the order of addAtom; models with charges only. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getAtomCharges(const OpenMM_MLFFForce *target,
                                                      OpenMM_Context *context, double *charges,
                                                      size_t length);

/* One term of the energy, kJ/mol: "network", "elements" and, for models with charges,
   "coulomb_short_range", "coulomb", "dispersion". They sum to the model's energy. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getEnergyComponent(const OpenMM_MLFFForce *target,
                                                          OpenMM_Context *context,
                                                          const char *name, double *value);

/* Unbiased standard deviation of the members' energies, kJ/mol, and the largest, over the atoms,
   of that of their forces, kJ/mol/nm; two members or more. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getEnsembleDeviation(const OpenMM_MLFFForce *target,
                                                            OpenMM_Context *context,
                                                            double *energy, double *force);

/* Second derivatives of the energy, kJ/mol/nm^2: [3 n][3 n] for n atoms, symmetric. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_computeHessian(const OpenMM_MLFFForce *target,
                                                      OpenMM_Context *context, double *hessian,
                                                      size_t length);

/* The OpenMM_MLFFForce_CoulombMethod that a Context uses: what Default stands for there; -1 on
   failure. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getCoulombMethodInContext(const OpenMM_MLFFForce *target,
                                                                 OpenMM_Context *context);

/* How a Context evaluates the force: "name: value" lines, see docs/execution-info.md, with a 0 at
   the end, in text, which has room for length characters. The number of characters that it takes,
   the 0 not counted, or -1; of a text that has no room only the start is there. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getExecutionInfo(const OpenMM_MLFFForce *target,
                                                        OpenMM_Context *context, char *text,
                                                        size_t length);

/* The sentence about atoms that overlap at the present positions, "" if there is none, in text as
   above. The number of characters that it takes, or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFFForce_getGeometryWarning(const OpenMM_MLFFForce *target,
                                                          OpenMM_Context *context, char *text,
                                                          size_t length);

/* ------------------------------------------------------- OpenMM's functions, with errors -- */

/* Load every plugin of a folder. -1 if it has none that can be loaded, or if a plugin of MLFFForce
   fails for a platform that is there; that others fail is no error. OpenMM's own plugins (platform
   CPU and the GPUs) must come first. */
OPENMM_MLFF_C_API int OpenMM_MLFF_loadPlugins(const char *folder);

/* Load the plugins of OpenMM and of MLFFForce from where they are installed: the folder that the
   environment variable OPENMM_PLUGIN_DIR names, if it is set; else the folders "plugins" beside the
   libraries libOpenMM and libOpenMMMLFF (pip installs all plugins into one); else the one of
   OpenMM_Platform_getDefaultPluginsDirectory(). Call it once. -1 if no platform computes MLFFForce
   afterwards, with the names of the folders, or if a plugin fails as in OpenMM_MLFF_loadPlugins. */
OPENMM_MLFF_C_API int OpenMM_MLFF_loadDefaultPlugins(void);

/* NULL on failure, with the names of the platforms that exist. */
OPENMM_MLFF_C_API OpenMM_Platform *OpenMM_MLFF_getPlatformByName(const char *name);

/* platformName NULL: the fastest platform that can do it. The Context belongs to the caller
   (OpenMM_Context_destroy); NULL on failure, the integrator can then be used again. */
OPENMM_MLFF_C_API OpenMM_Context *OpenMM_MLFF_createContext(const OpenMM_System *system,
                                                            OpenMM_Integrator *integrator,
                                                            const char *platformName);

/* nm, one for each particle of the System; ps and K. 0 or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFF_setPositions(OpenMM_Context *context,
                                               const OpenMM_Vec3Array *positions);
OPENMM_MLFF_C_API int OpenMM_MLFF_setVelocitiesToTemperature(OpenMM_Context *context,
                                                             double temperature, int randomSeed);
OPENMM_MLFF_C_API int OpenMM_MLFF_setPeriodicBoxVectors(OpenMM_Context *context,
                                                        const OpenMM_Vec3 *a, const OpenMM_Vec3 *b,
                                                        const OpenMM_Vec3 *c);

/* Advance the simulation, whatever the kind of integrator. 0 or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFF_step(OpenMM_Integrator *integrator, int steps);

/* types: OpenMM_State_Energy and so on, added. The State belongs to the caller
   (OpenMM_State_destroy); NULL on failure. */
OPENMM_MLFF_C_API OpenMM_State *OpenMM_MLFF_getState(const OpenMM_Context *context, int types,
                                                     OpenMM_Boolean enforcePeriodicBox);

/* A global parameter of the Context. 0 or -1; value is set on success only. */
OPENMM_MLFF_C_API int OpenMM_MLFF_setParameter(OpenMM_Context *context, const char *name,
                                               double value);
OPENMM_MLFF_C_API int OpenMM_MLFF_getParameter(OpenMM_Context *context, const char *name,
                                               double *value);

/* Minimize the energy until the forces' root mean square is below tolerance (kJ/mol/nm), or
   maxIterations (0: no limit). 0 or -1. */
OPENMM_MLFF_C_API int OpenMM_MLFF_minimizeEnergy(OpenMM_Context *context, double tolerance,
                                                 int maxIterations);

/* A System as XML, and back. Give the text to OpenMM_MLFF_freeString(); the System belongs to the
   caller (OpenMM_System_destroy). NULL on failure. */
OPENMM_MLFF_C_API char *OpenMM_MLFF_serializeSystem(const OpenMM_System *system);
OPENMM_MLFF_C_API OpenMM_System *OpenMM_MLFF_deserializeSystem(const char *xml);
OPENMM_MLFF_C_API void OpenMM_MLFF_freeString(char *text); /* NULL is fine */

#ifdef __cplusplus
}
#endif
#endif
