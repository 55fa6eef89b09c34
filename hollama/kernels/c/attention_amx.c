/* Attention with AMX: products of 16 pairs (row, head) by bytes, the high and the low byte of a query or weight each.
 * Head dims must be multiples of 16 and pairs many enough to fill tiles; for the rest attend_avx512vnni does it. */
#include "attention.h"

#include <immintrin.h>

enum {
    SIDE = 16,             /* rows of a tile, and int32 in one */
    TILE_BYTES = 64,       /* in a row */
    FEWEST_PAIRS = 8,      /* fewer are faster without tiles */
    CHUNK_PAGES = SUM_TOKENS / PAGE_TOKENS,
};

/* Tiles 0 to 3 are sums (high and low of some 16 columns, high and low of the next), 4 and 5 high and low bytes of the
 * pairs, 6 and 7 keys or values of the 16 columns and the next. */
typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} Tiles;

typedef struct { /* scratch; stride in tokens */
    size_t stride;
    int64_t *sums;             /* [PAIRS][d] */
    uint8_t *query[2];         /* [PAIRS][d], high and low bytes */
    uint8_t *weights[2];       /* [PAIRS][stride], likewise */
    int16_t *row;              /* [stride] weights of one pair */
    int32_t *scores;           /* [PAIRS][stride] */
} Workspace;

typedef struct { /* sums as tiles 0 to 3 give them */
    _Alignas(64) int32_t of[4][SIDE][SIDE];
} Products;

static Workspace workspace(void *scratch, size_t tokens, size_t d) {
    Workspace w = {.stride = tokens + SKEW, .scores = scratch};
    w.sums = (int64_t *)(w.scores + PAIRS * w.stride);
    w.row = (int16_t *)(w.sums + PAIRS * d);
    w.weights[0] = (uint8_t *)(w.row + w.stride);
    w.weights[1] = w.weights[0] + PAIRS * w.stride;
    w.query[0] = w.weights[1] + PAIRS * w.stride;
    w.query[1] = w.query[0] + PAIRS * d;
    return w;
}

/* GCC's intrinsics do not say that they read memory: what was written must be there before. */
static inline void written(void) { __asm__ volatile("" ::: "memory"); }

/* `depth` bytes of a pair are multiplied at once. */
static void shape_tiles(int32_t depth) {
    Tiles tiles = {.palette = 1};
    for (int32_t i = 0; i < 8; i++) {
        tiles.bytes[i] = (uint16_t)(i == 4 || i == 5 ? depth : TILE_BYTES);
        tiles.rows[i] = (uint8_t)(i > 5 ? depth / 4 : SIDE);
    }
    __asm__ volatile("" ::"r"(&tiles) : "memory");
    _tile_loadconfig(&tiles);
}

/* The largest part of d that fits a tile. */
static int32_t depth_of(int32_t d) {
    int32_t steps = (d + TILE_BYTES - 1) / TILE_BYTES;
    while (d % (4 * steps)) steps++;
    return d / steps;
}

static void clear_sums(void) {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
}

static void store_sums(Products *products) {
    _tile_stored(0, products->of[0], TILE_BYTES);
    _tile_stored(1, products->of[1], TILE_BYTES);
    _tile_stored(2, products->of[2], TILE_BYTES);
    _tile_stored(3, products->of[3], TILE_BYTES);
}

/* The memory that tiles 6 and 7 are loaded from. */
static inline void fetch(const int8_t *from, size_t stride) {
    for (int32_t row = 0; row < SIDE; row++, from += stride) {
        _mm_prefetch((const char *)from, _MM_HINT_T0);
        _mm_prefetch((const char *)from + TILE_BYTES, _MM_HINT_T0);
    }
}

static void split(const int16_t *restrict values, uint8_t *restrict high, uint8_t *restrict low, int32_t n) {
    for (int32_t i = 0; i < n; i++) {
        high[i] = (uint8_t)(values[i] >> 8);
        low[i] = (uint8_t)values[i];
    }
}

/* Scores of 32 tokens. */
static void score_half(const Workspace *w, const int8_t *keys, const int8_t *next, int32_t d, int32_t depth,
                       int32_t *scores) {
    Products products;
    written();
    clear_sums();
    for (int32_t first = 0; first < d; first += depth, keys += depth * PAGE_TOKENS, next += depth * PAGE_TOKENS) {
        fetch(next, 4 * PAGE_TOKENS);
        _tile_loadd(4, w->query[0] + first, d);
        _tile_loadd(5, w->query[1] + first, d);
        _tile_loadd(6, keys, 4 * PAGE_TOKENS);
        _tile_loadd(7, keys + TILE_BYTES, 4 * PAGE_TOKENS);
        _tile_dpbssd(0, 4, 6);
        _tile_dpbusd(1, 5, 6);
        _tile_dpbssd(2, 4, 7);
        _tile_dpbusd(3, 5, 7);
    }
    store_sums(&products);
    for (int32_t i = 0; i < PAIRS; i++, scores += w->stride)
        for (int32_t j = 0; j < SIDE; j++) {
            scores[j] = (int32_t)((uint32_t)products.of[0][i][j] << 8) + products.of[1][i][j];
            scores[SIDE + j] = (int32_t)((uint32_t)products.of[2][i][j] << 8) + products.of[3][i][j];
        }
}

