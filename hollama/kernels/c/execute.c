/* What each instruction does to its rows, and how the rows are dealt out among threads. */
#include "program.h"

#include <stdbool.h>
#include <string.h>

/* What makes an item worth a thread's while: about two microseconds. */
enum { ITEM_FLOATS = 2048, ITEM_BLOCKS = 48, RUNS = 4, MANY_ROWS = 8, BLOCK_ROWS = 16, GATED_COLUMNS = 1024 };

static int32_t up(int64_t value, int64_t by) { return (int32_t)((value + by - 1) / by); }

static float *floats(const Program *p, Operand o, int32_t row) {
    const Rows *r = &p->rows[o.buffer];
    return r->floats + row * r->stride + o.column;
}

static bool selected(const Program *p, const Instruction *x) {
    return p->buffers[x->output.buffer < 0 ? x->quantised.buffer : x->output.buffer].selected;
}

static int32_t rows_of(const Program *p, const Instruction *x) {
    return selected(p, x) ? p->wanted_count : p->row_count;
}

static float *thread_rows(const Program *p, int32_t thread) {
    return (float *)(p->scratch + thread * p->scratch_size);
}

static void *thread_scratch(const Program *p, int32_t thread) {
    return p->scratch + thread * p->scratch_size + p->row_size + p->outputs_size;
}

/* Columns [column, column + n) of a row of activations. */
static void quantise(const Program *p, const Instruction *x, int32_t row, int32_t column, const float *from,
                     int32_t n) {
    const Rows *r = &p->rows[x->quantised.buffer];
    const int64_t at = row * r->stride + column, sums = at / 32;
    const float inverse = 1.0f / x->scale[0];
    if (r->high)
        p->kernels->quantise16(from, r->low + at, r->high + at, r->low_sums + sums, r->high_sums + sums, n, inverse,
                               x->zero_point[0]);
    else
        p->kernels->quantise8(from, r->low + at, r->low_sums + sums, n, inverse, x->zero_point[0]);
}

static void norm_heads(const Program *p, const float *from, const Instruction *x, int which, float *to, int32_t heads,
                       int32_t size) {
    for (int32_t h = 0; h < heads; h++)
        p->kernels->norm(from + h * size, x->weights[which], to + h * size, size, x->eps[which]);
}

static void layer_norm_row(const Program *p, const Instruction *x, int32_t row, int32_t thread) {
    float *to = x->output.buffer < 0 ? thread_rows(p, thread) : floats(p, x->output, row);
    p->kernels->layer_norm(floats(p, x->a, row), x->weights[0], x->weights[1], to, x->width, x->eps[0]);
    if (x->quantised.buffer >= 0) quantise(p, x, row, 0, to, x->width);
}

static void norm_row(const Program *p, const Instruction *x, int32_t row, int32_t thread) {
    float *to = x->output.buffer < 0 ? thread_rows(p, thread) : floats(p, x->output, row);
    norm_heads(p, floats(p, x->a, row), x, 0, to, x->heads, x->width / x->heads);
    if (x->quantised.buffer >= 0) quantise(p, x, row, 0, to, x->width);
}

/* A query's or a key's heads, normed and rotated where the instruction says so, in the thread's own rows. */
static const float *turned(const Program *p, const Instruction *x, Operand from, int which, int32_t heads, int32_t row,
                           int32_t thread) {
    const int32_t size = p->spec.shape.head_dim;
    const int64_t angle = (int64_t)p->positions[row] * size;
    float *normed = thread_rows(p, thread), *rotated = normed + p->row_size / (2 * (int64_t)sizeof(float));
    const float *values = floats(p, from, row);
    if (x->weights[which]) {
        norm_heads(p, values, x, which, normed, heads, size);
        values = normed;
    }
    if (!(x->rotate >> which & 1)) return values;
    p->kernels->rope(values, p->spec.cosine + angle, p->spec.sine + angle, rotated, heads, size);
    return rotated;
}

