/* A program in memory, shared by the file that checks and lays it out and the one that runs it. */
#ifndef HOLLAMA_PROGRAM_H
#define HOLLAMA_PROGRAM_H

#include "executor.h"
#include "threads.h"

#include <stdatomic.h>

typedef struct { /* where a buffer's rows lie; strides in elements */
    int64_t stride;
    float *floats;
    int8_t *low, *high;
    int32_t *low_sums, *high_sums;
    int16_t *queries;
} Rows;

typedef struct { /* rows of one segment that are attended together */
    int32_t segment, first, rows;
} Block;

typedef struct { /* consecutive rows with the same adapter */
    int32_t first, rows, adapter;
} Run;

typedef struct {
    Run *runs;
    int32_t count;
} Runs;

enum { RUN_ROWS = 64 }; /* most of a run: what a thread takes at a time */

struct Program {
    Spec spec;
    int64_t size; /* bytes, of all that follows it too */
    const Kernels *kernels;
    Team *team;
    atomic_flag running;
    Buffer *buffers;
    Rows *rows;
    Layer *layers;
    Instruction *instructions;
    Pair *pairs;
    int32_t *counts; /* items of each instruction */
    int32_t *sizes;  /* rows, panels or columns of an item */
    char *scratch;   /* of the first thread; the others' follow */
    /* bytes of a thread: two rows of floats, a layer's outputs on their way, then what the kernels ask for */
    int64_t scratch_size, row_size, outputs_size;

    /* the step under way */
    const int32_t *tokens, *wanted;
    const Segment *segments;
    int32_t row_count, wanted_count, block_count;
    int32_t *positions; /* of each row */
    int8_t **pages;     /* the page of each row */
    Block *blocks;
    Runs runs[2]; /* with adapters, of all rows and of the wanted ones */
};

/* check.c: NULL, or what is wrong with `instruction` of the spec (-1: with the spec itself). */
const char *check_spec(const Spec *spec, int32_t *instruction);

/* execute.c: deal out a step's rows; the work of a team's thread */
void plan_step(Program *program, int32_t segment_count);
void execute(void *program, int32_t stage, int32_t item, int32_t thread);

#endif
