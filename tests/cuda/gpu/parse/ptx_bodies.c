#include "ptx_parser.h"

#include <string.h>

static void add_label(parser *p, word name, int instance) {
    GROW(p->labels, p->n_labels, p->label_capacity);
    p->labels[p->n_labels++] = (label) {name, instance, p->kernel->n_instructions};
}

/* ------------------------------------------------------------------------------- calls -- */

/* The routine's formal parameters are other names of the actual ones. */
static void bind(parser *p, const char *list, int line, const raw *actual, int n) {
    const scanner here = p->s;
    p->s.at = list;
    p->s.line = line;
    for (int k = 0; k < n; k++) {
        if (!ptx_same(ptx_word(&p->s), ".param"))
            ptx_refuse(&p->s, "a function's parameter in a register is not known");
        const variable v = ptx_read_variable(&p->s);
        if (actual[k].kind != A_SYMBOL)
            ptx_refuse(&p->s, "an argument that is not a variable is not known");
        ptx_add_symbol(&p->symbols, (symbol) {.name = v.name, .kind = VARIABLE, .t = v.t,
                                              .where = actual[k].where, .size = v.size,
                                              .address = actual[k].value});
        if (k+1 < n)
            ptx_expect(&p->s, ',');
    }
    ptx_expect(&p->s, ')');
    p->s.at = here.at;
    p->s.line = here.line;
}

/* "(a, b)"; returns the number. */
static int read_arguments(parser *p, raw *list) {
    int n = 0;
    ptx_expect(&p->s, '(');
    if (ptx_accept(&p->s, ')'))
        return 0;
    do {
        if (n == MAX_OPERANDS)
            ptx_refuse(&p->s, "too many arguments");
        list[n++] = ptx_read_one(p);
    } while (ptx_accept(&p->s, ','));
    ptx_expect(&p->s, ')');
    return n;
}

static const routine *find_routine(parser *p, word name) {
    for (int r = 0; r < p->module->n_routines; r++)
        if (ptx_equal(p->module->routines[r].name, name))
            return &p->module->routines[r];
    ptx_refuse(&p->s, "call of %.*s, which is not in the module", name.length, name.begin);
}

/* The routine's instructions in place of the call. */
static void inline_call(parser *p) {
    raw returned[MAX_OPERANDS], actual[MAX_OPERANDS];
    int n_returned = 0, n_actual = 0;
    if (ptx_peek(&p->s) == '(') {
        n_returned = read_arguments(p, returned);
        ptx_expect(&p->s, ',');
    }
    const routine *called = find_routine(p, ptx_word(&p->s));
    if (ptx_accept(&p->s, ','))
        n_actual = read_arguments(p, actual);
    ptx_expect(&p->s, ';');
    if (p->depth == MAX_CALLS)
        ptx_refuse(&p->s, "calls too deep: recursion is not known");
    const int n_symbols = p->symbols.n, instance = p->instance;
    const scanner here = p->s;
    if (n_returned > 0)
        bind(p, called->returned, called->returned_line, returned, n_returned);
    if (n_actual > 0)
        bind(p, called->parameters, called->parameters_line, actual, n_actual);
    p->instance = ++p->n_instances;
    p->depth++;
    p->s.at = called->body;
    p->s.line = called->line;
    ptx_read_body(p);
    add_label(p, PTX_END_OF_ROUTINE, p->instance);
    p->depth--;
    p->instance = instance;
    p->symbols.n = n_symbols;
    p->s = here;
}

/* With a condition: a branch around it. */
static void read_call(parser *p, const raw *guard) {
    const int at = p->kernel->n_instructions;
    if (guard != NULL) {
        instruction *i = ptx_add_instruction(p);
        i->kind = BRANCH;
        i->guarded = true;
        i->guard = ptx_operand(p, guard, 0, NULL);
        i->guard.negated = !i->guard.negated;
    }
    inline_call(p);
    if (guard != NULL)
        p->kernel->code[at].target = p->kernel->n_instructions;
}

