/*
 * The threads of one evaluation. All of them run the same driver; they meet at barriers and take
 * pieces of work from counters. Who does a piece never changes its result.
 */
#ifndef MLFF_TEAM_H_
#define MLFF_TEAM_H_

#include "mlff.h"

#include <pthread.h>
#include <stdatomic.h>

enum { MLFF_TEAM_COUNTERS = 2 };

typedef struct mlff_team {
    int n_threads;
    atomic_int arrived;      /* threads that wait at the barrier */
    atomic_int passed;       /* barriers passed so far */
    atomic_int next[MLFF_TEAM_COUNTERS];  /* pieces taken; phases alternate between the counters */
    pthread_mutex_t lock;    /* guards sleeping at the barrier; both unused by one thread */
    pthread_cond_t opened;
    atomic_int status;       /* mlff_status; the first failure stays */
    mlff_error error;        /* of the thread that set status */
} mlff_team;

/* One thread's place in the team. */
typedef struct mlff_member {
    mlff_team *team;
    int thread;
    int phase;               /* which counter is in use */
} mlff_member;

/* Run body(arg, member) on all threads of the host (NULL: on the caller's alone). Returns the
   status of the first failure. */
MLFF_API mlff_status mlff_team_run(const mlff_parallel *parallel,
                                   void (*body)(void *arg, mlff_member *member), void *arg,
                                   mlff_error *err);

/* All threads wait for each other; what was written before is visible after. Also starts the next
   phase of mlff_team_take(). Threads spin a little, then sleep. */
MLFF_API void mlff_team_barrier(mlff_member *member);

/* The next piece of the current phase: 0, 1, 2, ... over all threads. */
MLFF_API int mlff_team_take(mlff_member *member);

/* Record a failure; the driver goes on to its end and the first failure is returned. */
MLFF_API void mlff_team_fail(mlff_member *member, mlff_status status, const mlff_error *err);

/* The same where status is not MLFF_OK. */
static inline void mlff_team_check(mlff_member *member, mlff_status status, const mlff_error *err) {
    if (status != MLFF_OK)
        mlff_team_fail(member, status, err);
}

/* Whether any thread has failed. Another answer is possible on another thread at the same time. */
MLFF_API bool mlff_team_failed(const mlff_member *member);

#endif
