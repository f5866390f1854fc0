/* Threads as a host lends them (mlff_parallel): started once, parked between runs. */
#ifndef TEST_THREADS_H_
#define TEST_THREADS_H_

#include "check.h"
#include "mlff.h"

#include <pthread.h>

enum { TEST_MAX_THREADS = 16 };

typedef struct test_threads {
    mlff_parallel parallel;   /* what the settings of an evaluator point to */
    pthread_t thread[TEST_MAX_THREADS];
    pthread_barrier_t start, end;
    void (*body)(void *arg, int thread);
    void *arg;                /* body NULL: stop */
    struct test_thread_place {
        struct test_threads *threads;
        int index;
    } place[TEST_MAX_THREADS];
} test_threads;

static inline void *test_threads_work(void *argument) {
    const struct test_thread_place *place = argument;
    test_threads *threads = place->threads;
    for (;;) {
        pthread_barrier_wait(&threads->start);
        if (!threads->body)
            return NULL;
        threads->body(threads->arg, place->index);
        pthread_barrier_wait(&threads->end);
    }
}

static inline void test_threads_run(void *ctx, void (*body)(void *arg, int thread), void *arg) {
    test_threads *threads = ctx;
    threads->body = body;
    threads->arg = arg;
    pthread_barrier_wait(&threads->start);
    body(arg, 0);
    pthread_barrier_wait(&threads->end);
}

/* The address must not change until test_threads_stop(). */
static inline void test_threads_start(test_threads *threads, int n_threads) {
    *threads = (test_threads) {.parallel = {threads, n_threads, test_threads_run}};
    CHECK(pthread_barrier_init(&threads->start, NULL, (unsigned) n_threads) == 0);
    CHECK(pthread_barrier_init(&threads->end, NULL, (unsigned) n_threads) == 0);
    for (int t = 1; t < n_threads; t++) {
        threads->place[t] = (struct test_thread_place) {threads, t};
        CHECK(pthread_create(&threads->thread[t], NULL, test_threads_work,
                             &threads->place[t]) == 0);
    }
}

static inline void test_threads_stop(test_threads *threads) {
    threads->body = NULL;
    pthread_barrier_wait(&threads->start);
    for (int t = 1; t < threads->parallel.n_threads; t++)
        CHECK(pthread_join(threads->thread[t], NULL) == 0);
    pthread_barrier_destroy(&threads->start);
    pthread_barrier_destroy(&threads->end);
}

#endif
