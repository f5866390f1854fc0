/*
 * The judgement of periodic boxes, the same for all platforms. Two layers: what no one can compute is
 * always refused; what no model was made for is refused unless the user insists. Both are decided
 * from numbers alone, before anything is allocated.
 */
#ifndef MLFF_BOX_H_
#define MLFF_BOX_H_

#include "mlff_internal.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Bounds on the pairs within a cutoff: they keep memory in proportion to the atoms (about 10 MB per
   atom at worst) and the time of a search finite. Liquids have 50 pairs per atom within 5 A and
   1,400 within 15 A. */
enum {
    MLFF_BOX_MOST_CELLS = 500,      /* cells that a cutoff reaches over, per direction: devices pack
                                       three such numbers in a word */
    MLFF_BOX_MOST_PAIRS = 100000    /* pairs per atom; images of one atom */
};

/* What a box may not fall short of to be judged as meant. */
#define MLFF_BOX_LEAST_VOLUME 1.0   /* A^3 per atom: metallic hydrogen at 5 Mbar has 1.2, diamond 5.7 */
#define MLFF_BOX_LEAST_REPEAT 1.0   /* A, from an atom to its own nearest image */

/* A box, measured without underflow or overflow of intermediate products. */
typedef struct mlff_box {
    double volume;           /* A^3, positive */
    double inverse[3][3];    /* fraction_a = sum_b x_b inverse[b][a], 1/A */
    double width[3];         /* A, between the faces that vector a joins */
} mlff_box;

/*
 * Measure a box. Costs some 100 operations.
 *
 *   cell    [3][3] rows a b c, A; left-handed is fine
 *   out     filled in on success
 *
 * Returns MLFF_OK, or MLFF_ERROR_BOX for what double precision cannot compute with: a vector that
 * is not finite or zero, vectors in a plane (a sine of less than 1e-9), a volume that overflows or
 * underflows.
 */
MLFF_API mlff_status mlff_box_measure(const double (*cell)[3], mlff_box *out, mlff_error *err);

/*
 * Judge whether the pairs within a cutoff can be listed, before they are: MLFF_OK, or MLFF_ERROR_BOX
 * beyond the bounds above for atoms that are spread evenly.
 *
 *   n_atoms    atoms that see each other
 *   cutoff     A, finite, with the skin
 */
MLFF_API mlff_status mlff_box_check_pairs(const mlff_box *box, int n_atoms, double cutoff,
                                          mlff_error *err);

/* MLFF_ERROR_BOX for an atom whose pairs outnumber MLFF_BOX_MOST_PAIRS, found while they are listed:
   atoms crowd in a part of the box. */
MLFF_API mlff_status mlff_box_fail_crowded(int atom, double cutoff, mlff_error *err);

/* What to do about a region that a box cannot hold in one piece, for messages. */
#define MLFF_BOX_REMEDY "let the network see periodic copies " \
    "(setUsesPeriodicBoundaryConditions(True), periodic=True in Python's functions), or use a " \
    "larger box"
#define MLFF_BOX_REMEDY_BONDS "add bonds, which hold its molecules together (addBond(); " \
    "fromTopology() takes those of the Topology), or " MLFF_BOX_REMEDY

/* MLFF_ERROR_BOX for two atoms of different molecules of a region that are within the network's
   cutoff, A, in a periodic copy other than the one placed: it is no group of molecules in vacuum. */
MLFF_API mlff_status mlff_box_fail_around(int first, int second, int region, double cutoff,
                                          mlff_error *err);

/*
 * Judge positions: MLFF_OK, or MLFF_ERROR_NUMBER for a coordinate that is not finite, or so large that
 * its square is not, or more than 1e8 cells away from the box, where no digit of a distance is left.
 *
 *   position   [n_atoms][3] A
 *   box        NULL: an open system
 */
MLFF_API mlff_status mlff_box_check_positions(const mlff_box *box, int n_atoms,
                                              const double (*position)[3], mlff_error *err);

/*
 * Judge whether a box can be meant for so many atoms: MLFF_OK, or MLFF_ERROR_BOX for a dummy, less
 * volume per atom than any solid has, or an atom that nearly meets its own image. The message says
 * what looks wrong; the caller adds how to insist.
 *
 *   cell       a box that mlff_box_measure() accepts
 *   n_atoms    atoms that see each other
 */
MLFF_API mlff_status mlff_box_check_meant(const double (*cell)[3], int n_atoms, mlff_error *err);

/* Whether a box is the cube of 1 A that PDB files of structures without a crystal carry. */
MLFF_API bool mlff_box_is_dummy(const double (*cell)[3]);

/* Length of the shortest lattice vector, A: how far an atom is from its nearest image. cell as for
   mlff_box_check_meant(). */
MLFF_API double mlff_box_shortest_repeat(const double (*cell)[3]);

#ifdef __cplusplus
}
#endif
#endif
