#include "ptx_parser.h"

#include <stdlib.h>
#include <string.h>

static const char *const SPECIAL[N_SPECIAL] = {"%tid.x", "%tid.y", "%tid.z", "%ntid.x", "%ntid.y",
    "%ntid.z", "%ctaid.x", "%ctaid.y", "%ctaid.z", "%nctaid.x", "%nctaid.y", "%nctaid.z",
    "%laneid", "%warpid", "%nwarpid", "%lanemask_eq", "%lanemask_lt", "%lanemask_le",
    "%lanemask_gt", "%lanemask_ge", "%dynamic_smem_size", "%total_smem_size"};

/* A variable or a range of registers; the module's shared variables become the kernel's own. */
static const symbol *find_symbol(parser *p, word name) {
    const symbol *found = ptx_find_symbol(&p->symbols, name);
    if (found == NULL)
        found = ptx_find_symbol(&p->shared, name);
    if (found != NULL)
        return found;
    found = ptx_find_symbol(&p->module->symbols, name);
    if (found == NULL || found->where != SHARED)
        return found;
    const variable v = {name, found->t, found->size, found->alignment};
    return ptx_add_symbol(&p->shared, ptx_place_variable(p->kernel, v, SHARED));
}

static raw look_up(parser *p, word name) {
    if (ptx_same(name, "_"))
        return (raw) {.kind = A_SINK, .name = name};
    for (uint32_t k = 0; k < N_SPECIAL && name.begin[0] == '%'; k++)
        if (ptx_same(name, SPECIAL[k]))
            return (raw) {.kind = A_REGISTER, .number = k, .name = name};
    if (ptx_same(name, "WARP_SZ"))
        return (raw) {.kind = A_NUMBER, .value = PTX_LANES, .name = name};
    const symbol *s = find_symbol(p, name);
    if (s == NULL)
        return (raw) {.kind = A_NAME, .name = name};
    if (s->kind == VARIABLE)
        return (raw) {.kind = A_SYMBOL, .value = s->address, .where = s->where, .name = name};
    raw r = {.kind = A_REGISTER, .number = s->first, .name = name};
    if (s->count > 0)
        r.number += (uint32_t) strtoul(name.begin+s->name.length, NULL, 10);
    return r;
}

raw ptx_read_one(parser *p) {
    uint64_t value;
    const bool negated = ptx_accept(&p->s, '!');
    if (ptx_number(&p->s, &value))
        return (raw) {.kind = A_NUMBER, .value = value};
    raw r = look_up(p, ptx_word(&p->s));
    r.negated = negated;
    return r;
}

/* [register+number], [symbol+number], [symbol], [number] */
static raw read_address(parser *p) {
    raw r = ptx_read_one(p);
    r.address = true;
    while (ptx_peek(&p->s) == '+' || *p->s.at == '-') {
        const bool minus = *p->s.at++ == '-';
        uint64_t value;
        if (!ptx_number(&p->s, &value))
            ptx_refuse(&p->s, "expected a number in an address");
        r.value += minus ? -value : value;
    }
    ptx_expect(&p->s, ']');
    return r;
}

/* Adds one operand, or those of a vector or of "p|q"; returns how many. */
static int read_operand(parser *p, raw *list, int n) {
    int added = 0;
    if (n >= MAX_OPERANDS-8)
        ptx_refuse(&p->s, "too many operands");
    if (ptx_accept(&p->s, '[')) {
        list[n] = read_address(p);
        return 1;
    }
    const bool vector = ptx_accept(&p->s, '{');
    do {
        if (added == 8)
            ptx_refuse(&p->s, "vectors of more than 8 are not known");
        list[n+added++] = ptx_read_one(p);
    } while (ptx_accept(&p->s, vector ? ',' : '|'));
    if (vector)
        ptx_expect(&p->s, '}');
    return added;
}

int ptx_read_operands(parser *p, raw *list, int *n_first) {
    int n = 0;
    *n_first = 0;
    if (ptx_accept(&p->s, ';'))
        return 0;
    do {
        const int added = read_operand(p, list, n);
        if (n == 0)
            *n_first = added;
        n += added;
    } while (ptx_accept(&p->s, ','));
    ptx_expect(&p->s, ';');
    return n;
}

/* A number in all lanes; size 0 is a predicate, the bits of all lanes in a word. */
static operand constant(parser *p, uint64_t value, size_t size) {
    ptx_kernel *k = p->kernel;
    if (size == 0) {
        operand all = constant(p, value != 0 ? 0xffffffffu : 0, 4);
        all.size = 0;
        return all;
    }
    if (size < 8)
        value &= (1ull << 8*size)-1;
    for (int c = 0; c < p->n_known; c++)
        if (p->known[c].value == value && p->known[c].size == size)
            return (operand) {.base = CONSTANTS, .size = (uint8_t) size, .at = p->known[c].at};
    const size_t at = k->constant_bytes;
    while (at+size*PTX_LANES > p->constant_capacity) {
        p->constant_capacity = 2*p->constant_capacity+16384;
        k->constants = ptx_resize(k->constants, p->constant_capacity);
    }
    for (size_t l = 0; l < PTX_LANES; l++)
        memcpy(k->constants+at+l*size, &value, size);
    k->constant_bytes += size*PTX_LANES;
    GROW(p->known, p->n_known, p->known_capacity);
    p->known[p->n_known++] = (known_constant) {value, (uint32_t) size, (uint32_t) at};
    return (operand) {.base = CONSTANTS, .size = (uint8_t) size, .at = (uint32_t) at};
}

operand ptx_operand(parser *p, const raw *r, size_t size, int64_t *offset) {
    switch (r->kind) {
        case A_REGISTER:
            if (r->address && offset != NULL)
                *offset = (int64_t) r->value;
            return (operand) {.base = REGISTERS, .size = p->register_size[r->number],
                              .negated = r->negated, .at = r->number};
        case A_NUMBER: case A_SYMBOL:
            return constant(p, r->value, r->address ? 8 : size);
        case A_SINK:
            return (operand) {.base = REGISTERS, .sink = true};
        case A_NAME: default:
            ptx_refuse(&p->s, "%.*s is not known", r->name.length, r->name.begin);
    }
}
