/* The linear layer with AMX: tiles of 16 rows by 64 inputs by 16 outputs, two of rows by two of outputs at a time.
 *
 * A pair of panels is expanded to bytes w * g, which must stay in the first cache: so sent through the second one, eight
 * panels at a time and between the tiles, it took twice as long. Up to 32 rows take all inputs at once, a block being
 * expanded while earlier ones are multiplied: that keeps the memory busy all the time. More rows take a slab of inputs
 * at a time, their sums lying in scratch in between; the next slab is fetched between the tiles. */
#include "linear.h"

#include <immintrin.h>

void linear_avx512vnni(const Linear *, const Activations *, Matrix, Matrix, int32_t, int32_t, void *);

enum {
    FEW = 3,          /* rows that are faster without tiles */
    TILE = 16,        /* rows */
    WIDTH = 2 * PANEL, /* outputs of a pair of panels, and so the sums of a row */
    RING = 4,         /* blocks that are expanded at once, for few rows */
    LAG = 2,          /* blocks from expanding to multiplying: what was just written cannot be loaded as a tile */
    FAR = 4096,       /* bytes of packed weights to fetch in advance; 2 and 8 KB are as good */
    KEPT = 1 << 20,   /* bytes of rows that stay in the second cache while the panels change */
};

typedef struct {
    uint8_t palette, start_row, reserved[14];
    uint16_t bytes[16];
    uint8_t rows[16];
} TileConfig;

/* Tiles 0 to 3 are the sums of two rows of tiles by two panels, 4 and 5 the values, 6 and 7 the weights. */
static void configure(int32_t rows) {
    TileConfig config = {.palette = 1};
    const int32_t upper = smaller(rows, TILE), lower = rows > TILE ? rows - TILE : 1;
    for (int i = 0; i < 8; i++) {
        config.bytes[i] = 64;
        config.rows[i] = (uint8_t)(i >= 6 ? TILE : i == 2 || i == 3 || i == 5 ? lower : upper);
    }
    __asm__ volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
}

/* The intrinsics do not say that they read and write memory. */
static ALWAYS_INLINE void tiles_meet_memory(void) { __asm__ volatile("" ::: "memory"); }

/* `words` is g in words, `bytes` 7 * g in bytes: (w + 7) * g is at most 252, so words multiply like their bytes. */
static inline void expand_half(__m512i nibbles, __m512i words, __m512i bytes, uint8_t *to) {
    const __m512i n = _mm512_and_si512(nibbles, _mm512_set1_epi8(0x0f));
    _mm512_store_si512(to, _mm512_sub_epi8(_mm512_mullo_epi16(n, words), bytes));
}

static inline __m512i scales_at(const uint8_t *scales) {
    return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)scales));
}

/* A block of a panel as [16 quads of inputs][16][4] bytes w * g. */
static ALWAYS_INLINE void expand(const Linear *linear, int32_t panel, int32_t block, uint8_t *to) {
    const uint8_t *packed = packed_panel(linear, panel) + (size_t)block * BLOCK_BYTES;
    const uint8_t *scales = scales_panel(linear, panel) + (size_t)block * linear->scales * PANEL;
    const __m512i words = _mm512_set1_epi32(0x10001), bytes = _mm512_set1_epi32(7 * 0x1010101);
    const __m512i low = scales_at(scales), high = scales_at(scales + (linear->scales - 1) * PANEL);
    const __m512i low1 = _mm512_mullo_epi32(low, words), low7 = _mm512_mullo_epi32(low, bytes);
    const __m512i high1 = _mm512_mullo_epi32(high, words), high7 = _mm512_mullo_epi32(high, bytes);
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++) {
        const __m512i less = _mm512_sub_epi8(_mm512_loadu_si512(packed + 64 * r), _mm512_set1_epi8(0x11));
        expand_half(less, low1, low7, to + 64 * r);
        expand_half(_mm512_srli_epi16(less, 4), high1, high7, to + EXPANDED_BYTES / 2 + 64 * r);
    }
}

static ALWAYS_INLINE void zero(const int two) {
    _tile_zero(0);
    _tile_zero(1);
    if (two) {
        _tile_zero(2);
        _tile_zero(3);
    }
}

/* sums [rows][WIDTH], of one tile of rows or two */
static ALWAYS_INLINE void load(const int two, const int32_t *sums) {
    const int apart = WIDTH * sizeof *sums;
    _tile_loadd(0, sums, apart);
    _tile_loadd(1, sums + PANEL, apart);
    if (two) {
        _tile_loadd(2, sums + TILE * WIDTH, apart);
        _tile_loadd(3, sums + TILE * WIDTH + PANEL, apart);
    }
}

