/*
 * From the text of a module to its kernels' instructions.
 *
 *   ptx_words          characters to words and numbers
 *   ptx_symbols        names of registers and variables, and where variables lie
 *   ptx_module         variables and routines of a module
 *   ptx_operands       operands as they are written
 *   ptx_instructions   opcodes with their modifiers; branches
 *   ptx_bodies         blocks, labels, calls (which are inlined)
 *   ptx_flow           where each register is needed, and places in a warp for all
 *   ptx_kernel         parameters, limits, and all of these for one kernel
 *
 * Whatever is not known ends the parsing with its line and name (ptx_refuse).
 */
#ifndef PTX_PARSER_H
#define PTX_PARSER_H

#include "ptx_words.h"

enum {MAX_OPERANDS = 40, MAX_MODIFIERS = 16, MAX_CALLS = 16};

/* Of ".b8 name[32]" with an alignment; without a bound, size is 0. */
typedef struct {
    word name;
    type t;
    size_t size, alignment;     // bytes
} variable;

typedef enum {REGISTER_RANGE, VARIABLE} symbol_kind;

typedef struct {
    word name;
    symbol_kind kind;
    type t;
    int count;              // of a range, name0 ... name(count-1); 0: one register of this name
    uint32_t first;         // number of the first register
    space where;            // of a variable
    uint64_t address;
    size_t size, alignment; // bytes
    bool placed;            // in the device's memory
} symbol;

typedef struct {
    symbol *list;
    int n, capacity;
} symbols;

typedef struct {
    word name;
    bool entry;
    const char *parameters, *returned;  // after "(", or NULL
    const char *body;                   // at "{"
    int line, parameters_line, returned_line;
    ptx_kernel *kernel;                 // once it was asked for
} routine;

struct ptx_module {
    const ptx_memory *memory;
    routine *routines;
    int n_routines, routine_capacity;
    symbols symbols;
};

typedef struct {
    word name;
    int instance, at;   // of which inlined routine; index of an instruction
} label;

/* Of brx. */
typedef struct {
    word name;
    int instance, n;
    word *targets;
} target_list;

/* A branch whose label may come later. */
typedef struct {
    int instruction, which;     // which: place in its table; -1: its target
    word name;
    int instance;
} fixup;

/* A constant that is there already. */
typedef struct {
    uint64_t value;
    uint32_t size, at;
} known_constant;

typedef struct {
    scanner s;
    ptx_module *module;
    ptx_kernel *kernel;
    symbols symbols, shared;    // of the kernel; of the module, shared, that the kernel uses
    uint8_t *register_size;     // by number, bytes; 0: a predicate
    uint32_t n_registers, register_capacity;
    label *labels;
    int n_labels, label_capacity;
    target_list *lists;
    int n_lists, list_capacity;
    fixup *fixups;
    int n_fixups, fixup_capacity;
    known_constant *known;
    int n_known, known_capacity;
    size_t constant_capacity;
    int instance, n_instances, depth;   // of inlined routines
    const char *where;                  // the instruction's text
} parser;

/* ----------------------------------------------------------------------------- symbols -- */

symbol *ptx_find_symbol(const symbols *in, word name);      // the last of this name, or NULL
symbol *ptx_add_symbol(symbols *to, symbol s);
uint32_t ptx_add_registers(parser *p, int count, type t);   // number of the first
void ptx_read_registers(parser *p);                         // after ".reg"
variable ptx_read_variable(scanner *s);                     // after its space
/* A variable in shared or local memory of the kernel. */
symbol ptx_place_variable(ptx_kernel *k, variable v, space where);

/* ---------------------------------------------------------------------------- operands -- */

typedef enum {A_REGISTER, A_NUMBER, A_SYMBOL, A_NAME, A_SINK} raw_kind;

/* An operand as it is written; those of a vector one after the other. */
typedef struct {
    raw_kind kind;
    bool negated, address;
    uint32_t number;    // of a register
    uint64_t value;     // a number, a symbol's address, what is added to a register
    space where;        // of a symbol
    word name;
} raw;

raw ptx_read_one(parser *p);
int ptx_read_operands(parser *p, raw *list, int *n_first);  // up to ";"; of the first: how many
/* size: bytes that the operation wants; of an address, offset is what is added to a register. */
operand ptx_operand(parser *p, const raw *r, size_t size, int64_t *offset);

/* ------------------------------------------------------------------------ instructions -- */

instruction *ptx_add_instruction(parser *p);
void ptx_add_fixup(parser *p, int which, word name);
/* After its opcode. A call is not one of them. */
void ptx_read_instruction(parser *p, word opcode, const raw *guard);
void ptx_read_body(parser *p);
void ptx_resolve_labels(parser *p);
void ptx_place_registers(parser *p);

/* Parses a kernel of the module; NULL: message says why. */
ptx_kernel *ptx_build(ptx_module *module, const routine *r, char *message);
void ptx_free_kernel(ptx_kernel *k);

extern const word PTX_END_OF_ROUTINE;   // a label

#endif
