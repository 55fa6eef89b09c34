/* Attention in plain C: any head dim that is a multiple of 4. */
#include "attention.h"

enum { MULTIPLE = 4 };

static inline uint64_t packed_quad(uint64_t quad) { return quad; }

static void product(const int16_t *a, size_t a_stride, int32_t rows, const int8_t *b, const int8_t *next,
                    int32_t columns, int32_t quads, int32_t *restrict c, size_t c_stride) {
    (void)next;
    for (int32_t row = 0; row < rows; row++, a += a_stride, c += c_stride)
        for (int32_t quad = 0; quad < quads; quad++) {
            const int16_t *four = a + 4 * quad;
            const int8_t *bytes = b + 4 * (size_t)quad * (size_t)columns;
            for (int32_t i = 0; i < columns; i++, bytes += 4)
                c[i] += four[0] * bytes[0] + four[1] * bytes[1] + four[2] * bytes[2] + four[3] * bytes[3];
        }
}

#include "attention.inc"

size_t attention_scratch(int32_t context, int32_t group, int32_t head_dim) {
    const size_t token = sizeof(int32_t) + sizeof(int16_t);
    const size_t dim = sizeof(int64_t) + sizeof(int32_t) + sizeof(int16_t);
    const size_t stride = (size_t)pages_of(context) * PAGE_TOKENS + SKEW;
    (void)group; /* pairs are worked on in blocks, whatever the group */
    return PAIRS * (stride * token + (size_t)head_dim * dim) + stride * sizeof(int16_t);
}