static ALWAYS_INLINE void store(const int two, int32_t *sums) {
    const int apart = WIDTH * sizeof *sums;
    _tile_stored(0, sums, apart);
    _tile_stored(1, sums + PANEL, apart);
    if (two) {
        _tile_stored(2, sums + TILE * WIDTH, apart);
        _tile_stored(3, sums + TILE * WIDTH + PANEL, apart);
    }
}

/* One block of inputs: one tile of rows, or two, by the pair's expanded weights. */
static ALWAYS_INLINE void multiply(const int two, const int8_t *values, int32_t stride, const uint8_t *left,
                                   const uint8_t *right) {
    _tile_loadd(4, values, stride);
    _tile_loadd(6, left, 64);
    _tile_dpbssd(0, 4, 6);
    _tile_loadd(7, right, 64);
    _tile_dpbssd(1, 4, 7);
    if (two) {
        _tile_loadd(5, values + (size_t)TILE * stride, stride);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
}

/* ── up to 32 rows ── */

static ALWAYS_INLINE uint8_t *ring_at(uint8_t *ring, int32_t block) {
    return ring + (size_t)(block % RING) * 2 * EXPANDED_BYTES;
}

/* A block of one panel or two; those to come are fetched. Behind the last block there is nothing to do. */
static ALWAYS_INLINE void expand_next(const Linear *linear, int32_t panel, int32_t panels, int32_t block, uint8_t *ring) {
    if (block >= linear->blocks) return;
    const size_t panel_bytes = (size_t)linear->blocks * BLOCK_BYTES; /* the pair's other panel is passed over */
    for (int32_t p = 0; p < panels; p++) {
        const char *packed = (const char *)packed_panel(linear, panel + p) + (size_t)block * BLOCK_BYTES;
        const char *ahead = packed + FAR + (block + FAR / BLOCK_BYTES < linear->blocks ? 0 : panel_bytes);
        for (int i = 0; i < BLOCK_BYTES; i += 64) _mm_prefetch(ahead + i, _MM_HINT_T1);
        expand(linear, panel + p, block, ring_at(ring, block) + p * EXPANDED_BYTES);
    }
}

static ALWAYS_INLINE void few_rows(const int two, const Linear *linear, int32_t panel, int32_t panels,
                                   const int8_t *values, int32_t stride, uint8_t *ring, int32_t *sums) {
    zero(two);
    for (int32_t block = 0; block < LAG; block++) expand_next(linear, panel, panels, block, ring);
    for (int32_t block = 0; block < linear->blocks; block++) {
        expand_next(linear, panel, panels, block + LAG, ring);
        tiles_meet_memory();
        const uint8_t *weights = ring_at(ring, block); /* of an odd last panel the neighbour's sums mean nothing */
        multiply(two, values + (size_t)block * BLOCK, stride, weights, weights + EXPANDED_BYTES);
    }
    store(two, sums);
    tiles_meet_memory();
}

static void linear_few(const Linear *linear, const Activations *x, Matrix out, Matrix add, int32_t first, int32_t last,
                       uint8_t *ring, int32_t *sums) {
    int32_t *low = sums, *high = x->high ? sums + 2 * TILE * WIDTH : NULL;
    configure(x->rows);
    for (int32_t panel = first; panel < last; panel += 2) {
        const int32_t panels = smaller(2, last - panel);
        for (int part = 0; part < (high ? 2 : 1); part++) {
            const int8_t *values = part ? x->high : x->low;
            if (x->rows > TILE)
                few_rows(1, linear, panel, panels, values, x->stride, ring, part ? high : low);
            else
                few_rows(0, linear, panel, panels, values, x->stride, ring, part ? high : low);
        }
        for (int32_t p = 0; p < panels; p++)
            finish(linear, x, 0, x->rows, panel + p, low + p * PANEL, high ? high + p * PANEL : NULL, WIDTH, out, add);
    }
}

/* ── more rows ── */

typedef struct { /* one panel or two over some blocks of inputs */
    int32_t panel, panels, block, blocks;
} Slab;

typedef struct { /* the next slab's packed weights: `lines` of 64 bytes of either panel are fetched with every block */
    const char *left, *right;
    int32_t lines;
} Ahead;

static Ahead ahead_of(const Linear *linear, Slab slab, Slab next, int32_t steps) {
    const int32_t known = next.panel + 1 < linear->panels && next.block < linear->blocks;
    if (!known) return (Ahead){0};
    const size_t at = (size_t)next.block * BLOCK_BYTES;
    return (Ahead){(const char *)packed_panel(linear, next.panel) + at,
                   (const char *)packed_panel(linear, next.panel + 1) + at,
                   (slab.blocks * (BLOCK_BYTES / 64) + steps - 1) / steps};
}

/* sums [rows][WIDTH] += (or =, in the first slab) one tile of rows, or two, over a slab */
static ALWAYS_INLINE void multiply_slab(const int two, Slab slab, const uint8_t *weights, const int8_t *values,
                                        int32_t stride, int32_t *sums, Ahead *ahead) {
    values += (size_t)slab.block * BLOCK;
    if (slab.block == 0)
        zero(two);
    else
        load(two, sums);
    for (int32_t block = 0; block < slab.blocks; block++) {
        const uint8_t *left = weights + (size_t)block * EXPANDED_BYTES;
        multiply(two, values + (size_t)block * BLOCK, stride, left, left + AMX_SLAB * EXPANDED_BYTES);
        for (int32_t i = 0; i < ahead->lines; i++, ahead->left += 64, ahead->right += 64) {
            _mm_prefetch(ahead->left, _MM_HINT_T1);
            _mm_prefetch(ahead->right, _MM_HINT_T1);
        }
    }
    store(two, sums);
}

/* All rows of low or high bytes over a slab; `weights` are [2][AMX_SLAB][EXPANDED_BYTES]. */
static void multiply_rows(Slab slab, const uint8_t *weights, const int8_t *values, int32_t stride, int32_t rows,
                          int32_t *sums, Ahead *ahead) {
    int32_t configured = 0;
    for (int32_t row = 0; row < rows; row += 2 * TILE, values += (size_t)2 * TILE * stride, sums += 2 * TILE * WIDTH) {
        const int32_t count = smaller(2 * TILE, rows - row);
        if (count != configured) configure(count);
        configured = count;
        if (count > TILE)
            multiply_slab(1, slab, weights, values, stride, sums, ahead);
        else
            multiply_slab(0, slab, weights, values, stride, sums, ahead);
    }
}

/* Rows [row, row + rows) by panels [first, last), at most AMX_PANELS; `sums` are [low, high][pairs][AMX_ROWS][WIDTH]. */
static void linear_chunk(const Linear *linear, const Activations *x, int32_t row, int32_t rows, Matrix out, Matrix add,
                         int32_t first, int32_t last, uint8_t *weights, int32_t *sums) {
    const int32_t slabs = (linear->blocks + AMX_SLAB - 1) / AMX_SLAB, blocks = (linear->blocks + slabs - 1) / slabs;
    const int32_t steps = (rows + 2 * TILE - 1) / (2 * TILE) * blocks * (x->high ? 2 : 1);
    const size_t start = (size_t)row * x->stride;
    for (int32_t block = 0; block < linear->blocks; block += blocks)
        for (int32_t panel = first; panel < last; panel += 2) {
            const Slab slab = {panel, smaller(2, last - panel), block, smaller(blocks, linear->blocks - block)};
            const Slab next = panel + 2 < last ? (Slab){.panel = panel + 2, .block = block}
                            : block + blocks < linear->blocks ? (Slab){.panel = first, .block = block + blocks}
                            : (Slab){.panel = last};
            Ahead ahead = ahead_of(linear, slab, next, steps);
            int32_t *low = sums + (size_t)(panel - first) * PANEL * AMX_ROWS;
            int32_t *high = x->high ? low + AMX_SUMS / sizeof *sums : NULL;
            for (int32_t p = 0; p < slab.panels; p++)
                for (int32_t b = 0; b < slab.blocks; b++)
                    expand(linear, panel + p, block + b, weights + (size_t)(p * AMX_SLAB + b) * EXPANDED_BYTES);
            tiles_meet_memory();
            multiply_rows(slab, weights, x->low + start, x->stride, rows, low, &ahead);
            if (high) multiply_rows(slab, weights, x->high + start, x->stride, rows, high, &ahead);
            tiles_meet_memory();
            if (block + slab.blocks < linear->blocks) continue;
            for (int32_t p = 0; p < slab.panels; p++)
                finish(linear, x, row, rows, panel + p, low + p * PANEL, high ? high + p * PANEL : NULL, WIDTH, out,
                       add);
        }
}

void linear_amx(const Linear *linear, const Activations *x, Matrix out, Matrix add, int32_t first, int32_t last,
                void *scratch) {
    if (x->rows <= FEW) {
        linear_avx512vnni(linear, x, out, add, first, last, scratch);
        return;
    }
    uint8_t *weights = scratch;
    int32_t *sums = (int32_t *)(void *)(weights + AMX_WEIGHTS);
    if (x->rows <= 2 * TILE) linear_few(linear, x, out, add, first, last, weights, sums);
    else
        for (int32_t row = 0; row < x->rows; row += AMX_ROWS) {
            const int32_t rows = smaller(AMX_ROWS, x->rows - row);
            const int32_t panels = (size_t)rows * x->stride > KEPT ? AMX_PANELS : 2;
            for (int32_t panel = first; panel < last; panel += panels)
                linear_chunk(linear, x, row, rows, out, add, panel, smaller(panel + panels, last), weights, sums);
        }
    _tile_release();
}
