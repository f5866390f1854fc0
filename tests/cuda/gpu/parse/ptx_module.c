#include "ptx_parser.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "= 3" or "= {1, 2, 3}". */
static void read_initial(scanner *s, const ptx_module *m, const symbol *to) {
    unsigned char *content = m->memory->content(to->address);
    const size_t size = ptx_type_size(to->t);
    const bool list = ptx_accept(s, '{');
    size_t at = 0;
    do {
        uint64_t value;
        if (!ptx_number(s, &value))
            ptx_refuse(s, "an initial value that is not a number");
        if (at+size > to->size)
            ptx_refuse(s, "more initial values than %.*s holds", to->name.length, to->name.begin);
        memcpy(content+at, &value, size);
        at += size;
    } while (list && ptx_accept(s, ','));
    if (list)
        ptx_expect(s, '}');
}

/* Variables in global and constant memory get theirs now; shared ones belong to each kernel. */
static void read_module_variable(scanner *s, ptx_module *m, space where) {
    const variable v = ptx_read_variable(s);
    symbol made = {.name = v.name, .kind = VARIABLE, .t = v.t, .where = where, .size = v.size,
                   .alignment = v.alignment};
    if (where != SHARED) {
        made.address = m->memory->allocate(v.size > 0 ? v.size : 1);
        made.placed = true;
        if (made.address == 0)
            ptx_refuse(s, "no memory for %.*s", v.name.length, v.name.begin);
        if (ptx_accept(s, '='))
            read_initial(s, m, &made);
    }
    ptx_expect(s, ';');
    ptx_add_symbol(&m->symbols, made);
}

/* A list in parentheses, to be read later: where it begins, and its line. */
static bool note_list(scanner *s, const char **begin, int *line) {
    if (!ptx_accept(s, '('))
        return false;
    *begin = s->at;
    *line = s->line;
    ptx_skip_to(s, ')');
    return true;
}

/* Limits (.maxntid ...) are the driver's business. */
static void read_routine(scanner *s, ptx_module *m, bool entry) {
    routine r = {.entry = entry};
    if (!entry)
        note_list(s, &r.returned, &r.returned_line);
    r.name = ptx_word(s);
    note_list(s, &r.parameters, &r.parameters_line);
    while (ptx_peek(s) != '{' && *s->at != ';' && *s->at != 0)
        s->at++;
    if (ptx_accept(s, ';'))
        return;     // a declaration
    r.body = s->at;
    r.line = s->line;
    ptx_skip_body(s);
    GROW(m->routines, m->n_routines, m->routine_capacity);
    m->routines[m->n_routines++] = r;
}

static void read_statement(scanner *s, ptx_module *m) {
    const word w = ptx_word(s);
    if (ptx_same(w, ".version") || ptx_same(w, ".target")) {
        do
            ptx_word(s);
        while (ptx_accept(s, ','));
    }
    else if (ptx_same(w, ".address_size")) {
        if (!ptx_same(ptx_word(s), "64"))
            ptx_refuse(s, "addresses of other than 64 bits are not known");
    }
    else if (ptx_same(w, ".entry") || ptx_same(w, ".func"))
        read_routine(s, m, ptx_same(w, ".entry"));
    else if (ptx_same(w, ".global"))
        read_module_variable(s, m, GLOBAL);
    else if (ptx_same(w, ".const"))
        read_module_variable(s, m, CONSTANT);
    else if (ptx_same(w, ".shared"))
        read_module_variable(s, m, SHARED);
    else if (ptx_same(w, ".pragma"))
        ptx_skip_to(s, ';');
    else if (!ptx_same(w, ".visible") && !ptx_same(w, ".extern") && !ptx_same(w, ".weak") &&
             !ptx_same(w, ".common"))
        ptx_refuse(s, "%.*s is not known", w.length, w.begin);
}

ptx_module *ptx_load(const char *text, const ptx_memory *memory, char *message) {
    ptx_module *const made = ptx_zeros(1, sizeof *made);
    jmp_buf failed;
    scanner s = {text, 1, message, &failed};
    made->memory = memory;
    if (setjmp(failed)) {
        ptx_unload(made);
        return NULL;
    }
    while (ptx_peek(&s) != 0)
        read_statement(&s, made);
    return made;
}

void ptx_unload(ptx_module *module) {
    for (int r = 0; r < module->n_routines; r++)
        ptx_free_kernel(module->routines[r].kernel);
    free(module->routines);
    free(module->symbols.list);
    free(module);
}

ptx_kernel *ptx_find(ptx_module *module, const char *name, char *message) {
    for (int r = 0; r < module->n_routines; r++) {
        routine *found = &module->routines[r];
        if (found->entry && ptx_same(found->name, name)) {
            if (found->kernel == NULL)
                found->kernel = ptx_build(module, found, message);
            return found->kernel;
        }
    }
    snprintf(message, PTX_MESSAGE, "no kernel %s", name);
    return NULL;
}

const ptx_memory *ptx_memory_of(const ptx_module *module) {
    return module->memory;
}

bool ptx_has_variables(const ptx_module *module) {
    for (int s = 0; s < module->symbols.n; s++)
        if (module->symbols.list[s].placed)
            return true;
    return false;
}
