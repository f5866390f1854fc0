#include "mlff_longrange.h"
#include "mlff_model_private.h"

#include <math.h>

static const double default_dsf_cutoff = 15.0;       // angstrom
static const double default_dsf_alpha = 0.2;         // 1/angstrom
static const double default_ewald_tolerance = 1e-6;
static const double dispersion_switch = 0.8;         // of the cutoff: where switching off starts

const char *mlff_coulomb_name(mlff_coulomb coulomb) {
    switch (coulomb) {
    case MLFF_COULOMB_DEFAULT: return "Default";
    case MLFF_COULOMB_NONE: return "None";
    case MLFF_COULOMB_SIMPLE: return "Simple";
    case MLFF_COULOMB_DSF: return "DSF";
    case MLFF_COULOMB_EWALD: return "Ewald";
    case MLFF_COULOMB_PME: return "PME";
    }
    return "unknown";
}

const mlff_longrange_model *mlff_model_longrange(const mlff_model *model) {
    static const mlff_longrange_model none;
    return model->architecture->longrange ? model->architecture->longrange(model->description)
                                          : &none;
}

/* ------------------------------------------------------------------------------- checks -- */

/* Settings that a model without charges, or without dispersion, cannot honour. */
static mlff_status check_model(const mlff_longrange_model *model, const mlff_settings *s,
                               mlff_error *err) {
    if (!model->coulomb && s->coulomb != MLFF_COULOMB_DEFAULT && s->coulomb != MLFF_COULOMB_NONE)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the Coulomb method is %s, but this model has "
                         "no Coulomb energy: leave the method at Default",
                         mlff_coulomb_name(s->coulomb));
    if (!model->coulomb && (s->coulomb_cutoff != 0 || s->coulomb_alpha != 0 ||
                            s->ewald_tolerance != 0))
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "a Coulomb cutoff, alpha or Ewald tolerance is "
                         "set, but this model has no Coulomb energy: leave them at their defaults");
    if (!model->dispersion && s->dispersion == 1)
        return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "dispersion is switched on, but this model "
                         "was not made for a dispersion term");
    const bool on = model->dispersion && s->dispersion != -1;
    if (!on && s->dispersion_cutoff != 0)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "a dispersion cutoff of %g angstrom is set, but "
                         "%s: leave it at its default", s->dispersion_cutoff, model->dispersion ?
                         "dispersion is switched off" : "this model has no dispersion");
    if (on && !model->table)
        return mlff_fail(err, MLFF_ERROR_UNSUPPORTED, "this model needs D3 dispersion, but its "
                         "file has no reference table (tensors d3.*): put the file " MLFF_D3_FILE
                         " beside the model file, or write one file that holds both with "
                         "`openmm-mlff convert MODEL.safetensors OUT.safetensors --d3-table FILE` "
                         "(after `openmm-mlff get aimnet2`, which brings a table, without "
                         "--d3-table), or switch dispersion off");
    return MLFF_OK;
}

mlff_status mlff_longrange_check(const mlff_longrange_model *model, const mlff_settings *settings,
                                 mlff_error *err) {
    static const mlff_settings defaults;
    const mlff_settings *s = settings ? settings : &defaults;
    if (s->ewald_tolerance != 0 && !(s->ewald_tolerance > 1e-16 && s->ewald_tolerance < 0.1))
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the Ewald error tolerance is %g: expected a "
                         "number between 1e-16 and 0.1, or 0 for the default %g",
                         s->ewald_tolerance, default_ewald_tolerance);
    return check_model(model, s, err);
}

/* ------------------------------------------------------------------------------ choices -- */

/* The method must go with the boundary. */
static mlff_status choose_coulomb(const mlff_settings *s, mlff_longrange *out, mlff_error *err) {
    if (!out->model.coulomb) {
        out->coulomb = MLFF_COULOMB_NONE;
        return MLFF_OK;
    }
    out->coulomb = s->coulomb;
    if (s->coulomb == MLFF_COULOMB_DEFAULT)
        out->coulomb = out->periodic ? MLFF_COULOMB_DSF : MLFF_COULOMB_SIMPLE;
    if (out->coulomb == MLFF_COULOMB_SIMPLE && out->periodic)
        return mlff_fail(err, MLFF_ERROR_BOX, "the Coulomb method Simple sums all pairs of an open "
                         "system and has no value in a periodic box: choose DSF (the default "
                         "there), Ewald or PME, or do not make the system periodic");
    if ((out->coulomb == MLFF_COULOMB_EWALD || out->coulomb == MLFF_COULOMB_PME) && !out->periodic)
        return mlff_fail(err, MLFF_ERROR_BOX, "the Coulomb method %s needs a periodic box, this "
                         "system is open: choose Simple (the default there) or DSF",
                         mlff_coulomb_name(out->coulomb));
    return MLFF_OK;
}

