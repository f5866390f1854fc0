/*
 * Molecular dynamics of alanine dipeptide with a neural network potential, in C.
 *
 *   md_in_c MODEL [STEPS] [--platform NAME] [--plugins FOLDER]...
 *
 *   MODEL       a model file that knows H C N O, for example models/painn-hcno-distilled.safetensors
 *   STEPS       time steps of 0.5 fs, default 200
 *   --platform  Reference, CPU, ...; default: the one that OpenMM takes for the fastest
 *   --plugins   a folder of plugins; OpenMM's first, then MLFFForce's, for the platforms other than
 *               Reference. Default: where they are installed, or the folder in the environment
 *               variable OPENMM_PLUGIN_DIR
 *
 * With OpenMM and MLFFForce installed by pip, compile and run it with
 *
 *   L=$(python -c 'import openmm; print(openmm.version.openmm_library_path)')
 *   gcc -std=c11 md_in_c.c -I$L/../include -L$L -lOpenMMMLFF -lOpenMM -Wl,-rpath,$L -o md_in_c
 *   ./md_in_c ../models/painn-hcno-distilled.safetensors --platform CPU
 *
 * Exit status: 0; 1 if anything goes wrong, with the reason on stderr.
 */
#include "MLFFForceCWrapper.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N_ATOMS = 22, MAX_FOLDERS = 16, REPORTS = 10 };

static const double TEMPERATURE = 300;        /* K */
static const double FRICTION = 5;             /* 1/ps */
static const double STEP_SIZE = 0.0005;       /* ps; hydrogens move freely */
static const double GAS_CONSTANT = 8.31446261815324e-3; /* kJ/mol/K */

/* ACE-ALA-NME: atomic number, position in angstrom. */
static const struct {
    int z;
    double x, y, zz;
} MOLECULE[N_ATOMS] = {
    {6, 2.687328, 1.532961, -0.173800},   {6, 1.665541, 0.666901, 0.380539},
    {8, 1.443707, 0.584889, 1.549327},    {7, 1.096290, -0.181760, -0.573817},
    {6, 0.062469, -1.167747, -0.168719},  {6, 0.062262, -2.345992, -1.248979},
    {6, -1.283496, -0.551643, -0.043125}, {8, -2.305540, -0.915590, -0.634323},
    {7, -1.389158, 0.558438, 0.772590},   {6, -2.612835, 1.088046, 1.157798},
    {1, 3.544496, 1.687905, 0.433039},    {1, 2.125251, 2.594022, -0.224036},
    {1, 2.988613, 1.325239, -1.241056},   {1, 1.110346, 0.061686, -1.546057},
    {1, 0.296982, -1.564877, 0.808865},   {1, 1.081563, -2.791028, -1.268849},
    {1, -0.164452, -1.941294, -2.201570}, {1, -0.627714, -3.111528, -0.884176},
    {1, -0.576833, 0.679220, 1.427636},   {1, -3.224594, 1.242470, 0.247427},
    {1, -3.185257, 0.513378, 1.850946},   {1, -2.464161, 2.129293, 1.629734}};

typedef struct options {
    const char *model, *platform;
    const char *folders[MAX_FOLDERS];
    int n_folders, n_steps;
} options;

/* What is alive; everything is freed at the end, whether it went well or not. */
typedef struct simulation {
    OpenMM_System *system;
    OpenMM_Integrator *integrator;
    OpenMM_Context *context;
} simulation;

/* Say what the library found wrong. */
static int failed(const char *what) {
    fprintf(stderr, "md_in_c: %s: %s\n", what, OpenMM_MLFF_getLastError());
    return 1;
}

static int parse(int argc, char **argv, options *opt) {
    int n_plain = 0;
    *opt = (options){.n_steps = 200};
    for (int i = 1; i < argc; i++) {
        const int has_value = i + 1 < argc;
        if (!strcmp(argv[i], "--platform") && has_value)
            opt->platform = argv[++i];
        else if (!strcmp(argv[i], "--plugins") && has_value && opt->n_folders < MAX_FOLDERS)
            opt->folders[opt->n_folders++] = argv[++i];
        else if (argv[i][0] != '-' && n_plain == 0)
            opt->model = argv[i], n_plain++;
        else if (argv[i][0] != '-' && n_plain == 1) {
            char *end;
            const long steps = strtol(argv[i], &end, 10);
            if (*end || steps < 1 || steps > 1000000000) {
                fprintf(stderr, "md_in_c: STEPS is '%s': expected 1 or more\n", argv[i]);
                return 1;
            }
            opt->n_steps = (int) steps, n_plain++;
        } else {
            fprintf(stderr, "md_in_c: cannot use the argument '%s'\n", argv[i]);
            return 1;
        }
    }
    if (!opt->model)
        fprintf(stderr, "usage: md_in_c MODEL [STEPS] [--platform NAME] [--plugins FOLDER]...\n");
    return !opt->model;
}

