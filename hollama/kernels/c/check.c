/* Proves that a spec stays inside its own memory: every buffer, column, width, layer and table it speaks of. */
#include "program.h"

#include <stdbool.h>

enum { WIDEST = 1 << 24, LONGEST = 1 << 24, MOST = 1 << 20, MOST_ROWS = 1 << 16 };
enum { WIDEST_HEAD = 256, MOST_THREADS = 1024 };

static bool within(int64_t value, int64_t least, int64_t most) { return least <= value && value <= most; }

static int64_t filled(int64_t value, int64_t to) { return (value + to - 1) / to * to; }

static const char *check_sizes(const Spec *s) {
    if (!s->kernels || !kernels_named(s->kernels)) return "this machine has no such kernels";
    if (!within(s->threads, 1, MOST_THREADS)) return "the number of threads is out of bounds";
    if (!within(s->rows, 1, MOST_ROWS) || !within(s->context, 1, LONGEST)) return "rows or context are out of bounds";
    if (!within(s->shape.head_dim, 4, WIDEST_HEAD) || s->shape.head_dim % 4)
        return "heads need a size that is a multiple of 4, at most 256";
    if (!within(s->shape.kv_heads, 1, WIDEST) || !within(s->shape.caches, 0, MOST)) return "bad number of caches";
    if (!within(s->buffers, 1, MOST) || !within(s->layers, 0, MOST) || !within(s->instructions, 1, MOST))
        return "too many buffers, layers or instructions, or none";
    if (!within(s->adapters, 0, MOST) || !within(s->sites, 0, MOST) || (int64_t)s->adapters * s->sites > MOST)
        return "too many adapters";
    if (s->adapters && s->sites && !s->pair) return "an array is missing";
    if (!s->buffer || !s->instruction || (s->layers && !s->layer)) return "an array is missing";
    if (!s->table || !s->cosine || !s->sine || !within(s->vocabulary, 1, LONGEST)) return "a table is missing";
    if (s->angles < (int64_t)s->context * s->shape.head_dim) return "the table of angles is too short";
    for (int32_t i = 0; i < s->buffers; i++) {
        const Buffer *b = &s->buffer[i];
        if (!within(b->kind, 0, KINDS - 1) || !within(b->width, 1, WIDEST) || !within(b->selected, 0, 1))
            return "a buffer makes no sense";
    }
    if (!within(s->logits, 0, s->buffers - 1) || s->buffer[s->logits].kind != FLOATS || !s->buffer[s->logits].selected)
        return "the logits are no selected buffer of floats";
    return NULL;
}

static const char *check_pair(const Spec *s, const Pair *pair) {
    if (pair->down == -1 && pair->up == -1) return NULL;
    if (!within(pair->down, 0, s->layers - 1) || !within(pair->up, 0, s->layers - 1)) return "an adapter has no layers";
    if (s->layer[pair->down].linear.outputs != s->layer[pair->up].linear.inputs)
        return "an adapter's layers do not fit each other";
    return within(pair->zero_point, 0, 255) ? NULL : "the range of an adapter makes no sense";
}

static const char *check_layer(const Layer *layer) {
    const Linear *l = &layer->linear;
    if (!within(l->inputs, 1, WIDEST) || !within(l->outputs, 1, WIDEST)) return "a layer without inputs or outputs";
    const int64_t panels = filled(l->outputs, PANEL) / PANEL, blocks = filled(l->inputs, BLOCK) / BLOCK;
    if (l->panels != panels || l->blocks != blocks || !within(l->scales, 0, 2)) return "panels or blocks do not fit";
    if (!l->packed || !l->group_scale || !l->row_scale || !l->row_sum) return "an array is missing";
    if (layer->packed != panels * blocks * block_bytes(l)) return "the packed weights have another size";
    if (layer->group_scale != panels * blocks * l->scales * PANEL) return "the group scales have another size";
    if (layer->row_scale != panels * PANEL || layer->row_sum != panels * PANEL) return "the rows have another size";
    if (l->bias && layer->bias != panels * PANEL) return "the bias has another size";
    return NULL;
}

/* Whether `o` is `width` columns of a buffer of this kind. */
static bool holds(const Spec *s, Operand o, Kind kind, int32_t selected, int64_t width) {
    if (!within(o.buffer, 0, s->buffers - 1) || o.column < 0) return false;
    const Buffer *b = &s->buffer[o.buffer];
    return b->kind == (int32_t)kind && b->selected == selected && o.column + width <= b->width;
}