static void prepare_row(const Program *p, const Instruction *x, int32_t row, int32_t thread) {
    const Rows *queries = &p->rows[x->quantised.buffer];
    int16_t *query = queries->queries + row * queries->stride + x->quantised.column;
    const KvShape shape = p->spec.shape;
    p->kernels->quantise_query(turned(p, x, x->a, 0, x->heads, row, thread), query, x->width, 1.0f / x->scale[0]);
    p->kernels->store(turned(p, x, x->b, 1, shape.kv_heads, row, thread), floats(p, x->c, row), p->pages[row],
                      p->positions[row] % PAGE_TOKENS, x->index, shape, 1.0f / x->scale[1], x->zero_point[1],
                      1.0f / x->scale[2], x->zero_point[2]);
}

static void run_row(const Program *p, const Instruction *x, int32_t row, int32_t thread) {
    const Kernels *k = p->kernels;
    const int32_t size = p->spec.shape.head_dim;
    switch ((Operation)x->operation) {
    case EMBED:
        k->embed(p->spec.table + (int64_t)p->tokens[row] * x->width, floats(p, x->output, row), x->width, x->scale[0],
                 x->zero_point[0]);
        break;
    case NORM: norm_row(p, x, row, thread); break;
    case LAYER_NORM: layer_norm_row(p, x, row, thread); break;
    case POSITION:
        memcpy(floats(p, x->output, row), x->weights[0] + (int64_t)p->positions[row] * x->width,
               (size_t)x->width * sizeof(float));
        break;
    case QUANTISE: quantise(p, x, row, 0, floats(p, x->a, row), x->width); break;
    case ROPE: {
        const int64_t angle = (int64_t)p->positions[row] * size;
        k->rope(floats(p, x->a, row), p->spec.cosine + angle, p->spec.sine + angle, floats(p, x->output, row), x->heads,
                size);
        break;
    }
    case PREPARE: prepare_row(p, x, row, thread); break;
    case ADD: k->add(floats(p, x->a, row), floats(p, x->b, row), floats(p, x->output, row), x->width); break;
    default: /* SELECT */
        memcpy(floats(p, x->output, row), floats(p, x->a, p->wanted[row]), (size_t)x->width * sizeof(float));
    }
}

/* Some rows of a buffer, from `first` on, as they lie there. */
static Activations activations_of(const Program *p, Operand from, int32_t first, int32_t rows, float scale,
                                  int32_t zero_point) {
    const Rows *r = &p->rows[from.buffer];
    const int64_t at = first * r->stride, sums = at / 32;
    return (Activations){.low = r->low + at, .high = r->high ? r->high + at : NULL, .low_sums = r->low_sums + sums,
                         .high_sums = r->high ? r->high_sums + sums : NULL, .rows = rows,
                         .stride = (int32_t)r->stride, .zero_point = zero_point, .scale = scale};
}

static void run_layer(const Program *p, const Linear *layer, const Activations *in, Matrix out, Matrix add,
                      int32_t first, int32_t last, int32_t thread) {
    const Kernels *k = p->kernels;
    (layer->scales ? k->linear : k->linear8)(layer, in, out, add, first, last, thread_scratch(p, thread));
}

/* A layer of its own out of some panels of another. */
static Linear part_of(const Linear *whole, int32_t first, int32_t panels) {
    Linear part = *whole;
    const size_t blocks = (size_t)first * (size_t)whole->blocks, outputs = (size_t)first * PANEL;
    part.panels = panels;
    part.outputs = panels * PANEL;
    part.packed += blocks * (size_t)block_bytes(whole);
    part.group_scale += blocks * (size_t)whole->scales * PANEL;
    part.row_scale += outputs;
    part.row_sum += outputs;
    if (whole->bias) part.bias += outputs;
    return part;
}

static float *thread_outputs(const Program *p, int32_t thread) {
    return (float *)(void *)(p->scratch + thread * p->scratch_size + p->row_size);
}

static const Runs *runs_of(const Program *p, const Instruction *x) { return &p->runs[selected(p, x)]; }

/* NULL: the run's adapter leaves the layer alone. */
static const Pair *pair_of(const Program *p, const Instruction *x, const Run *run) {
    const Pair *pair = &p->pairs[(int64_t)x->site * p->spec.adapters + run->adapter];
    return pair->up < 0 ? NULL : pair;
}

