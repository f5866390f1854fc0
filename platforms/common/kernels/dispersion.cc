/*
 * D3(BJ), see ref_dispersion.c. Elements of the atoms are numbered as kinds.
 *
 * The reference coordination numbers of an element are the same whatever its partner (FACTORS;
 * the published table is such), so that the weight of a pair of references is a product of one
 * weight of each atom, with the sum over an atom's references 1:
 *   C6_ij = sum_p weight_i[p] T_i(j)[p],   T_k(j)[p] = sum_s c6ref[k][kind j][p][s] weight_j[s]
 * T is made once an atom, for each kind that may ask. References whose product of weights, relative
 * to the largest, is below exp(-12) are dropped: a pair that may have such goes through all 25.
 * Without FACTORS each pair weighs its references anew.
 *
 * Per asking kind and atom, record [kinds][n][2] real4 holds {T[0..3]}, {T[4], root, charge,
 * least}; without FACTORS record [n] is {CN, root, charge, 0}. root = sqrt(sqrt(3) r4r2), least:
 * smallest weight relative to the largest. Per atom (FACTORS) own [n][12]: weight[5], its
 * derivatives by CN [5], least, root.
 */
#define OWN 12
#define REFERENCES 5
#define TABLE 25
#define WEIGHT_STEEPNESS 4
#define COUNTING_STEEPNESS 16

/* ----------------------------------------------------------------- coordination numbers -- */

/* n = 1/(1 + exp(-16 (radii/d - 1))); *slope: its derivative over d, 1/angstrom^2. */
DEVICE real countNeighbor(real radii, real d, real* slope) {
    real inverse = 1/d, ratio = radii*inverse;
    real e = EXP(COUNTING_STEEPNESS*(1-ratio)), n = 1/(1+e);
    *slope = -COUNTING_STEEPNESS*n*n*e*ratio*inverse*inverse;
    return n;
}

#ifdef FACTORS
/* Weights of an atom's references, their sum 1; 0 for those that are dropped with any partner. */
DEVICE void weighReferences(real cn, GLOBAL const real* RESTRICT cnref, real* weight,
        real* least, real* mean) {
    real largest = -1e30f;
    for (int p = 0; p < REFERENCES; p++) {
        real offset = cn-cnref[p];
        weight[p] = -WEIGHT_STEEPNESS*offset*offset;
        largest = (weight[p] > largest ? weight[p] : largest);
    }
    real sum = 0;
    *mean = 0;
    *least = 1;
    for (int p = 0; p < REFERENCES; p++) {
        real exponent = weight[p]-largest;
        weight[p] = (exponent >= -12 ? EXP(exponent) : (real) 0);
        sum += weight[p];
        *mean += (weight[p] > 0 ? weight[p]*(cn-cnref[p]) : (real) 0);
        *least = (weight[p] > 0 && weight[p] < *least ? weight[p] : *least);
    }
    for (int p = 0; p < REFERENCES; p++)
        weight[p] /= sum;
    *mean /= sum;
}
#endif

/*
 * Coordination numbers, and what follows from them atom by atom.
 *   radius        [n] covalent radii, angstrom, times 4/3
 *   root          [kinds]
 *   c6ref         [kinds][kinds][5][5]; cnref [kinds][5] (1e6: unused)
 */
