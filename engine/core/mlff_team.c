#include "mlff_team.h"
#include "mlff_internal.h"

#if defined(__x86_64__)
#define cpu_relax() __builtin_ia32_pause()
#else
#define cpu_relax() ((void) 0)
#endif

typedef struct call {
    mlff_team team;
    void (*body)(void *arg, mlff_member *member);
    void *arg;
} call;

static void enter(void *ptr, int thread) {
    call *c = ptr;
    mlff_member member = {&c->team, thread, 0};
    c->body(c->arg, &member);
}

mlff_status mlff_team_run(const mlff_parallel *parallel, void (*body)(void *arg, mlff_member *member),
                          void *arg, mlff_error *err) {
    call c = {.body = body, .arg = arg};
    c.team.n_threads = parallel && parallel->n_threads > 1 ? parallel->n_threads : 1;
    c.team.error.status = MLFF_OK;
    if (c.team.n_threads > 1) {
        if (pthread_mutex_init(&c.team.lock, NULL) != 0)
            return mlff_fail(err, MLFF_ERROR_MEMORY, "no lock for %d threads", c.team.n_threads);
        if (pthread_cond_init(&c.team.opened, NULL) != 0) {
            pthread_mutex_destroy(&c.team.lock);
            return mlff_fail(err, MLFF_ERROR_MEMORY, "no lock for %d threads", c.team.n_threads);
        }
        parallel->run(parallel->ctx, enter, &c);
        pthread_cond_destroy(&c.team.opened);
        pthread_mutex_destroy(&c.team.lock);
    } else {
        enter(&c, 0);
    }
    const mlff_status status = (mlff_status) atomic_load(&c.team.status);
    if (status != MLFF_OK && err)
        *err = c.team.error;
    return status;
}

/* The last thread to arrive. The counter of the phase that ends is free: everybody is here. */
static void open_barrier(mlff_team *team, int phase, int passed) {
    atomic_store_explicit(&team->next[phase], 0, memory_order_relaxed);
    atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
    pthread_mutex_lock(&team->lock);
    atomic_store_explicit(&team->passed, passed + 1, memory_order_release);
    pthread_cond_broadcast(&team->opened);
    pthread_mutex_unlock(&team->lock);
}

/* Most waits last less than a microsecond; a thread that has lost its core would hold the others up
   for milliseconds, so they soon sleep and leave it theirs. */
static void await_barrier(mlff_team *team, int passed) {
    enum { SPINS = 2000 };
    for (int spins = 0; spins < SPINS; spins++) {
        if (atomic_load_explicit(&team->passed, memory_order_acquire) != passed)
            return;
        cpu_relax();
    }
    pthread_mutex_lock(&team->lock);
    while (atomic_load_explicit(&team->passed, memory_order_acquire) == passed)
        pthread_cond_wait(&team->opened, &team->lock);
    pthread_mutex_unlock(&team->lock);
}

void mlff_team_barrier(mlff_member *member) {
    mlff_team *team = member->team;
    const int passed = atomic_load_explicit(&team->passed, memory_order_relaxed);
    if (team->n_threads == 1)
        atomic_store_explicit(&team->next[member->phase], 0, memory_order_relaxed);
    else if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) ==
             team->n_threads - 1)
        open_barrier(team, member->phase, passed);
    else
        await_barrier(team, passed);
    member->phase ^= 1;
}

int mlff_team_take(mlff_member *member) {
    return atomic_fetch_add_explicit(&member->team->next[member->phase], 1, memory_order_relaxed);
}

void mlff_team_fail(mlff_member *member, mlff_status status, const mlff_error *err) {
    int none = MLFF_OK;
    if (atomic_compare_exchange_strong(&member->team->status, &none, (int) status) && err)
        member->team->error = *err;
}

bool mlff_team_failed(const mlff_member *member) {
    return atomic_load(&member->team->status) != MLFF_OK;
}