/* Between a pair's layers rows lie as far apart as its rank, filled up, whatever the buffer has room for. */
static int32_t rank_stride(const Program *p, const Pair *pair) { return p->layers[pair->up].linear.blocks * BLOCK; }

/* Down to the rank: up to 64 columns of it, for the rows of a run. */
static void run_adapt(const Program *p, const Instruction *x, int32_t item, int32_t thread) {
    const int32_t blocks = up(x->width, BLOCK), column = item % blocks * BLOCK;
    const Run *run = &runs_of(p, x)->runs[item / blocks];
    const Pair *pair = pair_of(p, x, run);
    const int32_t rest = pair ? p->layers[pair->down].linear.outputs - column : 0, n = rest < BLOCK ? rest : BLOCK;
    if (n <= 0) return;
    const Linear part = part_of(&p->layers[pair->down].linear, column / PANEL, up(n, PANEL));
    const Activations in = activations_of(p, x->a, run->first, run->rows, x->scale[0], x->zero_point[0]);
    float *outputs = thread_outputs(p, thread);
    run_layer(p, &part, &in, (Matrix){outputs, BLOCK}, (Matrix){NULL, 0}, 0, part.panels, thread);
    const Rows *to = &p->rows[x->quantised.buffer];
    int64_t at = run->first * to->stride + column;
    for (int32_t row = 0; row < run->rows; row++, at += rank_stride(p, pair))
        p->kernels->quantise8(outputs + row * BLOCK, to->low + at, to->low_sums + at / 32, n, 1.0f / pair->scale,
                              pair->zero_point);
}

/* From the rank up: what adapters add to panels [first, last) of a layer; `out` begins with its panel `origin`. */
static void add_shares(const Program *p, const Instruction *x, Matrix out, int32_t origin, int32_t first, int32_t last,
                       int32_t thread) {
    if (x->c.buffer < 0) return;
    const Runs *runs = runs_of(p, x);
    for (int32_t i = 0; i < runs->count; i++) {
        const Run *run = &runs->runs[i];
        const Pair *pair = pair_of(p, x, run);
        if (!pair) continue;
        Activations in = activations_of(p, x->c, run->first, run->rows, pair->scale, pair->zero_point);
        in.stride = rank_stride(p, pair);
        Linear layer = p->layers[pair->up].linear;
        if (origin) layer = part_of(&layer, origin, layer.panels - origin);
        const Matrix to = {out.data + run->first * out.stride, out.stride};
        run_layer(p, &layer, &in, to, to, first - origin, last - origin, thread);
    }
}

static void run_linear(const Program *p, const Instruction *x, int32_t first, int32_t last, int32_t thread) {
    const Activations in = activations_of(p, x->a, 0, rows_of(p, x), x->scale[0], x->zero_point[0]);
    const Matrix out = {floats(p, x->output, 0), p->rows[x->output.buffer].stride};
    Matrix add = {NULL, 0};
    if (x->b.buffer >= 0) add = (Matrix){floats(p, x->b, 0), p->rows[x->b.buffer].stride};
    run_layer(p, &p->layers[x->index].linear, &in, out, add, first, last, thread);
    add_shares(p, x, out, 0, first, last, thread);
}

static void run_attention(const Program *p, const Instruction *x, int32_t item, int32_t thread) {
    const KvShape shape = p->spec.shape;
    const Block block = p->blocks[item / shape.kv_heads];
    const Segment *segment = &p->segments[block.segment];
    const Rows *queries = &p->rows[x->a.buffer];
    const int32_t head = item % shape.kv_heads, width = x->width / shape.kv_heads;
    const Attention attention = {.segment = segment, .cache = x->index, .heads = x->heads,
                                 .bidirectional = x->bidirectional, .shape = shape,
                                 .query = queries->queries + x->a.column, .query_stride = queries->stride,
                                 .zero_v = x->zero_point[2], .scale_v = x->scale[2], .step = x->scale[1],
                                 .out = {floats(p, x->output, 0), p->rows[x->output.buffer].stride}};
    p->kernels->attend(&attention, head, block.first, block.rows, thread_scratch(p, thread));
    if (x->quantised.buffer < 0) return;
    for (int32_t i = 0; i < block.rows; i++) {
        const int32_t row = segment->first_row + block.first + i;
        quantise(p, x, row, head * width, floats(p, x->output, row) + head * width, width);
    }
}

