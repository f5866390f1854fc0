/*
 * Convolution over neighbors, forward and reverse; aimnet2.cc stands before. Compiled twice: with
 * FIRST_PASS, where a is a function of the element and there are no charges, and for the others.
 *
 *   gs_g = exp(-eta (d - s_g)^2) fc(d),  u = r/d
 *   o[g][c][0] = sum_j a_j[g][c] gs_g,  o[g][c][x] = sum_j a_j[g][c] gs_g u_x
 *   S[g][c] = o[g][c][0],  v[c][h][x] = sum_g agh[c][g][h] o[g][c][x],  V[c][h] = sum_x v^2
 *
 * Charges: the same with q in the place of a.
 */
#ifdef FIRST_PASS
#define COLUMNS GA                  /* of o */
#define COMBINATIONS AC
#else
#define COLUMNS (GA+GQ)             /* features, then charges */
#define COMBINATIONS (AC+QC)
#endif

/*
 * gs_g and its derivative by d. Both are 0 where the Gaussian is below the rounding of 1 (WINDOW):
 * there the features of the neighbor are not read, which is more than half of them.
 */
DEVICE real2 radialGaussian(real d, real shift) {
    const real t = d-shift, exponent = ETA*t*t, angle = d*PI_PER_CUTOFF;
    const real fc = 0.5f*COS(angle)+0.5f, slope = -0.5f*PI_PER_CUTOFF*SIN(angle);
    const real gaussian = (exponent < WINDOW ? EXP(-exponent) : 0);
    return make_real2(gaussian*fc, gaussian*(slope-2*ETA*t*fc));
}

/* ---------------------------------------------------------------------------- forward -- */

/*
 * v and V of m channels of a row, from channel `first` of n, for a block.
 *   agh       [G][n][C]
 *   o         [3][axis] with column g*stride + channel-first
 *   squares   [n][C] V
 *   v         [3][COMBINATIONS]; stored if keep
 */
DEVICE void combine(int first, int m, int n, GLOBAL const real* RESTRICT agh,
        LOCAL_ARG const real* o, int stride, int axis, GLOBAL real* squares,
        GLOBAL real* v, int keep) {
    for (int i = LOCAL_ID; i < m*C; i += CONV_THREADS) {
        const int c = i/C, to = first*C+i;
        real vx = 0, vy = 0, vz = 0;
        for (int g = 0; g < G; g++) {
            const real weight = agh[g*n*C+to];
            vx += weight*o[g*stride+c];
            vy += weight*o[axis+g*stride+c];
            vz += weight*o[2*axis+g*stride+c];
        }
        squares[to] = vx*vx+vy*vy+vz*vz;
        if (keep) {
            v[to] = vx;
            v[COMBINATIONS+to] = vy;
            v[2*COMBINATIONS+to] = vz;
        }
    }
}

#ifndef FIRST_PASS
/*
 * S and the vector part of o of the charges in a round, from the parts that threads hold.
 *   parts     [4][CONV_THREADS]
 *   sums      [GQ] S
 *   vectorQ   [3][GQ]
 */
DEVICE void addParts(int round, LOCAL_ARG const real* parts, GLOBAL real* sums,
        LOCAL_ARG real* vectorQ) {
    for (int i = LOCAL_ID; i < 4*QCOLUMNS; i += CONV_THREADS) {
        const int k = i/QCOLUMNS, column = round*QCOLUMNS+i%QCOLUMNS;
        if (column < GQ) {
            real sum = 0;
            for (int part = 0; part < PARTS; part++)
                sum += parts[k*CONV_THREADS+part*QCOLUMNS+i%QCOLUMNS];
            if (k == 0)
                sums[column] = sum;
            else
                vectorQ[(k-1)*GQ+column] = sum;
        }
    }
}
#endif

/*
 * One block per row. A thread has a column of o and adds up the neighbors, of which CONV_PAIRS at a
 * time stand in local memory. A round takes ROUND_CHANNELS feature channels; usually there is one.
 * Charges: GQ columns would keep few threads busy, so PARTS threads share a column.
 *
 *   keep         store v
 *   row, pairs   see CommonPairs
 *   shifts       [G]
 *   agh          [G][A][C], aghQ [G][Q][C]
 *   a            [...][GA] of each row; FIRST_PASS: of each element
 *   x            [numRows][xStride] input of the pass
 *   v            [numRows][3][vStride]
 */
