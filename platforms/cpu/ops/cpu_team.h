/*
 * The threads of one evaluation. All of them run the same driver; they meet at barriers and take
 * pieces of work from counters. Who does a piece never changes its result.
 */
#ifndef CPU_TEAM_H_
#define CPU_TEAM_H_

#include "mlff.h"

#include <pthread.h>
#include <stdatomic.h>

enum { CPU_TEAM_COUNTERS = 2 };

typedef struct cpu_team {
    int n_threads;
    atomic_int arrived;      /* threads that wait at the barrier */
    atomic_int passed;       /* barriers passed so far */
    atomic_int next[CPU_TEAM_COUNTERS];  /* pieces taken; phases alternate between the counters */
    pthread_mutex_t lock;    /* guards sleeping at the barrier; both unused by one thread */
    pthread_cond_t opened;
    atomic_int status;       /* mlff_status; the first failure stays */
    mlff_error error;        /* of the thread that set status */
} cpu_team;

/* One thread's place in the team. */
typedef struct cpu_member {
    cpu_team *team;
    int thread;
    int phase;               /* which counter is in use */
} cpu_member;

/* Run body(arg, member) on all threads of the host (NULL: on the caller's alone). Returns the
   status of the first failure. */
mlff_status cpu_team_run(const mlff_parallel *parallel, void (*body)(void *arg, cpu_member *member),
                         void *arg, mlff_error *err);

/* All threads wait for each other; what was written before is visible after. Also starts the next
   phase of cpu_team_take(). Threads spin a little, then sleep. */
void cpu_team_barrier(cpu_member *member);

/* The next piece of the current phase: 0, 1, 2, ... over all threads. */
int cpu_team_take(cpu_member *member);

/* Record a failure; the driver goes on to its end and the first failure is returned. */
void cpu_team_fail(cpu_member *member, mlff_status status, const mlff_error *err);

#endif
