/*
 * Golden values as text (tests/data/painn/README.md): "key values" lines, then one line per atom
 *
 *   Z x y z fx fy fz e
 *
 * in the energy unit of the file and angstrom. Read into eV and eV/angstrom.
 */
#ifndef GOLDEN_H_
#define GOLDEN_H_

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct golden {
    char model[128], system[128];
    int n_atoms, n_edges;
    int periodic;
    double cell[3][3];      /* rows a b c */
    double energy;
    double strain[9];       /* dE/d(strain) */
    int *species;           /* [n_atoms] */
    double (*position)[3];  /* [n_atoms] */
    double (*force)[3];     /* [n_atoms] */
    double *atom_energy;    /* [n_atoms] */
} golden;

/* eV per unit; 0 if unknown. Hartree as AIMNet2 was published with (CODATA 2014). */
static inline double golden_unit(const char *name) {
    static const struct {
        const char *name;
        double ev;
    } units[] = {
        {"eV", 1},
        {"kJ/mol", 1/96.48533212331002},
        {"kcal/mol", 4.184/96.48533212331002},
        {"Hartree", 27.211386024367243},
    };
    for (size_t k = 0; k < sizeof units/sizeof units[0]; k++)
        if (strcmp(name, units[k].name) == 0)
            return units[k].ev;
    return 0;
}

static inline void golden_free(golden *g) {
    free(g->species);
    free(g->position);
    free(g->force);
    free(g->atom_energy);
    *g = (golden){0};
}

static inline bool golden_numbers(const char *text, int n, double *out) {
    for (int k = 0; k < n; k++) {
        char *end;
        out[k] = strtod(text, &end);
        if (end == text)
            return false;
        text = end;
    }
    return true;
}

static inline bool golden_atoms(FILE *f, golden *g, double ev) {
    const size_t n = (size_t)g->n_atoms;
    g->species = calloc(n + 1, sizeof *g->species);
    g->position = calloc(n + 1, sizeof *g->position);
    g->force = calloc(n + 1, sizeof *g->force);
    g->atom_energy = calloc(n + 1, sizeof *g->atom_energy);
    char line[1024];
    for (size_t i = 0; i < n; i++) {
        double v[8];
        if (!fgets(line, sizeof line, f) || !golden_numbers(line, 8, v))
            return false;
        g->species[i] = (int)v[0];
        for (int a = 0; a < 3; a++) {
            g->position[i][a] = v[1 + a];
            g->force[i][a] = v[4 + a]*ev;
        }
        g->atom_energy[i] = v[7]*ev;
    }
    return true;
}

/* False if the file is not such a file; free in any case. */
static inline bool golden_read(const char *path, golden *g) {
    *g = (golden){0};
    FILE *f = fopen(path, "r");
    if (!f)
        return false;
    char line[1024], key[64], unit[32] = "";
    double ev = 0;
    bool good = fgets(line, sizeof line, f) && strncmp(line, "mlff-golden 1", 13) == 0;
    bool atoms = false;
    while (good && !atoms && fgets(line, sizeof line, f)) {
        int at = 0;
        if (sscanf(line, "%63s %n", key, &at) < 1)
            continue;
        const char *rest = line + at;
        if (strcmp(key, "model") == 0)
            good = sscanf(rest, "%127s", g->model) == 1;
        else if (strcmp(key, "system") == 0)
            good = sscanf(rest, "%127s", g->system) == 1;
        else if (strcmp(key, "energy_unit") == 0)
            good = sscanf(rest, "%31s", unit) == 1 && (ev = golden_unit(unit)) > 0;
        else if (strcmp(key, "length_unit") == 0)
            good = strncmp(rest, "angstrom", 8) == 0;
        else if (strcmp(key, "natoms") == 0)
            good = sscanf(rest, "%d", &g->n_atoms) == 1 && g->n_atoms >= 0;
        else if (strcmp(key, "nedges") == 0)
            good = sscanf(rest, "%d", &g->n_edges) == 1;
        else if (strcmp(key, "periodic") == 0)
            good = sscanf(rest, "%d", &g->periodic) == 1;
        else if (strcmp(key, "cell") == 0)
            good = golden_numbers(rest, 9, &g->cell[0][0]);
        else if (strcmp(key, "energy") == 0)
            good = golden_numbers(rest, 1, &g->energy);
        else if (strcmp(key, "virial") == 0)
            good = golden_numbers(rest, 9, g->strain);
        else if (strcmp(key, "atoms") == 0)
            atoms = true;
    }
    good = good && atoms && ev > 0 && golden_atoms(f, g, ev);
    fclose(f);
    g->energy *= ev;
    for (int k = 0; k < 9; k++)
        g->strain[k] *= ev;
    return good;
}

#endif