KERNEL void mlffAimnet2Conv(int numRows, int capacity, int keep, GLOBAL const int* RESTRICT count,
        GLOBAL const int* RESTRICT neighbor, GLOBAL const real4* RESTRICT vector,
        ORDER_ARGUMENT GLOBAL const real* RESTRICT shifts, GLOBAL const real* RESTRICT agh,
        GLOBAL const real* RESTRICT a, GLOBAL real* x, int xStride,
        GLOBAL real* v,
#ifdef FIRST_PASS
        /* sums0, sums1 [numSums] and the energies: cleared for this evaluation */
        GLOBAL const int* RESTRICT species, GLOBAL mm_ulong* energies,
        GLOBAL mm_ulong* sums0, GLOBAL mm_ulong* sums1, int numSums
#else
        /* charges of this pass from state, q~ and w, [numRows][2Q]: stored in charge [numRows][Q],
           in the last pass their sum in total [numRows] */
        GLOBAL const real* RESTRICT aghQ, GLOBAL const real* RESTRICT state,
        GLOBAL const int* RESTRICT regionOfRow, GLOBAL const real* RESTRICT regionScale,
        GLOBAL const mm_long* RESTRICT regionTotal, GLOBAL const mm_ulong* RESTRICT sums,
        GLOBAL real* charge, int last, GLOBAL real* total
#endif
        ) {
    LOCAL real4 unit[CONV_PAIRS];
    LOCAL int source[CONV_PAIRS];
    LOCAL real gauss[CONV_PAIRS*G];
    LOCAL real o[3*CONV_THREADS];
    const int thread = LOCAL_ID;
#ifdef FIRST_PASS
    for (int k = GLOBAL_ID; k < numSums; k += GLOBAL_SIZE) {
        sums0[k] = 0;
        sums1[k] = 0;
    }
    for (int k = GLOBAL_ID; k < NUM_COMPONENTS; k += GLOBAL_SIZE)
        energies[k] = 0;
#else
    LOCAL real pairCharge[CONV_PAIRS*Q], parts[4*CONV_THREADS], vectorQ[3*GQ];
    LOCAL real2 lack[Q];
#endif
    for (int place = GROUP_ID; place < numRows; place += NUM_GROUPS) {
        const int row = ROW_AT(place);
        const int numPairs = min(count[row], capacity), firstPair = row*capacity;
        GLOBAL real* xRow = x+row*xStride;
        GLOBAL real* vRow = v+row*3*COMBINATIONS;
#ifdef FIRST_PASS
        const int own = species[row];
#else
        const int own = row, region = regionOfRow[row];
        if (thread < Q)
            lack[thread] = lackPerWeight(sums+region*REGION_SUMS, regionTotal[region*Q+thread],
                                         regionScale[region], thread);
#endif
        for (int round = 0; round < ROUNDS; round++) {
            const int g = thread/ROUND_CHANNELS, c = round*ROUND_CHANNELS+thread%ROUND_CHANNELS;
            const int column = g*A+c, active = (thread < ROUND_CHANNELS*G && c < A);
            real o0 = 0, ox = 0, oy = 0, oz = 0;
#ifndef FIRST_PASS
            const int columnQ = round*QCOLUMNS+thread%QCOLUMNS, part = thread/QCOLUMNS;
            const int activeQ = (columnQ < GQ && part < PARTS);
            real q0 = 0, qx = 0, qy = 0, qz = 0;
#endif
            for (int first = 0; first < numPairs; first += CONV_PAIRS) {
                const int m = min(CONV_PAIRS, numPairs-first);
                SYNC_THREADS;
                for (int i = thread; i < m*G; i += CONV_THREADS) {
                    const int p = i/G;
                    const real4 r = vector[firstPair+first+p];
                    gauss[i] = radialGaussian(r.w, shifts[i%G]).x;
                }
                for (int p = thread; p < m; p += CONV_THREADS) {
                    const real4 r = vector[firstPair+first+p];
                    const int j = neighbor[firstPair+first+p];
                    const real scale = 1/r.w;
                    unit[p] = make_real4(scale*r.x, scale*r.y, scale*r.z, r.w);
#ifdef FIRST_PASS
                    source[p] = species[j];
#else
                    source[p] = j;
                    for (int k = 0; k < Q; k++)
                        pairCharge[p*Q+k] = shiftedCharge(state, j, k, lack[k]);
#endif
                }
                SYNC_THREADS;
                if (active) {
#pragma unroll 4
                    for (int p = 0; p < m; p++) {
                        const real gs = gauss[p*G+g];
                        const real t = (gs != 0 ? gs*a[source[p]*GA+column] : 0);
                        const real4 u = unit[p];
                        o0 += t;
                        ox += t*u.x;
                        oy += t*u.y;
                        oz += t*u.z;
                    }
                }
#ifndef FIRST_PASS
                if (activeQ)
                    for (int p = part; p < m; p += PARTS) {
                        const real t = gauss[p*G+columnQ/Q]*pairCharge[p*Q+columnQ%Q];
                        const real4 u = unit[p];
                        q0 += t;
                        qx += t*u.x;
                        qy += t*u.y;
                        qz += t*u.z;
                    }
#endif
            }

            if (active) {
                xRow[column] = a[own*GA+column];
                xRow[GA+column] = o0;
                o[thread] = ox;
                o[CONV_THREADS+thread] = oy;
                o[2*CONV_THREADS+thread] = oz;
            }
#ifndef FIRST_PASS
            parts[thread] = q0;
            parts[CONV_THREADS+thread] = qx;
            parts[2*CONV_THREADS+thread] = qy;
            parts[3*CONV_THREADS+thread] = qz;
#endif
            SYNC_THREADS;
            combine(round*ROUND_CHANNELS, min(ROUND_CHANNELS, A-round*ROUND_CHANNELS), A, agh, o,
                    ROUND_CHANNELS, CONV_THREADS, xRow+2*GA, vRow, keep);
#ifndef FIRST_PASS
            addParts(round, parts, xRow+2*GA+AC+Q, vectorQ);
#endif
            SYNC_THREADS;
        }

#ifndef FIRST_PASS
        combine(0, Q, Q, aghQ, vectorQ, Q, GQ, xRow+2*GA+AC+Q+GQ, vRow+AC, keep);
        if (thread == 0) {
            real sum = 0;
            for (int k = 0; k < Q; k++) {
                const real q = shiftedCharge(state, row, k, lack[k]);
                xRow[2*GA+AC+k] = q;
                charge[row*Q+k] = q;
                sum += q;
            }
            if (last)
                total[row] = sum;
        }
        SYNC_THREADS;
#endif
    }
}

