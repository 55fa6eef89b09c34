/* What every instruction set's attention shares: where queries, keys, values and results lie, the weights of a query
 * from its scores, and the result from the weighted sums. Knows no instruction set.
 *
 * A query is a pair (row of the segment, head of the kv head's group), numbered row * group + head. Pairs are worked on
 * in blocks of up to PAIRS, which see the same pages. Stored keys and values are k - 128 and v - 128: a constant added
 * to all scores of a query cancels in best - score, and the values' offset is put right in `finish`. Memory of a page
 * beyond the last token may hold anything: scores of it are never looked at, weights of it are 0. */
#ifndef HOLLAMA_ATTENTION_H
#define HOLLAMA_ATTENTION_H

#include "arithmetic.h"
#include "kernels.h"

enum {
    PAIRS = 16,
    PROBABILITY_MAX = 32767,
    SUM_TOKENS = 1 << 16, /* sums of this many weights stay below 2^31 */
    SUM_PAGES = 8,        /* so do sums of this many pages' weight * value: 512 * 32767 * 128 */
    SKEW = 64,            /* tokens between the rows of scratch, so that rows do not share cache sets */
};

typedef struct { /* pairs [first, first + count) of one kv head */
    const Attention *attention;
    int32_t kv_head, group, first, count;
} Pairs;

static inline int32_t pages_of(int32_t tokens) { return (tokens + PAGE_TOKENS - 1) / PAGE_TOKENS; }

static inline int32_t visible_to(const Pairs *pairs, int32_t i) {
    const Segment *segment = pairs->attention->segment;
    return segment->start + (pairs->attention->bidirectional ? segment->rows : (pairs->first + i) / pairs->group + 1);
}

static inline size_t row_of(const Pairs *pairs, int32_t i) {
    return (size_t)(pairs->attention->segment->first_row + (pairs->first + i) / pairs->group);
}

static inline int32_t column_of(const Pairs *pairs, int32_t i) {
    const int32_t head = pairs->kv_head * pairs->group + (pairs->first + i) % pairs->group;
    return head * pairs->attention->shape.head_dim;
}

static inline const int16_t *query_of(const Pairs *pairs, int32_t i) {
    const Attention *a = pairs->attention;
    return a->query + row_of(pairs, i) * (size_t)a->query_stride + column_of(pairs, i);
}

/* The keys (part 0) or values (part 1) of a page. */
static inline const int8_t *cached(const Pairs *pairs, int32_t page, int32_t part) {
    const Attention *a = pairs->attention;
    const size_t head = (size_t)(2 * a->cache + part) * (size_t)a->shape.kv_heads + (size_t)pairs->kv_head;
    return a->segment->pages[page] + head * PAGE_TOKENS * (size_t)a->shape.head_dim;
}

/* What to fetch while a page's keys or values are worked on: those of the next page, after the keys the values. */
static inline const int8_t *cached_next(const Pairs *pairs, int32_t page, int32_t part, int32_t pages) {
    if (page + 1 < pages) return cached(pairs, page + 1, part);
    return part == 0 ? cached(pairs, 0, 1) : cached(pairs, page, part);
}

/* rint(golden.exp2(x) * PROBABILITY_MAX) for x <= 0, in the low 16 bits. From -32 on it is 0, as it is from -16 on. */
static inline uint32_t probability(float x) {
    const float near = at_least(x, -32), sum = near + ROUNDER;
    const uint32_t exponent = (uint32_t)bits_of(sum) << 23; /* added to the bits of a float, times 2^rint(x) */
    const uint32_t power = (uint32_t)bits_of(exp2_fraction(near - (sum - ROUNDER))) + exponent;
    return (uint32_t)bits_of(float_of((int32_t)power) * PROBABILITY_MAX + ROUNDER);
}

static inline int64_t sum_of(const int16_t *weights, size_t n) {
    int64_t total = 0;
    for (const int16_t *end = weights + n; weights < end;) {
        const size_t left = (size_t)(end - weights), count = left < SUM_TOKENS ? left : SUM_TOKENS;
        int32_t sum = 0;
        for (size_t j = 0; j < count; j++) sum += weights[j];
        weights += count;
        total += sum;
    }
    return total;
}

/* Weights of the `visible` tokens from their scores, 0 for the rest of `tokens`; returns their sum. The rest is given a
 * visible score, so that whole vectors can be worked on throughout. */
static inline int64_t weigh(int32_t *restrict scores, int16_t *restrict weights, int32_t visible, int32_t tokens,
                            float step) {
    const size_t all = (size_t)tokens / PAGE_TOKENS * PAGE_TOKENS;
    int32_t best = scores[0];
    for (int32_t j = visible; j < tokens; j++) scores[j] = best;
    for (size_t j = 0; j < all; j++) best = scores[j] > best ? scores[j] : best;
    for (size_t j = 0; j < all; j++) weights[j] = (int16_t)probability((float)(best - scores[j]) * -step);
    memset(weights + visible, 0, sizeof *weights * (size_t)(tokens - visible));
    return sum_of(weights, all);
}

/* The result of pair i: sums[d] over the tokens of weight * (v - 128), `total` the sum of the weights. */
static inline void finish(const Pairs *pairs, int32_t i, const int64_t *sums, int64_t total) {
    const Attention *a = pairs->attention;
    const int64_t offset = (128 - a->zero_v) * total;
    float *out = a->out.data + row_of(pairs, i) * (size_t)a->out.stride + column_of(pairs, i);
    for (int32_t d = 0; d < a->shape.head_dim; d++)
        out[d] = (float)((double)(sums[d] + offset) / (double)total) * a->scale_v;
}

#endif