static double or_default(double value, double standard) {
    return value != 0 ? value : standard;
}

static mlff_status choose_parameters(const mlff_settings *s, mlff_longrange *out,
                                     mlff_error *err) {
    const bool dsf = out->coulomb == MLFF_COULOMB_DSF;
    const bool ewald = out->coulomb == MLFF_COULOMB_EWALD || out->coulomb == MLFF_COULOMB_PME;
    const char *method = mlff_coulomb_name(out->coulomb);
    if (!dsf && s->coulomb_cutoff != 0)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "a Coulomb cutoff of %g angstrom is set, but it "
                         "has no effect with the method %s, only with DSF", s->coulomb_cutoff,
                         method);
    if (!dsf && s->coulomb_alpha != 0)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "a Coulomb alpha of %g/angstrom is set, but it "
                         "has no effect with the method %s, only with DSF", s->coulomb_alpha,
                         method);
    if (!ewald && s->ewald_tolerance != 0)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "an Ewald tolerance of %g is set, but it has no "
                         "effect with the method %s, only with Ewald and PME", s->ewald_tolerance,
                         method);
    if (dsf) {
        out->dsf_cutoff = or_default(s->coulomb_cutoff, default_dsf_cutoff);
        out->dsf_alpha = or_default(s->coulomb_alpha, default_dsf_alpha);
    }
    if (ewald)
        out->ewald_tolerance = or_default(s->ewald_tolerance, default_ewald_tolerance);
    return MLFF_OK;
}

static void choose_dispersion(const mlff_settings *s, mlff_longrange *out) {
    out->dispersion = out->model.dispersion && s->dispersion != -1;
    if (!out->dispersion)
        return;
    out->dispersion_cutoff = or_default(s->dispersion_cutoff, out->model.dispersion_cutoff);
    out->dispersion_on = dispersion_switch*out->dispersion_cutoff;
    out->dispersion_list = out->coulomb == MLFF_COULOMB_SIMPLE ? INFINITY : out->dispersion_cutoff;
}

mlff_status mlff_longrange_resolve(const mlff_longrange_model *model, const mlff_settings *settings,
                                   bool periodic, mlff_longrange *out, mlff_error *err) {
    static const mlff_settings defaults;
    const mlff_settings *s = settings ? settings : &defaults;
    *out = (mlff_longrange) {.model = *model, .periodic = periodic};
    MLFF_TRY(mlff_longrange_check(model, s, err));
    MLFF_TRY(choose_coulomb(s, out, err));
    MLFF_TRY(choose_parameters(s, out, err));
    choose_dispersion(s, out);
    return MLFF_OK;
}

double mlff_longrange_range(const mlff_longrange *lr) {
    const double coulomb = lr->coulomb == MLFF_COULOMB_SIMPLE ? INFINITY : lr->dsf_cutoff;
    const double dispersion = lr->dispersion ? lr->dispersion_list : 0;
    return fmax(coulomb, dispersion);
}

bool mlff_longrange_is_ewald(const mlff_longrange *lr) {
    return lr->coulomb == MLFF_COULOMB_EWALD || lr->coulomb == MLFF_COULOMB_PME;
}

mlff_status mlff_longrange_check_graph(const mlff_longrange *lr, const mlff_graph *graph,
                                       const mlff_exchange *exchange, bool want_force,
                                       mlff_error *err) {
    const bool exchanged = exchange && exchange->forward && (!want_force || exchange->reverse);
    if (lr->periodic != (graph->cell != NULL))
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the long-range settings were resolved for %s "
                         "system, but the graph's cell is %s", lr->periodic ? "a periodic" :
                         "an open", graph->cell ? "given" : "NULL");
    if ((mlff_longrange_range(lr) > 0 || mlff_longrange_is_ewald(lr)) && !graph->long_range.first &&
        graph->n_all > 0)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the graph has no long-range pairs, but the "
                         "Coulomb method %s%s needs them: mlff_evaluator_pair_cutoffs() says which",
                         mlff_coulomb_name(lr->coulomb), lr->dispersion ? " with dispersion" : "");
    if (mlff_longrange_is_ewald(lr) && !graph->position)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "the Coulomb method %s needs the graph's "
                         "position", mlff_coulomb_name(lr->coulomb));
    if (graph->n_all > graph->n_local && lr->dispersion && !exchanged)
        return mlff_fail(err, MLFF_ERROR_ARGUMENT, "dispersion with ghost atoms needs the exchange "
                         "callbacks forward and reverse: coordination numbers pass between owners");
    return MLFF_OK;
}
