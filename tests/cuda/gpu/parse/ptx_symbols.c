#include "ptx_parser.h"

#include <ctype.h>
#include <string.h>

/* Whether a name is one of a range's: "%r12" of "%r<20>". */
static bool in_range(const symbol *range, word name) {
    if (name.length <= range->name.length || name.length >= range->name.length+10 ||
            memcmp(range->name.begin, name.begin, (size_t) range->name.length) != 0)
        return false;
    int number = 0, k = range->name.length;
    while (k < name.length && isdigit((unsigned char) name.begin[k]))
        number = 10*number+name.begin[k++]-'0';
    return k == name.length && number < range->count;
}

symbol *ptx_find_symbol(const symbols *in, word name) {
    for (int s = in->n; s-- > 0;) {
        symbol *found = &in->list[s];
        const bool single = found->kind == VARIABLE || found->count == 0;
        if (single ? ptx_equal(found->name, name) : in_range(found, name))
            return found;
    }
    return NULL;
}

symbol *ptx_add_symbol(symbols *to, symbol s) {
    GROW(to->list, to->n, to->capacity);
    to->list[to->n] = s;
    return &to->list[to->n++];
}

uint32_t ptx_add_registers(parser *p, int count, type t) {
    const uint32_t first = p->n_registers;
    while (p->n_registers+(uint32_t) count > p->register_capacity) {
        p->register_capacity = 2*p->register_capacity+1024;
        p->register_size = ptx_resize(p->register_size, p->register_capacity);
    }
    memset(p->register_size+first, (int) ptx_type_size(t), (size_t) count);
    p->n_registers += (uint32_t) count;
    return first;
}

/* "%r<20>" or a list of names. Lanes of one byte and of 16 are not known. */
void ptx_read_registers(parser *p) {
    scanner *s = &p->s;
    const word kind = ptx_word(s);
    const type t = ptx_type_of(kind.begin+1, kind.length-1);
    const size_t size = ptx_type_size(t);
    if (t == NO_TYPE || size == 1 || size == 16)
        ptx_refuse(s, "registers of type %.*s are not known", kind.length, kind.begin);
    do {
        symbol made = {.name = ptx_word(s), .kind = REGISTER_RANGE, .t = t};
        uint64_t n = 0;
        if (ptx_accept(s, '<')) {
            if (!ptx_number(s, &n) || n == 0)
                ptx_refuse(s, "expected a number of registers");
            ptx_expect(s, '>');
            made.count = (int) n;
        }
        made.first = ptx_add_registers(p, made.count > 0 ? made.count : 1, t);
        ptx_add_symbol(&p->symbols, made);
    } while (ptx_accept(s, ','));
    ptx_expect(s, ';');
}

/* ".align 16 .b8 name[4][8]". */
variable ptx_read_variable(scanner *s) {
    variable v = {.t = NO_TYPE};
    size_t count = 1;
    uint64_t number;
    for (word w = ptx_word(s);; w = ptx_word(s)) {
        const type t = w.begin[0] == '.' ? ptx_type_of(w.begin+1, w.length-1) : NO_TYPE;
        if (w.begin[0] != '.') {
            v.name = w;
            break;
        }
        if (t != NO_TYPE)
            v.t = t;
        else if (ptx_same(w, ".align") && ptx_number(s, &number))
            v.alignment = number;
        else if (!ptx_same(w, ".ptr") && !ptx_same(w, ".global") && !ptx_same(w, ".shared"))
            ptx_refuse(s, "%.*s is not known in a declaration", w.length, w.begin);
    }
    while (ptx_accept(s, '[')) {
        number = 0;
        ptx_number(s, &number);
        count *= number;
        ptx_expect(s, ']');
    }
    v.size = count*ptx_type_size(v.t);
    if (v.t == NO_TYPE)
        ptx_refuse(s, "%.*s has no type", v.name.length, v.name.begin);
    if (v.alignment == 0)
        v.alignment = ptx_type_size(v.t);
    return v;
}

static size_t align(size_t at, size_t alignment) {
    return (at+alignment-1)/alignment*alignment;
}

symbol ptx_place_variable(ptx_kernel *k, variable v, space where) {
    symbol s = {.name = v.name, .kind = VARIABLE, .t = v.t, .where = where, .size = v.size,
                .alignment = v.alignment};
    if (where == SHARED && v.size == 0) {
        s.address = DYNAMIC_BEGIN;
        return s;
    }
    size_t *end = where == SHARED ? &k->static_shared : &k->local_bytes;
    s.address = align(*end, v.alignment);
    *end = s.address+v.size;
    return s;
}
