/* Runs kernels on the cases of a file, for machines that are only emulated: replay CASES RESULTS.
 *
 * A case is eight int32 (the operation, then what it needs) and its arrays, a result the bytes of its output. */
#include "../../../hollama/kernels/c/kernels.h"

#include <stdio.h>
#include <stdlib.h>

#define NAMED_(operation, set) operation##_##set
#define NAMED(operation, set) NAMED_(operation, set)

void NAMED(attend, SET)(const Attention *, int32_t, int32_t, int32_t, void *);
void norm_portable(const float *, const float *, float *, int32_t, double);
void quantise8_portable(const float *, int8_t *, int32_t *, int32_t, float, int32_t);
void layer_norm_portable(const float *, const float *, const float *, float *, int32_t, double);
void gelu_portable(const float *, float *, int32_t);
void gelu_tanh_portable(const float *, float *, int32_t);
void gated_portable(const float *, const float *, float *, int32_t);

enum { ATTEND, NORM, QUANTISE, GATED, LAYER_NORM, GELU };

typedef struct {
    int32_t operation, a, b, c, d, e;
    float x, y;
} Case;

static FILE *cases, *results;

static void *room(size_t bytes) {
    void *memory = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (!memory) exit(3);
    return memory;
}

static void *taken(size_t bytes) {
    void *memory = room(bytes);
    if (fread(memory, 1, bytes, cases) != bytes) exit(2);
    return memory;
}

static void give(const void *memory, size_t bytes) {
    if (fwrite(memory, 1, bytes, results) != bytes) exit(4);
}

/* rows, heads, kv_heads, head_dim, start | zero_v << 20, scale_v, step; queries and pages. */
static void attend(const Case *of) {
    const int32_t rows = of->a, heads = of->b, kv_heads = of->c, d = of->d, start = of->e & 0xfffff;
    const size_t width = (size_t)heads * (size_t)d, page = 2 * (size_t)kv_heads * PAGE_TOKENS * (size_t)d;
    const int32_t pages = (start + rows + PAGE_TOKENS - 1) / PAGE_TOKENS;
    int8_t **table = room((size_t)pages * sizeof *table);
    Segment segment = {.rows = rows, .start = start, .pages = table};
    Attention attention = {
        .segment = &segment, .heads = heads, .shape = {d, kv_heads, 1}, .query_stride = (int64_t)width,
        .zero_v = of->e >> 20, .scale_v = of->x, .step = of->y,
        .out = {room((size_t)rows * width * sizeof(float)), (int64_t)width}};
    attention.query = taken((size_t)rows * width * sizeof(int16_t));
    for (int32_t i = 0; i < pages; i++) table[i] = taken(page);
    void *scratch = room(attention_scratch(start + rows, heads / kv_heads, d));
    for (int32_t i = 0; i < kv_heads; i++) NAMED(attend, SET)(&attention, i, 0, rows, scratch);
    give(attention.out.data, (size_t)rows * width * sizeof(float));
}

static void run(const Case *of) {
    const size_t n = (size_t)of->a, filled = (n + BLOCK - 1) / BLOCK * BLOCK;
    float *out = room(n * sizeof *out);
    switch (of->operation) {
        case ATTEND: attend(of); break;
        case NORM: {
            const float *x = taken(n * sizeof *x), *weight = taken(n * sizeof *weight);
            norm_portable(x, weight, out, of->a, of->x);
            give(out, n * sizeof *out);
            break;
        }
        case GATED: {
            const float *gate = taken(n * sizeof *gate), *up = taken(n * sizeof *up);
            gated_portable(gate, up, out, of->a);
            give(out, n * sizeof *out);
            break;
        }
        case LAYER_NORM: {
            const float *x = taken(n * sizeof *x), *weight = taken(n * sizeof *weight), *bias = taken(n * sizeof *bias);
            layer_norm_portable(x, weight, bias, out, of->a, of->x);
            give(out, n * sizeof *out);
            break;
        }
        case GELU: {
            (of->b ? gelu_tanh_portable : gelu_portable)(taken(n * sizeof *out), out, of->a);
            give(out, n * sizeof *out);
            break;
        }
        case QUANTISE: {
            int8_t *low = room(filled);
            quantise8_portable(taken(n * sizeof *out), low, room(filled / 32 * sizeof(int32_t)), of->a, of->x, of->b);
            give(low, n);
            break;
        }
        default: exit(5);
    }
}

int main(int count, char **arguments) {
    Case of;
    if (count != 3 || !(cases = fopen(arguments[1], "rb")) || !(results = fopen(arguments[2], "wb"))) return 1;
    while (fread(&of, sizeof of, 1, cases) == 1) run(&of);
    return fclose(results) ? 4 : 0;
}
