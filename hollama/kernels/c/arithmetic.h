/* Scalar pieces of golden's arithmetic, written so that a compiler can vectorise the loops they are used in. Knows no
 * operation. */
#ifndef HOLLAMA_ARITHMETIC_H
#define HOLLAMA_ARITHMETIC_H

#include <stdint.h>
#include <string.h>

/* INDEPENDENT: iterations of the next loop are, though its output may be one of its inputs. UNROLL: the next loop, of a
 * known and small number of iterations, is to vanish. SEPARATE: a function that gains nothing from knowing its
 * caller. */
#if defined(__clang__)
#define INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#define UNROLL _Pragma("clang loop unroll(full)")
#define SEPARATE static __attribute__((noinline))
#else
#define INDEPENDENT _Pragma("GCC ivdep")
#define UNROLL _Pragma("GCC unroll 8")
#define SEPARATE static __attribute__((noinline, noclone))
#endif
#define ALWAYS_INLINE static inline __attribute__((always_inline))

#define NAMED_(operation, set) operation##_##set
#define NAMED(operation, set) NAMED_(operation, set)

static inline int32_t bits_of(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static inline float float_of(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline float at_least(float x, float low) { return x > low ? x : low; }
static inline float at_most(float x, float high) { return x < high ? x : high; }

/* Added to |x| <= 2^22, it leaves x rounded to an integer, ties to even, in the low bits of the sum. */
static const float ROUNDER = 0x1.8p23f;

/* Of what is no number, any number: hence the difference of unsigned ones, which may wrap. */
static inline int32_t rounded(float x) {
    return (int32_t)((uint32_t)bits_of(x + ROUNDER) - (uint32_t)bits_of(ROUNDER));
}

/* 2^f for |f| <= 0.5: the polynomial of golden.exp2. */
static inline float exp2_fraction(float f) {
    float y = 0x1.430912p-13f;
    y = y * f + 0x1.5d87fep-10f;
    y = y * f + 0x1.3b2ab6p-7f;
    y = y * f + 0x1.c6b08ep-5f;
    y = y * f + 0x1.ebfbe0p-3f;
    y = y * f + 0x1.62e430p-1f;
    return y * f + 1;
}

/* 2^x for x <= 0: golden.exp2. */
static inline float exp2_below_one(float x) {
    const float near = at_least(x, -127), sum = near + ROUNDER;
    const int32_t exponent = (bits_of(sum) - bits_of(ROUNDER) + 127) << 23;
    return exp2_fraction(near - (sum - ROUNDER)) * float_of(x < -126 ? 0 : exponent);
}

#endif