KERNEL void mlffCoordination(GLOBAL const exact4* RESTRICT position,
        GLOBAL const real* RESTRICT charge, GLOBAL const int* RESTRICT kind,
        GLOBAL const real* RESTRICT radius, GLOBAL const real* RESTRICT root,
        GLOBAL const real* RESTRICT c6ref, GLOBAL const real* RESTRICT cnref,
        GLOBAL real* own, GLOBAL real4* record, int n, int numKinds,
        FAR_ARGUMENTS) {
    LOCAL real values[BLOCK];
    READ_BOX
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        exact4 xi = position[i];
        real mine = radius[i], sum = 0, slope;
        int last = FAR_LAST(i);
        for (int k = FAR_FIRST(i)+LOCAL_ID; k < last; k += BLOCK) {
            int2 pair = FAR_PAIR(i, k);
            if (isItself(i, pair))
                continue;
            real4 r = pairVector(xi, position[pair.x], pair.y, boxA, boxB, boxC);
            if (r.w < COUNTING_RANGE)
                sum += countNeighbor(mine+radius[pair.x], r.w, &slope);
        }
        SYNC_THREADS;
        values[LOCAL_ID] = sum;
        sumBlock(values, 1);

        real cn = values[0];
        int myKind = kind[i];
#ifdef FACTORS
        /* a thread for each kind; all of them weigh, thread 0 stores */
        if (LOCAL_ID < numKinds) {
            real weight[REFERENCES], least, mean;
            GLOBAL const real* numbers = &cnref[myKind*REFERENCES];
            weighReferences(cn, numbers, weight, &least, &mean);
            for (int p = 0; p < REFERENCES && LOCAL_ID == 0; p++) {
                own[i*OWN+p] = weight[p];
                own[i*OWN+REFERENCES+p] = (weight[p] > 0 ?
                    -2*WEIGHT_STEEPNESS*weight[p]*(cn-numbers[p]-mean) : (real) 0);
            }
            if (LOCAL_ID == 0) {
                own[i*OWN+10] = least;
                own[i*OWN+11] = root[myKind];
            }
            for (int a = LOCAL_ID; a < numKinds; a += BLOCK) {
                GLOBAL const real* c6 = &c6ref[(a*numKinds+myKind)*TABLE];
                real T[REFERENCES];
                for (int p = 0; p < REFERENCES; p++) {
                    T[p] = 0;
                    for (int s = 0; s < REFERENCES; s++)
                        T[p] += weight[s]*c6[p*REFERENCES+s];
                }
                record[((mm_long) a*n+i)*2] = make_real4(T[0], T[1], T[2], T[3]);
                record[((mm_long) a*n+i)*2+1] =
                    make_real4(T[4], root[myKind], charge[i], least);
            }
        }
#else
        if (LOCAL_ID == 0)
            record[i] = make_real4(cn, root[myKind], charge[i], 0);
#endif
    }
}

/*
 * Forces that come through the coordination numbers.
 *   gradCN    [n] dE/dCN, eV
 */
KERNEL void mlffCoordinationForces(GLOBAL const exact4* RESTRICT position,
        GLOBAL const real* RESTRICT radius, GLOBAL const real* RESTRICT gradCN,
        GLOBAL mm_ulong* force, GLOBAL int* status, int n, real weight,
        FAR_ARGUMENTS) {
    LOCAL real values[3*BLOCK];
    READ_BOX
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        exact4 xi = position[i];
        real mine = radius[i], grad = gradCN[i];
        real fx = 0, fy = 0, fz = 0;
        int last = FAR_LAST(i);
        for (int k = FAR_FIRST(i)+LOCAL_ID; k < last; k += BLOCK) {
            int2 pair = FAR_PAIR(i, k);
            if (isItself(i, pair))
                continue;
            real4 r = pairVector(xi, position[pair.x], pair.y, boxA, boxB, boxC);
            if (!(r.w < COUNTING_RANGE))
                continue;
            real slope;
            countNeighbor(mine+radius[pair.x], r.w, &slope);
            real f = (grad+gradCN[pair.x])*slope;
            fx += f*r.x;
            fy += f*r.y;
            fz += f*r.z;
        }
        SYNC_THREADS;
        values[LOCAL_ID] = fx;
        values[BLOCK+LOCAL_ID] = fy;
        values[2*BLOCK+LOCAL_ID] = fz;
        sumBlock(values, 3);
        if (LOCAL_ID == 0)
            addForce(force, i, n, weight*values[0], weight*values[BLOCK], weight*values[2*BLOCK],
                     status);
    }
}

/* -------------------------------------------------------------------------------- pairs -- */

