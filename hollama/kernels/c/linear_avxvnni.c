/* The linear layer with AVX-VNNI: a vector is half a panel. */
#include "linear.h"

#include <immintrin.h>

#define V __m256i
#define LANES 8
#define UNSIGNED 1
#define LOAD(p) _mm256_loadu_si256((const __m256i *)(const void *)(p))
#define STORE(p, v) _mm256_storeu_si256((__m256i *)(void *)(p), v)
#define SPLAT(i) _mm256_set1_epi32(i)
#define QUAD(p) _mm256_set1_epi32(*(const Unaligned *)(const void *)(p))
#define ADD(x, y) _mm256_add_epi32(x, y)
#define MUL(x, y) _mm256_mullo_epi32(x, y)
#define DOT(v, w, a) _mm256_dpbusd_avx_epi32(v, w, a)
#define LOW(v) _mm256_and_si256(v, _mm256_set1_epi8(0x0f))
#define HIGH(v) _mm256_and_si256(v, _mm256_set1_epi8((char)0xf0))
#define HIGH_SHIFT 4
#define DOWN(v) _mm256_srai_epi32(v, 4)
#define SCALES(p) _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)(p)))
#define DIRECT_VECTORS 2
#define DIRECT_ROWS 4
#define TILE_ROWS 6
#define TILE_VECTORS 2

typedef int32_t Unaligned __attribute__((may_alias, aligned(1)));

typedef struct {
    __m256i words, bytes; /* g in words, 128 - 7 * g in bytes */
} Scales;

static inline Scales scales_of(__m256i g) {
    const __m256i shift = _mm256_sub_epi32(_mm256_set1_epi32(128), _mm256_mullo_epi32(g, _mm256_set1_epi32(7)));
    return (Scales){_mm256_mullo_epi32(g, _mm256_set1_epi32(0x10001)),
                    _mm256_mullo_epi32(shift, _mm256_set1_epi32(0x1010101))};
}

/* (w + 7) * g is at most 252, so a product of words is that of their bytes. */
static inline void expand(__m256i v, Scales low, Scales high, uint8_t *to) {
    const __m256i mask = _mm256_set1_epi8(0x0f), less = _mm256_sub_epi8(v, _mm256_set1_epi8(0x11));
    const __m256i l = _mm256_mullo_epi16(_mm256_and_si256(less, mask), low.words);
    const __m256i h = _mm256_mullo_epi16(_mm256_and_si256(_mm256_srli_epi16(less, 4), mask), high.words);
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_add_epi8(l, low.bytes));
    _mm256_storeu_si256((__m256i *)(void *)(to + EXPANDED_BYTES / 2), _mm256_add_epi8(h, high.bytes));
}

#include "linear_dot.inc"
