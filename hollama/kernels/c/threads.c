/* How the threads of a team meet.
 *
 * Items are claimed one by one, and a stage is over when all of its items are done, not when all threads have arrived:
 * a thread that the system has put aside holds up nobody unless it holds an item. So that such a thread may also wake
 * up in the middle of a later run, every counter carries the number of its run, and who finds another number leaves.
 *
 * A thread that must wait spins for a while and sleeps then: pure spinning costs a factor of ten as soon as there are
 * more threads than cores. */
#include "threads.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE = 64, SPIN_NS = 100000, PAUSES = 64 };

typedef struct { /* run << 32 | items */
    _Alignas(LINE) _Atomic uint64_t unclaimed;
    _Atomic uint64_t unfinished;
} Stage;

typedef struct {
    Team *team;
    pthread_t thread;
    int32_t number;
} Worker;

struct Team {
    _Alignas(LINE) _Atomic uint32_t run;
    _Alignas(LINE) _Atomic int32_t sleepers;
    _Atomic bool stop;
    Job job;
    int32_t threads, stage_count;
    Stage *stages;
    int32_t *counts;
    Worker *workers; /* the threads but the first */
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

static uint64_t pack(uint32_t run, uint32_t items) { return (uint64_t)run << 32 | items; }

static void pause_once(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static int64_t now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Wait until `ready` says so: by spinning, then asleep. */
static void wait_until(Team *team, bool (*ready)(Team *, const void *), const void *what) {
    if (ready(team, what)) return;
    const int64_t deadline = now() + SPIN_NS;
    do {
        for (int i = 0; i < PAUSES; i++) {
            if (ready(team, what)) return;
            pause_once();
        }
    } while (now() < deadline);
    pthread_mutex_lock(&team->mutex);
    atomic_fetch_add(&team->sleepers, 1); /* before `ready` looks: who changes something looks for sleepers after it */
    while (!ready(team, what)) pthread_cond_wait(&team->changed, &team->mutex);
    atomic_fetch_sub(&team->sleepers, 1);
    pthread_mutex_unlock(&team->mutex);
}

static void wake(Team *team) {
    if (atomic_load(&team->sleepers) == 0) return;
    pthread_mutex_lock(&team->mutex);
    pthread_cond_broadcast(&team->changed);
    pthread_mutex_unlock(&team->mutex);
}

typedef struct {
    Stage *stage;
    uint32_t run;
} Moment;

static bool stage_over(Team *team, const void *what) {
    (void)team;
    const Moment *moment = what;
    const uint64_t seen = atomic_load(&moment->stage->unfinished);
    return (uint32_t)seen == 0 || seen >> 32 != moment->run;
}

static bool run_begun(Team *team, const void *what) {
    return atomic_load(&team->run) != *(const uint32_t *)what || atomic_load(&team->stop);
}

/* The number of items left before this one was taken; 0 if there is none, or the run is another. */
static uint32_t claim(Stage *stage, uint32_t run) {
    uint64_t seen = atomic_load(&stage->unclaimed);
    while (seen >> 32 == run && (uint32_t)seen)
        if (atomic_compare_exchange_weak(&stage->unclaimed, &seen, seen - 1)) return (uint32_t)seen;
    return 0;
}

static void take_part(Team *team, uint32_t run, int32_t thread) {
    for (int32_t s = 0; s < team->stage_count; s++) {
        Stage *stage = &team->stages[s];
        for (uint32_t left; (left = claim(stage, run));) {
            team->job.work(team->job.context, s, team->counts[s] - (int32_t)left, thread);
            if ((uint32_t)atomic_fetch_sub(&stage->unfinished, 1) == 1) wake(team);
        }
        wait_until(team, stage_over, &(Moment){stage, run});
        if (atomic_load(&stage->unfinished) >> 32 != run) return;
    }
}

static void *serve(void *argument) {
    const Worker *worker = argument;
    Team *team = worker->team;
    uint32_t run = 0;
    for (;;) {
        wait_until(team, run_begun, &run);
        if (atomic_load(&team->stop)) return NULL;
        run = atomic_load(&team->run);
        take_part(team, run, worker->number);
    }
}

static Team *allocate(int32_t threads, int32_t stages) {
    void *memory;
    if (posix_memalign(&memory, LINE, sizeof(Team))) return NULL;
    Team *team = memset(memory, 0, sizeof(Team));
    team->counts = calloc((size_t)stages, sizeof *team->counts);
    team->workers = calloc((size_t)threads, sizeof *team->workers);
    if (posix_memalign(&memory, LINE, (size_t)stages * sizeof(Stage))) memory = NULL;
    team->stages = memory;
    if (team->counts && team->workers && team->stages) return team;
    free(team->counts);
    free(team->workers);
    free(team->stages);
    free(team);
    return NULL;
}

Team *team_new(int32_t threads, int32_t stages, Job job) {
    Team *team = allocate(threads, stages);
    if (!team) return NULL;
    memset(team->stages, 0, (size_t)stages * sizeof(Stage));
    team->job = job;
    team->stage_count = stages;
    pthread_mutex_init(&team->mutex, NULL);
    pthread_cond_init(&team->changed, NULL);
    for (team->threads = 1; team->threads < threads; team->threads++) {
        Worker *worker = &team->workers[team->threads - 1];
        *worker = (Worker){.team = team, .number = team->threads};
        if (pthread_create(&worker->thread, NULL, serve, worker)) break;
    }
    return team;
}

int32_t team_threads(const Team *team) { return team->threads; }

void team_run(Team *team, const int32_t *counts) {
    const uint32_t run = atomic_load(&team->run) + 1;
    memcpy(team->counts, counts, (size_t)team->stage_count * sizeof *counts);
    for (int32_t s = 0; s < team->stage_count; s++) {
        atomic_store_explicit(&team->stages[s].unfinished, pack(run, (uint32_t)counts[s]), memory_order_relaxed);
        atomic_store_explicit(&team->stages[s].unclaimed, pack(run, (uint32_t)counts[s]), memory_order_relaxed);
    }
    atomic_store(&team->run, run);
    wake(team);
    take_part(team, run, 0);
}

void team_free(Team *team) {
    if (!team) return;
    atomic_store(&team->stop, true);
    wake(team);
    for (int32_t i = 0; i < team->threads - 1; i++) pthread_join(team->workers[i].thread, NULL);
    pthread_cond_destroy(&team->changed);
    pthread_mutex_destroy(&team->mutex);
    free(team->counts);
    free(team->workers);
    free(team->stages);
    free(team);
}
