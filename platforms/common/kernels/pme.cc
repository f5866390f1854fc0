/*
 * Reciprocal sum of one region by smooth particle mesh Ewald, splines of order 5; see ref_pme.c.
 *
 * 32 threads work on an atom: the first three make the splines of its axes, then thread 5 k0 + k1
 * takes the mesh points (k0, k1, 0 ... 4).
 */
#define ORDER 5
#define LANES 32
#define ATOMS (BLOCK/LANES)   /* of a block at a time */
#define SPLINES (3*ORDER)

/* Steps of the charges on the mesh, to the e: finer than those of energies. */
#define CHARGE_SCALE 17592186044416.0f
#define CHARGE_LIMIT 1e5f

/* value[k] = M_n(w + k), k = 0 ... n-1, from order n - 1 (Essmann et al. 1995, eq. 3.3). */
DEVICE void raiseOrder(int n, real w, LOCAL_ARG real* value) {
    real scale = 1/(real) (n-1);
    for (int k = n-1; k >= 0; k--) {
        real u = w+k, own = (k < n-1 ? value[k] : (real) 0), left = (k > 0 ? value[k-1] : (real) 0);
        value[k] = scale*(u*own+(n-u)*left);
    }
}

/*
 * Mesh points, weights and their derivatives by the mesh coordinate, of a point along one axis.
 *   per   row of the reciprocal cell without 2 pi, 1/nm
 *   K     points of the mesh
 */
DEVICE void makeSpline(exact4 x, exact4 per, int K, LOCAL_ARG int* point,
        LOCAL_ARG real* value, LOCAL_ARG real* slope) {
    exact f = per.x*x.x+per.y*x.y+per.z*x.z;
    exact u = (f-floor(f))*K;
    u = (u >= 0 && u < K ? u : (exact) 0);   /* a fraction can round to 1 */
    int base = (int) u;
    real w = (real) (u-base);
    value[0] = w;
    value[1] = 1-w;
    for (int n = 3; n < ORDER; n++)
        raiseOrder(n, w, value);
    for (int k = 0; k < ORDER; k++)
        slope[k] = (k < ORDER-1 ? value[k] : (real) 0)-(k > 0 ? value[k-1] : (real) 0);
    raiseOrder(ORDER, w, value);
    for (int k = 0; k < ORDER; k++)
        point[k] = (base-k+K)%K;
}

/* The splines of the block's atoms. All threads call it. */
DEVICE void makeSplines(int i, int last, GLOBAL const exact4* RESTRICT position, exact4 perA,
        exact4 perB, exact4 perC, int4 K, LOCAL_ARG int* point,
        LOCAL_ARG real* value, LOCAL_ARG real* slope) {
    int lane = LOCAL_ID%LANES, at = LOCAL_ID/LANES*SPLINES+lane*ORDER;
    SYNC_THREADS;
    if (i < last && lane < 3)
        makeSpline(position[i], lane == 0 ? perA : (lane == 1 ? perB : perC),
                   lane == 0 ? K.x : (lane == 1 ? K.y : K.z), &point[at], &value[at], &slope[at]);
    SYNC_THREADS;
}

/* sums [points]: add the charges of the rows first ... last-1; zeros before. */
KERNEL void mlffPmeSpread(GLOBAL const exact4* RESTRICT position,
        GLOBAL const real* RESTRICT charge, GLOBAL mm_ulong* sums,
        GLOBAL int* status, int first, int last, int4 K, exact4 perA, exact4 perB,
        exact4 perC) {
    LOCAL int point[ATOMS*SPLINES];
    LOCAL real value[ATOMS*SPLINES], slope[ATOMS*SPLINES];
    int lane = LOCAL_ID%LANES, at = LOCAL_ID/LANES*SPLINES;
    int k0 = at+lane/ORDER, k1 = at+ORDER+lane%ORDER;
    for (int base = first+GROUP_ID*ATOMS; base < last; base += NUM_GROUPS*ATOMS) {
        int i = base+LOCAL_ID/LANES;
        makeSplines(i, last, position, perA, perB, perC, K, point, value, slope);
        if (i < last && lane < ORDER*ORDER) {
            real q = guard(charge[i], CHARGE_LIMIT, i, status)*value[k0]*value[k1]*CHARGE_SCALE;
            int line = (point[k0]*K.y+point[k1])*K.z;
            for (int k = at+2*ORDER; k < at+SPLINES; k++)
                ATOMIC_ADD(&sums[line+point[k]], (mm_ulong) (mm_long) (q*value[k]));
        }
    }
}

/* mesh [points] = sums, and the sums to zero for the next time. */
KERNEL void mlffPmeCharges(GLOBAL mm_ulong* sums, GLOBAL real* mesh, int points) {
    for (int g = GLOBAL_ID; g < points; g += GLOBAL_SIZE) {
        mesh[g] = ((real) (mm_long) sums[g])/CHARGE_SCALE;
        sums[g] = 0;
    }
}

/* |b(m)|^2 of one axis (Essmann et al., eq. 4.4) is t^2, t = c (2 + c^2)/3, c = cos(pi m/K). The
   wave m = K/2 of an even mesh, which odd splines cannot hold, has none: here 1/t^2 is 0. */
