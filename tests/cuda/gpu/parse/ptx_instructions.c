#include "ptx_parser.h"

#include <stdio.h>
#include <string.h>

#include "../operations/ptx_operations.h"

const word PTX_END_OF_ROUTINE = {"(end)", 5};

instruction *ptx_add_instruction(parser *p) {
    ptx_kernel *k = p->kernel;
    GROW(k->code, k->n_instructions, k->capacity);
    instruction *i = &k->code[k->n_instructions++];
    *i = (instruction) {.mask_operand = -1, .target = -1, .line = p->s.line, .text = p->where};
    return i;
}

void ptx_add_fixup(parser *p, int which, word name) {
    GROW(p->fixups, p->n_fixups, p->fixup_capacity);
    p->fixups[p->n_fixups++] = (fixup) {p->kernel->n_instructions-1, which, name, p->instance};
}

static bool is_one_of(const char *name, const char *const *list) {
    for (; *list != NULL; list++)
        if (strcmp(*list, name) == 0)
            return true;
    return false;
}

#define ONE_OF(name, ...) is_one_of(name, (const char *const[]) {__VA_ARGS__, NULL})

/* --------------------------------------------------------------------------- modifiers -- */

static bool take_type(instruction *i, const char *name) {
    const type t = ptx_type_of(name, (int) strlen(name));
    if (t == NO_TYPE)
        return false;
    if (i->n_types == 0)
        i->type = (uint8_t) t;
    else if (i->n_types == 1)
        i->from = (uint8_t) t;
    i->n_types++;
    return true;
}

static bool take_space(instruction *i, const char *name) {
    static const struct {const char *name; space where;} spaces[] = {
        {"global", GLOBAL}, {"shared", SHARED}, {"shared::cta", SHARED}, {"local", LOCAL},
        {"param", PARAMETER}, {"param::entry", PARAMETER}, {"param::func", PARAMETER},
        {"const", CONSTANT}};
    for (size_t k = 0; k < sizeof spaces/sizeof spaces[0]; k++)
        if (strcmp(spaces[k].name, name) == 0) {
            i->space = (uint8_t) spaces[k].where;
            return true;
        }
    return false;
}

/* .rn .rz .rm .rp, and with an i to integers. */
static bool take_rounding(instruction *i, const char *name) {
    const char *letter = name[0] == 'r' && name[1] != 0 ? strchr("nzmp", name[1]) : NULL;
    if (letter == NULL || !(name[2] == 0 || (name[2] == 'i' && name[3] == 0)))
        return false;
    i->round = (uint8_t) (letter[0] == 'n' ? NEAREST : letter[0] == 'z' ? ZERO :
                          letter[0] == 'm' ? DOWN : UP);
    i->integer_round = name[2] == 'i';
    return true;
}

/* Modifiers that mean the same with all operations; false: it is not one of them. */
static bool take_modifier(instruction *i, const char *name) {
    if (take_type(i, name) || take_space(i, name) || take_rounding(i, name))
        return true;
    if (ONE_OF(name, "v2", "v4", "v8"))
        i->vector = (uint8_t) (name[1]-'0');
    else if (strcmp(name, "ftz") == 0)
        i->ftz = true;
    else if (strcmp(name, "sat") == 0)
        i->saturate = true;
    else if (strcmp(name, "nc") == 0)
        i->stale = true;
    else if (ONE_OF(name, "volatile", "relaxed"))
        i->open = true;
    else        // hints, and orders that blocks one after the other keep anyway
        return ONE_OF(name, "sync", "aligned", "acquire", "release", "acq_rel", "weak", "cta",
                      "gpu", "sys", "noftz", "full", "convergent") ||
            strncmp(name, "L1::", 4) == 0 || strncmp(name, "L2::", 4) == 0;
    return true;
}

/* Cuts an opcode at its dots; returns the number of modifiers. */
static int split(parser *p, word opcode, char *words, size_t size, char **modifiers) {
    int n = 0;
    if ((size_t) opcode.length >= size)
        ptx_refuse(&p->s, "no operation %.*s", opcode.length, opcode.begin);
    snprintf(words, size, "%.*s", opcode.length, opcode.begin);
    for (char *dot = strchr(words, '.'); dot != NULL; dot = strchr(dot+1, '.')) {
        if (n == MAX_MODIFIERS)
            ptx_refuse(&p->s, "no operation %.*s", opcode.length, opcode.begin);
        *dot = 0;
        modifiers[n++] = dot+1;
    }
    return n;
}

/* ---------------------------------------------------------------------------- branches -- */

static void read_branch(parser *p, instruction *i) {
    i->kind = BRANCH;
    ptx_add_fixup(p, -1, ptx_word(&p->s));
    ptx_expect(&p->s, ';');
}

/* "ret" of an inlined routine leads to its end. */
static void read_end(parser *p, instruction *i, bool returns) {
    const bool inlined = p->depth > 0 && returns;
    i->kind = inlined ? BRANCH : END;
    if (inlined)
        ptx_add_fixup(p, -1, PTX_END_OF_ROUTINE);
    ptx_expect(&p->s, ';');
}

