/*
 * Reciprocal sum of one region, wave vector by wave vector; see ref_ewald.c.
 *   c sum_k w_k |S(k)|^2,  S(k) = sum_j q_j exp(i k x_j),  c = 2 pi ke/V
 * over the vectors 2 pi (m_a, m_b, m_c) times the reciprocal cell in the box -M <= m <= M, one of
 * each pair k, -k with twice the weight exp(-k^2/(4 alpha^2))/k^2. k = 0 is the neutralising
 * background: there that expression less 1/k^2 tends to -1/(4 alpha^2).
 */

/* Vectors are numbered from k = 0, the centre of the box, to its last corner. */
DEVICE int4 waveVector(int k, int4 M) {
    int nb = 2*M.y+1, nc = 2*M.z+1;
    int at = k+((2*M.x+1)*nb*nc-1)/2;
    return make_int4(at/(nb*nc)-M.x, at/nc%nb-M.y, at%nc-M.z, 0);
}

/* Angle k.x of a row in half turns, -1 ... 1: for sinpi() and cospi(). */
DEVICE real waveAngle(int4 m, real4 x) {
    real turn = m.x*x.x+m.y*x.y+m.z*x.z;
    return 2*(turn-floor(turn+0.5f));
}

/*
 * structure [vectors]: w_k S(k) of the rows first ... last-1. One block a vector.
 *   fraction   [n] coordinates in the box, -1/2 ... 1/2, and charge
 *   waveA ...  2 pi times the rows of the reciprocal cell, 1/angstrom
 *   decay      1/(4 alpha^2)
 */
KERNEL void mlffEwaldStructure(GLOBAL const real4* RESTRICT fraction,
        GLOBAL real2* structure, int first, int last, int numVectors, int4 M, real decay,
        real4 waveA, real4 waveB, real4 waveC) {
    LOCAL real values[2*BLOCK];
    for (int k = GROUP_ID; k < numVectors; k += NUM_GROUPS) {
        int4 m = waveVector(k, M);
        real re = 0, im = 0;
        for (int i = first+LOCAL_ID; i < last; i += BLOCK) {
            real4 x = fraction[i];
            real angle = waveAngle(m, x);
            re += x.w*cospi(angle);
            im += x.w*sinpi(angle);
        }
        SYNC_THREADS;
        values[LOCAL_ID] = re;
        values[BLOCK+LOCAL_ID] = im;
        sumBlock(values, 2);
        if (LOCAL_ID == 0) {
            real kx = m.x*waveA.x+m.y*waveB.x+m.z*waveC.x;
            real ky = m.x*waveA.y+m.y*waveB.y+m.z*waveC.y;
            real kz = m.x*waveA.z+m.y*waveB.z+m.z*waveC.z;
            real k2 = kx*kx+ky*ky+kz*kz;
            real w = (k == 0 ? -decay : 2*EXP(-decay*k2)/k2);
            structure[k] = make_real2(w*values[0], w*values[BLOCK]);
        }
    }
}

/*
 * What the sum gives the rows: added to chargeGradient, force and energy. One block a row.
 *   factor    2c, eV angstrom^2/e^2
 */
KERNEL void mlffEwaldRows(GLOBAL const real4* RESTRICT fraction,
        GLOBAL const real2* RESTRICT structure, GLOBAL real* chargeGradient,
        GLOBAL mm_ulong* force, GLOBAL mm_ulong* energies,
        GLOBAL int* status, int n, int first, int last, int numVectors, int4 M,
        real factor, real4 waveA, real4 waveB, real4 waveC, int wantForces, real weight) {
    LOCAL real values[4*BLOCK];
    mm_long energy = 0;
    for (int i = first+GROUP_ID; i < last; i += NUM_GROUPS) {
        real4 x = fraction[i];
        /* sums of w Re and w Im times m */
        real potential = 0, fa = 0, fb = 0, fc = 0;
        for (int k = LOCAL_ID; k < numVectors; k += BLOCK) {
            int4 m = waveVector(k, M);
            real2 S = structure[k];
            real angle = waveAngle(m, x), re = cospi(angle), im = sinpi(angle);
            potential += S.x*re+S.y*im;
            real slope = S.x*im-S.y*re;
            fa += slope*m.x;
            fb += slope*m.y;
            fc += slope*m.z;
        }
        SYNC_THREADS;
        values[LOCAL_ID] = potential;
        values[BLOCK+LOCAL_ID] = fa;
        values[2*BLOCK+LOCAL_ID] = fb;
        values[3*BLOCK+LOCAL_ID] = fc;
        sumBlock(values, 4);
        if (LOCAL_ID == 0) {
            potential = factor*values[0];
            fa = factor*weight*x.w*values[BLOCK];
            fb = factor*weight*x.w*values[2*BLOCK];
            fc = factor*weight*x.w*values[3*BLOCK];
            chargeGradient[i] += potential;
            energy += energyToFixed(0.5f*x.w*potential, i, status);
            if (wantForces)
                addForce(force, i, n, fa*waveA.x+fb*waveB.x+fc*waveC.x,
                         fa*waveA.y+fb*waveB.y+fc*waveC.y, fa*waveA.z+fb*waveB.z+fc*waveC.z,
                         status);
        }
    }
    if (LOCAL_ID == 0 && first+GROUP_ID < last)
        ATOMIC_ADD(&energies[ENERGY_FULL], (mm_ulong) energy);
}