DEVICE real splineModulus(int m, int K) {
    real c = cospi((real) m/K), t = c*(2+c*c)*((real) 1/(real) 3);
    return 2*m == K ? (real) 0 : 1/(t*t);
}

/*
 * wave [K.x][K.y][K.z/2+1]: transformed charges to transformed potential.
 *   factor    2c = 4 pi ke/V
 *   decay     1/(4 alpha^2)
 *   waveA ... 2 pi times the rows of the reciprocal cell, 1/angstrom
 */
KERNEL void mlffPmeConvolve(GLOBAL real2* wave, int4 K, real factor, real decay,
        real4 waveA, real4 waveB, real4 waveC) {
    int nc = K.z/2+1, total = K.x*K.y*nc;
    for (int g = GLOBAL_ID; g < total; g += GLOBAL_SIZE) {
        int m0 = g/(K.y*nc), m1 = g/nc%K.y, m2 = g%nc;
        real modulus = splineModulus(m0, K.x)*splineModulus(m1, K.y)*splineModulus(m2, K.z);
        m0 = (2*m0 <= K.x ? m0 : m0-K.x);
        m1 = (2*m1 <= K.y ? m1 : m1-K.y);
        real kx = m0*waveA.x+m1*waveB.x+m2*waveC.x;
        real ky = m0*waveA.y+m1*waveB.y+m2*waveC.y;
        real kz = m0*waveA.z+m1*waveB.z+m2*waveC.z;
        real k2 = kx*kx+ky*ky+kz*kz;
        /* at k = 0 the neutralising background, as in ewald.cc */
        real w = factor*(g == 0 ? -decay : EXP(-decay*k2)/k2*modulus);
        real2 F = wave[g];
        wave[g] = make_real2(w*F.x, w*F.y);
    }
}

/*
 * What the potential on the mesh gives the rows: added to chargeGradient, force and energy.
 */
KERNEL void mlffPmeRows(GLOBAL const exact4* RESTRICT position, GLOBAL const real* RESTRICT charge,
        GLOBAL const real* RESTRICT mesh, GLOBAL real* chargeGradient,
        GLOBAL mm_ulong* force, GLOBAL mm_ulong* energies,
        GLOBAL int* status, int n, int first, int last, int4 K, exact4 perA, exact4 perB,
        exact4 perC, int wantForces, real weight) {
    LOCAL int point[ATOMS*SPLINES];
    LOCAL real value[ATOMS*SPLINES], slope[ATOMS*SPLINES];
    LOCAL real sums[4*BLOCK];
    int lane = LOCAL_ID%LANES, at = LOCAL_ID/LANES*SPLINES;
    int k0 = at+lane/ORDER, k1 = at+ORDER+lane%ORDER;
    mm_long energy = 0;
    for (int base = first+GROUP_ID*ATOMS; base < last; base += NUM_GROUPS*ATOMS) {
        int i = base+LOCAL_ID/LANES;
        makeSplines(i, last, position, perA, perB, perC, K, point, value, slope);
        real potential = 0, sa = 0, sb = 0, sc = 0;
        if (i < last && lane < ORDER*ORDER) {
            int start = (point[k0]*K.y+point[k1])*K.z;
            real line = 0, lineSlope = 0;
            for (int k = at+2*ORDER; k < at+SPLINES; k++) {
                real phi = mesh[start+point[k]];
                line += value[k]*phi;
                lineSlope += slope[k]*phi;
            }
            potential = value[k0]*value[k1]*line;
            sa = slope[k0]*value[k1]*line;
            sb = value[k0]*slope[k1]*line;
            sc = value[k0]*value[k1]*lineSlope;
        }
        sums[LOCAL_ID] = potential;
        sums[BLOCK+LOCAL_ID] = sa;
        sums[2*BLOCK+LOCAL_ID] = sb;
        sums[3*BLOCK+LOCAL_ID] = sc;
        for (int step = LANES/2; step > 0; step /= 2) {
            SYNC_THREADS;
            if (lane < step)
                for (int c = 0; c < 4; c++)
                    sums[c*BLOCK+LOCAL_ID] += sums[c*BLOCK+LOCAL_ID+step];
        }
        if (i < last && lane == 0) {
            real q = charge[i], scale = -weight*q/10;   /* per: 1/nm */
            potential = sums[LOCAL_ID];
            sa = scale*K.x*sums[BLOCK+LOCAL_ID];
            sb = scale*K.y*sums[2*BLOCK+LOCAL_ID];
            sc = scale*K.z*sums[3*BLOCK+LOCAL_ID];
            chargeGradient[i] += potential;
            energy += energyToFixed(0.5f*q*potential, i, status);
            if (wantForces)
                addForce(force, i, n, (real) (sa*perA.x+sb*perB.x+sc*perC.x),
                         (real) (sa*perA.y+sb*perB.y+sc*perC.y),
                         (real) (sa*perA.z+sb*perB.z+sc*perC.z), status);
        }
    }
    if (lane == 0)
        ATOMIC_ADD(&energies[ENERGY_FULL], (mm_ulong) energy);
}