/* brx.idx index, list */
static void read_branch_table(parser *p, instruction *i) {
    raw list[MAX_OPERANDS];
    int n_first;
    const int n = ptx_read_operands(p, list, &n_first);
    const target_list *targets = NULL;
    for (int k = 0; k < p->n_lists && n == 2; k++)
        if (ptx_equal(p->lists[k].name, list[1].name) && p->lists[k].instance == p->instance)
            targets = &p->lists[k];
    if (targets == NULL)
        ptx_refuse(&p->s, "brx without a list of targets that is known");
    i->kind = BRANCH_TABLE;
    i->o = ptx_zeros(1, sizeof *i->o);
    i->o[0] = ptx_operand(p, &list[0], 4, NULL);
    i->n_operands = 1;
    i->n_targets = targets->n;
    i->targets = ptx_zeros((size_t) targets->n, sizeof *i->targets);
    for (int k = 0; k < targets->n; k++)
        ptx_add_fixup(p, k, targets->targets[k]);
}

/* ---------------------------------------------------------------------------- operands -- */

/* Bytes that the operation wants of source k; 0: a predicate. */
static size_t wanted_size(const char *base, const instruction *i, bool wide, int k) {
    const size_t size = ptx_type_size(i->type);
    if ((ONE_OF(base, "shl", "shr") && k == 1) || (strcmp(base, "bfe") == 0 && k >= 1) ||
            (strcmp(base, "bfi") == 0 && k >= 2) ||
            ONE_OF(base, "shf", "shfl", "bar", "barrier", "prmt", "lop3", "redux"))
        return 4;
    if (strcmp(base, "vote") == 0)
        return k == 0 ? 0 : 4;
    if (wide && k == 2)
        return 2*size;
    if (ONE_OF(base, "cvt", "set") || (strcmp(base, "slct") == 0 && k == 2))
        return ptx_type_size(i->from);
    return size;
}

/* A name in an address has the space of its declaration. */
static void take_space_of(instruction *i, const raw *r) {
    if (!r->address || r->kind != A_SYMBOL)
        return;
    if (i->space == PARAMETER)
        i->space = (uint8_t) r->where;
    else if (i->space == GENERIC)
        i->space = (uint8_t) (r->where == CONSTANT ? GLOBAL : r->where);
}

static void set_operands(parser *p, instruction *i, const char *base, bool wide, const raw *list,
                         int n, int n_first) {
    const bool no_destination = ONE_OF(base, "st", "red", "bar", "barrier", "trap");
    i->n_destinations = (uint8_t) (no_destination ? 0 : n_first);
    i->n_operands = (uint8_t) n;
    i->o = ptx_zeros((size_t) n, sizeof *i->o);
    for (int k = 0; k < n; k++) {
        const int source = k-i->n_destinations;
        take_space_of(i, &list[k]);
        if (source < 0 && list[k].kind != A_REGISTER && list[k].kind != A_SINK)
            ptx_refuse(&p->s, "a destination that is not a register");
        i->o[k] = source < 0 ? ptx_operand(p, &list[k], 8, NULL) :
            ptx_operand(p, &list[k], wanted_size(base, i, wide, source), &i->offset);
    }
}

static void read_operation(parser *p, instruction *i, word opcode, char *const *modifiers, int n) {
    char *left[MAX_MODIFIERS];
    raw list[MAX_OPERANDS];
    int n_first, n_left = 0;
    const char *base = modifiers[-1];
    bool wide = false;
    const int n_raw = ptx_read_operands(p, list, &n_first);
    for (int k = 0; k < n; k++)
        if (!take_modifier(i, modifiers[k])) {
            wide |= strcmp(modifiers[k], "wide") == 0;
            left[n_left++] = modifiers[k];
        }
    set_operands(p, i, base, wide, list, n_raw, n_first);
    i->kind = PLAIN;
    if (!ptx_choose(i, base, left, n_left))
        ptx_refuse(&p->s, "no operation %.*s with %d operands", opcode.length, opcode.begin,
                   n_raw);
}

/* Hints, and fences: blocks and warps run one after the other anyway. */
static bool does_nothing(const char *base) {
    return ONE_OF(base, "membar", "fence", "griddepcontrol", "nanosleep", "prefetch", "prefetchu",
                  "discard", "applypriority", "pmevent", "setmaxnreg");
}

void ptx_read_instruction(parser *p, word opcode, const raw *guard) {
    char words[256], *modifiers[1+MAX_MODIFIERS] = {words};
    const int n = split(p, opcode, words, sizeof words, modifiers+1);
    if (does_nothing(words)) {
        ptx_skip_to(&p->s, ';');
        return;
    }
    instruction *i = ptx_add_instruction(p);
    if (guard != NULL) {
        i->guarded = true;
        i->guard = ptx_operand(p, guard, 0, NULL);
    }
    if (strcmp(words, "bra") == 0)
        read_branch(p, i);
    else if (ONE_OF(words, "ret", "exit"))
        read_end(p, i, strcmp(words, "ret") == 0);
    else if (strcmp(words, "brx") == 0)
        read_branch_table(p, i);
    else
        read_operation(p, i, opcode, modifiers+1, n);
}
