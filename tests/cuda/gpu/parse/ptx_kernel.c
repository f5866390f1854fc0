#include "ptx_parser.h"

#include <stdlib.h>

/* Arguments lie one after the other, without gaps. */
static void read_parameters(parser *p, const routine *r) {
    ptx_kernel *k = p->kernel;
    p->s.at = r->parameters;
    p->s.line = r->parameters_line;
    while (!ptx_accept(&p->s, ')')) {
        if (!ptx_same(ptx_word(&p->s), ".param"))
            ptx_refuse(&p->s, "expected .param");
        const variable v = ptx_read_variable(&p->s);
        if (k->n_parameters++ == PTX_MAX_PARAMETERS)
            ptx_refuse(&p->s, "too many parameters");
        ptx_add_symbol(&p->symbols, (symbol) {.name = v.name, .kind = VARIABLE, .t = v.t,
                                              .where = PARAMETER, .size = v.size,
                                              .address = k->parameter_bytes});
        k->parameter_bytes += v.size;
        ptx_accept(&p->s, ',');
    }
}

static void read_kernel(parser *p, const routine *r) {
    ptx_add_registers(p, N_SPECIAL, U32);
    if (r->parameters != NULL)
        read_parameters(p, r);
    p->s.at = r->body;
    p->s.line = r->line;
    ptx_read_body(p);
    p->where = "(end of the kernel)";
    ptx_add_instruction(p)->kind = END;
    ptx_resolve_labels(p);
    ptx_place_registers(p);
}

static void free_parser(parser *p) {
    for (int k = 0; k < p->n_lists; k++)
        free(p->lists[k].targets);
    free(p->symbols.list);
    free(p->shared.list);
    free(p->register_size);
    free(p->labels);
    free(p->lists);
    free(p->fixups);
    free(p->known);
    free(p);
}

ptx_kernel *ptx_build(ptx_module *module, const routine *r, char *message) {
    jmp_buf failed;
    parser *const p = ptx_zeros(1, sizeof *p);
    ptx_kernel *const k = ptx_zeros(1, sizeof *k);
    *p = (parser) {.s = {NULL, 0, message, &failed}, .module = module, .kernel = k};
    k->name = ptx_keep(r->name);
    k->module = module;
    const bool refused = setjmp(failed) != 0;
    if (!refused)
        read_kernel(p, r);
    free_parser(p);
    if (!refused)
        return k;
    ptx_free_kernel(k);
    return NULL;
}

void ptx_free_kernel(ptx_kernel *k) {
    if (k == NULL)
        return;
    for (int at = 0; at < k->n_instructions; at++) {
        free(k->code[at].o);
        free(k->code[at].targets);
    }
    free(k->code);
    free(k->constants);
    free(k->name);
    free(k);
}

const char *ptx_name(const ptx_kernel *kernel) {
    return kernel->name;
}

ptx_counts ptx_counted(const ptx_kernel *kernel) {
    return kernel->counts;
}