static bool absent(Operand o) { return o.buffer == -1; }

static bool optional(const Spec *s, Operand o, Kind kind, int32_t selected, int64_t width) {
    return absent(o) || holds(s, o, kind, selected, width);
}

/* Whole rows of activations, since their filling is written too. */
static bool is_activation(const Spec *s, Operand o, int32_t selected, int64_t width) {
    return (holds(s, o, BYTES, selected, width) || holds(s, o, WORDS, selected, width)) && o.column == 0 &&
           s->buffer[o.buffer].width == width;
}

static bool has_outputs(const Spec *s, const Instruction *x, int32_t selected) {
    const bool quantised = absent(x->quantised) || is_activation(s, x->quantised, selected, x->width);
    return quantised && optional(s, x->output, FLOATS, selected, x->width) &&
           !(absent(x->quantised) && absent(x->output));
}

static bool has_weight(const Instruction *x, int i, int64_t count) {
    return x->weights[i] && x->weight_counts[i] >= count;
}

/* What adapters add: no more inputs than there are columns of bytes, and the outputs of the layer. */
static bool check_shares(const Spec *s, const Instruction *x, int32_t selected, int64_t outputs) {
    if (absent(x->c)) return true;
    if (!within(x->c.buffer, 0, s->buffers - 1) || !within(x->site, 0, s->sites - 1)) return false;
    const int32_t width = s->buffer[x->c.buffer].width;
    if (!is_activation(s, x->c, selected, width) || s->buffer[x->c.buffer].kind != BYTES) return false;
    for (int32_t i = 0; i < s->adapters; i++) {
        const Pair *pair = &s->pair[(int64_t)x->site * s->adapters + i];
        if (pair->up < 0) continue;
        const Linear *up = &s->layer[pair->up].linear;
        if (up->inputs > width || up->outputs != outputs) return false;
    }
    return true;
}

static bool check_adapt(const Spec *s, const Instruction *x, int32_t selected) {
    if (!within(x->site, 0, s->sites - 1) || !within(x->a.buffer, 0, s->buffers - 1)) return false;
    const int32_t inputs = s->buffer[x->a.buffer].width;
    const bool places = is_activation(s, x->a, selected, inputs) && is_activation(s, x->quantised, selected, x->width);
    if (!places || s->buffer[x->quantised.buffer].kind != BYTES || !absent(x->output)) return false;
    for (int32_t i = 0; i < s->adapters; i++) {
        const Pair *pair = &s->pair[(int64_t)x->site * s->adapters + i];
        if (pair->down < 0) continue;
        const Linear *down = &s->layer[pair->down].linear;
        if (down->inputs != inputs || down->outputs > x->width) return false;
    }
    return true;
}

static bool check_linear(const Spec *s, const Instruction *x, int32_t selected) {
    if (!within(x->index, 0, s->layers - 1)) return false;
    const Linear *l = &s->layer[x->index].linear;
    return check_shares(s, x, selected, l->outputs) && l->outputs == x->width && is_activation(s, x->a, selected, l->inputs) &&
           optional(s, x->b, FLOATS, selected, x->width) && holds(s, x->output, FLOATS, selected, x->width);
}

/* Gates and what they let through have whole panels, and pieces that fill whole blocks. */
static bool check_gated_linear(const Spec *s, const Instruction *x, int32_t selected) {
    if (!within(x->index, 0, s->layers - 1) || x->width % BLOCK) return false;
    const Linear *l = &s->layer[x->index].linear;
    return check_shares(s, x, selected, l->outputs) && l->outputs == 2 * (int64_t)x->width && is_activation(s, x->a, selected, l->inputs) &&
           is_activation(s, x->quantised, selected, x->width) && absent(x->output);
}

static bool check_heads(const Spec *s, const Instruction *x) {
    return within(x->heads, 1, WIDEST) && (int64_t)x->heads * s->shape.head_dim == x->width;
}

static bool check_cache(const Spec *s, const Instruction *x) {
    return check_heads(s, x) && x->heads % s->shape.kv_heads == 0 && within(x->index, 0, s->shape.caches - 1);
}