/* ---------------------------------------------------------------------------- reverse -- */

/*
 * Gradient of o of n channels of a row, for a block:
 *   go[g][c][0] = gS[g][c],  go[g][c][x] = sum_h agh[c][g][h] 2 v[c][h][x] gV[c][h]
 *
 *   aghT       [C][G][n]
 *   gradX      [G n] gS, then [n][C] gV
 *   v          [3][COMBINATIONS]
 *   go         [4][COLUMNS] out
 *   staged     [3*COMBINE_STAGED]
 */
DEVICE void combineReverse(int n, GLOBAL const real* RESTRICT aghT,
        GLOBAL const real* RESTRICT gradX, GLOBAL const real* RESTRICT v, GLOBAL real* go,
        LOCAL_ARG real* staged) {
    const int chunk = min(n, COMBINE_STAGED/C);
    for (int first = 0; first < n; first += chunk) {
        const int m = min(chunk, n-first);
        SYNC_THREADS;
        for (int i = LOCAL_ID; i < m*C; i += REVERSE_THREADS) {
            const int from = first*C+i, to = i%C*m+i/C;
            const real factor = 2*gradX[G*n+from];
            staged[to] = factor*v[from];
            staged[COMBINE_STAGED+to] = factor*v[COMBINATIONS+from];
            staged[2*COMBINE_STAGED+to] = factor*v[2*COMBINATIONS+from];
        }
        SYNC_THREADS;
        for (int i = LOCAL_ID; i < m*G; i += REVERSE_THREADS) {
            const int c = i%m, column = i/m*n+first+c;
            real gx = 0, gy = 0, gz = 0;
            for (int h = 0; h < C; h++) {
                const real weight = aghT[h*G*n+column];
                gx += weight*staged[h*m+c];
                gy += weight*staged[COMBINE_STAGED+h*m+c];
                gz += weight*staged[2*COMBINE_STAGED+h*m+c];
            }
            go[column] = gradX[column];
            go[COLUMNS+column] = gx;
            go[2*COLUMNS+column] = gy;
            go[3*COLUMNS+column] = gz;
        }
    }
}

#ifndef FIRST_PASS
/*
 * Gradient of o of every row, features and charges; the neighbors read it.
 *   gradX     [numRows][xStride]
 *   go        [numRows][4][COLUMNS]
 */
