/* Which instruction sets this machine can run, and the functions of each. Knows no operation.
 *
 * A set without an own version of a function uses that of the set below it; a set that the compiler does not know is
 * not there: CMake defines HAVE_X for those that are. */
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

#define DECLARE_LINEAR(S) \
    void linear_##S(const Linear *, const Activations *, Matrix, Matrix, int32_t, int32_t, void *); \
    void linear8_##S(const Linear *, const Activations *, Matrix, Matrix, int32_t, int32_t, void *);
#define DECLARE_ATTENTION(S) void attend_##S(const Attention *, int32_t, int32_t, int32_t, void *);
#define DECLARE_ELEMENTWISE(S) \
    void norm_##S(const float *, const float *, float *, int32_t, double); \
    void layer_norm_##S(const float *, const float *, const float *, float *, int32_t, double); \
    void quantise8_##S(const float *, int8_t *, int32_t *, int32_t, float, int32_t); \
    void quantise16_##S(const float *, int8_t *, int8_t *, int32_t *, int32_t *, int32_t, float, int32_t); \
    void quantise_query_##S(const float *, int16_t *, int32_t, float); \
    void rope_##S(const float *, const float *, const float *, float *, int32_t, int32_t); \
    void gated_##S(const float *, const float *, float *, int32_t); \
    void gelu_##S(const float *, float *, int32_t); \
    void gelu_tanh_##S(const float *, float *, int32_t); \
    void add_##S(const float *, const float *, float *, int32_t); \
    void embed_##S(const uint16_t *, float *, int32_t, float, int32_t); \
    void store_##S(const float *, const float *, int8_t *, int32_t, int32_t, KvShape, float, int32_t, float, int32_t);

#define ELEMENTWISE(S) \
    .norm = norm_##S, .layer_norm = layer_norm_##S, .quantise8 = quantise8_##S, .quantise16 = quantise16_##S, \
    .quantise_query = quantise_query_##S, .rope = rope_##S, .gated = gated_##S, .gelu = gelu_##S, \
    .gelu_tanh = gelu_tanh_##S, .add = add_##S, .embed = embed_##S, .store = store_##S

DECLARE_LINEAR(portable)
DECLARE_ATTENTION(portable)
DECLARE_ELEMENTWISE(portable)

static const Kernels portable = {
    .name = "portable", .linear = linear_portable, .linear8 = linear_portable, .attend = attend_portable,
    ELEMENTWISE(portable)};

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

#ifdef HAVE_AVX2
static const Kernels avx2 = {
    .name = "avx2", .linear = linear_avx2, .linear8 = linear8_avx2, .attend = attend_avx2,
    ELEMENTWISE(avx2)};
#endif
#ifdef HAVE_AVXVNNI
static const Kernels avxvnni = {
    .name = "avxvnni", .linear = linear_avxvnni, .linear8 = linear8_avxvnni, .attend = attend_avxvnni,
    ELEMENTWISE(avx2)};
#endif
#ifdef HAVE_AVX512VNNI
static const Kernels avx512vnni = {
    .name = "avx512vnni", .linear = linear_avx512vnni, .linear8 = linear8_avx512vnni, .attend = attend_avx512vnni,
    ELEMENTWISE(avx512vnni)};
#endif
#ifdef HAVE_AMX
static const Kernels amx = {
    .name = "amx", .linear = linear_amx, .linear8 = linear8_avx512vnni, .attend = attend_amx,
    ELEMENTWISE(avx512vnni)};
#endif

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

/* The products of the compiler (product_amxbf16.c). */
static bool has_products(void) {
#ifdef HAVE_AMXBF16
    return has_amx() && features().edx >> 22 & 1;
#else
    return false;
#endif
}

#elif defined(__aarch64__)

DECLARE_LINEAR(neon)
DECLARE_ATTENTION(neon)

/* The compiler vectorises the portable elementwise functions with NEON, which every 64-bit ARM has. */
static const Kernels neon = {
    .name = "neon", .linear = linear_neon, .linear8 = linear8_neon, .attend = attend_neon,
    ELEMENTWISE(portable)};

static bool has_dot_product(void) {
#if defined(__linux__)
    enum { DOT_PRODUCT = 1 << 20 }; /* HWCAP_ASIMDDP */
    return (getauxval(AT_HWCAP) & DOT_PRODUCT) != 0;
#else
    return true; /* Apple's have it from the M1 on */
#endif
}

#endif

/* The best first. */
static const struct {
    const Kernels *kernels;
    bool (*runs)(void);
} SETS[] = {
#ifdef HAVE_AMX
    {&amx, has_amx},
#endif
#ifdef HAVE_AVX512VNNI
    {&avx512vnni, has_avx512vnni},
#endif
#ifdef HAVE_AVXVNNI
    {&avxvnni, has_avxvnni},
#endif
#ifdef HAVE_AVX2
    {&avx2, has_avx2},
#endif
#ifdef HAVE_NEON
    {&neon, has_dot_product},
#endif
    {&portable, always},
};

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

bool products_run(void) {
#if defined(__x86_64__)
    return has_products();
#else
    return false;
#endif
}