static void score(const Pairs *pairs, const Workspace *w, int32_t pages) {
    const int32_t d = pairs->attention->shape.head_dim, depth = depth_of(d);
    for (int32_t i = 0; i < pairs->count; i++) split(query_of(pairs, i), w->query[0] + i * d, w->query[1] + i * d, d);
    shape_tiles(depth);
    for (int32_t page = 0; page < pages; page++) {
        const int8_t *keys = cached(pairs, page, 0), *then = cached_next(pairs, page, 0, pages);
        int32_t *scores = w->scores + page * PAGE_TOKENS;
        score_half(w, keys, then, d, depth, scores);
        score_half(w, keys + 2 * TILE_BYTES, then + 2 * TILE_BYTES, d, depth, scores + 2 * SIDE);
    }
}

/* Adds the sums over pages [first, end) of 16 dims, or of 32 where there are so many, from `column` on. */
static void mix_columns(const Pairs *pairs, const Workspace *w, int32_t first, int32_t end, int32_t column) {
    const int32_t d = pairs->attention->shape.head_dim, next = column + SIDE < d ? TILE_BYTES : 0;
    Products products;
    written();
    clear_sums();
    for (int32_t page = first; page < end; page++) {
        const int8_t *values = cached(pairs, page, 1) + 4 * column;
        fetch(cached(pairs, page + 1 < end ? page + 1 : first, 1) + 4 * column + (page + 1 < end ? 0 : next), 4 * d);
        _tile_loadd(4, w->weights[0] + page * PAGE_TOKENS, w->stride);
        _tile_loadd(5, w->weights[1] + page * PAGE_TOKENS, w->stride);
        _tile_loadd(6, values, 4 * d);
        _tile_loadd(7, values + next, 4 * d);
        _tile_dpbusd(0, 4, 6);
        _tile_dpbusd(1, 5, 6);
        _tile_dpbusd(2, 4, 7);
        _tile_dpbusd(3, 5, 7);
    }
    store_sums(&products);
    for (int32_t part = 0; part < (next ? 2 : 1); part++)
        for (int32_t i = 0; i < PAIRS; i++) {
            int64_t *sums = w->sums + i * d + column + part * SIDE;
            for (int32_t j = 0; j < SIDE; j++)
                sums[j] += (int64_t)products.of[2 * part][i][j] * 256 + products.of[2 * part + 1][i][j];
        }
}

static void mix(const Pairs *pairs, const Workspace *w, int32_t pages) {
    const int32_t d = pairs->attention->shape.head_dim;
    memset(w->sums, 0, sizeof(int64_t) * (size_t)(PAIRS * d));
    shape_tiles(TILE_BYTES);
    for (int32_t first = 0; first < pages; first += CHUNK_PAGES) {
        const int32_t end = pages - first < CHUNK_PAGES ? pages : first + CHUNK_PAGES;
        for (int32_t column = 0; column < d; column += 2 * SIDE) mix_columns(pairs, w, first, end, column);
    }
}

static void attend_block(const Pairs *pairs, void *scratch) {
    const int32_t d = pairs->attention->shape.head_dim;
    const int32_t pages = pages_of(visible_to(pairs, pairs->count - 1)), tokens = pages * PAGE_TOKENS;
    const Workspace w = workspace(scratch, (size_t)tokens, (size_t)d);
    int64_t totals[PAIRS];
    score(pairs, &w, pages);
    for (int32_t i = 0; i < pairs->count; i++) {
        totals[i] = weigh(w.scores + i * w.stride, w.row, visible_to(pairs, i), tokens, pairs->attention->step);
        split(w.row, w.weights[0] + i * w.stride, w.weights[1] + i * w.stride, tokens);
    }
    mix(pairs, &w, pages);
    for (int32_t i = 0; i < pairs->count; i++) finish(pairs, i, w.sums + i * d, totals[i]);
}

void attend_avx512vnni(const Attention *attention, int32_t kv_head, int32_t first_row, int32_t rows, void *scratch);

void attend_amx(const Attention *attention, int32_t kv_head, int32_t first_row, int32_t rows, void *scratch) {
    const int32_t group = attention->heads / attention->shape.kv_heads, end = (first_row + rows) * group;
    if (attention->shape.head_dim % SIDE || rows * group < FEWEST_PAIRS) {
        attend_avx512vnni(attention, kv_head, first_row, rows, scratch);
        return;
    }
    for (int32_t first = first_row * group; first < end; first += PAIRS) {
        const Pairs pairs = {attention, kv_head, group, first, end - first < PAIRS ? end - first : PAIRS};
        attend_block(&pairs, scratch);
    }
    _tile_release();
}