/* ------------------------------------------------------------------------------ bodies -- */

static void read_directive(parser *p, word w) {
    if (ptx_same(w, ".reg"))
        ptx_read_registers(p);
    else if (ptx_same(w, ".shared") || ptx_same(w, ".local") || ptx_same(w, ".param")) {
        const space where = ptx_same(w, ".shared") ? SHARED : LOCAL;
        if (where == SHARED && p->depth > 0)
            ptx_refuse(&p->s, "shared memory of a function that is called is not known");
        const variable v = ptx_read_variable(&p->s);
        ptx_add_symbol(&p->symbols, ptx_place_variable(p->kernel, v, where));
        ptx_expect(&p->s, ';');
    }
    else if (ptx_same(w, ".pragma"))
        ptx_skip_to(&p->s, ';');
    else if (ptx_same(w, ".loc"))
        while (*p->s.at != '\n' && *p->s.at != 0)
            p->s.at++;
    else
        ptx_refuse(&p->s, "%.*s is not known", w.length, w.begin);
}

/* name: .branchtargets a, b, c; */
static void read_targets(parser *p, word name) {
    target_list list = {.name = name, .instance = p->instance};
    int capacity = 0;
    do {
        GROW(list.targets, list.n, capacity);
        list.targets[list.n++] = ptx_word(&p->s);
    } while (ptx_accept(&p->s, ','));
    ptx_expect(&p->s, ';');
    GROW(p->lists, p->n_lists, p->list_capacity);
    p->lists[p->n_lists++] = list;
}

/* After "name:". */
static void read_label(parser *p, word name) {
    const scanner here = p->s;
    if (ptx_peek(&p->s) == '.' && ptx_same(ptx_word(&p->s), ".branchtargets")) {
        read_targets(p, name);
        return;
    }
    p->s = here;
    add_label(p, name, p->instance);
}

static void read_statement(parser *p) {
    raw guard = {0};
    ptx_peek(&p->s);
    p->where = p->s.at;
    const bool guarded = ptx_accept(&p->s, '@');
    if (guarded)
        guard = ptx_read_one(p);
    const word w = ptx_word(&p->s);
    const bool call = ptx_same(w, "call") || (w.length > 5 && memcmp(w.begin, "call.", 5) == 0);
    if (!guarded && ptx_accept(&p->s, ':'))
        read_label(p, w);
    else if (w.begin[0] == '.')
        read_directive(p, w);
    else if (call)
        read_call(p, guarded ? &guard : NULL);
    else
        ptx_read_instruction(p, w, guarded ? &guard : NULL);
}

/* Names in a block are its own. */
void ptx_read_body(parser *p) {
    int marks[64], depth = 0;
    ptx_expect(&p->s, '{');
    marks[depth++] = p->symbols.n;
    while (depth > 0) {
        if (ptx_accept(&p->s, '{')) {
            if (depth == 64)
                ptx_refuse(&p->s, "blocks too deep");
            marks[depth++] = p->symbols.n;
        }
        else if (ptx_accept(&p->s, '}'))
            p->symbols.n = marks[--depth];
        else if (!ptx_accept(&p->s, ';'))
            read_statement(p);
    }
}

static int find_label(const parser *p, const fixup *f) {
    for (int l = 0; l < p->n_labels; l++)
        if (p->labels[l].instance == f->instance && ptx_equal(p->labels[l].name, f->name))
            return p->labels[l].at;
    ptx_refuse(&p->s, "no label %.*s", f->name.length, f->name.begin);
}

void ptx_resolve_labels(parser *p) {
    for (int f = 0; f < p->n_fixups; f++) {
        const fixup *x = &p->fixups[f];
        instruction *i = &p->kernel->code[x->instruction];
        if (x->which < 0)
            i->target = find_label(p, x);
        else
            i->targets[x->which] = find_label(p, x);
    }
}
