/* What one core can do at most: bytes read from memory, and multiply-accumulates of bytes of each instruction. */
#include <immintrin.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Reads all of it; the result is of no use but keeps the loop. */
uint64_t read_all(const uint8_t *data, int64_t size) {
    __m256i sum[4] = {{0}};
    for (int64_t at = 0; at < size; at += 128)
        for (int i = 0; i < 4; i++)
            sum[i] = _mm256_add_epi64(sum[i], _mm256_loadu_si256((const __m256i *)(data + at + 32 * i)));
    sum[0] = _mm256_add_epi64(_mm256_add_epi64(sum[0], sum[1]), _mm256_add_epi64(sum[2], sum[3]));
    return (uint64_t)_mm256_extract_epi64(sum[0], 0);
}

#define CHAINS 12
#define REPEAT(V, STEP)                                                                       \
    V sum[CHAINS], a, b;                                                                      \
    memset(sum, 0, sizeof sum), memset(&a, 1, sizeof a), memset(&b, 1, sizeof b);             \
    for (int64_t i = 0; i < steps; i++)                                                       \
        _Pragma("GCC unroll 12") for (int c = 0; c < CHAINS; c++) {                           \
            STEP;                                                                             \
            __asm__ volatile("" : "+v"(sum[c]));                                              \
        }                                                                                     \
    return steps * CHAINS * (int64_t)sizeof(V)

/* Each does some multiply-accumulates and says how many; 0 where the compiler was not told of the instruction. */
int64_t peak_avx2(int64_t steps) { REPEAT(__m256i, sum[c] = _mm256_add_epi16(sum[c], _mm256_maddubs_epi16(a, b))); }

int64_t peak_avxvnni(int64_t steps) {
#ifdef __AVXVNNI__
    REPEAT(__m256i, sum[c] = _mm256_dpbusd_avx_epi32(sum[c], a, b));
#else
    return 0 * steps;
#endif
}

int64_t peak_avx512vnni(int64_t steps) {
#ifdef __AVX512VNNI__
    REPEAT(__m512i, sum[c] = _mm512_dpbusd_epi32(sum[c], a, b));
#else
    return 0 * steps;
#endif
}

int64_t peak_amx(int64_t steps) {
#ifdef __AMX_INT8__
    struct {
        uint8_t palette, start_row, reserved[14];
        uint16_t bytes[16];
        uint8_t rows[16];
    } config = {.palette = 1};
    for (int i = 0; i < 8; i++) config.bytes[i] = 64, config.rows[i] = 16;
    if (syscall(SYS_arch_prctl, 0x1023, 18)) return 0;
    __asm__ volatile("" ::"r"(&config) : "memory");
    _tile_loadconfig(&config);
    for (int64_t i = 0; i < steps; i++) {
        _tile_dpbssd(0, 4, 6);
        _tile_dpbssd(1, 4, 7);
        _tile_dpbssd(2, 5, 6);
        _tile_dpbssd(3, 5, 7);
    }
    _tile_release();
    return steps * 4 * 16 * 16 * 64;
#else
    return 0 * steps;
#endif
}