/* Gates and GELUs are dealt out by columns. */
static bool has_columns(const Instruction *x) {
    return x->operation == GATED || x->operation == GELU || x->operation == GELU_TANH;
}

static void run_columns(const Program *p, const Instruction *x, int32_t item, int32_t size, int32_t thread) {
    const int32_t chunks = up(x->width, size), row = item / chunks, column = item % chunks * size;
    const int32_t n = x->width - column < size ? x->width - column : size;
    float *to = x->output.buffer < 0 ? thread_rows(p, thread) : floats(p, x->output, row) + column;
    const float *from = floats(p, x->a, row) + column;
    switch ((Operation)x->operation) {
    case GELU: p->kernels->gelu(from, to, n); break;
    case GELU_TANH: p->kernels->gelu_tanh(from, to, n); break;
    default: p->kernels->gated(from, floats(p, x->b, row) + column, to, n);
    }
    if (x->quantised.buffer >= 0) quantise(p, x, row, column, to, n);
}

/* Gates, what they let through and the quantised product, without a way through memory for all columns of all rows:
 * with the two as instructions of their own, half of the time of a long prompt went into that. */
static void run_gated_linear(const Program *p, const Instruction *x, int32_t item, int32_t size, int32_t thread) {
    const int32_t column = item * size, n = x->width - column < size ? x->width - column : size;
    const Linear *whole = &p->layers[x->index].linear;
    const Activations in = activations_of(p, x->a, 0, rows_of(p, x), x->scale[1], x->zero_point[1]);
    float *gates = thread_outputs(p, thread);
    float *values = gates + (size_t)in.rows * (size_t)n, *to = thread_rows(p, thread);
    for (int32_t side = 0; side < 2; side++) {
        const int32_t panel = (side * x->width + column) / PANEL;
        const Linear part = part_of(whole, panel, n / PANEL);
        const Matrix out = {side ? values : gates, n};
        run_layer(p, &part, &in, out, (Matrix){NULL, 0}, 0, part.panels, thread);
        add_shares(p, x, out, panel, panel, panel + part.panels, thread);
    }
    for (int32_t row = 0; row < in.rows; row++) {
        p->kernels->gated(gates + (size_t)row * n, values + (size_t)row * n, to, n);
        quantise(p, x, row, column, to, n);
    }
}

void execute(void *program, int32_t stage, int32_t item, int32_t thread) {
    const Program *p = program;
    const Instruction *x = &p->instructions[stage];
    const int32_t size = p->sizes[stage], first = item * size;
    if (x->operation == ATTEND) {
        run_attention(p, x, item, thread);
    } else if (has_columns(x)) {
        run_columns(p, x, item, size, thread);
    } else if (x->operation == GATED_LINEAR) {
        run_gated_linear(p, x, item, size, thread);
    } else if (x->operation == ADAPT) {
        run_adapt(p, x, item, thread);
    } else {
        const int32_t all = x->operation == LINEAR ? p->layers[x->index].linear.panels : rows_of(p, x);
        const int32_t last = first + size < all ? first + size : all;
        if (x->operation == LINEAR)
            run_linear(p, x, first, last, thread);
        else
            for (int32_t row = first; row < last; row++) run_row(p, x, row, thread);
    }
}

static int32_t most(int32_t a, int32_t b) { return a > b ? a : b; }

/* Pairs of panels, and long runs of them, which the machine reads ahead. */
static int32_t panels_an_item(const Program *p, const Linear *layer, int32_t rows) {
    const int32_t share = up(layer->panels, team_threads(p->team) * RUNS);
    return up(most(share, up(ITEM_BLOCKS, (int64_t)layer->blocks * rows)), 2) * 2;
}

/* Whole groups of 64 columns: only the last one has a filling to write. */
static int32_t columns_an_item(const Program *p, const Instruction *x, int32_t rows) {
    if (rows >= MANY_ROWS) return x->width;
    const int32_t share = up(x->width, team_threads(p->team) * 2);
    return up(most(share, GATED_COLUMNS), BLOCK) * BLOCK;
}

