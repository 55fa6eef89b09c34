/* What this machine can do at most, to hold against what a model reaches: reading memory, and the instruction by which
 * a set multiplies integers. Each runs on the thread that calls it; the caller starts as many as it wants and looks at
 * the clock. Compiled once for every instruction set, with its name behind the functions'. */
#include "arithmetic.h"

#include <stdint.h>

#if defined(__AVX2__)
#include <immintrin.h>
#elif defined(__ARM_FEATURE_DOTPROD)
#include <arm_neon.h>
#endif

uint64_t NAMED(measure_read, SET)(const uint64_t *words, int64_t count);
int64_t NAMED(measure_dot, SET)(int64_t rounds);

/* The sum of all words, so that every one must be read. */
uint64_t NAMED(measure_read, SET)(const uint64_t *words, int64_t count) {
    uint64_t sums[32] = {0};
    int64_t i = 0;
    for (; i + 32 <= count; i += 32)
        for (int j = 0; j < 32; j++) sums[j] += words[i + j];
    for (; i < count; i++) sums[0] += words[i];
    for (int j = 1; j < 32; j++) sums[0] += sums[j];
    return sums[0];
}

/* measure_dot runs in registers; it returns how many operations it did, a multiplication and an addition being two. */
#if defined(__AMX_INT8__)

int64_t NAMED(measure_dot, SET)(int64_t rounds) {
    struct { uint8_t palette, start, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } config = {.palette = 1};
    static const uint8_t tile[16 * 64] = {1};
    for (int i = 0; i < 8; i++) config.row_bytes[i] = 64, config.rows[i] = 16;
    __asm__ volatile("" : "+m"(config)); /* gcc's intrinsic admits to reading 8 bytes only */
    _tile_loadconfig(&config);
    _tile_loadd(6, tile, 64); _tile_loadd(7, tile, 64);
    _tile_loadd(4, tile, 64); _tile_loadd(5, tile, 64);
    _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
    for (int64_t i = 0; i < rounds; i++) {
        _tile_dpbssd(0, 4, 6); _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6); _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
    return rounds * 4 * (16 * 16 * 64 * 2);
}

#else

/* DOT adds the products of a and b to a register of sums, PRODUCTS of them. HIDE keeps the compiler from knowing what a
 * register holds, and so from computing a product or a sum once for all. */
#if defined(__AVX512VNNI__)
typedef __m512i Register;
enum { PRODUCTS = 64 };
#define HIDE(x) __asm__ volatile("" : "+v"(x))
#define DOT(sum) sum = _mm512_dpbusd_epi32(sum, a, b)
#elif defined(__AVX2__)
typedef __m256i Register;
enum { PRODUCTS = 32 };
#define HIDE(x) __asm__ volatile("" : "+x"(x))
#if defined(__AVXVNNI__)
#define DOT(sum) sum = _mm256_dpbusd_avx_epi32(sum, a, b)
#else
#define DOT(sum) HIDE(a); sum = _mm256_add_epi16(sum, _mm256_maddubs_epi16(a, b))
#endif
#elif defined(__ARM_FEATURE_DOTPROD)
typedef int8x16_t Register;
enum { PRODUCTS = 16 };
#define HIDE(x) __asm__ volatile("" : "+w"(x))
#define DOT(sum) sum = vreinterpretq_s8_s32(vdotq_s32(vreinterpretq_s32_s8(sum), a, b))
#else
typedef int16_t Register __attribute__((vector_size(16)));
enum { PRODUCTS = 8 };
#define HIDE(x) __asm__ volatile("" : "+m"(x))
#define DOT(sum) sum += a * b
#endif

int64_t NAMED(measure_dot, SET)(int64_t rounds) {
    Register a = {1}, b = {2}, s0 = a, s1 = a, s2 = a, s3 = a, s4 = a, s5 = a, s6 = a, s7 = a, s8 = a, s9 = a;
    HIDE(s0); HIDE(s1); HIDE(s2); HIDE(s3); HIDE(s4); HIDE(s5); HIDE(s6); HIDE(s7); HIDE(s8); HIDE(s9);
    for (int64_t i = 0; i < rounds; i++) {
        HIDE(a);
        DOT(s0); DOT(s1); DOT(s2); DOT(s3); DOT(s4); DOT(s5); DOT(s6); DOT(s7); DOT(s8); DOT(s9);
    }
    HIDE(s0); HIDE(s1); HIDE(s2); HIDE(s3); HIDE(s4); HIDE(s5); HIDE(s6); HIDE(s7); HIDE(s8); HIDE(s9);
    return rounds * 10 * PRODUCTS * 2;
}

#endif
