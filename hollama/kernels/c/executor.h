/* A compiled package as a flat program: instructions over buffers of rows, run by one call per step on many threads.
 *
 * program_new checks every buffer, column, width and layer once; after that no package can make a kernel read or write
 * outside its memory. Nothing here aborts: what is wrong comes back as a message. */
#ifndef HOLLAMA_EXECUTOR_H
#define HOLLAMA_EXECUTOR_H

#include "kernels.h"

typedef enum {
    EMBED, NORM, QUANTISE, LINEAR, ROPE, PREPARE, ATTEND, GATED, ADD, SELECT, GATED_LINEAR, ADAPT, LAYER_NORM, GELU,
    GELU_TANH, POSITION, OPERATIONS
} Operation;

/* f32; activations of 8 and of 16 bits; queries (int16) */
typedef enum { FLOATS, BYTES, WORDS, QUERIES, KINDS } Kind;

typedef struct {
    int32_t kind, width;
    int32_t selected; /* 0: a row for each token of the step; 1: a row for each token whose logits are wanted */
} Buffer;

typedef struct { /* columns of a buffer from `column` on; buffer -1: nothing */
    int32_t buffer, column;
} Operand;

/* What an instruction reads (a, b, c), writes as f32 (output) and writes quantised (quantised); `x` is the width:
 *
 *   EMBED                      output                x columns of the table; scale[0], zero_point[0] of the table
 *   NORM      a                output?, quantised?   in `heads` equal parts; weights[0], eps[0]
 *   QUANTISE  a                quantised
 *   LINEAR    a, b?, c?        output                a quantised: scale[0], zero_point[0]; `index` of the layer; + b;
 *                                                    + the adapters' layers up from c, by `site`
 *   ROPE      a                output                `heads`
 *   PREPARE   a, b, c          quantised             q, k, v of `heads` heads: normed with weights[0] and weights[1]
 *                                                    where given, rotated by `rotate` (1: q, 2: k); q goes to
 *                                                    `quantised` (queries), k and v to cache `index`;
 *                                                    scale[0..2], zero_point[1..2] of q, k, v
 *   ATTEND    a                output?, quantised?   queries over cache `index`; scale[1] = the step of the scores,
 *                                                    scale[2], zero_point[2] of v; bidirectional: see Attention
 *   GATED     a, b             output?, quantised?
 *   ADD       a, b             output
 *   SELECT    a                output                the wanted rows
 *   GATED_LINEAR  a, c?        quantised             LINEAR and GATED at once: a layer of 2x outputs, gates first;
 *                                                    scale[1], zero_point[1] of a
 *   ADAPT     a                quantised             a quantised: scale[0], zero_point[0]; the adapters' layers down,
 *                                                    by `site`; bytes
 *   LAYER_NORM    a            output?, quantised?   weights[0], eps[0]; weights[1]: a bias, or NULL
 *   GELU, GELU_TANH  a         output?, quantised?
 *   POSITION                   output                a row of weights[0], [context][x], for each token's position
 *
 * Else scale[0] and zero_point[0] are those of `quantised` wherever that holds activations. */
typedef struct {
    int32_t operation, width, heads, index, rotate, site, bidirectional;
    Operand a, b, c, output, quantised;
    const float *weights[2];
    int64_t weight_counts[2]; /* floats */
    double eps[2];
    float scale[3];
    int32_t zero_point[3];
} Instruction;

typedef struct { /* a linear layer, and how many elements its arrays have */
    Linear linear;
    int64_t packed, group_scale, row_scale, bias, row_sum;
} Layer;

typedef struct { /* an adapter's two layers beside another, and the range of what lies between them; -1: none */
    int32_t down, up;
    float scale;
    int32_t zero_point;
} Pair;

typedef struct {
    const char *kernels; /* name of the instruction set */
    int32_t threads, rows, context; /* most rows of a step; most tokens of a context */
    KvShape shape;
    int32_t buffers, layers, instructions;
    int32_t adapters, sites;
    int32_t logits; /* the buffer that program_step's caller provides: f32, selected, the last output */
    const Buffer *buffer;
    const Layer *layer;
    const Instruction *instruction;
    const Pair *pair; /* [sites][adapters] */
    const uint16_t *table; /* [vocabulary][hidden] */
    int64_t table_count, vocabulary;
    const float *cosine, *sine; /* [context][head_dim], of signed frequencies */
    int64_t angles;             /* floats in each of them */
} Spec;

typedef struct Program Program;

typedef struct {
    const char *message; /* NULL: nothing */
    int32_t instruction; /* -1: none */
} Failure;

/* Bytes that program_new would allocate; -1 for a spec that it would refuse. */
int64_t program_size(const Spec *spec);

/* The spec's arrays are copied, but not what layers, tables and weights point to. NULL: see `failure`. */
Program *program_new(const Spec *spec, Failure *failure);
int32_t program_threads(const Program *program);

/* Run `rows` tokens: segments in order of their rows, all of them; `wanted` rows of the step give logits[i * stride].
 * NULL, or what is wrong; nothing was written then. One caller at a time. */
const char *program_step(Program *program, const int32_t *tokens, int32_t rows, const Segment *segments,
                         int32_t segment_count, const int32_t *wanted, int32_t wanted_count, float *logits,
                         int64_t stride);
void program_free(Program *program);

/* Names of the sets that this machine can run, the best first: at most `room` of them, and how many. */
int32_t kernels_sets(const char **names, int32_t room);

#endif