static bool check_prepare(const Spec *s, const Instruction *x) {
    const int64_t shared = (int64_t)s->shape.kv_heads * s->shape.head_dim;
    const bool inputs = holds(s, x->a, FLOATS, 0, x->width) && holds(s, x->b, FLOATS, 0, shared) &&
                        holds(s, x->c, FLOATS, 0, shared);
    const bool norms = (!x->weights[0] || has_weight(x, 0, s->shape.head_dim)) &&
                       (!x->weights[1] || has_weight(x, 1, s->shape.head_dim));
    return check_cache(s, x) && inputs && norms && holds(s, x->quantised, QUERIES, 0, x->width) &&
           within(x->zero_point[1], 0, 255) && within(x->zero_point[2], 0, 255);
}

/* Each KV head's part is quantised by itself: it has to begin where no other's filling ends. */
static bool check_attend(const Spec *s, const Instruction *x) {
    const bool apart = absent(x->quantised) || x->width / s->shape.kv_heads % BLOCK == 0;
    return check_cache(s, x) && holds(s, x->a, QUERIES, 0, x->width) && has_outputs(s, x, 0) && !absent(x->output) &&
           apart && within(x->zero_point[2], 0, 255);
}

static bool check_instruction(const Spec *s, const Instruction *x) {
    if (!within(x->width, 1, WIDEST)) return false;
    const int32_t out = absent(x->output) ? x->quantised.buffer : x->output.buffer;
    if (!within(out, 0, s->buffers - 1)) return false;
    const int32_t selected = s->buffer[out].selected;
    switch ((Operation)x->operation) {
    case EMBED:
        return holds(s, x->output, FLOATS, 0, x->width) && s->table_count == s->vocabulary * x->width;
    case NORM:
        return within(x->heads, 1, x->width) && x->width % x->heads == 0 && has_weight(x, 0, x->width / x->heads) &&
               holds(s, x->a, FLOATS, selected, x->width) && has_outputs(s, x, selected);
    case LAYER_NORM:
        return has_weight(x, 0, x->width) && (!x->weights[1] || has_weight(x, 1, x->width)) &&
               holds(s, x->a, FLOATS, selected, x->width) && has_outputs(s, x, selected);
    case POSITION:
        return has_weight(x, 0, (int64_t)s->context * x->width) && holds(s, x->output, FLOATS, 0, x->width);
    case QUANTISE:
        return holds(s, x->a, FLOATS, selected, x->width) && is_activation(s, x->quantised, selected, x->width);
    case LINEAR: return check_linear(s, x, selected);
    case ROPE:
        return check_heads(s, x) && holds(s, x->a, FLOATS, 0, x->width) && holds(s, x->output, FLOATS, 0, x->width);
    case PREPARE: return check_prepare(s, x);
    case ATTEND:
        return check_attend(s, x);
    case GATED:
        return holds(s, x->a, FLOATS, selected, x->width) && holds(s, x->b, FLOATS, selected, x->width) &&
               has_outputs(s, x, selected);
    case GELU:
    case GELU_TANH:
        return holds(s, x->a, FLOATS, selected, x->width) && has_outputs(s, x, selected);
    case ADD:
        return holds(s, x->a, FLOATS, selected, x->width) && holds(s, x->b, FLOATS, selected, x->width) &&
               holds(s, x->output, FLOATS, selected, x->width);
    case SELECT:
        return holds(s, x->a, FLOATS, 0, x->width) && holds(s, x->output, FLOATS, 1, x->width);
    case GATED_LINEAR: return check_gated_linear(s, x, selected);
    case ADAPT: return check_adapt(s, x, selected);
    case OPERATIONS: break;
    }
    return false;
}

const char *check_spec(const Spec *spec, int32_t *instruction) {
    *instruction = -1;
    const char *wrong = check_sizes(spec);
    for (int32_t i = 0; !wrong && i < spec->layers; i++) wrong = check_layer(&spec->layer[i]);
    for (int32_t i = 0; !wrong && i < spec->adapters * spec->sites; i++) wrong = check_pair(spec, &spec->pair[i]);
    if (wrong) return wrong;
    for (int32_t i = 0; i < spec->instructions; i++) {
        *instruction = i;
        const Instruction *x = &spec->instruction[i];
        const bool zeros = within(x->zero_point[0], 0, 65535) && within(x->zero_point[1], 0, 65535);
        if (!zeros || !check_instruction(spec, x)) return "an instruction does not fit its buffers";
    }
    return NULL;
}
