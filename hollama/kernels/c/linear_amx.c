/* The linear layer with AMX: tiles of 16 rows by 64 inputs by 16 outputs.
 *
 * Eight panels at a time are expanded to bytes w * g over a slab of inputs, which stay in the second cache. Over them
 * run the rows, 32 at a time: their slab of values stays in the first cache for all eight. Between slabs the sums lie in
 * scratch. Between tiles, the vector units expand the next slab. */
#include "linear.h"

#include <immintrin.h>

void linear_avx512vnni(const Linear *, const Activations *, Matrix, Matrix, int32_t, int32_t, void *);

enum {
    FEW = 3,   /* rows that are faster without tiles */
    TILE = 16, /* rows */
    WIDTH = AMX_PANELS * PANEL,
};

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} TileConfig;

/* Tiles 0 to 3 are the sums of two rows of tiles by two panels, 4 and 5 the values, 6 and 7 the weights. */
static void configure(int32_t upper, int32_t lower) {
    TileConfig config = {.palette = 1};
    for (int i = 0; i < 8; i++) {
        config.bytes[i] = 64;
        config.rows[i] = (uint8_t)(i >= 6 ? TILE : i == 2 || i == 3 || i == 5 ? lower : upper);
    }
    __asm__ volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
}

typedef struct { /* some panels' weights over some blocks of inputs, as bytes w * g */
    int32_t panel, panels, block, blocks;
    int32_t done;  /* blocks of all panels that are expanded */
    uint8_t *data; /* [AMX_PANELS][AMX_SLAB][16 quads of inputs][16][4] */
} Slab;

/* The index-th slab of the panels [first, last); behind the last one it has no blocks. */
static Slab slab_at(const Linear *linear, int32_t first, int32_t last, int32_t index, uint8_t *buffers) {
    const int32_t slabs = (linear->blocks + AMX_SLAB - 1) / AMX_SLAB, panel = first + AMX_PANELS * (index / slabs);
    const int32_t block = index % slabs * AMX_SLAB;
    if (panel >= last) return (Slab){0};
    uint8_t *data = buffers + (size_t)(index % 2) * AMX_PANELS * AMX_SLAB * EXPANDED_BYTES;
    return (Slab){panel, smaller(AMX_PANELS, last - panel), block, smaller(AMX_SLAB, linear->blocks - block), 0, data};
}

/* `words` is g in words, `bytes` 7 * g in bytes: (w + 7) * g is at most 252, so words multiply like their bytes. */
static inline void expand_half(__m512i nibbles, __m512i words, __m512i bytes, uint8_t *to) {
    const __m512i n = _mm512_and_si512(nibbles, _mm512_set1_epi8(0x0f));
    _mm512_store_si512(to, _mm512_sub_epi8(_mm512_mullo_epi16(n, words), bytes));
}

static inline __m512i scales_at(const uint8_t *scales) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)scales));
}

/* `ahead` is what to fetch meanwhile. */
static ALWAYS_INLINE void expand_block(const uint8_t *packed, const uint8_t *of_low, const uint8_t *of_high, uint8_t *to,
                                       const uint8_t *ahead) {
    const __m512i words = _mm512_set1_epi32(0x10001), bytes = _mm512_set1_epi32(7 * 0x1010101);
    const __m512i low = scales_at(of_low), high = scales_at(of_high);
    const __m512i low1 = _mm512_mullo_epi32(low, words), low7 = _mm512_mullo_epi32(low, bytes);
    const __m512i high1 = _mm512_mullo_epi32(high, words), high7 = _mm512_mullo_epi32(high, bytes);
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) {
        const __m512i less = _mm512_sub_epi8(_mm512_loadu_si512(packed + 64 * r), _mm512_set1_epi8(0x11));
        _mm_prefetch((const char *)ahead + 64 * r, _MM_HINT_T1);
        expand_half(less, low1, low7, to + 64 * r);
        expand_half(_mm512_srli_epi16(less, 4), high1, high7, to + EXPANDED_BYTES / 2 + 64 * r);
    }
}

/* Go on until `until` blocks are done. */
static inline void expand_slab(const Linear *linear, Slab *slab, const Slab *after, int32_t until) {
    for (; slab->done < until; slab->done++) {
        const int32_t side = slab->done % slab->panels, block = slab->done / slab->panels;
        const size_t at = (size_t)slab->block + block;
        const uint8_t *packed = packed_panel(linear, slab->panel + side) + at * BLOCK_BYTES;
        const uint8_t *scales = scales_panel(linear, slab->panel + side) + at * linear->scales * PANEL;
        const int known = side < after->panels && block < after->blocks;
        const size_t ahead = (size_t)(after->block + block) * BLOCK_BYTES;
        expand_block(packed, scales, scales + (linear->scales - 1) * PANEL,
                     slab->data + (size_t)(side * AMX_SLAB + block) * EXPANDED_BYTES,
                     known ? packed_panel(linear, after->panel + side) + ahead : packed);
    }
}

typedef struct { /* how the next slab's expansion keeps pace */
    const Linear *linear;
    Slab next, after;
    int32_t pace, due; /* blocks a step, and those due by now, in 1 / 65536 */
} Expansion;

