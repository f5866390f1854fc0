#include "cpu_team.h"

#include <sched.h>

#if defined(__x86_64__)
#define cpu_relax() __builtin_ia32_pause()
#else
#define cpu_relax() ((void) 0)
#endif

typedef struct call {
    cpu_team team;
    void (*body)(void *arg, cpu_member *member);
    void *arg;
} call;

static void enter(void *ptr, int thread) {
    call *c = ptr;
    cpu_member member = {&c->team, thread, 0};
    c->body(c->arg, &member);
}

mlff_status cpu_team_run(const mlff_parallel *parallel, void (*body)(void *arg, cpu_member *member),
                         void *arg, mlff_error *err) {
    call c = {.body = body, .arg = arg};
    c.team.n_threads = parallel && parallel->n_threads > 1 ? parallel->n_threads : 1;
    c.team.error.status = MLFF_OK;
    if (c.team.n_threads > 1)
        parallel->run(parallel->ctx, enter, &c);
    else
        enter(&c, 0);
    const mlff_status status = (mlff_status) atomic_load(&c.team.status);
    if (status != MLFF_OK && err)
        *err = c.team.error;
    return status;
}

void cpu_team_barrier(cpu_member *member) {
    cpu_team *team = member->team;
    const int passed = atomic_load_explicit(&team->passed, memory_order_relaxed);
    // the counter of the phase that ends is free once everybody is here; the next one is clean
    if (atomic_fetch_add_explicit(&team->arrived, 1, memory_order_acq_rel) == team->n_threads - 1) {
        atomic_store_explicit(&team->next[member->phase], 0, memory_order_relaxed);
        atomic_store_explicit(&team->arrived, 0, memory_order_relaxed);
        atomic_store_explicit(&team->passed, passed + 1, memory_order_release);
    } else {
        for (int spins = 0;
             atomic_load_explicit(&team->passed, memory_order_acquire) == passed; spins++) {
            if (spins < 4000)
                cpu_relax();
            else
                sched_yield();
        }
    }
    member->phase ^= 1;
}

int cpu_team_take(cpu_member *member) {
    return atomic_fetch_add_explicit(&member->team->next[member->phase], 1, memory_order_relaxed);
}

void cpu_team_fail(cpu_member *member, mlff_status status, const mlff_error *err) {
    int none = MLFF_OK;
    if (atomic_compare_exchange_strong(&member->team->status, &none, (int) status) && err)
        member->team->error = *err;
}
