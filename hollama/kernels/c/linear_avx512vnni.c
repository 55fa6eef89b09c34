/* The linear layer with AVX-512 and its VNNI: a vector is a panel. */
#include "linear.h"

#include <immintrin.h>

#define V __m512i
#define LANES 16
#define UNSIGNED 1
#define LOAD(p) _mm512_loadu_si512(p)
#define STORE(p, v) _mm512_storeu_si512(p, v)
#define SPLAT(i) _mm512_set1_epi32(i)
#define QUAD(p) _mm512_set1_epi32(*(const Unaligned *)(const void *)(p))
#define ADD(x, y) _mm512_add_epi32(x, y)
#define MUL(x, y) _mm512_mullo_epi32(x, y)
#define DOT(v, w, a) _mm512_dpbusd_epi32(v, w, a)
#define LOW(v) _mm512_and_si512(v, _mm512_set1_epi8(0x0f))
#define HIGH(v) _mm512_and_si512(v, _mm512_set1_epi8((char)0xf0))
#define HIGH_SHIFT 4
#define DOWN(v) _mm512_srai_epi32(v, 4)
#define SCALES(p) _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)(p)))
#define DIRECT_VECTORS 2
#define DIRECT_ROWS 8
#define TILE_ROWS 12
#define TILE_VECTORS 2

typedef int32_t Unaligned __attribute__((may_alias, aligned(1)));

typedef struct {
    __m512i words, bytes; /* g in words, 128 - 7 * g in bytes */
} Scales;

static inline Scales scales_of(__m512i g) {
    const __m512i shift = _mm512_sub_epi32(_mm512_set1_epi32(128), _mm512_mullo_epi32(g, _mm512_set1_epi32(7)));
    return (Scales){_mm512_mullo_epi32(g, _mm512_set1_epi32(0x10001)),
                    _mm512_mullo_epi32(shift, _mm512_set1_epi32(0x1010101))};
}

/* (w + 7) * g is at most 252, so a product of words is that of their bytes. */
static inline void expand(__m512i v, Scales low, Scales high, uint8_t *to) {
    const __m512i mask = _mm512_set1_epi8(0x0f), less = _mm512_sub_epi8(v, _mm512_set1_epi8(0x11));
    const __m512i l = _mm512_mullo_epi16(_mm512_and_si512(less, mask), low.words);
    const __m512i h = _mm512_mullo_epi16(_mm512_and_si512(_mm512_srli_epi16(less, 4), mask), high.words);
    _mm512_storeu_si512(to, _mm512_add_epi8(l, low.bytes));
    _mm512_storeu_si512(to + EXPANDED_BYTES / 2, _mm512_add_epi8(h, high.bytes));
}

#include "linear_dot.inc"
