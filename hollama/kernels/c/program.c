/* A program's memory and life: one allocation for all of its values, then steps, then the end. */
#include "program.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LINE = 64 };

static int64_t filled(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

/* AddressSanitizer sees what leaves a piece of the block, not only what leaves the block. */
#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
enum { GUARD = LINE };
#else
enum { GUARD = 0 };
#define ASAN_POISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(start, size) ((void)(start), (void)(size))
#endif

/* Hands out pieces of one block of memory; without a block it only counts. */
typedef struct {
    char *base;
    int64_t used;
} Arena;

static void *take(Arena *arena, int64_t bytes) {
    char *piece = arena->base ? arena->base + arena->used : NULL;
    const int64_t whole = filled(bytes, LINE) + GUARD;
    if (piece) ASAN_POISON_MEMORY_REGION(piece + bytes, whole - bytes);
    arena->used += whole;
    return piece;
}

static Rows lay_out(const Buffer *buffer, int32_t rows, Arena *arena) {
    Rows r = {0};
    if (buffer->kind == FLOATS) {
        r.stride = filled(buffer->width, LINE / (int64_t)sizeof(float));
        r.floats = take(arena, rows * r.stride * (int64_t)sizeof(float));
    } else if (buffer->kind == QUERIES) {
        r.stride = filled(buffer->width, LINE / (int64_t)sizeof(int16_t));
        r.queries = take(arena, rows * r.stride * (int64_t)sizeof(int16_t));
    } else {
        r.stride = filled(buffer->width, BLOCK);
        const int64_t sums = rows * (r.stride / 32) * (int64_t)sizeof(int32_t);
        r.low = take(arena, rows * r.stride);
        r.low_sums = take(arena, sums);
        if (buffer->kind == WORDS) {
            r.high = take(arena, rows * r.stride);
            r.high_sums = take(arena, sums);
        }
    }
    return r;
}

/* Two rows of floats, the widest that an instruction keeps to itself; gates and what they let through, a block of
 * columns for every row; and what the kernels ask for. */
static void lay_out_scratch(Program *p, Arena *arena) {
    const Spec *s = &p->spec;
    int64_t widest = (int64_t)s->shape.kv_heads * s->shape.head_dim;
    int32_t blocks = 1, group = 1;
    bool gated = false, adapted = false;
    for (int32_t i = 0; i < s->layers; i++)
        if (s->layer[i].linear.blocks > blocks) blocks = s->layer[i].linear.blocks;
    for (int32_t i = 0; i < s->instructions; i++) {
        const Instruction *x = &s->instruction[i];
        if (x->operation == ATTEND && x->heads / s->shape.kv_heads > group) group = x->heads / s->shape.kv_heads;
        if (x->operation != LINEAR && x->width > widest) widest = x->width;
        gated |= x->operation == GATED_LINEAR;
        adapted |= x->operation == ADAPT;
    }
    const size_t linear = linear_scratch(blocks), attention = attention_scratch(s->context, group, s->shape.head_dim);
    p->row_size = 2 * filled(widest * (int64_t)sizeof(float), LINE);
    p->outputs_size = gated ? s->rows * (int64_t)(2 * BLOCK * sizeof(float)) : 0;
    const int64_t run_size = RUN_ROWS * BLOCK * (int64_t)sizeof(float);
    if (adapted && p->outputs_size < run_size) p->outputs_size = run_size;
    p->scratch_size = p->row_size + p->outputs_size + filled((int64_t)(linear > attention ? linear : attention), LINE);
    p->scratch = take(arena, s->threads * p->scratch_size);
}

static void lay_out_program(Program *p, Arena *arena) {
    const Spec *s = &p->spec;
    p->buffers = take(arena, s->buffers * (int64_t)sizeof *p->buffers);
    p->layers = take(arena, s->layers * (int64_t)sizeof *p->layers);
    p->instructions = take(arena, s->instructions * (int64_t)sizeof *p->instructions);
    p->pairs = take(arena, s->sites * (int64_t)s->adapters * (int64_t)sizeof *p->pairs);
    p->rows = take(arena, s->buffers * (int64_t)sizeof *p->rows);
    p->counts = take(arena, s->instructions * (int64_t)sizeof *p->counts);
    p->sizes = take(arena, s->instructions * (int64_t)sizeof *p->sizes);
    p->positions = take(arena, s->rows * (int64_t)sizeof *p->positions);
    p->pages = take(arena, s->rows * (int64_t)sizeof *p->pages);
    p->blocks = take(arena, s->rows * (int64_t)sizeof *p->blocks);
    for (int32_t i = 0; i < 2; i++) p->runs[i].runs = take(arena, s->adapters ? s->rows * (int64_t)sizeof(Run) : 0);
    for (int32_t i = 0; i < s->buffers; i++) {
        const Rows rows = i == s->logits ? (Rows){0} : lay_out(&s->buffer[i], s->rows, arena);
        if (arena->base) p->rows[i] = rows;
    }
    lay_out_scratch(p, arena);
}

int64_t program_size(const Spec *spec) {
    int32_t instruction;
    if (check_spec(spec, &instruction)) return -1;
    Program program = {.spec = *spec};
    Arena arena = {NULL, filled(sizeof(Program), LINE)};
    lay_out_program(&program, &arena);
    return arena.used;
}

static void copy_spec(Program *p) {
    Spec *s = &p->spec;
    memcpy(p->buffers, s->buffer, (size_t)s->buffers * sizeof *p->buffers);
    memcpy(p->layers, s->layer, (size_t)s->layers * sizeof *p->layers);
    memcpy(p->instructions, s->instruction, (size_t)s->instructions * sizeof *p->instructions);
    if (s->sites && s->adapters)
        memcpy(p->pairs, s->pair, (size_t)s->sites * (size_t)s->adapters * sizeof *p->pairs);
    s->buffer = p->buffers;
    s->layer = p->layers;
    s->instruction = p->instructions;
    s->pair = p->pairs;
    p->kernels = kernels_named(s->kernels);
    s->kernels = p->kernels->name;
}

Program *program_new(const Spec *spec, Failure *failure) {
    void *memory;
    failure->message = check_spec(spec, &failure->instruction);
    if (failure->message) return NULL;
    if (posix_memalign(&memory, LINE, (size_t)program_size(spec))) {
        failure->message = "there is not enough memory";
        return NULL;
    }
    Program *p = memset(memory, 0, sizeof(Program));
    p->spec = *spec;
    Arena arena = {memory, filled(sizeof(Program), LINE)};
    lay_out_program(p, &arena);
    p->size = arena.used;
    copy_spec(p);
    atomic_flag_clear(&p->running);
    p->team = team_new(spec->threads, spec->instructions, (Job){execute, p});
    if (p->team) return p;
    program_free(p);
    failure->message = "there is not enough memory";
    return NULL;
}

int32_t program_threads(const Program *program) { return team_threads(program->team); }

static const char *check_segments(const Program *p, int32_t rows, const Segment *segments, int32_t count) {
    int32_t next = 0;
    for (int32_t i = 0; i < count; i++) {
        const Segment *s = &segments[i];
        if (s->first_row != next || s->rows < 1 || s->rows > rows - next) return "the segments do not make up the rows";
        if (s->start < 0 || s->start > p->spec.context - s->rows) return "a segment exceeds the context";
        if (s->adapter < -1 || s->adapter >= p->spec.adapters) return "a segment has an adapter that is not there";
        if (!s->pages) return "a segment has no pages";
        for (int32_t page = 0; page <= (s->start + s->rows - 1) / PAGE_TOKENS; page++)
            if (!s->pages[page]) return "a page is missing";
        next += s->rows;
    }
    return next == rows ? NULL : "the segments do not make up the rows";
}

static const char *check_step(const Program *p, const int32_t *tokens, int32_t rows, const Segment *segments,
                              int32_t segment_count, const int32_t *wanted, int32_t wanted_count, int64_t stride) {
    if (rows < 1 || rows > p->spec.rows) return "the step has no rows, or too many";
    if (wanted_count < 0 || wanted_count > rows) return "more logits are wanted than the step has rows";
    if (stride < p->buffers[p->spec.logits].width) return "the logits do not fit";
    for (int32_t i = 0; i < rows; i++)
        if (tokens[i] < 0 || tokens[i] >= p->spec.vocabulary) return "a token lies outside the vocabulary";
    for (int32_t i = 0; i < wanted_count; i++)
        if (wanted[i] < 0 || wanted[i] >= rows) return "the logits of a row that is not there are wanted";
    return check_segments(p, rows, segments, segment_count);
}

const char *program_step(Program *p, const int32_t *tokens, int32_t rows, const Segment *segments,
                         int32_t segment_count, const int32_t *wanted, int32_t wanted_count, float *logits,
                         int64_t stride) {
    const char *wrong = check_step(p, tokens, rows, segments, segment_count, wanted, wanted_count, stride);
    if (wrong) return wrong;
    if (atomic_flag_test_and_set(&p->running)) return "another step is under way";
    p->tokens = tokens;
    p->wanted = wanted;
    p->segments = segments;
    p->row_count = rows;
    p->wanted_count = wanted_count;
    p->rows[p->spec.logits] = (Rows){.stride = stride, .floats = logits};
    plan_step(p, segment_count);
    team_run(p->team, p->counts);
    atomic_flag_clear(&p->running);
    return NULL;
}

void program_free(Program *program) {
    if (!program) return;
    team_free(program->team);
    ASAN_UNPOISON_MEMORY_REGION(program, program->size);
    free(program);
}