KERNEL void mlffAimnet2Combine(int numRows, GLOBAL const real* RESTRICT aghT,
        GLOBAL const real* RESTRICT aghQT, GLOBAL const real* RESTRICT gradX, int xStride,
        GLOBAL const real* RESTRICT v, GLOBAL real* go) {
    LOCAL real staged[3*COMBINE_STAGED];
    for (int row = GROUP_ID; row < numRows; row += NUM_GROUPS) {
        GLOBAL const real* gradRow = gradX+row*xStride;
        GLOBAL const real* vRow = v+row*3*COMBINATIONS;
        GLOBAL real* goRow = go+row*4*COLUMNS;
        combineReverse(A, aghT, gradRow+GA, vRow, goRow, staged);
        combineReverse(Q, aghQT, gradRow+2*GA+AC+Q, vRow+AC, goRow+GA, staged);
    }
}
#endif

/*
 * Forces of the pairs, and (not FIRST_PASS) the gradients of a and q at the start of the pass.
 *
 * Row i takes, for each of its pairs, the pair j <- i, in which i is the neighbor:
 *   b = go_j0 + sum_x go_jx u_x,  ga_i += gs b,
 *   dE/dd = sum a_i gs' b,  dE/du_x = sum a_i gs go_jx
 * FIRST_PASS: the pair i <- j instead, with go of the row itself and a of j's element; no gradient
 * of a is wanted, and only the table is read for each pair.
 *
 * LANES threads share a pair, each with the columns lane, lane + LANES, ...; the block's
 * REVERSE_GROUPS take the pairs in turn. Columns are taken in chunks; usually there is one.
 */
#ifdef FIRST_PASS
#define SIGN 1                      /* u of the pair that is taken, in terms of u of i <- j */
#else
#define SIGN -1
#endif
#define REVERSE_GROUPS (REVERSE_THREADS/LANES)
#define CHUNK_COLUMNS (LANES*LANE_COLUMNS)
#define GAUSSIAN(column) ((column) < GA ? (column)/A : ((column)-GA)/Q)

/* Words of local memory: four sums of every lane and pair, or the gradients of every group. */
#if 4*REVERSE_PAIRS*LANES > REVERSE_GROUPS*CHUNK_COLUMNS
#define REVERSE_BUFFER (4*REVERSE_PAIRS*LANES)
#else
#define REVERSE_BUFFER (REVERSE_GROUPS*CHUNK_COLUMNS)
#endif

/* Sums of the lanes of m pairs: four each are left, in the first four of their places. */
DEVICE void addLanes(int m, LOCAL_ARG real4* lanes) {
    SYNC_THREADS;
    for (int i = LOCAL_ID; i < 4*m; i += REVERSE_THREADS) {
        LOCAL_ARG real4* place = lanes+i/4*LANES+i%4;
        real4 sum = place[0];
#pragma unroll
        for (int lane = 4; lane < LANES; lane += 4)
            sum += place[lane];
        place[0] = sum;
    }
    SYNC_THREADS;
}

#ifndef FIRST_PASS
/*
 * Gradient of a charge at the start of the pass, and what it adds to the sum for the shift before.
 *   gradQ     [GQ] from the convolution
 *   gradOwn   [Q] of the row, as a part of the pass' input
 *   later     [Q] of the row behind the next update, or of the final charge
 */
DEVICE void passCharge(int row, int channel, LOCAL_ARG const real* gradQ,
        GLOBAL const real* RESTRICT gradOwn, real later, GLOBAL const real* RESTRICT state,
        int region, real scale, GLOBAL mm_ulong* sums, GLOBAL real* gradCharge,
        GLOBAL int* status) {
    const real w = state[(row*2+1)*Q+channel];
    real sum = gradOwn[channel]+later;
    for (int g = 0; g < G; g++)
        sum += gradQ[g*Q+channel];
    gradCharge[row*Q+channel] = sum;
    addToRegion(&sums[region*REGION_SUMS+2*Q+channel], sum*w*w, scale, row, status);
}
#endif

/*
 *   weight       of the forces
 *   go           [numRows][4][COLUMNS]; FIRST_PASS: written here
 *   a            as in the forward kernel
 *   gradX        [numRows][xStride] gradient of the pass' input
 */
