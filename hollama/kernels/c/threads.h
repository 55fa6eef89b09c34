/* A team of threads that stay alive and run the stages of a job together. Knows nothing of what the work is. */
#ifndef HOLLAMA_THREADS_H
#define HOLLAMA_THREADS_H

#include <stdint.h>

typedef struct Team Team;

typedef struct { /* thread 0 is the one that calls team_run */
    void (*work)(void *context, int32_t stage, int32_t item, int32_t thread);
    void *context;
} Job;

/* At most `threads` of them, the caller's included; fewer if the system gives no more. NULL without memory. */
Team *team_new(int32_t threads, int32_t stages, Job job);
int32_t team_threads(const Team *team);

/* Run counts[s] items of every stage s, each stage after all of the one before it. One caller at a time. */
void team_run(Team *team, const int32_t *counts);
void team_free(Team *team);

#endif
