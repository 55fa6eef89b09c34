/* Products of matrices, and attention, by AMX's tiles of bfloat16; sums are float32. For the compiler, to which the last
 * bits do not matter: a value keeps 8 bits, so nothing here is golden's arithmetic. The order of all sums is fixed by
 * the shapes alone, so the bits depend neither on threads nor on what else is computed.
 *
 * An operand (rows, depth) is packed into panels of 32 rows: [panels][steps of 32 deep][2][16 rows][32 deep], the right
 * one of a product with its pairs of depths first: [panels][steps][2][16 pairs][16 rows][2]. What is missing is 0. */
#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum {
    SIDE = 16,               /* rows of a tile, and float32 in one of them */
    DEEP = 32,               /* bfloat16 in one of them */
    WIDE = 2 * SIDE,         /* rows of a panel */
    STEP = WIDE * DEEP,      /* values of a step of a panel */
    LINES = STEP * 2 / 64,   /* of the cache, in a step */
    SLAB = 32,               /* steps: of one panel they stay near */
    KEPT = 1 << 19,          /* values of left panels that stay in the second cache */
};

typedef struct { /* float32, one of the strides (in floats) is 1 */
    const float *data;
    int64_t row_stride, depth_stride, rows, depth;
} Source;

void product_pack_amxbf16(const Source *x, int32_t right, uint16_t *to);
void product_amxbf16(const uint16_t *left, const uint16_t *right, int64_t steps, float *out, int64_t stride,
                     int64_t rows, int64_t columns, int32_t add, int32_t lower);
int64_t product_attend_scratch_amxbf16(int64_t tokens, int64_t head_dim);
void product_attend_amxbf16(const Source *q, const Source *k, const Source *v, float *out, int64_t stride, int64_t heads,
                            int32_t causal, void *scratch);

static inline int64_t smaller(int64_t x, int64_t y) { return x < y ? x : y; }
static inline int64_t parts(int64_t count, int64_t size) { return (count + size - 1) / size; }
static inline __mmask16 first_of(int64_t count) { return count >= 16 ? 0xffff : count <= 0 ? 0 : (__mmask16)((1u << count) - 1); }

/* The intrinsics do not say that they read and write memory. */
static inline void tiles_meet_memory(void) { __asm__ volatile("" ::: "memory"); }

static void configure(void) {
    struct { uint8_t palette, start, reserved[14]; uint16_t bytes[16]; uint8_t rows[16]; } config = {.palette = 1};
    for (int i = 0; i < 8; i++) config.bytes[i] = 64, config.rows[i] = SIDE;
    __asm__ volatile("" : "+m"(config));
    _tile_loadconfig(&config);
}

/* ── packing ── */

/* To nearest, ties to even, in the low half of each lane; what is no number stays none. */
static inline __m512i bfloat16(__m512 x) {
    const __m512i bits = _mm512_castps_si512(x), odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i near = _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
    return _mm512_mask_mov_epi32(near, _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_epi32(0x7fc0));
}

static inline __m512i joined(__m512 low, __m512 high) {
    const __m256i first = _mm512_cvtepi32_epi16(bfloat16(low)), second = _mm512_cvtepi32_epi16(bfloat16(high));
    return _mm512_inserti64x4(_mm512_castsi256_si512(first), second, 1);
}

/* A tile as [row][pair] where depths follow each other, else as [pair][row]. */
static void natural(const Source *x, int64_t row, int64_t depth, uint32_t tile[SIDE][SIDE]) {
    const int64_t rows = x->rows - row, deep = x->depth - depth;
    const float *data = x->data + row * x->row_stride + depth * x->depth_stride;
    for (int64_t i = 0; i < SIDE; i++) {
        __m512 low = _mm512_setzero_ps(), high = low;
        if (x->depth_stride == 1) {
            if (i < rows) low = _mm512_maskz_loadu_ps(first_of(deep), data + i * x->row_stride);
            if (i < rows && deep > SIDE) high = _mm512_maskz_loadu_ps(first_of(deep - SIDE), data + i * x->row_stride + SIDE);
            _mm512_store_si512(tile[i], joined(low, high));
        } else {
            if (2 * i < deep) low = _mm512_maskz_loadu_ps(first_of(rows), data + 2 * i * x->depth_stride);
            if (2 * i + 1 < deep) high = _mm512_maskz_loadu_ps(first_of(rows), data + (2 * i + 1) * x->depth_stride);
            _mm512_store_si512(tile[i], _mm512_or_si512(bfloat16(low), _mm512_slli_epi32(bfloat16(high), 16)));
        }
    }
}

static void turned(uint32_t tile[SIDE][SIDE], uint32_t *to) {
    const __m512i lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    for (int i = 0; i < SIDE; i++)
        _mm512_storeu_si512(to + i * SIDE, _mm512_i32gather_epi32(_mm512_slli_epi32(lanes, 4), &tile[0][i], 4));
}

