// Rows of which only some terms are not zero; see vector_types.h.

// A tile of one row that takes the terms that are not zero, in the tile's order.
#define DEFINE_FEW(ACROSS)                                                                         \
    TARGET static void NAMED(few_##ACROSS)(leeway_terms terms, const float *right,                 \
                                           const float *start, float *target)                      \
    {                                                                                              \
        NAMED(floats) sums[ACROSS];                                                                \
        UNROLLED for (size_t j = 0; j < ACROSS; j++) sums[j] = LOAD(start + j * LANES);            \
        for (size_t p = 0; p < terms.count; p++) {                                                 \
            const float *across = right + terms.places[p] * terms.step;                            \
            const float value = terms.values[p];                                                   \
            UNROLLED for (size_t j = 0; j < ACROSS; j++)                                           \
                sums[j] += value * LOAD(across + j * LANES);                                       \
        }                                                                                          \
        UNROLLED for (size_t j = 0; j < ACROSS; j++) {                                             \
            NAMED(floats) sum = sums[j];                                                           \
            if (terms.rectify) sum = (NAMED(floats))((NAMED(ints))sum & ~(sum < 0));               \
            STORE(target + j * LANES, sum);                                                        \
        }                                                                                          \
    }
#if LANES == 8
DEFINE_FEW(2)
DEFINE_FEW(8)
#else
DEFINE_FEW(4)
#if LANES == 16
DEFINE_FEW(1)
#endif
#endif
#undef DEFINE_FEW

// How many numbers of a row are not zero.
TARGET static size_t NAMED(count_terms)(size_t inputs, const float *row)
{
    NAMED(ints) counts = {0};
    size_t count = 0, i = 0;
    for (; i + LANES <= inputs; i += LANES) counts -= LOAD(row + i) != 0;
    UNROLLED for (size_t j = 0; j < LANES; j++) count += (size_t)counts[j];
    for (; i < inputs; i++) count += row[i] != 0;
    return count;
}

// Which they are.
TARGET static void NAMED(gather_terms)(size_t inputs, const float *row, uint16_t *places,
                                       float *values)
{
    size_t count = 0, i = 0;
    for (; i + LANES <= inputs; i += LANES) {
        const NAMED(bits) bits = __builtin_convertvector(LOAD(row + i) != 0, NAMED(bits));
        uint32_t mask = 0;
        memcpy(&mask, &bits, sizeof bits);
        for (mask &= (1u << LANES) - 1; mask != 0; mask &= mask - 1) {
            const size_t place = i + (size_t)__builtin_ctz(mask);
            places[count] = (uint16_t)place;
            values[count++] = row[place];
        }
    }
    for (; i < inputs; i++) {
        if (row[i] == 0) continue;
        places[count] = (uint16_t)i;
        values[count++] = row[i];
    }
}

// The terms times a part of a panel.
TARGET static void NAMED(few)(size_t width, leeway_terms terms, const float *right,
                              const float *start, float *target)
{
    size_t j = 0;
#if LANES == 16
    if (width == 64) return NAMED(few_4)(terms, right, start, target);
    for (; j < width; j += 16) NAMED(few_1)(terms, right + j, start + j, target + j);
#elif LANES == 8
    if (width == 64) return NAMED(few_8)(terms, right, start, target);
    for (; j < width; j += 16) NAMED(few_2)(terms, right + j, start + j, target + j);
#else
    for (; j < width; j += 16) NAMED(few_4)(terms, right + j, start + j, target + j);
#endif
}

// A layer for one row that is mostly zeros, as a picture on a black ground is: their weights are
// not read. False when the row is not like that, or too long for the stack.
TARGET static int NAMED(forward_few)(leeway_layer layer, const float *row, const float *panels,
                                     const float *bias, float *results)
{
    enum { most = 4096 };
    uint16_t places[most];
    float values[most], block[leeway_panel_width];
    if (layer.inputs > most) return 0;
    const size_t count = NAMED(count_terms)(layer.inputs, row);
    if (3 * count > 2 * layer.inputs) return 0;
    NAMED(gather_terms)(layer.inputs, row, places, values);
    for (size_t column = layer.first, next; column < layer.last; column = next) {
        const size_t first = column / layer.panel * layer.panel;
        const size_t left = layer.outputs - first;
        next = first + layer.panel < layer.last ? first + layer.panel : layer.last;
        const size_t columns = next - column;
        const leeway_terms terms = {
            .count = count,
            .places = places,
            .values = values,
            .step = left < layer.panel ? leeway_padded(left) : layer.panel,
            .rectify = layer.function == leeway_relu,
        };
        NAMED(few)(leeway_padded(columns), terms, panels + first * layer.inputs + (column - first),
                   bias + column, block);
        memcpy(results + column, block, columns * sizeof(float));
        if (layer.function > leeway_relu)
            NAMED(activate)(layer.function, (leeway_extent){1, columns, layer.result_stride},
                            results + column);
    }
    return 1;
}
