/* The linear layer with NEON's dot products (ARMv8.2): a vector is a quarter of a panel. */
#include "linear.h"

#include <arm_neon.h>

#define V int32x4_t
#define LANES 4
#define UNSIGNED 0
#define LOAD(p) vreinterpretq_s32_u8(vld1q_u8((const uint8_t *)(p)))
#define STORE(p, v) vst1q_s32(p, v)
#define SPLAT(i) vdupq_n_s32(i)
#define QUAD(p) vld1q_dup_s32((const int32_t *)(const void *)(p))
#define ADD(x, y) vaddq_s32(x, y)
#define MUL(x, y) vmulq_s32(x, y)
#define DOT(v, w, a) vdotq_s32(v, vreinterpretq_s8_s32(w), vreinterpretq_s8_s32(a))
#define LOW(v) vandq_s32(v, vdupq_n_s32(0x0f0f0f0f))
#define HIGH(v) vreinterpretq_s32_u8(vshrq_n_u8(vreinterpretq_u8_s32(v), 4))
#define HIGH_SHIFT 0
#define DOWN(v) (v)
#define SCALES(p) scales_at(p)
#define DIRECT_VECTORS 4
#define DIRECT_ROWS 8
#define TILE_ROWS 6
#define TILE_VECTORS 4

typedef struct {
    int8x16_t g, eight; /* g and 8 * g in bytes */
} Scales;

static inline int32x4_t scales_at(const uint8_t *p) {
    const int32_t values[4] = {p[0], p[1], p[2], p[3]};
    return vld1q_s32(values);
}

static inline Scales scales_of(int32x4_t g) {
    const int8x16_t bytes = vreinterpretq_s8_s32(vmulq_n_s32(g, 0x1010101));
    return (Scales){bytes, vshlq_n_s8(bytes, 3)};
}

/* n * g may leave a byte, n * g - 8 * g does not: modulo 256 they agree. */
static inline void expand(int32x4_t v, Scales low, Scales high, uint8_t *to) {
    const int8x16_t l = vreinterpretq_s8_s32(LOW(v)), h = vreinterpretq_s8_s32(HIGH(v));
    vst1q_s8((int8_t *)to, vsubq_s8(vmulq_s8(l, low.g), low.eight));
    vst1q_s8((int8_t *)to + EXPANDED_BYTES / 2, vsubq_s8(vmulq_s8(h, high.g), high.eight));
}

#include "linear_dot.inc"