static void pack_step(const Source *x, int turn, uint16_t *to, int64_t panel, int64_t step) {
    _Alignas(64) uint32_t tile[SIDE][SIDE];
    for (int half = 0; half < 2; half++, to += STEP / 2) {
        natural(x, panel * WIDE + half * SIDE, step * DEEP, tile);
        if (turn)
            turned(tile, (uint32_t *)(void *)to);
        else
            memcpy(to, tile, sizeof tile);
    }
}

/* In the order in which the source lies in memory. */
void product_pack_amxbf16(const Source *x, int32_t right, uint16_t *to) {
    const int64_t steps = parts(x->depth, DEEP), panels = parts(x->rows, WIDE);
    const int along = x->depth_stride == 1, turn = right == along;
    for (int64_t i = 0; i < steps * panels; i++) {
        const int64_t panel = along ? i / steps : i % panels, step = along ? i % steps : i / panels;
        pack_step(x, turn, to + (panel * steps + step) * STEP, panel, step);
    }
}

/* ── products ── */

typedef struct { /* what is fetched into the second cache meanwhile: so many lines with every step */
    const char *from;
    int64_t lines;
} Ahead;

/* out [32][stride] = or += left by right over some steps */
static void multiply(const uint16_t *left, const uint16_t *right, int64_t steps, float *out, int64_t stride, int add,
                     Ahead ahead) {
    const int64_t apart = stride * (int64_t)sizeof *out;
    float *lower = out + SIDE * stride;
    tiles_meet_memory();
    if (add) {
        _tile_loadd(0, out, apart);
        _tile_loadd(1, out + SIDE, apart);
        _tile_loadd(2, lower, apart);
        _tile_loadd(3, lower + SIDE, apart);
    } else {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
    }
    for (int64_t step = 0; step < steps; step++, left += STEP, right += STEP) {
        for (int64_t i = 0; i < ahead.lines; i++, ahead.from += 64) _mm_prefetch(ahead.from, _MM_HINT_T1);
        _tile_loadd(4, left, 64);
        _tile_loadd(6, right, 64);
        _tile_dpbf16ps(0, 4, 6);
        _tile_loadd(7, right + STEP / 2, 64);
        _tile_dpbf16ps(1, 4, 7);
        _tile_loadd(5, left + STEP / 2, 64);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_stored(0, out, apart);
    _tile_stored(1, out + SIDE, apart);
    _tile_stored(2, lower, apart);
    _tile_stored(3, lower + SIDE, apart);
    tiles_meet_memory();
}

/* The same at an edge, where out has fewer than 32 rows or columns. */
static void multiply_edge(const uint16_t *left, const uint16_t *right, int64_t steps, float *out, int64_t stride, int add,
                          int64_t rows, int64_t columns, Ahead ahead) {
    _Alignas(64) float whole[WIDE * WIDE] = {0};
    for (int64_t i = 0; add && i < rows; i++) memcpy(whole + i * WIDE, out + i * stride, (size_t)columns * sizeof *out);
    multiply(left, right, steps, whole, WIDE, add, ahead);
    for (int64_t i = 0; i < rows; i++) memcpy(out + i * stride, whole + i * WIDE, (size_t)columns * sizeof *out);
}

/* out (rows, columns) = or += left by right, at least a step; `lower`, of at least as many columns as rows: without the
 * part above the diagonal that ends in the last corner. */
void product_amxbf16(const uint16_t *left, const uint16_t *right, int64_t steps, float *out, int64_t stride,
                     int64_t rows, int64_t columns, int32_t add, int32_t lower) {
    const int64_t block = KEPT / (steps * STEP) > 1 ? KEPT / (steps * STEP) : 1;
    const int64_t lefts = parts(rows, WIDE), panels = parts(columns, WIDE), before = panels - lefts;
    configure();
    for (int64_t start = 0; start < lefts; start += block) {
        const int64_t end = smaller(start + block, lefts);
        for (int64_t r = 0; r < (lower ? before + end : panels); r++)
            for (int64_t step = 0; step < steps; step += SLAB)
                for (int64_t l = lower && r - before > start ? r - before : start; l < end; l++) {
                    const uint16_t *x = left + (l * steps + step) * STEP, *y = right + (r * steps + step) * STEP;
                    const int64_t deep = smaller(SLAB, steps - step), high = rows - l * WIDE, wide = columns - r * WIDE;
                    float *to = out + l * WIDE * stride + r * WIDE;
                    const int64_t lines = parts(LINES, end - start); /* the right panel's next slab, or the next panel's */
                    const Ahead ahead = {(const char *)(y + deep * STEP) + (l - start) * deep * lines * 64, lines};
                    if (high >= WIDE && wide >= WIDE)
                        multiply(x, y, deep, to, stride, add || step, ahead);
                    else
                        multiply_edge(x, y, deep, to, stride, add || step, smaller(high, WIDE), smaller(wide, WIDE),
                                      ahead);
                }
    }
    _tile_release();
}

/* ── attention ── */

/* e^x for x <= 0, right to 2e-6; of two values the maximum is the second where one is no number */
static inline __m512 exponential(__m512 x) {
    const __m512 y = _mm512_max_ps(_mm512_set1_ps(-126), _mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)));
    const __m512 n = _mm512_roundscale_ps(y, 0), f = _mm512_sub_ps(y, n);
    __m512 p = _mm512_set1_ps(0x1.3b2ab6p-7f);
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.c6b08ep-5f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.ebfbe0p-3f));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(0x1.62e430p-1f));
    return _mm512_scalef_ps(_mm512_fmadd_ps(p, f, _mm512_set1_ps(1)), n);
}