/* Whole blocks, and as many as the rows leave room for. */
static int32_t gated_columns_an_item(const Program *p, const Instruction *x, int32_t rows) {
    const int32_t share = up(x->width, team_threads(p->team) * RUNS * BLOCK);
    const int32_t worth = up(ITEM_BLOCKS, (int64_t)p->layers[x->index].linear.blocks * rows), room = p->spec.rows / rows;
    const int32_t wanted = most(share, worth);
    return (wanted < room ? wanted : room) * BLOCK;
}

/* The longest rows last in their segment first: they take the longest. */
static void plan_blocks(Program *p, int32_t segment_count) {
    p->block_count = 0;
    for (int32_t i = 0; i < segment_count; i++) {
        const int32_t rows = p->segments[i].rows;
        for (int32_t first = (rows - 1) / BLOCK_ROWS * BLOCK_ROWS; first >= 0; first -= BLOCK_ROWS) {
            const int32_t count = rows - first < BLOCK_ROWS ? rows - first : BLOCK_ROWS;
            p->blocks[p->block_count++] = (Block){i, first, count};
        }
    }
}

static void plan_rows(Program *p, int32_t segment_count) {
    for (int32_t i = 0; i < segment_count; i++) {
        const Segment *segment = &p->segments[i];
        for (int32_t row = 0; row < segment->rows; row++) {
            const int32_t position = segment->start + row;
            p->positions[segment->first_row + row] = position;
            p->pages[segment->first_row + row] = segment->pages[position / PAGE_TOKENS];
        }
    }
}

static void add_row(Runs *runs, int32_t row, int32_t adapter) {
    Run *last = runs->count ? &runs->runs[runs->count - 1] : NULL;
    if (adapter < 0) return;
    if (last && last->adapter == adapter && last->first + last->rows == row && last->rows < RUN_ROWS)
        last->rows++;
    else
        runs->runs[runs->count++] = (Run){row, 1, adapter};
}

/* Rows of neighbours with the same adapter run together. */
static void plan_runs(Program *p, int32_t segment_count) {
    p->runs[0].count = p->runs[1].count = 0;
    if (!p->spec.adapters) return;
    for (int32_t i = 0; i < segment_count; i++) {
        const Segment *segment = &p->segments[i];
        for (int32_t row = 0; row < segment->rows; row++) add_row(&p->runs[0], segment->first_row + row, segment->adapter);
    }
    for (int32_t i = 0; i < p->wanted_count; i++) {
        int32_t segment = 0;
        while (p->wanted[i] >= p->segments[segment].first_row + p->segments[segment].rows) segment++;
        add_row(&p->runs[1], i, p->segments[segment].adapter);
    }
}

void plan_step(Program *p, int32_t segment_count) {
    plan_rows(p, segment_count);
    plan_blocks(p, segment_count);
    plan_runs(p, segment_count);
    for (int32_t i = 0; i < p->spec.instructions; i++) {
        const Instruction *x = &p->instructions[i];
        const int32_t rows = rows_of(p, x);
        int32_t size = up(ITEM_FLOATS, x->width), count = up(rows, size);
        if (x->operation == LINEAR) {
            const Linear *layer = &p->layers[x->index].linear;
            size = rows ? panels_an_item(p, layer, rows) : 1;
            count = rows ? up(layer->panels, size) : 0;
        } else if (has_columns(x)) {
            size = columns_an_item(p, x, rows);
            count = rows * up(x->width, size);
        } else if (x->operation == GATED_LINEAR) {
            size = rows ? gated_columns_an_item(p, x, rows) : BLOCK;
            count = rows ? up(x->width, size) : 0;
        } else if (x->operation == ATTEND) {
            count = p->block_count * p->spec.shape.kv_heads;
        } else if (x->operation == ADAPT) {
            size = 1;
            count = runs_of(p, x)->count * up(x->width, BLOCK);
        }
        p->sizes[i] = size;
        p->counts[i] = count;
    }
}