KERNEL void mlffAimnet2ConvReverse(int numRows, int capacity, real weight,
        GLOBAL const int* RESTRICT count, GLOBAL const int* RESTRICT neighbor,
        GLOBAL const real4* RESTRICT vector, ORDER_ARGUMENT GLOBAL const real* RESTRICT shifts,
        GLOBAL const real* RESTRICT a, GLOBAL const real* RESTRICT gradX, int xStride,
        GLOBAL mm_ulong* force, GLOBAL int* status,
#ifdef FIRST_PASS
        GLOBAL const int* RESTRICT species, GLOBAL const real* RESTRICT aghT,
        GLOBAL const real* RESTRICT v, GLOBAL real* go
#else
        /* charge [numRows][Q] of this pass. gradA [numRows][GA], gradCharge [numRows][Q]: those of
           the next pass come in, those of this pass go out; the last pass starts from zero and
           gradTotal [numRows], the gradient of the final charges. sums, state: of the update before
           this pass; nextSums: behind it. */
        GLOBAL const real* RESTRICT go, GLOBAL const real* RESTRICT charge,
        GLOBAL real* gradA, GLOBAL real* gradCharge, int last,
        GLOBAL const real* RESTRICT gradTotal, GLOBAL const real* RESTRICT state,
        GLOBAL const int* RESTRICT regionOfRow, GLOBAL const real* RESTRICT regionScale,
        GLOBAL mm_ulong* sums, GLOBAL const mm_ulong* RESTRICT nextSums
#endif
        ) {
    LOCAL real4 unit[REVERSE_PAIRS];
    LOCAL int rowOfPair[REVERSE_PAIRS];
    LOCAL real2 gauss[REVERSE_PAIRS*G];
    LOCAL real4 buffer[REVERSE_BUFFER/4];
#ifdef FIRST_PASS
    LOCAL int element[REVERSE_PAIRS];
    LOCAL real staged[3*COMBINE_STAGED];
#else
    LOCAL real gradQ[GQ];
    LOCAL_ARG real* words = (LOCAL_ARG real*) buffer;
#endif
    const int thread = LOCAL_ID, lane = thread%LANES, group = thread/LANES;
    for (int place = GROUP_ID; place < numRows; place += NUM_GROUPS) {
        const int row = ROW_AT(place);
        const int numPairs = min(count[row], capacity), firstPair = row*capacity;
        real fx = 0, fy = 0, fz = 0;
#ifdef FIRST_PASS
        combineReverse(A, aghT, gradX+row*xStride+GA, v+row*3*COMBINATIONS, go+row*4*COLUMNS,
                       staged);
        SYNC_THREADS;
#endif
        for (int chunk = 0; chunk < CHUNKS; chunk++) {
            const int column0 = chunk*CHUNK_COLUMNS+lane;
#ifdef FIRST_PASS
            real own0[LANE_COLUMNS], ownX[LANE_COLUMNS], ownY[LANE_COLUMNS], ownZ[LANE_COLUMNS];
#pragma unroll
            for (int k = 0; k < LANE_COLUMNS; k++) {
                const int column = column0+k*LANES, inside = (column < COLUMNS);
                GLOBAL const real* from = go+row*4*COLUMNS+column;
                own0[k] = (inside ? from[0] : 0);
                ownX[k] = (inside ? from[COLUMNS] : 0);
                ownY[k] = (inside ? from[2*COLUMNS] : 0);
                ownZ[k] = (inside ? from[3*COLUMNS] : 0);
            }
#else
            real own[LANE_COLUMNS], grad[LANE_COLUMNS];
#pragma unroll
            for (int k = 0; k < LANE_COLUMNS; k++) {
                const int column = column0+k*LANES;
                own[k] = (column < GA ? a[row*GA+column] :
                          column < COLUMNS ? charge[row*Q+(column-GA)%Q] : 0);
                grad[k] = 0;
            }
#endif
            for (int first = 0; first < numPairs; first += REVERSE_PAIRS) {
                const int m = min(REVERSE_PAIRS, numPairs-first);
                SYNC_THREADS;
                for (int i = thread; i < m*G; i += REVERSE_THREADS)
                    gauss[i] = radialGaussian(vector[firstPair+first+i/G].w, shifts[i%G]);
                for (int p = thread; p < m; p += REVERSE_THREADS) {
                    const real4 r = vector[firstPair+first+p];
                    const int j = neighbor[firstPair+first+p];
                    const real scale = SIGN/r.w;
                    rowOfPair[p] = j;
#ifdef FIRST_PASS
                    element[p] = species[j];
#endif
                    unit[p] = make_real4(scale*r.x, scale*r.y, scale*r.z, r.w);
                }
                SYNC_THREADS;
                for (int p = group; p < m; p += REVERSE_GROUPS) {
                    const real4 u = unit[p];
                    real gradD = 0, gradUx = 0, gradUy = 0, gradUz = 0;
#pragma unroll
                    for (int k = 0; k < LANE_COLUMNS; k++) {
                        const int column = column0+k*LANES;
                        const real2 gs = gauss[p*G+(column < COLUMNS ? GAUSSIAN(column) : 0)];
                        const int wanted = (column < COLUMNS && gs.x != 0);
#ifdef FIRST_PASS
                        const real value = (wanted ? a[element[p]*GA+column] : 0);
                        const real g0 = own0[k], gx = ownX[k], gy = ownY[k], gz = ownZ[k];
                        const real b = g0+gx*u.x+gy*u.y+gz*u.z;
#else
                        GLOBAL const real* from = go+rowOfPair[p]*4*COLUMNS+column;
                        const real value = own[k];
                        const real g0 = (wanted ? from[0] : 0);
                        const real gx = (wanted ? from[COLUMNS] : 0);
                        const real gy = (wanted ? from[2*COLUMNS] : 0);
                        const real gz = (wanted ? from[3*COLUMNS] : 0);
                        const real b = g0+gx*u.x+gy*u.y+gz*u.z;
                        grad[k] += gs.x*b;
#endif
                        const real t = value*gs.x;
                        gradD += value*gs.y*b;
                        gradUx += t*gx;
                        gradUy += t*gy;
                        gradUz += t*gz;
                    }
                    buffer[p*LANES+lane] = make_real4(gradUx, gradUy, gradUz, gradD);
                }

                addLanes(m, buffer);
                for (int p = thread; p < m; p += REVERSE_THREADS) {
                    const real4 u = unit[p];
                    const real4 s = buffer[p*LANES]+buffer[p*LANES+1]+buffer[p*LANES+2]+
                                    buffer[p*LANES+3];
                    const real along = s.x*u.x+s.y*u.y+s.z*u.z, inverse = SIGN/u.w;
                    const real x = weight*(SIGN*s.w*u.x+(s.x-along*u.x)*inverse);
                    const real y = weight*(SIGN*s.w*u.y+(s.y-along*u.y)*inverse);
                    const real z = weight*(SIGN*s.w*u.z+(s.z-along*u.z)*inverse);
                    addForce(force, rowOfPair[p], numRows, -x, -y, -z, status);
                    fx += x;
                    fy += y;
                    fz += z;
                }
            }

#ifndef FIRST_PASS
            /* over the groups, then behind the neighbors' part what the row itself passes on */
            SYNC_THREADS;
#pragma unroll
            for (int k = 0; k < LANE_COLUMNS; k++)
                words[group*CHUNK_COLUMNS+k*LANES+lane] = grad[k];
            SYNC_THREADS;
            for (int i = thread; i < CHUNK_COLUMNS; i += REVERSE_THREADS) {
                const int column = chunk*CHUNK_COLUMNS+i;
                real sum = words[i];
#pragma unroll
                for (int k = 1; k < REVERSE_GROUPS; k++)
                    sum += words[k*CHUNK_COLUMNS+i];
                if (column < GA) {
                    const real later = (last ? 0 : gradA[row*GA+column]);
                    gradA[row*GA+column] = sum+gradX[row*xStride+column]+later;
                }
                else if (column < COLUMNS)
                    gradQ[column-GA] = sum;
            }
#endif
        }

        SYNC_THREADS;
        if (thread < REVERSE_PAIRS)
            buffer[thread] = make_real4(fx, fy, fz, 0);
        SYNC_THREADS;
        if (thread == 0) {
            real4 sum = buffer[0];
            for (int p = 1; p < REVERSE_PAIRS; p++)
                sum += buffer[p];
            addForce(force, row, numRows, sum.x, sum.y, sum.z, status);
        }
#ifndef FIRST_PASS
        if (thread < Q) {
            const int region = regionOfRow[row];
            const real scale = regionScale[region];
            GLOBAL const mm_ulong* next = nextSums+region*REGION_SUMS;
            const real later = (last ? gradTotal[row] : gradCharge[row*Q+thread]-
                regionValue(next[2*Q+thread], scale)/weightSum(next, scale, thread));
            passCharge(row, thread, gradQ, gradX+row*xStride+2*GA+AC, later, state, region, scale,
                       sums, gradCharge, status);
        }
        SYNC_THREADS;
#endif
    }
}
