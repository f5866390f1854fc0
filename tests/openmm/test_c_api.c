/* The C functions: every one used, every one misused. None may end the program. */
#include "MLFFForceCWrapper.h"
#include "check.h"
#include "leak_scope.h"

/* The call must give the failure value and a last error that contains the text. */
#define CHECK_ERROR(text, condition)                                                              \
    do {                                                                                          \
        check_count++;                                                                            \
        if (!(condition))                                                                         \
            CHECK_SAY("no failure: %s", #condition);                                              \
        else if (!strstr(OpenMM_MLFF_getLastError(), (text)))                                     \
            CHECK_SAY("%s: expected an error with \"%s\", found: %s", #condition, (text),         \
                      OpenMM_MLFF_getLastError());                                                \
    } while (0)

#define CHECK_ZERO(call)                                                                          \
    do {                                                                                          \
        check_count++;                                                                            \
        if ((call) != 0)                                                                          \
            CHECK_SAY("%s: %s", #call, OpenMM_MLFF_getLastError());                               \
    } while (0)

static const char *model_path(void) {
    return check_path("MLFF_MODELS", "painn-hcno-distilled.safetensors");
}

/* -------------------------------------------------------------------------------- water -- */

/* A water, angstrom. */
static const int WATER_Z[3] = {8, 1, 1};
static const double WATER[3][3] = {{0, 0, 0.118}, {0, 0.757, -0.472}, {0, -0.757, -0.472}};

static OpenMM_System *make_water(OpenMM_MLFFForce **force) {
    OpenMM_System *system = OpenMM_System_create();
    *force = OpenMM_MLFFForce_create(model_path());
    for (int i = 0; i < 3; i++) {
        OpenMM_System_addParticle(system, i == 0 ? 16 : 1);
        CHECK(OpenMM_MLFFForce_addAtom(*force, i, WATER_Z[i], 0) == i);
    }
    OpenMM_System_addForce(system, (OpenMM_Force *) *force);
    return system;
}

static OpenMM_Vec3Array *water_positions(void) {
    OpenMM_Vec3Array *positions = OpenMM_Vec3Array_create(0);
    for (int i = 0; i < 3; i++)
        OpenMM_Vec3Array_append(positions, (OpenMM_Vec3){0.1 * WATER[i][0], 0.1 * WATER[i][1],
                                                         0.1 * WATER[i][2]});
    return positions;
}

static OpenMM_Integrator *make_verlet(double step) {
    return (OpenMM_Integrator *) OpenMM_VerletIntegrator_create(step);
}

static void destroy_verlet(OpenMM_Integrator *integrator) {
    OpenMM_VerletIntegrator_destroy((OpenMM_VerletIntegrator *) integrator);
}

static double potential(OpenMM_Context *context) {
    OpenMM_State *state = OpenMM_MLFF_getState(context, OpenMM_State_Energy, OpenMM_False);
    CHECK(state != NULL);
    if (!state)
        return NAN;
    const double energy = OpenMM_State_getPotentialEnergy(state);
    OpenMM_State_destroy(state);
    return energy;
}

/* -------------------------------------------------------------------------------- force -- */

static void test_model(void) {
    OpenMM_MLFFForce *force = OpenMM_MLFFForce_create(model_path());
    CHECK(force != NULL);
    CHECK(!strcmp(OpenMM_MLFFForce_getModelFile(force), model_path()));
    CHECK(strlen(OpenMM_MLFFForce_getModelHash(force)) == 64);
    CHECK(!strcmp(OpenMM_MLFFForce_getModelArchitecture(force), "PaiNN"));
    CHECK(strstr(OpenMM_MLFFForce_getModelScope(force), "3 to 36 atoms") != NULL);
    CHECK_NEAR(0.5, OpenMM_MLFFForce_getModelCutoff(force), 1e-15);
    CHECK(OpenMM_MLFFForce_getNumModelElements(force) == 5);
    CHECK(OpenMM_MLFFForce_getModelElement(force, 0) == 1);
    CHECK(OpenMM_MLFFForce_getModelElement(force, 4) == 16);
    CHECK_ERROR("element index 5", OpenMM_MLFFForce_getModelElement(force, 5) == -1);
    CHECK_ERROR("element index -1", OpenMM_MLFFForce_getModelElement(force, -1) == -1);
    CHECK(OpenMM_MLFFForce_getModelHasCharges(force) == 0);
    CHECK(OpenMM_MLFFForce_getModelStorage(force) == OpenMM_MLFFForce_Embedded);
    CHECK_ZERO(OpenMM_MLFFForce_setModelStorage(force, OpenMM_MLFFForce_Path));
    CHECK(OpenMM_MLFFForce_getModelStorage(force) == OpenMM_MLFFForce_Path);
    CHECK_ERROR("not a way", OpenMM_MLFFForce_setModelStorage(
                                 force, 2) == -1);
    OpenMM_MLFFForce_destroy(force);
    OpenMM_MLFFForce_destroy(NULL);

    CHECK_ERROR("no-such-file", OpenMM_MLFFForce_create("no-such-file") == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_create(NULL) == NULL);
    CHECK_ERROR("some-name", OpenMM_MLFFForce_create_2("some-name", "xyz", 3) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_create_2("some-name", NULL, 3) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_create_2(NULL, "xyz", 3) == NULL);
}

static void test_model_in_memory(void) {
    FILE *file = fopen(model_path(), "rb");
    CHECK(file != NULL);
    if (!file)
        return;
    enum { CAPACITY = 1 << 21 };
    char *bytes = malloc(CAPACITY);
    const size_t size = fread(bytes, 1, CAPACITY, file);
    fclose(file);
    OpenMM_MLFFForce *force = OpenMM_MLFFForce_create_2("in memory", bytes, size);
    CHECK(force != NULL);
    free(bytes);
    CHECK(!strcmp(OpenMM_MLFFForce_getModelFile(force), "in memory"));
    OpenMM_MLFFForce_destroy(force);
}

static void test_regions_atoms_bonds(void) {
    OpenMM_MLFFForce *force = OpenMM_MLFFForce_create(model_path());
    double charge = 0;
    int a = 0, b = 0, c = 0;
    CHECK(OpenMM_MLFFForce_getNumRegions(force) == 1);
    CHECK(OpenMM_MLFFForce_addRegion(force, -1, 2) == 1);
    CHECK_ZERO(OpenMM_MLFFForce_setRegionParameters(force, 1, 0.5, 3));
    CHECK_ZERO(OpenMM_MLFFForce_getRegionParameters(force, 1, &charge, &a));
    CHECK(charge == 0.5 && a == 3);
    CHECK_ERROR("region index 2",
                OpenMM_MLFFForce_getRegionParameters(force, 2, &charge, &a) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getRegionParameters(force, 1, NULL, &a) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getRegionParameters(force, 1, &charge, NULL) == -1);
    CHECK_ERROR("region index -1", OpenMM_MLFFForce_setRegionParameters(force, -1, 0, 1) == -1);

    CHECK(OpenMM_MLFFForce_addAtom(force, 7, 6, 1) == 0);
    CHECK(OpenMM_MLFFForce_getNumAtoms(force) == 1);
    CHECK_ZERO(OpenMM_MLFFForce_setAtomParameters(force, 0, 8, 7, 0));
    CHECK_ZERO(OpenMM_MLFFForce_getAtomParameters(force, 0, &a, &b, &c));
    CHECK(a == 8 && b == 7 && c == 0);
    CHECK_ERROR("atom index 1", OpenMM_MLFFForce_getAtomParameters(force, 1, &a, &b, &c) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getAtomParameters(force, 0, &a, NULL, &c) == -1);
    CHECK_ERROR("atom index -1", OpenMM_MLFFForce_setAtomParameters(force, -1, 0, 0, 0) == -1);

    CHECK(OpenMM_MLFFForce_addBond(force, 1, 2) == 0);
    CHECK(OpenMM_MLFFForce_getNumBonds(force) == 1);
    CHECK_ZERO(OpenMM_MLFFForce_setBondParameters(force, 0, 3, 4));
    CHECK_ZERO(OpenMM_MLFFForce_getBondParameters(force, 0, &a, &b));
    CHECK(a == 3 && b == 4);
    CHECK_ERROR("bond index 1", OpenMM_MLFFForce_getBondParameters(force, 1, &a, &b) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getBondParameters(force, 0, NULL, &b) == -1);
    CHECK_ERROR("bond index 1", OpenMM_MLFFForce_setBondParameters(force, 1, 0, 0) == -1);
    OpenMM_MLFFForce_destroy(force);
}

static void test_box_and_parameters(void) {
    OpenMM_MLFFForce *force = OpenMM_MLFFForce_create(model_path());
    CHECK(OpenMM_MLFFForce_usesPeriodicBoundaryConditions(force) == 0);
    CHECK_ZERO(OpenMM_MLFFForce_setUsesPeriodicBoundaryConditions(force, OpenMM_True));
    CHECK(OpenMM_MLFFForce_usesPeriodicBoundaryConditions(force) == 1);
    CHECK(!strcmp(OpenMM_MLFFForce_getScaleParameter(force), ""));
    CHECK_ZERO(OpenMM_MLFFForce_setScaleParameter(force, "lambda"));
    CHECK(!strcmp(OpenMM_MLFFForce_getScaleParameter(force), "lambda"));
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setScaleParameter(force, NULL) == -1);
    CHECK_ZERO(OpenMM_MLFFForce_setScaleParameterDefaultValue(force, 0.5));
    CHECK(OpenMM_MLFFForce_getScaleParameterDefaultValue(force) == 0.5);
    CHECK(OpenMM_MLFFForce_getNumGlobalParameters(force) == 1);
    CHECK(!strcmp(OpenMM_MLFFForce_getGlobalParameterName(force, 0), "lambda"));
    CHECK(OpenMM_MLFFForce_getGlobalParameterDefaultValue(force, 0) == 0.5);
    CHECK_ZERO(OpenMM_MLFFForce_setGlobalParameterDefaultValue(force, 0, 0.75));
    CHECK(OpenMM_MLFFForce_getScaleParameterDefaultValue(force) == 0.75);
    CHECK_ERROR("global parameter index 1",
                OpenMM_MLFFForce_getGlobalParameterName(force, 1) == NULL);
    CHECK_ERROR("global parameter index -1",
                isnan(OpenMM_MLFFForce_getGlobalParameterDefaultValue(force, -1)));
    CHECK_ERROR("global parameter index 1",
                OpenMM_MLFFForce_setGlobalParameterDefaultValue(force, 1, 0.5) == -1);
    CHECK(OpenMM_MLFFForce_getNumEnergyParameterDerivatives(force) == 0);
    CHECK_ERROR("derivative index 0",
                OpenMM_MLFFForce_getEnergyParameterDerivativeName(force, 0) == NULL);
    CHECK_ZERO(OpenMM_MLFFForce_addEnergyParameterDerivative(force, "lambda"));
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addEnergyParameterDerivative(force, NULL) == -1);
    CHECK(OpenMM_MLFFForce_getNumEnergyParameterDerivatives(force) == 1);
    CHECK(!strcmp(OpenMM_MLFFForce_getEnergyParameterDerivativeName(force, 0), "lambda"));
    CHECK(OpenMM_MLFFForce_getEnergyFactor(force) == 1);
    CHECK_ZERO(OpenMM_MLFFForce_setEnergyFactor(force, -1));
    CHECK(OpenMM_MLFFForce_getEnergyFactor(force) == -1);
    OpenMM_MLFFForce_destroy(force);
}