static int load_plugins(const options *opt) {
    if (opt->n_folders == 0 && OpenMM_MLFF_loadDefaultPlugins())
        return failed("plugins (others: --plugins FOLDER)");
    for (int i = 0; i < opt->n_folders; i++)
        if (OpenMM_MLFF_loadPlugins(opt->folders[i]))
            return failed("plugins");
    return 0;
}

/* The molecule's particles, and the force that describes all of them. */
static int make_system(const options *opt, simulation *sim) {
    OpenMM_MLFFForce *force = OpenMM_MLFFForce_create(opt->model);
    if (!force)
        return failed("model");
    printf("# %s, %s model %s\n", "alanine dipeptide", OpenMM_MLFFForce_getModelArchitecture(force),
           opt->model);
    sim->system = OpenMM_System_create();
    for (int i = 0; i < N_ATOMS; i++) {
        const int z = MOLECULE[i].z;
        const double mass = z == 1 ? 1.008 : z == 6 ? 12.011 : z == 7 ? 14.007 : 15.999;
        OpenMM_System_addParticle(sim->system, mass);
        OpenMM_MLFFForce_addAtom(force, i, z, 0);
    }
    OpenMM_System_addForce(sim->system, (OpenMM_Force *) force); /* the System owns it now */
    return 0;
}

static int make_context(const options *opt, simulation *sim) {
    sim->integrator = (OpenMM_Integrator *) OpenMM_LangevinMiddleIntegrator_create(
        TEMPERATURE, FRICTION, STEP_SIZE);
    sim->context = OpenMM_MLFF_createContext(sim->system, sim->integrator, opt->platform);
    if (!sim->context)
        return failed("context");
    printf("# platform %s\n", OpenMM_Platform_getName(OpenMM_Context_getPlatform(sim->context)));

    OpenMM_Vec3Array *positions = OpenMM_Vec3Array_create(0);
    for (int i = 0; i < N_ATOMS; i++)
        OpenMM_Vec3Array_append(positions, (OpenMM_Vec3){0.1 * MOLECULE[i].x, 0.1 * MOLECULE[i].y,
                                                         0.1 * MOLECULE[i].zz});
    const int status = OpenMM_MLFF_setPositions(sim->context, positions);
    OpenMM_Vec3Array_destroy(positions);
    if (status)
        return failed("positions");
    if (OpenMM_MLFF_minimizeEnergy(sim->context, 10, 0))
        return failed("minimization");
    if (OpenMM_MLFF_setVelocitiesToTemperature(sim->context, TEMPERATURE, 1))
        return failed("velocities");
    return 0;
}

static int report(const simulation *sim, double *reference) {
    OpenMM_State *state = OpenMM_MLFF_getState(sim->context, OpenMM_State_Energy, OpenMM_False);
    if (!state)
        return failed("energy");
    const double potential = OpenMM_State_getPotentialEnergy(state);
    const double kinetic = OpenMM_State_getKineticEnergy(state);
    if (*reference == 0)
        *reference = potential; /* the network's totals are large: show differences */
    printf("%10.4f %16.4f %12.4f %8.1f\n", OpenMM_State_getTime(state), potential - *reference,
           kinetic, 2 * kinetic / (3 * N_ATOMS * GAS_CONSTANT));
    OpenMM_State_destroy(state);
    return 0;
}

static int run(const options *opt, const simulation *sim) {
    double reference = 0;
    printf("# time (ps)  potential - first (kJ/mol)  kinetic   T (K)\n");
    if (report(sim, &reference))
        return 1;
    int done = 0;
    for (int r = 1; r <= REPORTS; r++) {
        const int until = (int) ((long long) opt->n_steps * r / REPORTS);
        if (until == done)
            continue;
        if (OpenMM_MLFF_step(sim->integrator, until - done))
            return failed("dynamics");
        done = until;
        if (report(sim, &reference))
            return 1;
    }
    return 0;
}

int main(int argc, char **argv) {
    options opt;
    if (parse(argc, argv, &opt) || load_plugins(&opt))
        return 1;
    simulation sim = {0};
    int status = make_system(&opt, &sim);
    if (!status)
        status = make_context(&opt, &sim);
    if (!status)
        status = run(&opt, &sim);

    if (sim.context)
        OpenMM_Context_destroy(sim.context);
    if (sim.integrator)
        OpenMM_LangevinMiddleIntegrator_destroy((OpenMM_LangevinMiddleIntegrator *) sim.integrator);
    if (sim.system)
        OpenMM_System_destroy(sim.system);
    return status;
}
