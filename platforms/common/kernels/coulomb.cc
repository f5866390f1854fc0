/*
 * All pairs of a row: E_short over its message pairs, Coulomb and dispersion over its long-range
 * pairs; see ref_coulomb.c and dispersion.cc.
 *
 * Defined at compile time: one of SHORT_EXP and SHORT_COSINE, or neither; one of COULOMB_PLAIN,
 * COULOMB_DSF and COULOMB_EWALD (Ewald and PME), or none; DISPERSION.
 */
#if defined(COULOMB_PLAIN) || defined(COULOMB_DSF) || defined(COULOMB_EWALD)
#define COULOMB
#endif
#if defined(SHORT_EXP) || defined(SHORT_COSINE)
#define SHORT
#endif
#if defined(COULOMB) || defined(DISPERSION)
#define FAR_PAIRS
#endif

#ifdef SHORT
/* h(d)/d of the envelope; *slope: its derivative. */
DEVICE real shortRange(real d, real inverse, real* slope) {
#ifdef SHORT_EXP
    real t = d*PER_SHORT_RANGE, rest = 1/(1-t*t);
    /* nothing is left where the exponential underflows */
    rest = (rest < 60 ? rest : (real) 60);
    real h = (rest < 60 ? EXP(1-rest) : (real) 0);
    real dh = -2*t*PER_SHORT_RANGE*rest*rest*h;
#else
    real t = d*PER_SHORT_RANGE;
    real h = 0.5f*(cospi(t)+1), dh = -0.5f*PI*PER_SHORT_RANGE*sinpi(t);
#endif
    *slope = (dh-h*inverse)*inverse;
    return h*inverse;
}
#endif

#if defined(COULOMB_DSF) || defined(COULOMB_EWALD)
/* erfc(alpha d)/d; *slope: its derivative. */
DEVICE real screened(real alpha, real d, real inverse, real* slope) {
    real x = alpha*d, phi = ERFC(x)*inverse;
    *slope = -(phi+2*alpha*PER_ROOT_PI*EXP(-x*x))*inverse;
    return phi;
}
#endif

#ifdef COULOMB_EWALD
/* Coordinate along one box vector, of the copy nearest to the origin; per: reciprocal, 1/nm. */
DEVICE real centered(exact4 x, exact4 per) {
    exact f = per.x*x.x+per.y*x.y+per.z*x.z;
    return (real) (f-floor(f+0.5f));
}
#endif

/*
 * Energies, dE/dq, dE/dCN, and forces at fixed charges.
 *   chargeGradient  [n] overwritten
 *   gradCN          [n] overwritten (DISPERSION)
 *   fraction        [n] coordinates in the box, -1/2 ... 1/2, and charge (COULOMB_EWALD)
 *   wantForces      0 or 1
 *   weight          of the forces
 *   regionFactor    [regions] sixth root of the atoms of each region
 *   alpha1, range1  Ewald's splitting of a region of one atom
 *   perA, perB, perC  rows of the reciprocal cell without 2 pi, 1/nm
 */