/* ---------------------------------------------------------------- charges, ensembles -- */

static const char *charged_model_path(void) {
    return check_path("MLFF_TEST_DATA", "aimnet2/published-4x4.safetensors");
}

static void test_coulomb_settings(void) {
    OpenMM_MLFFForce *force = OpenMM_MLFFForce_create(charged_model_path());
    CHECK(OpenMM_MLFFForce_getModelHasCharges(force) == 1);
    CHECK(OpenMM_MLFFForce_getCoulombMethod(force) == OpenMM_MLFFForce_Default);
    CHECK_ZERO(OpenMM_MLFFForce_setCoulombMethod(force, OpenMM_MLFFForce_PME));
    CHECK(OpenMM_MLFFForce_getCoulombMethod(force) == OpenMM_MLFFForce_PME);
    CHECK_ERROR("6 is not a Coulomb method", OpenMM_MLFFForce_setCoulombMethod(force, 6) == -1);
    CHECK_ERROR("-1 is not a Coulomb method", OpenMM_MLFFForce_setCoulombMethod(force, -1) == -1);
    CHECK(OpenMM_MLFFForce_getCoulombCutoff(force) == 0);
    CHECK_ZERO(OpenMM_MLFFForce_setCoulombCutoff(force, 1.5));
    CHECK(OpenMM_MLFFForce_getCoulombCutoff(force) == 1.5);
    CHECK(OpenMM_MLFFForce_getCoulombAlpha(force) == 0);
    CHECK_ZERO(OpenMM_MLFFForce_setCoulombAlpha(force, 2.5));
    CHECK(OpenMM_MLFFForce_getCoulombAlpha(force) == 2.5);
    CHECK(OpenMM_MLFFForce_getEwaldErrorTolerance(force) == 0);
    CHECK_ZERO(OpenMM_MLFFForce_setEwaldErrorTolerance(force, 1e-4));
    CHECK(OpenMM_MLFFForce_getEwaldErrorTolerance(force) == 1e-4);
    CHECK(OpenMM_MLFFForce_getDispersionCutoff(force) == 0);
    CHECK_ZERO(OpenMM_MLFFForce_setDispersionCutoff(force, 1.25));
    CHECK(OpenMM_MLFFForce_getDispersionCutoff(force) == 1.25);
    CHECK(OpenMM_MLFFForce_getUseDispersion(force) == 1);
    CHECK_ZERO(OpenMM_MLFFForce_setUseDispersion(force, OpenMM_False));
    CHECK(OpenMM_MLFFForce_getUseDispersion(force) == 0);
    OpenMM_MLFFForce_destroy(force);
}

