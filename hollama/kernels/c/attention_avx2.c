/* Attention with AVX2: products of int16 by pmaddwd. */
#include <immintrin.h>

enum { LANES = 8, WIDE = 2 };
typedef __m256i Vector;

static inline Vector load(const void *from) { return _mm256_loadu_si256(from); }
static inline void store(void *to, Vector x) { _mm256_storeu_si256(to, x); }
static inline Vector even(Vector x) { return _mm256_srai_epi16(_mm256_slli_epi16(x, 8), 8); }
static inline Vector odd(Vector x) { return _mm256_srai_epi16(x, 8); }
static inline Vector broadcast(const void *two) { return _mm256_castps_si256(_mm256_broadcast_ss(two)); }

/* As one piece: apart, the compiler computes all products before the sums, and lacks registers for them. */
static inline Vector dot(Vector acc, Vector a, Vector b) {
    Vector products;
    __asm__("vpmaddwd %3, %2, %1\n\tvpaddd %1, %0, %0" : "+x"(acc), "=&x"(products) : "x"(a), "x"(b));
    return acc;
}

#include "attention_words.inc"