/* sums [rows][WIDTH] += (or =, in the first slab) one tile, or two, of 16 rows by two panels over a slab. */
static ALWAYS_INLINE void multiply(const int two, const int first, int32_t blocks, const uint8_t *weights,
                                   const int8_t *values, int32_t stride, int32_t *sums, Expansion *expansion) {
    const int apart = WIDTH * sizeof(int32_t);
    const int8_t *below = values + (size_t)TILE * stride;
    if (first) {
        _tile_zero(0);
        _tile_zero(1);
        if (two) {
            _tile_zero(2);
            _tile_zero(3);
        }
    } else {
        _tile_loadd(0, sums, apart);
        _tile_loadd(1, sums + PANEL, apart);
        if (two) {
            _tile_loadd(2, sums + TILE * WIDTH, apart);
            _tile_loadd(3, sums + TILE * WIDTH + PANEL, apart);
        }
    }
    for (int32_t block = 0; block < blocks; block++) {
        _tile_loadd(4, values + (size_t)block * BLOCK, stride);
        _tile_loadd(6, weights + (size_t)block * EXPANDED_BYTES, 64);
        _tile_dpbssd(0, 4, 6);
        _tile_loadd(7, weights + (size_t)(AMX_SLAB + block) * EXPANDED_BYTES, 64);
        _tile_dpbssd(1, 4, 7);
        if (two) {
            _tile_loadd(5, below + (size_t)block * BLOCK, stride);
            _tile_dpbssd(2, 5, 6);
            _tile_dpbssd(3, 5, 7);
        }
        expansion->due += expansion->pace;
        expand_slab(expansion->linear, &expansion->next, &expansion->after, expansion->due >> 16);
    }
    _tile_stored(0, sums, apart);
    _tile_stored(1, sums + PANEL, apart);
    if (two) {
        _tile_stored(2, sums + TILE * WIDTH, apart);
        _tile_stored(3, sums + TILE * WIDTH + PANEL, apart);
    }
}

/* One or two tiles of rows by all panels of a slab. */
static void multiply_rows(int32_t rows, const Slab *slab, const int8_t *values, int32_t stride, int32_t *sums,
                          Expansion *expansion) {
    values += (size_t)slab->block * BLOCK;
    for (int32_t p = 0; p < slab->panels; p += 2) { /* of an odd last one the neighbour's sums mean nothing */
        const uint8_t *weights = slab->data + (size_t)p * AMX_SLAB * EXPANDED_BYTES;
        if (rows > TILE)
            multiply(1, slab->block == 0, slab->blocks, weights, values, stride, sums + p * PANEL, expansion);
        else
            multiply(0, slab->block == 0, slab->blocks, weights, values, stride, sums + p * PANEL, expansion);
    }
}

/* One slab over rows [row, row + rows), and their output after the last one. */
static void multiply_slab(const Linear *linear, const Slab *slab, const Activations *x, int32_t row, int32_t rows,
                          int32_t *sums, Expansion *expansion, Matrix out, Matrix add) {
    int32_t configured = 0;
    for (int32_t at = 0; at < rows; at += 2 * TILE) {
        const int32_t count = smaller(2 * TILE, rows - at);
        const size_t start = (size_t)(row + at) * x->stride;
        int32_t *low = sums + (size_t)at * WIDTH, *high = x->high ? low + AMX_ROWS * WIDTH : NULL;
        if (count != configured) configure(smaller(count, TILE), count > TILE ? count - TILE : 1);
        configured = count;
        multiply_rows(count, slab, x->low + start, x->stride, low, expansion);
        if (high) multiply_rows(count, slab, x->high + start, x->stride, high, expansion);
        if (slab->block + slab->blocks < linear->blocks) continue;
        for (int32_t p = 0; p < slab->panels; p++)
            finish(linear, x, row + at, count, slab->panel + p, low + p * PANEL, high ? high + p * PANEL : NULL, WIDTH,
                   out, add);
    }
}

static void linear_chunk(const Linear *linear, const Activations *x, int32_t row, int32_t rows, Matrix out, Matrix add,
                         int32_t first, int32_t last, uint8_t *scratch) {
    int32_t *sums = (int32_t *)(void *)scratch; /* [low, high][AMX_ROWS][WIDTH] */
    uint8_t *buffers = scratch + 2 * AMX_SUMS;
    const int32_t tiles = (rows + 2 * TILE - 1) / (2 * TILE) * (x->high ? 2 : 1);
    Slab slab = slab_at(linear, first, last, 0, buffers);
    Expansion e = {.linear = linear, .next = slab_at(linear, first, last, 1, buffers)};
    expand_slab(linear, &slab, &e.next, slab.panels * slab.blocks);
    for (int32_t index = 2; slab.blocks; index++) {
        e.after = slab_at(linear, first, last, index, buffers);
        e.pace = (e.next.panels * e.next.blocks << 16) / (tiles * ((slab.panels + 1) / 2) * slab.blocks);
        e.due = 0;
        __asm__ volatile("" ::: "memory"); /* the intrinsics do not say that they read memory */
        multiply_slab(linear, &slab, x, row, rows, sums, &e, out, add);
        expand_slab(linear, &e.next, &e.after, e.next.panels * e.next.blocks);
        slab = e.next;
        e.next = e.after;
    }
}

void linear_amx(const Linear *linear, const Activations *x, Matrix out, Matrix add, int32_t first, int32_t last,
                void *scratch) {
    if (x->rows <= FEW) {
        linear_avx512vnni(linear, x, out, add, first, last, scratch);
        return;
    }
    for (int32_t row = 0; row < x->rows; row += AMX_ROWS)
        linear_chunk(linear, x, row, smaller(AMX_ROWS, x->rows - row), out, add, first, last, scratch);
    _tile_release();
}