static void test_execution_settings(void) {
    OpenMM_MLFFForce *force = OpenMM_MLFFForce_create(model_path());
    CHECK(OpenMM_MLFFForce_getEvaluationMode(force) == OpenMM_MLFFForce_Auto);
    CHECK_ZERO(OpenMM_MLFFForce_setEvaluationMode(force, OpenMM_MLFFForce_Dense));
    CHECK(OpenMM_MLFFForce_getEvaluationMode(force) == OpenMM_MLFFForce_Dense);
    CHECK_ERROR("3 is not an evaluation mode", OpenMM_MLFFForce_setEvaluationMode(force, 3) == -1);
    CHECK(OpenMM_MLFFForce_getDenseThreshold(force) == 512);
    CHECK_ZERO(OpenMM_MLFFForce_setDenseThreshold(force, 0));
    CHECK(OpenMM_MLFFForce_getDenseThreshold(force) == 0);
    CHECK(OpenMM_MLFFForce_getMatrixPrecision(force) == OpenMM_MLFFForce_Full);
    CHECK_ZERO(OpenMM_MLFFForce_setMatrixPrecision(force, OpenMM_MLFFForce_SplitHalf));
    CHECK(OpenMM_MLFFForce_getMatrixPrecision(force) == OpenMM_MLFFForce_SplitHalf);
    CHECK_ERROR("-1 is not a matrix precision",
                OpenMM_MLFFForce_setMatrixPrecision(force, -1) == -1);
    CHECK(OpenMM_MLFFForce_getUseDeviceGraph(force) == 1);
    CHECK_ZERO(OpenMM_MLFFForce_setUseDeviceGraph(force, OpenMM_False));
    CHECK(OpenMM_MLFFForce_getUseDeviceGraph(force) == 0);
    CHECK(OpenMM_MLFFForce_getCheckGeometry(force) == 1);
    CHECK_ZERO(OpenMM_MLFFForce_setCheckGeometry(force, OpenMM_False));
    CHECK(OpenMM_MLFFForce_getCheckGeometry(force) == 0);
    OpenMM_Vec3 a = {9, 9, 9}, b = a, c = a;
    CHECK_ZERO(OpenMM_MLFFForce_getIntendedBoxVectors(force, &a, &b, &c));
    CHECK(a.x == 0 && b.y == 0 && c.z == 0);
    a = (OpenMM_Vec3){3, 0, 0}, b = (OpenMM_Vec3){1, 4, 0}, c = (OpenMM_Vec3){-1, 2, 5};
    CHECK_ZERO(OpenMM_MLFFForce_setIntendedBoxVectors(force, &a, &b, &c));
    OpenMM_Vec3 now[3];
    CHECK_ZERO(OpenMM_MLFFForce_getIntendedBoxVectors(force, now, now + 1, now + 2));
    CHECK(now[0].x == 3 && now[1].x == 1 && now[1].y == 4 && now[2].y == 2 && now[2].z == 5);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setIntendedBoxVectors(force, &a, NULL, &c) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getIntendedBoxVectors(force, &a, &b, NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getIntendedBoxVectors(NULL, &a, &b, &c) == -1);
    CHECK(OpenMM_MLFFForce_getCheckElectrons(force) == 1);
    CHECK_ZERO(OpenMM_MLFFForce_setCheckElectrons(force, OpenMM_False));
    CHECK(OpenMM_MLFFForce_getCheckElectrons(force) == 0);
    OpenMM_System* empty = OpenMM_System_create();
    CHECK_ERROR("the force has no atoms", OpenMM_MLFFForce_validate(force, empty) == -1);
    OpenMM_System_addParticle(empty, 1.0);
    OpenMM_MLFFForce_addAtom(force, 0, 1, 0);
    CHECK_ZERO(OpenMM_MLFFForce_validate(force, empty));
    OpenMM_System_destroy(empty);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_validate(NULL, NULL) == -1);
    OpenMM_MLFFForce_destroy(force);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setEvaluationMode(NULL, 0) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEvaluationMode(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setDenseThreshold(NULL, 0) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getDenseThreshold(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setMatrixPrecision(NULL, 0) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getMatrixPrecision(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setUseDeviceGraph(NULL, OpenMM_True) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getUseDeviceGraph(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getExecutionInfo(NULL, NULL, NULL, 0) == -1);
}

static void test_ensemble(void) {
    OpenMM_MLFFForce *force = OpenMM_MLFFForce_create(charged_model_path());
    CHECK(OpenMM_MLFFForce_getNumEnsembleMembers(force) == 1);
    CHECK(OpenMM_MLFFForce_addEnsembleMember(force, charged_model_path()) == 1);
    CHECK(OpenMM_MLFFForce_getNumEnsembleMembers(force) == 2);
    CHECK(!strcmp(OpenMM_MLFFForce_getEnsembleMemberFile(force, 1), charged_model_path()));
    CHECK(!strcmp(OpenMM_MLFFForce_getEnsembleMemberHash(force, 1),
                  OpenMM_MLFFForce_getModelHash(force)));
    CHECK_ERROR("member index 2", OpenMM_MLFFForce_getEnsembleMemberFile(force, 2) == NULL);
    CHECK_ERROR("member index -1", OpenMM_MLFFForce_getEnsembleMemberHash(force, -1) == NULL);
    CHECK_ERROR("not of the same kind",
                OpenMM_MLFFForce_addEnsembleMember(force, model_path()) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addEnsembleMember(force, NULL) == -1);
    CHECK_ERROR("some-name", OpenMM_MLFFForce_addEnsembleMember_2(force, "some-name", "xyz", 3)
                                 == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addEnsembleMember_2(force, "some-name", NULL, 3) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addEnsembleMember_2(force, NULL, "xyz", 3) == -1);
    CHECK(OpenMM_MLFFForce_getNumEnsembleMembers(force) == 2);
    OpenMM_MLFFForce_destroy(force);
}

static void test_null_force(void) {
    double d;
    int i;
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addEnsembleMember(NULL, "x") == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addEnsembleMember_2(NULL, "x", "x", 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getNumEnsembleMembers(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEnsembleMemberFile(NULL, 0) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEnsembleMemberHash(NULL, 0) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setCoulombMethod(NULL, 0) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getCoulombMethod(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setCoulombCutoff(NULL, 1) == -1);
    CHECK_ERROR("NULL", isnan(OpenMM_MLFFForce_getCoulombCutoff(NULL)));
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setCoulombAlpha(NULL, 1) == -1);
    CHECK_ERROR("NULL", isnan(OpenMM_MLFFForce_getCoulombAlpha(NULL)));
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setEwaldErrorTolerance(NULL, 1) == -1);
    CHECK_ERROR("NULL", isnan(OpenMM_MLFFForce_getEwaldErrorTolerance(NULL)));
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setDispersionCutoff(NULL, 1) == -1);
    CHECK_ERROR("NULL", isnan(OpenMM_MLFFForce_getDispersionCutoff(NULL)));
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setUseDispersion(NULL, OpenMM_True) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getUseDispersion(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getAtomCharges(NULL, NULL, &d, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEnergyComponent(NULL, NULL, "x", &d) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEnsembleDeviation(NULL, NULL, &d, &d) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_computeHessian(NULL, NULL, &d, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getCoulombMethodInContext(NULL, NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_cast(NULL) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getModelFile(NULL) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getModelHash(NULL) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getModelArchitecture(NULL) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getModelCutoff(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getNumModelElements(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getModelElement(NULL, 0) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getModelHasCharges(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getModelStorage(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setModelStorage(NULL, OpenMM_MLFFForce_Path) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addRegion(NULL, 0, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getNumRegions(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getRegionParameters(NULL, 0, &d, &i) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setRegionParameters(NULL, 0, 0, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addAtom(NULL, 0, 1, 0) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getNumAtoms(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getAtomParameters(NULL, 0, &i, &i, &i) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setAtomParameters(NULL, 0, 0, 1, 0) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addBond(NULL, 0, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getNumBonds(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getBondParameters(NULL, 0, &i, &i) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setBondParameters(NULL, 0, 0, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setUsesPeriodicBoundaryConditions(NULL, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_usesPeriodicBoundaryConditions(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setScaleParameter(NULL, "x") == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getScaleParameter(NULL) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setScaleParameterDefaultValue(NULL, 1) == -1);
    CHECK_ERROR("NULL", isnan(OpenMM_MLFFForce_getScaleParameterDefaultValue(NULL)));
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getNumGlobalParameters(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getGlobalParameterName(NULL, 0) == NULL);
    CHECK_ERROR("NULL", isnan(OpenMM_MLFFForce_getGlobalParameterDefaultValue(NULL, 0)));
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setGlobalParameterDefaultValue(NULL, 0, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_addEnergyParameterDerivative(NULL, "x") == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getNumEnergyParameterDerivatives(NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEnergyParameterDerivativeName(NULL, 0) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_setEnergyFactor(NULL, 1) == -1);
    CHECK_ERROR("NULL", isnan(OpenMM_MLFFForce_getEnergyFactor(NULL)));
    CHECK_ERROR("NULL", OpenMM_MLFFForce_updateParametersInContext(NULL, NULL) == -1);
}

/* ------------------------------------------------------------------------------- OpenMM -- */

static void test_plugins(void) {
    OpenMM_MLFFForce *force;
    OpenMM_System *system = make_water(&force);
    OpenMM_Integrator *integrator = make_verlet(0.0001);
    CHECK_ERROR("not available on the platform Reference",
                OpenMM_MLFF_createContext(system, integrator, "Reference") == NULL);
    CHECK_ERROR("not available on any platform",
                OpenMM_MLFF_createContext(system, integrator, NULL) == NULL);
    destroy_verlet(integrator);
    OpenMM_System_destroy(system);

    setenv("OPENMM_PLUGIN_DIR", getenv("MLFF_MODELS"), 1);
    CHECK_ERROR("no plugin of MLFFForce was found in ", OpenMM_MLFF_loadDefaultPlugins() == -1);
    unsetenv("OPENMM_PLUGIN_DIR");
    CHECK_ERROR("NULL", OpenMM_MLFF_loadPlugins(NULL) == -1);
    CHECK_ERROR("no-such-folder", OpenMM_MLFF_loadPlugins("no-such-folder") == -1);
    CHECK_ERROR("no plugin was loaded", OpenMM_MLFF_loadPlugins(getenv("MLFF_MODELS")) == -1);
    if (getenv("OPENMM_PLUGINS"))
        CHECK_ZERO(OpenMM_MLFF_loadPlugins(getenv("OPENMM_PLUGINS")));
    CHECK_ZERO(OpenMM_MLFF_loadPlugins(getenv("MLFF_PLUGINS")));
    CHECK(OpenMM_MLFF_getPlatformByName("Reference") != NULL);
    CHECK_ERROR("no platform 'Abacus': available are Reference",
                OpenMM_MLFF_getPlatformByName("Abacus") == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFF_getPlatformByName(NULL) == NULL);
}

static void test_context_errors(void) {
    OpenMM_MLFFForce *force;
    OpenMM_System *system = make_water(&force);
    OpenMM_Integrator *integrator = make_verlet(0.0001);
    CHECK_ERROR("NULL", OpenMM_MLFF_createContext(NULL, integrator, "Reference") == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFF_createContext(system, NULL, "Reference") == NULL);
    CHECK_ERROR("Abacus", OpenMM_MLFF_createContext(system, integrator, "Abacus") == NULL);
    CHECK_ZERO(OpenMM_MLFFForce_setAtomParameters(force, 1, 1, 79, 0));
    leak_allow(); /* OpenMM never frees a Context that fails in its making */
    CHECK_ERROR("particle 1", OpenMM_MLFF_createContext(system, integrator, "Reference") == NULL);
    leak_forbid();

    // the same integrator serves once the System is right
    CHECK_ZERO(OpenMM_MLFFForce_setAtomParameters(force, 1, 1, 1, 0));
    OpenMM_Context *context = OpenMM_MLFF_createContext(system, integrator, "Reference");
    CHECK(context != NULL);
    CHECK_ERROR("positions",
                OpenMM_MLFF_getState(context, OpenMM_State_Energy, OpenMM_False) == NULL);
    CHECK_ERROR("", OpenMM_MLFF_step(integrator, 1) == -1);
    CHECK_ERROR("", OpenMM_MLFF_minimizeEnergy(context, 1, 0) == -1);
    OpenMM_Vec3Array *two = OpenMM_Vec3Array_create(2);
    CHECK_ERROR("", OpenMM_MLFF_setPositions(context, two) == -1);
    OpenMM_Vec3Array_destroy(two);
    CHECK_ERROR("NULL", OpenMM_MLFF_setPositions(context, NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFF_setPositions(NULL, NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFF_setVelocitiesToTemperature(NULL, 300, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFF_step(NULL, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFF_getState(NULL, 0, OpenMM_False) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFF_minimizeEnergy(NULL, 1, 0) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFF_setParameter(context, NULL, 1) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFF_setParameter(NULL, "lambda", 1) == -1);
    CHECK_ERROR("parameter", OpenMM_MLFF_setParameter(context, "lambda", 1) == -1);
    double value = 5;
    CHECK_ERROR("parameter", OpenMM_MLFF_getParameter(context, "lambda", &value) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFF_getParameter(context, "lambda", NULL) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFF_getParameter(NULL, "lambda", &value) == -1);
    CHECK(value == 5);
    const OpenMM_Vec3 x = {2, 0, 0}, skew = {3, 2, 0}, z = {0, 0, 2};
    CHECK_ERROR("", OpenMM_MLFF_setPeriodicBoxVectors(context, &x, &skew, &z) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFF_setPeriodicBoxVectors(context, &x, NULL, &z) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_updateParametersInContext(force, NULL) == -1);
    OpenMM_Context_destroy(context);
    destroy_verlet(integrator);
    OpenMM_System_destroy(system);
}

/* A force that is in no Context's System cannot be updated there. */
static void test_foreign_context(void) {
    OpenMM_MLFFForce *force, *other = OpenMM_MLFFForce_create(model_path());
    OpenMM_System *system = make_water(&force);
    OpenMM_Integrator *integrator = make_verlet(0.0001);
    OpenMM_Context *context = OpenMM_MLFF_createContext(system, integrator, "Reference");
    CHECK_ERROR("", OpenMM_MLFFForce_updateParametersInContext(other, context) == -1);
    OpenMM_MLFFForce_destroy(other);
    OpenMM_Context_destroy(context);
    destroy_verlet(integrator);
    OpenMM_System_destroy(system);
}

static void test_simulation(void) {
    OpenMM_MLFFForce *force;
    OpenMM_System *system = make_water(&force);
    CHECK_ZERO(OpenMM_MLFFForce_setScaleParameter(force, "lambda"));
    OpenMM_Integrator *integrator = make_verlet(0.0002);
    OpenMM_Context *context = OpenMM_MLFF_createContext(system, integrator, "Reference");
    CHECK(context != NULL);
    OpenMM_Vec3Array *positions = water_positions();
    CHECK_ZERO(OpenMM_MLFF_setPositions(context, positions));
    CHECK_ZERO(OpenMM_MLFF_setVelocitiesToTemperature(context, 300, 1));
    const double energy = potential(context);
    CHECK(energy < -1e5);
    char info[200], start[9];
    const int length = OpenMM_MLFFForce_getExecutionInfo(force, context, info, sizeof info);
    CHECK(length > 0 && length == (int) strlen(info));
    CHECK(strstr(info, "platform: Reference\n") != NULL);
    CHECK(strstr(info, "precision: double\n") != NULL);
    CHECK(OpenMM_MLFFForce_getExecutionInfo(force, context, start, sizeof start) == length);
    CHECK(strlen(start) == 8 && !strncmp(start, info, 8));
    CHECK(OpenMM_MLFFForce_getExecutionInfo(force, context, NULL, 0) == length);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getExecutionInfo(force, context, NULL, 9) == -1);
    CHECK(OpenMM_MLFFForce_getGeometryWarning(force, context, info, sizeof info) == 0);
    CHECK(info[0] == 0);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getGeometryWarning(NULL, context, info, 9) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getGeometryWarning(force, context, NULL, 9) == -1);
    CHECK_ZERO(OpenMM_MLFF_step(integrator, 20));
    CHECK(fabs(potential(context) - energy) > 1e-3);
    CHECK_ZERO(OpenMM_MLFF_minimizeEnergy(context, 1, 0));
    CHECK(potential(context) <= energy + 1e-6);

    CHECK_ZERO(OpenMM_MLFF_setPositions(context, positions));
    double lambda = 0;
    CHECK_ZERO(OpenMM_MLFF_getParameter(context, "lambda", &lambda));
    CHECK(lambda == 1);
    CHECK_ZERO(OpenMM_MLFF_setParameter(context, "lambda", 0.5));
    CHECK_NEAR(0.5 * energy, potential(context), 1e-6);
    CHECK_ZERO(OpenMM_MLFFForce_setEnergyFactor(force, 2));
    CHECK_ZERO(OpenMM_MLFFForce_updateParametersInContext(force, context));
    CHECK_NEAR(energy, potential(context), 1e-6);
    const OpenMM_Vec3 x = {3, 0, 0}, y = {0, 3, 0}, z = {0, 0, 3};
    CHECK_ZERO(OpenMM_MLFF_setPeriodicBoxVectors(context, &x, &y, &z));

    OpenMM_Vec3Array_set(positions, 1, (OpenMM_Vec3){NAN, 0, 0});
    CHECK_ZERO(OpenMM_MLFF_setPositions(context, positions));
    CHECK_ERROR("particle 1",
                OpenMM_MLFF_getState(context, OpenMM_State_Forces, OpenMM_False) == NULL);
    CHECK_ERROR("particle 1", OpenMM_MLFF_step(integrator, 1) == -1);
    OpenMM_Vec3Array_destroy(positions);
    OpenMM_Context_destroy(context);
    destroy_verlet(integrator);
    OpenMM_System_destroy(system);
}

/* A water ion of two members: charges, terms, deviation, second derivatives. */
static void test_charges(void) {
    static const char *const terms[] = {"network", "elements", "coulomb_short_range", "coulomb",
                                        "dispersion"};
    OpenMM_System *system = OpenMM_System_create();
    OpenMM_MLFFForce *force = OpenMM_MLFFForce_create(charged_model_path());
    for (int i = 0; i < 3; i++) {
        OpenMM_System_addParticle(system, i == 0 ? 16 : 1);
        CHECK(OpenMM_MLFFForce_addAtom(force, i, WATER_Z[i], 0) == i);
    }
    CHECK_ZERO(OpenMM_MLFFForce_setRegionParameters(force, 0, -1, 1));
    CHECK_ERROR("which do not fit", OpenMM_MLFFForce_validate(force, system) == -1);
    CHECK_ZERO(OpenMM_MLFFForce_setCheckElectrons(force, OpenMM_False));
    CHECK_ZERO(OpenMM_MLFFForce_validate(force, system));
    CHECK(OpenMM_MLFFForce_addEnsembleMember(force, charged_model_path()) == 1);
    OpenMM_System_addForce(system, (OpenMM_Force *) force);
    OpenMM_Integrator *integrator = make_verlet(0.0002);
    OpenMM_Context *context = OpenMM_MLFF_createContext(system, integrator, "Reference");
    CHECK(context != NULL);
    double q[3] = {9, 9, 9}, value = 0, energy = 1, largest = 1, hessian[81];
    CHECK_ERROR("positions", OpenMM_MLFFForce_getAtomCharges(force, context, q, 3) == -1);
    OpenMM_Vec3Array *positions = water_positions();
    CHECK_ZERO(OpenMM_MLFF_setPositions(context, positions));

    CHECK_ERROR("room for 2 values, expected 3",
                OpenMM_MLFFForce_getAtomCharges(force, context, q, 2) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getAtomCharges(force, context, NULL, 3) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getAtomCharges(force, NULL, q, 3) == -1);
    CHECK(q[0] == 9);
    CHECK_ZERO(OpenMM_MLFFForce_getAtomCharges(force, context, q, 3));
    CHECK_NEAR(-1, q[0] + q[1] + q[2], 1e-5);
    CHECK_NEAR(q[1], q[2], 1e-9);

    double sum = 0;
    for (int k = 0; k < 5; k++) {
        CHECK_ZERO(OpenMM_MLFFForce_getEnergyComponent(force, context, terms[k], &value));
        sum += value;
    }
    CHECK_NEAR(potential(context), sum, 1e-6);
    CHECK_ERROR("no component 'x': it has coulomb, coulomb_short_range, dispersion, elements, "
                "network", OpenMM_MLFFForce_getEnergyComponent(force, context, "x", &value) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEnergyComponent(force, context, NULL, &value) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEnergyComponent(force, context, "network", NULL)
                            == -1);

    CHECK_ZERO(OpenMM_MLFFForce_getEnsembleDeviation(force, context, &energy, &largest));
    CHECK(energy == 0 && largest == 0); /* twice the same model */
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEnsembleDeviation(force, context, NULL, &largest)
                            == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getEnsembleDeviation(force, context, &energy, NULL)
                            == -1);

    CHECK_ERROR("room for 9 values, expected 81",
                OpenMM_MLFFForce_computeHessian(force, context, hessian, 9) == -1);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_computeHessian(force, context, NULL, 81) == -1);
    CHECK_ZERO(OpenMM_MLFFForce_computeHessian(force, context, hessian, 81));
    CHECK(hessian[0 * 9 + 4] == hessian[4 * 9 + 0] && hessian[8 * 9 + 8] > 1);

    CHECK(OpenMM_MLFFForce_getCoulombMethodInContext(force, context) == OpenMM_MLFFForce_Simple);
    CHECK_ERROR("NULL", OpenMM_MLFFForce_getCoulombMethodInContext(force, NULL) == -1);
    OpenMM_Vec3Array_destroy(positions);
    OpenMM_Context_destroy(context);
    destroy_verlet(integrator);
    OpenMM_System_destroy(system);
}

/* Without a name the fastest platform that can do it. */
static void test_any_platform(void) {
    OpenMM_MLFFForce *force;
    OpenMM_System *system = make_water(&force);
    OpenMM_Integrator *integrator = make_verlet(0.0002);
    OpenMM_Context *context = OpenMM_MLFF_createContext(system, integrator, NULL);
    CHECK(context != NULL);
    OpenMM_Vec3Array *positions = water_positions();
    CHECK_ZERO(OpenMM_MLFF_setPositions(context, positions));
    CHECK(potential(context) < -1e5);
    OpenMM_Vec3Array_destroy(positions);
    OpenMM_Context_destroy(context);
    destroy_verlet(integrator);
    OpenMM_System_destroy(system);
}

static void test_xml(void) {
    OpenMM_MLFFForce *force;
    OpenMM_System *system = make_water(&force);
    OpenMM_System_addForce(system, (OpenMM_Force *) OpenMM_HarmonicBondForce_create());
    char *xml = OpenMM_MLFF_serializeSystem(system);
    CHECK(xml != NULL && strstr(xml, "MLFFForce"));
    OpenMM_System *copy = OpenMM_MLFF_deserializeSystem(xml);
    CHECK(copy != NULL);
    OpenMM_MLFFForce *back = OpenMM_MLFFForce_cast(OpenMM_System_getForce(copy, 0));
    CHECK(back != NULL && OpenMM_MLFFForce_getNumAtoms(back) == 3);
    CHECK_ERROR("is not an MLFFForce",
                OpenMM_MLFFForce_cast(OpenMM_System_getForce(copy, 1)) == NULL);
    OpenMM_System_destroy(copy);

    char *damage = strstr(xml, "base64=\"") + 1000;
    *damage = (*damage == 'A' ? 'B' : 'A');
    CHECK_ERROR("damaged", OpenMM_MLFF_deserializeSystem(xml) == NULL);
    xml[strlen(xml) / 2] = 0;
    CHECK_ERROR("", OpenMM_MLFF_deserializeSystem(xml) == NULL);
    CHECK_ERROR("not that of a System", OpenMM_MLFF_deserializeSystem("") == NULL);
    CHECK_ERROR("not that of a System", OpenMM_MLFF_deserializeSystem("no XML") == NULL);
    CHECK_ERROR("not that of a System",
                OpenMM_MLFF_deserializeSystem("<?xml version=\"1.0\" ?>\n<Integrator "
                                              "type=\"VerletIntegrator\"/>") == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFF_deserializeSystem(NULL) == NULL);
    CHECK_ERROR("NULL", OpenMM_MLFF_serializeSystem(NULL) == NULL);
    OpenMM_MLFF_freeString(xml);
    OpenMM_MLFF_freeString(NULL);
    OpenMM_System_destroy(system);
}

int main(void) {
    CHECK(!strcmp(OpenMM_MLFF_getLastError(), ""));
    test_model();
    test_model_in_memory();
    test_regions_atoms_bonds();
    test_box_and_parameters();
    test_coulomb_settings();
    test_execution_settings();
    test_ensemble();
    test_null_force();
    test_plugins();
    test_context_errors();
    test_foreign_context();
    test_simulation();
    test_charges();
    test_any_platform();
    test_xml();
    return check_report("C functions of MLFFForce");
}
