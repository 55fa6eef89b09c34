/* Which instruction sets this machine can run, and the functions of each. Knows no operation.
 *
 * A set that lacks an own version of a function uses that of the set below it. */
#include "executor.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__linux__)
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

/* Weak until every source is there. */
#define WEAK __attribute__((weak))
#define DECLARE_LINEAR(S) \
    WEAK void linear_##S(const Linear *, const Activations *, Matrix, Matrix, int32_t, int32_t, void *);
#define DECLARE_ATTENTION(S) WEAK void attend_##S(const Attention *, int32_t, int32_t, int32_t, void *);
#define DECLARE_ELEMENTWISE(S) \
    WEAK void norm_##S(const float *, const float *, float *, int32_t, double); \
    WEAK void quantise8_##S(const float *, int8_t *, int32_t *, int32_t, float, int32_t); \
    WEAK void quantise16_##S(const float *, int8_t *, int8_t *, int32_t *, int32_t *, int32_t, float, int32_t); \
    WEAK void quantise_query_##S(const float *, int16_t *, int32_t, float); \
    WEAK void rope_##S(const float *, const float *, const float *, float *, int32_t, int32_t); \
    WEAK void gated_##S(const float *, const float *, float *, int32_t); \
    WEAK void add_##S(const float *, const float *, float *, int32_t); \
    WEAK void embed_##S(const uint16_t *, float *, int32_t, float, int32_t); \
    WEAK void store_##S(const float *, const float *, int8_t *, int32_t, int32_t, KvShape, float, int32_t, float, int32_t);

#define ELEMENTWISE(S) \
    .norm = norm_##S, .quantise8 = quantise8_##S, .quantise16 = quantise16_##S, .quantise_query = quantise_query_##S, \
    .rope = rope_##S, .gated = gated_##S, .add = add_##S, .embed = embed_##S, .store = store_##S

DECLARE_LINEAR(portable)
DECLARE_ATTENTION(portable)
DECLARE_ELEMENTWISE(portable)

static const Kernels portable = {
    .name = "portable", .linear = linear_portable, .attend = attend_portable, ELEMENTWISE(portable)};

static bool always(void) { return true; }

#if defined(__x86_64__)

DECLARE_LINEAR(avx2)
DECLARE_LINEAR(avxvnni)
DECLARE_LINEAR(avx512vnni)
DECLARE_LINEAR(amx)
DECLARE_ATTENTION(avx2)
DECLARE_ATTENTION(avxvnni)
DECLARE_ATTENTION(avx512vnni)
DECLARE_ATTENTION(amx)
DECLARE_ELEMENTWISE(avx2)
DECLARE_ELEMENTWISE(avx512vnni)
WEAK void thread_start_amx(void);

/* Until every source is there. */
#ifndef HAVE_LINEAR_AVX2
#define linear_avx2 linear_portable
#endif
#ifndef HAVE_LINEAR_AVXVNNI
#define linear_avxvnni linear_avx2
#endif
#ifndef HAVE_LINEAR_AVX512VNNI
#define linear_avx512vnni linear_avx2
#endif
#ifndef HAVE_LINEAR_AMX
#define linear_amx linear_avx512vnni
#define thread_start_amx NULL
#endif
#ifndef HAVE_ATTENTION_AVX2
#define attend_avx2 attend_portable
#endif
#ifndef HAVE_ATTENTION_AVXVNNI
#define attend_avxvnni attend_avx2
#endif
#ifndef HAVE_ATTENTION_AVX512VNNI
#define attend_avx512vnni attend_avx2
#endif
#ifndef HAVE_ATTENTION_AMX
#define attend_amx attend_avx512vnni
#endif

static const Kernels avx2 = {.name = "avx2", .linear = linear_avx2, .attend = attend_avx2, ELEMENTWISE(avx2)};
static const Kernels avxvnni = {
    .name = "avxvnni", .linear = linear_avxvnni, .attend = attend_avxvnni, ELEMENTWISE(avx2)};
static const Kernels avx512vnni = {
    .name = "avx512vnni", .linear = linear_avx512vnni, .attend = attend_avx512vnni, ELEMENTWISE(avx512vnni)};
static const Kernels amx = {.name = "amx", .linear = linear_amx, .attend = attend_amx, ELEMENTWISE(avx512vnni),
                            .thread_start = thread_start_amx};