KERNEL void mlffLongRange(GLOBAL const exact4* RESTRICT position,
        GLOBAL const real* RESTRICT charge, GLOBAL real* chargeGradient,
        GLOBAL mm_ulong* force, GLOBAL mm_ulong* energies,
        GLOBAL int* status, int n, int wantForces, real weight
#ifdef SHORT
        , GLOBAL const int* RESTRICT nearCount, GLOBAL const int* RESTRICT nearNeighbor,
        GLOBAL const real4* RESTRICT nearVector, int nearCapacity
#endif
#ifdef COULOMB_EWALD
        , GLOBAL const real* RESTRICT regionFactor, GLOBAL const int* RESTRICT region,
        GLOBAL real4* fraction, real alpha1, real range1, exact4 perA, exact4 perB,
        exact4 perC
#endif
#ifdef DISPERSION
        , GLOBAL const int* RESTRICT kind, GLOBAL const real* RESTRICT c6ref,
        GLOBAL const real* RESTRICT cnref, GLOBAL const real* RESTRICT own,
        GLOBAL const real4* RESTRICT record, GLOBAL real* gradCN, int numKinds
#endif
#ifdef FAR_PAIRS
        , FAR_ARGUMENTS
#endif
        ) {
    LOCAL real values[7*BLOCK];
#ifdef FAR_PAIRS
    READ_BOX
#endif
    mm_long energyShort = 0, energyFull = 0, energyDispersion = 0;
    for (int i = GROUP_ID; i < n; i += NUM_GROUPS) {
        exact4 xi = position[i];
        real qi = charge[i];
        /* half of dE/dq, of energy and force of all pairs; eV */
        real potentialShort = 0, potential = 0, dispersion = 0, grad = 0;
        real fx = 0, fy = 0, fz = 0;

#ifdef SHORT
        int lastNear = min(nearCount[i], nearCapacity);
        for (int k = LOCAL_ID; k < lastNear; k += BLOCK) {
            real4 r = nearVector[(mm_long) i*nearCapacity+k];
            if (!(r.w < SHORT_RANGE))
                continue;
            real inverse = 1/r.w, slope;
            real qj = charge[nearNeighbor[(mm_long) i*nearCapacity+k]];
            potentialShort -= HALF_KE*qj*shortRange(r.w, inverse, &slope);
            real f = -HALF_KE*qi*qj*slope*inverse;
            fx += f*r.x;
            fy += f*r.y;
            fz += f*r.z;
        }
        /* Coulomb cancels most of these terms: no digit is left of larger ones */
        guard(fabs(fx)+fabs(fy)+fabs(fz), FORCE_LIMIT, i, status);
#endif

#ifdef COULOMB_EWALD
        real factor = regionFactor[region[i]];
        real alpha = alpha1*factor, coulombRange = range1/factor;
#endif
#ifdef DISPERSION
        int kind_i = kind[i];
#ifdef FACTORS
        GLOBAL const real* RESTRICT mine = &own[i*OWN];
        real w0 = mine[0], w1 = mine[1], w2 = mine[2], w3 = mine[3], w4 = mine[4];
        real s0 = mine[5], s1 = mine[6], s2 = mine[7], s3 = mine[8], s4 = mine[9];
        real limit = DROPPED_WEIGHT/mine[10], root = mine[11];
        GLOBAL const real4* RESTRICT seen = &record[(mm_long) kind_i*n*2];
#else
        real cn = record[i].x, root = record[i].y;
#endif
#endif

#ifdef FAR_PAIRS
        int last = FAR_LAST(i);
        for (int k = FAR_FIRST(i)+LOCAL_ID; k < last; k += BLOCK) {
            int2 pair = FAR_PAIR(i, k);
            if (isItself(i, pair))
                continue;
            int j = pair.x;
            real4 r = pairVector(xi, position[j], pair.y, boxA, boxB, boxC);
            if (!(r.w < FAR_RANGE))
                continue;
            real inverse = 1/r.w, f = 0, slope;
#ifdef DISPERSION
#ifdef FACTORS
            real4 T = seen[2*j], U = seen[2*j+1];
            real c6 = w0*T.x+w1*T.y+w2*T.z+w3*T.w+w4*U.x;
            real dc6 = s0*T.x+s1*T.y+s2*T.z+s3*T.w+s4*U.x;
            if (U.w < limit)
                c6 = droppingC6(mine, &own[j*OWN], &c6ref[(kind_i*numKinds+kind[j])*TABLE], &dc6);
#else
            real4 U = record[j];
            int at = (kind_i*numKinds+kind[j])*TABLE, mirror = (kind[j]*numKinds+kind_i)*TABLE;
            real dc6, c6 = weighedC6(cn, U.x, &c6ref[at], &cnref[at], &cnref[mirror], &dc6);
#endif
            real qj = U.z, D = dampedDispersion(root*U.y, r.w, inverse, &slope);
            dispersion -= HALF_HARTREE*c6*D;
            grad -= HALF_HARTREE*dc6*D;
            f -= HALF_HARTREE*c6*slope;
#else
            real qj = charge[j];
#endif
#if defined(COULOMB_PLAIN)
            potential += HALF_KE*qj*inverse;
            f -= HALF_KE*qi*qj*inverse*inverse;
#elif defined(COULOMB_DSF)
            if (r.w < DSF_RANGE) {
                real phi = screened(DSF_ALPHA, r.w, inverse, &slope);
                potential += HALF_KE*qj*(phi-DSF_SHIFT+(r.w-DSF_RANGE)*DSF_SLOPE);
                f += HALF_KE*qi*qj*(slope+DSF_SLOPE);
            }
#elif defined(COULOMB_EWALD)
            if (r.w < coulombRange) {
                potential += HALF_KE*qj*screened(alpha, r.w, inverse, &slope);
                f += HALF_KE*qi*qj*slope;
            }
#endif
            f *= inverse;
            fx += f*r.x;
            fy += f*r.y;
            fz += f*r.z;
        }
#endif

        SYNC_THREADS;
        values[LOCAL_ID] = potentialShort;
        values[BLOCK+LOCAL_ID] = potential;
        values[2*BLOCK+LOCAL_ID] = dispersion;
        values[3*BLOCK+LOCAL_ID] = grad;
        values[4*BLOCK+LOCAL_ID] = fx;
        values[5*BLOCK+LOCAL_ID] = fy;
        values[6*BLOCK+LOCAL_ID] = fz;
        sumBlock(values, 7);
        if (LOCAL_ID == 0) {
            potentialShort = values[0];
            potential = values[BLOCK];
            /* self terms c q^2 */
#if defined(COULOMB_DSF)
            potential += DSF_SELF*qi;
#elif defined(COULOMB_EWALD)
            potential -= 2*HALF_KE*PER_ROOT_PI*alpha*qi;
            fraction[i] = make_real4(centered(xi, perA), centered(xi, perB), centered(xi, perC),
                                     qi);
#endif
            chargeGradient[i] = 2*(potentialShort+potential);
            energyShort += energyToFixed(qi*potentialShort, i, status);
            energyFull += energyToFixed(qi*potential, i, status);
#ifdef DISPERSION
            energyDispersion += energyToFixed(values[2*BLOCK], i, status);
            gradCN[i] = 2*values[3*BLOCK];
#endif
            if (wantForces)
                addForce(force, i, n, 2*weight*values[4*BLOCK], 2*weight*values[5*BLOCK],
                         2*weight*values[6*BLOCK], status);
        }
    }
    if (LOCAL_ID == 0 && GROUP_ID < n) {
        ATOMIC_ADD(&energies[ENERGY_SHORT], (mm_ulong) energyShort);
        ATOMIC_ADD(&energies[ENERGY_FULL], (mm_ulong) energyFull);
        ATOMIC_ADD(&energies[ENERGY_DISPERSION], (mm_ulong) energyDispersion);
    }
}
