/* A team of more threads than cores runs many short stages: every item once, and none before the last stage is over. */
#include "threads.h"

#include <stdio.h>

enum { STAGES = 50, ITEMS = 64, RUNS = 200, THREADS = 5 };

static int done[STAGES][ITEMS];
static int early[STAGES][ITEMS];

static void work(void *context, int32_t stage, int32_t item, int32_t thread) {
    (void)context;
    (void)thread;
    const int run = done[stage][item];
    for (int i = 0; stage > 0 && i < ITEMS; i++) early[stage][item] |= done[stage - 1][i] != run + 1;
    done[stage][item] = run + 1;
}

int main(void) {
    Team *team = team_new(THREADS, STAGES, (Job){work, NULL});
    int32_t counts[STAGES];
    int wrong = 0;
    for (int s = 0; s < STAGES; s++) counts[s] = ITEMS;
    for (int run = 1; run <= RUNS; run++) {
        team_run(team, counts);
        for (int i = 0; i < STAGES * ITEMS; i++) wrong |= done[0][i] != run || early[0][i];
    }
    team_free(team);
    puts(wrong ? "an item ran twice, never, or too early" : "ok");
    return wrong;
}