/* A row of scores, of which `seen` count, as weights in `row` of a left panel of `steps`; returns their sum. */
static float weigh(const float *scores, int64_t seen, int64_t steps, float scale, uint16_t *row) {
    __m512 most = _mm512_set1_ps(scores[0]), sum = _mm512_setzero_ps();
    for (int64_t i = 0; i < seen; i += SIDE)
        most = _mm512_mask_max_ps(most, first_of(seen - i), most, _mm512_loadu_ps(scores + i));
    const __m512 best = _mm512_set1_ps(_mm512_reduce_max_ps(most)), times = _mm512_set1_ps(scale);
    for (int64_t step = 0; step < steps; step++) {
        __m512 half[2];
        for (int h = 0; h < 2; h++) {
            const int64_t at = step * DEEP + h * SIDE;
            const __m512 x = _mm512_mul_ps(_mm512_sub_ps(_mm512_loadu_ps(scores + at), best), times);
            half[h] = _mm512_maskz_mov_ps(first_of(seen - at), exponential(x));
            sum = _mm512_add_ps(sum, half[h]);
        }
        _mm512_storeu_si512(row + step * STEP, joined(half[0], half[1]));
    }
    return _mm512_reduce_add_ps(sum);
}

typedef struct { /* parts of the scratch */
    uint16_t *keys, *values, *query, *weights;
    float *scores, *mixed;
} Places;

static int64_t place(Places *p, char *scratch, int64_t tokens, int64_t d) {
    const int64_t filled = parts(tokens, WIDE) * WIDE, deep = parts(d, DEEP) * DEEP, bytes[] = {
        filled * deep * 2, filled * deep * 2, WIDE * deep * 2, WIDE * filled * 2, WIDE * filled * 4, WIDE * deep * 4};
    void *at[6];
    int64_t size = 0;
    for (int i = 0; i < 6; size += parts(bytes[i], 64) * 64, i++) at[i] = scratch + size;
    if (p) *p = (Places){at[0], at[1], at[2], at[3], at[4], at[5]};
    return size;
}

int64_t product_attend_scratch_amxbf16(int64_t tokens, int64_t head_dim) { return place(NULL, NULL, tokens, head_dim); }

/* One KV head and the `heads` query heads that share it, side by side in q and out; k and v are (tokens, head_dim). */
void product_attend_amxbf16(const Source *q, const Source *k, const Source *v, float *out, int64_t stride, int64_t heads,
                            int32_t causal, void *scratch) {
    const int64_t tokens = k->rows, d = k->depth, deep = parts(d, DEEP) * DEEP, panels = parts(tokens, WIDE);
    const float scale = 1 / __builtin_sqrtf((float)d);
    float sums[WIDE];
    Places p;
    place(&p, scratch, tokens, d);
    product_pack_amxbf16(k, 1, p.keys);
    const Source across = {v->data, v->depth_stride, v->row_stride, d, tokens};
    product_pack_amxbf16(&across, 1, p.values);
    for (int64_t head = 0; head < heads; head++)
        for (int64_t panel = 0; panel < panels; panel++) {
            const int64_t row = panel * WIDE, rows = smaller(WIDE, tokens - row), steps = causal ? panel + 1 : panels;
            const Source some = {q->data + head * d + row * q->row_stride, q->row_stride, 1, rows, d};
            product_pack_amxbf16(&some, 0, p.query);
            product_amxbf16(p.query, p.keys, deep / DEEP, p.scores, panels * WIDE, WIDE, steps * WIDE, 0, 0);
            for (int64_t i = 0; i < WIDE; i++) {
                const int64_t seen = causal ? smaller(row + i + 1, tokens) : tokens;
                uint16_t *weights = p.weights + (i / SIDE) * (STEP / 2) + (i % SIDE) * DEEP;
                sums[i] = weigh(p.scores + i * panels * WIDE, seen, steps, scale, weights);
            }
            /* values are packed for all tokens: their panels are `panels` steps apart */
            for (int64_t part = 0; part < deep / WIDE; part++)
                product_amxbf16(p.weights, p.values + part * panels * STEP, steps, p.mixed + part * WIDE, deep, WIDE, WIDE,
                                0, 0);
            for (int64_t i = 0; i < rows; i++)
                for (int64_t j = 0; j < d; j++)
                    out[(row + i) * stride + head * d + j] = p.mixed[i * deep + j] / sums[i];
        }
}