enum { AVX_STATE = 0x6, AVX512_STATE = 0xe6, AMX_STATE = 0x60000 }; /* bits of XCR0 */

typedef struct {
    unsigned ebx, ecx, edx, eax1; /* leaf 7; eax of its subleaf 1 */
    uint64_t state;               /* registers the operating system saves */
} Features;

static Features features(void) {
    unsigned a, b, c, d;
    Features f = {0};
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return f;
    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    f.state = (uint64_t)d << 32 | a;
    if (!__get_cpuid_count(7, 0, &a, &f.ebx, &f.ecx, &f.edx)) return f;
    if (a >= 1) __get_cpuid_count(7, 1, &f.eax1, &b, &c, &d);
    return f;
}

static bool saves(Features f, uint64_t state) { return (f.state & state) == state; }

static bool has_avx2(void) {
    Features f = features();
    return saves(f, AVX_STATE) && f.ebx >> 5 & 1;
}

static bool has_avxvnni(void) { return has_avx2() && features().eax1 >> 4 & 1; }

static bool has_avx512vnni(void) {
    const unsigned needed = 1u << 16 | 1u << 17 | 1u << 30 | 1u << 31; /* F, DQ, BW, VL */
    Features f = features();
    return saves(f, AVX512_STATE) && (f.ebx & needed) == needed && f.ecx >> 11 & 1;
}

/* Linux gives a process the tile registers only when it asks for them. */
static bool has_amx(void) {
    Features f = features();
    if (!has_avx512vnni() || !saves(f, AMX_STATE) || !(f.edx >> 24 & 1) || !(f.edx >> 25 & 1)) return false;
#if defined(__linux__)
    enum { REQUEST_PERMISSION = 0x1023, TILE_DATA = 18 };
    return syscall(SYS_arch_prctl, REQUEST_PERMISSION, TILE_DATA) == 0;
#else
    return false;
#endif
}

static const struct {
    const Kernels *kernels;
    bool (*runs)(void);
} SETS[] = {{&amx, has_amx}, {&avx512vnni, has_avx512vnni}, {&avxvnni, has_avxvnni}, {&avx2, has_avx2},
          {&portable, always}};

#elif defined(__aarch64__)

DECLARE_LINEAR(neon)
DECLARE_ATTENTION(neon)
#ifndef HAVE_LINEAR_NEON
#define linear_neon linear_portable
#endif
#ifndef HAVE_ATTENTION_NEON
#define attend_neon attend_portable
#endif

/* The compiler vectorises the portable elementwise functions with NEON, which every 64-bit ARM has. */
static const Kernels neon = {.name = "neon", .linear = linear_neon, .attend = attend_neon, ELEMENTWISE(portable)};

static bool has_dot_product(void) {
#if defined(__linux__)
    enum { DOT_PRODUCT = 1 << 20 }; /* HWCAP_ASIMDDP */
    return (getauxval(AT_HWCAP) & DOT_PRODUCT) != 0;
#else
    return true; /* Apple's have it from the M1 on */
#endif
}

static const struct {
    const Kernels *kernels;
    bool (*runs)(void);
} SETS[] = {{&neon, has_dot_product}, {&portable, always}};

#else

static const struct {
    const Kernels *kernels;
    bool (*runs)(void);
} SETS[] = {{&portable, always}};

#endif

enum { COUNT = sizeof SETS / sizeof *SETS };
static bool runs[COUNT];
static pthread_once_t asked = PTHREAD_ONCE_INIT;

static void ask(void) {
    for (int i = 0; i < COUNT; i++) runs[i] = SETS[i].runs();
}

const Kernels *kernels_named(const char *name) {
    pthread_once(&asked, ask);
    for (int i = 0; i < COUNT; i++)
        if (runs[i] && strcmp(SETS[i].kernels->name, name) == 0) return SETS[i].kernels;
    return NULL;
}

const Kernels *kernels_best(void) {
    pthread_once(&asked, ask);
    for (int i = 0; i < COUNT; i++)
        if (runs[i]) return SETS[i].kernels;
    return &portable;
}

int32_t kernels_sets(const char **names, int32_t room) {
    int32_t count = 0;
    pthread_once(&asked, ask);
    for (int i = 0; i < COUNT && count < room; i++)
        if (runs[i]) names[count++] = SETS[i].kernels->name;
    return count;
}