#ifdef FACTORS
/* C6 of a pair with references to drop, and its derivative by CN_i; own of both atoms. */
DEVICE real droppingC6(GLOBAL const real* RESTRICT mine, GLOBAL const real* RESTRICT other,
        GLOBAL const real* RESTRICT c6ref, real* slope) {
    real largest_i = 0, largest_j = 0;
    for (int p = 0; p < REFERENCES; p++) {
        largest_i = (mine[p] > largest_i ? mine[p] : largest_i);
        largest_j = (other[p] > largest_j ? other[p] : largest_j);
    }
    real limit = DROPPED_WEIGHT*largest_i*largest_j;
    real sum = 0, c6 = 0, sum_slope = 0, c6_slope = 0;
    for (int p = 0; p < REFERENCES; p++)
        for (int s = 0; s < REFERENCES; s++) {
            real w = mine[p]*other[s], dw = mine[REFERENCES+p]*other[s];
            if (!(w >= limit))
                continue;
            real c = c6ref[p*REFERENCES+s];
            sum += w;
            c6 += w*c;
            sum_slope += dw;
            c6_slope += dw*c;
        }
    c6 /= sum;
    *slope = (c6_slope-c6*sum_slope)/sum;
    return c6;
}
#else
/* C6 of a pair, reference by reference, and its derivative by CN_i; tables [5][5] of the pair. */
DEVICE real weighedC6(real cn_i, real cn_j, GLOBAL const real* RESTRICT c6ref,
        GLOBAL const real* RESTRICT cnref_i, GLOBAL const real* RESTRICT cnref_j, real* slope) {
    real largest = -1e30f;
    for (int p = 0; p < REFERENCES; p++)
        for (int s = 0; s < REFERENCES; s++) {
            real di = cn_i-cnref_i[p*REFERENCES+s], dj = cn_j-cnref_j[s*REFERENCES+p];
            real exponent = -WEIGHT_STEEPNESS*(di*di+dj*dj);
            if (c6ref[p*REFERENCES+s] != 0 && exponent > largest)
                largest = exponent;
        }
    real sum = 0, c6 = 0, mean = 0, c6_mean = 0;
    for (int p = 0; p < REFERENCES; p++)
        for (int s = 0; s < REFERENCES; s++) {
            real c = c6ref[p*REFERENCES+s];
            real di = cn_i-cnref_i[p*REFERENCES+s], dj = cn_j-cnref_j[s*REFERENCES+p];
            real exponent = -WEIGHT_STEEPNESS*(di*di+dj*dj)-largest;
            if (c == 0 || !(exponent >= -12))
                continue;
            real w = EXP(exponent);
            sum += w;
            c6 += w*c;
            mean += w*di;
            c6_mean += w*c*di;
        }
    c6 /= sum;
    *slope = -2*WEIGHT_STEEPNESS*(c6_mean-c6*mean)/sum;
    return c6;
}
#endif

/*
 * D(r) sw(r) in atomic units; *slope: its derivative by d, 1/angstrom. From 1 micrometer on D is that
 * of 1 micrometer, 1e-26, far below the steps of the sums: r^8 would overflow.
 */
DEVICE real dampedDispersion(real root, real d, real inverse, real* slope) {
    real r = (d < 1e4f ? d : (real) 1e4f)*PER_BOHR, r2 = r*r, r6 = r2*r2*r2, r8 = r6*r2;
    real rr = root*root;
    real R0 = DAMPING_A1*root+DAMPING_A2, R2 = R0*R0, R6 = R2*R2*R2, R8 = R6*R2;
    real i6 = 1/(r6+R6), i8 = 1/(r8+R8);
    real e6 = DAMPING_S6*i6, e8 = DAMPING_S8*rr*i8, D = e6+e8;
    real dD = -(6*r6*i6*e6+8*r8*i8*e8)*inverse;
    real t = (d-DISPERSION_ON)*PER_SWITCH_WIDTH;
    t = (t > 0 ? t : (real) 0);
    t = (t < 1 ? t : (real) 1);
    real sw = 1-t*t*t*(10-15*t+6*t*t), dsw = -30*t*t*(1-t)*(1-t)*PER_SWITCH_WIDTH;
    *slope = dD*sw+D*dsw;
    return D*sw;
}
