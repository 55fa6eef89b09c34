/* Attention with AVX-512 VNNI: products of int16 by vpdpwssd. */
#include <immintrin.h>

enum { LANES = 16, WIDE = 4 };
typedef __m512i Vector;

static inline Vector load(const void *from) { return _mm512_loadu_si512(from); }
static inline void store(void *to, Vector x) { _mm512_storeu_si512(to, x); }
static inline Vector even(Vector x) { return _mm512_srai_epi16(_mm512_slli_epi16(x, 8), 8); }
static inline Vector odd(Vector x) { return _mm512_srai_epi16(x, 8); }
static inline Vector broadcast(const void *two) { return _mm512_castps_si512(_mm512_broadcastss_ps(_mm_load_ss(two))); }
static inline Vector dot(Vector acc, Vector a, Vector b) { return _mm512_dpwssd_epi32(acc, a, b); }

#include "attention_words.inc"
