// The products of one level; see vector_types.h. `sum += left * right` is contracted to a fused
// multiply-add where the level has one, in every tile alike.

// One tile of a product: ROWS rows, ACROSS registers. The left element (i, p) is at
// left[i * row_step + p * depth_step], the right row p at right[p * right_step]. The sums begin
// with `start`, whose step between rows is 0 for a bias, and end in `target`. With ACROSS = 4 of
// 16 lanes a tile of 6 rows keeps 24 sums in 32 registers.
#define DEFINE_TILE(ROWS, ACROSS)                                                                  \
    TARGET __attribute__((always_inline)) static inline void NAMED(tile_##ROWS##_##ACROSS)(        \
        leeway_tile tile, const float *left, const float *right, const float *start,               \
        float *target)                                                                             \
    {                                                                                              \
        NAMED(floats) sums[ROWS][ACROSS];                                                          \
        UNROLLED for (size_t i = 0; i < ROWS; i++)                                                 \
            UNROLLED for (size_t j = 0; j < ACROSS; j++)                                           \
                sums[i][j] = LOAD(start + i * tile.start_step + j * LANES);                        \
        for (size_t p = 0; p < tile.depth; p++) {                                                  \
            NAMED(floats) across[ACROSS];                                                          \
            UNROLLED for (size_t j = 0; j < ACROSS; j++) across[j] = LOAD(right + j * LANES);      \
            if (tile.ahead) {                                                                      \
                __builtin_prefetch(tile.ahead, 0, 2);                                              \
                __builtin_prefetch(tile.ahead + 16, 0, 2);                                         \
                tile.ahead += tile.ahead_step;                                                     \
            }                                                                                      \
            UNROLLED for (size_t i = 0; i < ROWS; i++) {                                           \
                const float value = left[i * tile.row_step];                                       \
                UNROLLED for (size_t j = 0; j < ACROSS; j++) sums[i][j] += value * across[j];      \
            }                                                                                      \
            left += tile.depth_step;                                                               \
            right += tile.right_step;                                                              \
        }                                                                                          \
        UNROLLED for (size_t i = 0; i < ROWS; i++)                                                 \
            UNROLLED for (size_t j = 0; j < ACROSS; j++) {                                         \
                NAMED(floats) sum = sums[i][j];                                                    \
                if (tile.rectify) sum = (NAMED(floats))((NAMED(ints))sum & ~(sum < 0));            \
                STORE(target + i * tile.target_step + j * LANES, sum);                             \
            }                                                                                      \
    }

// Any number of rows, in as few tiles as possible, of heights as equal as possible.
#define DEFINE_ROWS(ACROSS)                                                                        \
    DEFINE_TILE(1, ACROSS)                                                                         \
    DEFINE_TILE(2, ACROSS)                                                                         \
    DEFINE_TILE(3, ACROSS)                                                                         \
    DEFINE_TILE(4, ACROSS)                                                                         \
    DEFINE_TILE(5, ACROSS)                                                                         \
    DEFINE_TILE(6, ACROSS)                                                                         \
    TARGET __attribute__((noinline)) static void NAMED(rows_##ACROSS)(                             \
        size_t rows, leeway_tile tile, const float *left, const float *right, const float *start,  \
        float *target)                                                                             \
    {                                                                                              \
        const size_t tiles = (rows + TALL - 1) / TALL;                                             \
        /* Each tile calls its share, so that memory is never idle; to call what lies behind the   \
           end of memory does nothing. */                                                          \
        if (tile.ahead) tile.ahead_step /= tiles;                                                  \
        for (size_t t = 0; t < tiles; t++) {                                                       \
            const size_t height = rows / tiles + (t < rows % tiles);                               \
            switch (height) {                                                                      \
            case 1: NAMED(tile_1_##ACROSS)(tile, left, right, start, target); break;               \
            case 2: NAMED(tile_2_##ACROSS)(tile, left, right, start, target); break;               \
            case 3: NAMED(tile_3_##ACROSS)(tile, left, right, start, target); break;               \
            case 4: NAMED(tile_4_##ACROSS)(tile, left, right, start, target); break;               \
            case 5: NAMED(tile_5_##ACROSS)(tile, left, right, start, target); break;               \
            default: NAMED(tile_6_##ACROSS)(tile, left, right, start, target); break;              \
            }                                                                                      \
            left += height * tile.row_step;                                                        \
            start += height * tile.start_step;                                                     \
            target += height * tile.target_step;                                                   \
            if (tile.ahead) tile.ahead += tile.depth * tile.ahead_step;                            \
        }                                                                                          \
    }

#if LANES == 16
DEFINE_ROWS(1)
DEFINE_ROWS(2)
DEFINE_ROWS(3)
DEFINE_ROWS(4)
#elif LANES == 8
DEFINE_ROWS(2)
DEFINE_TILE(1, 8)
#else
DEFINE_ROWS(4)
#endif
#undef DEFINE_ROWS
#undef DEFINE_TILE

// Rows times a right side that is `width` columns wide, a multiple of 16 and at most 64.
TARGET static void NAMED(product)(size_t rows, size_t width, leeway_tile tile, const float *left,
                                  const float *right, const float *start, float *target)
{
#if LANES == 16
    switch (width / LANES) {
    case 1: NAMED(rows_1)(rows, tile, left, right, start, target); break;
    case 2: NAMED(rows_2)(rows, tile, left, right, start, target); break;
    case 3: NAMED(rows_3)(rows, tile, left, right, start, target); break;
    default: NAMED(rows_4)(rows, tile, left, right, start, target); break;
    }
#elif LANES == 8
    if (rows == 1 && width == 64) {
        // Alone, a narrow tile would wait for its own sums.
        NAMED(tile_1_8)(tile, left, right, start, target);
        return;
    }
    for (size_t j = 0; j < width; j += 16)
        NAMED(rows_2)(rows, tile, left, right + j, start + j, target + j);
#else
    for (size_t j = 0; j < width; j += 16)
        NAMED(rows_4)(rows, tile, left, right + j, start + j, target + j);
#endif
}

// Rows through a part of a panel that has columns of zeros: the results have no room for them, so
// tiles go to the stack first.
TARGET static void NAMED(narrow_part)(leeway_layer layer, leeway_part part, const float *rows,
                                      const float *panel, const float *bias, float *results)
{
    enum { height = 12 };
    float block[height * leeway_panel_width];
    const leeway_tile tile = {
        .depth = part.depth,
        .row_step = layer.row_stride,
        .depth_step = 1,
        .right_step = part.step,
        .start_step = part.start > 0 ? part.width : 0,
        .target_step = part.width,
        .rectify = part.rectify,
    };
    for (size_t row = 0; row < layer.rows; row += height) {
        const size_t count = layer.rows - row < height ? layer.rows - row : height;
        float *target = results + row * layer.result_stride;
        if (part.start > 0) {
            for (size_t i = 0; i < count; i++)
                for (size_t j = 0; j < part.width; j++)
                    block[i * part.width + j] =
                        j < part.columns ? target[i * layer.result_stride + j] : 0;
        }
        NAMED(product)(count, part.width, tile, rows + row * layer.row_stride, panel,
                       part.start > 0 ? block : bias, block);
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < part.columns; j++)
                target[i * layer.result_stride + j] = block[i * part.width + j];
    }
}

// A panel that no cache holds is taken in slices: while the tiles of rows use one, from the nearest
// cache, they call for the next, which follows in memory. One tile alone, and many, are faster
// without: memory is all that the one waits for, and nothing that the many wait for.
TARGET static void NAMED(full_part)(leeway_layer layer, leeway_part part, const float *rows,
                                    const float *panel, const float *bias, float *results)
{
    const int far = layer.rows > TALL && layer.rows <= 64
        && layer.inputs * layer.outputs > (size_t)1 << 20;
    const size_t slice = far ? 128 : part.depth;
    for (size_t first = 0; first < part.depth; first += slice) {
        const int is_start = part.start + first == 0;
        const size_t depth = part.depth - first < slice ? part.depth - first : slice;
        const float *right = panel + first * part.step;
        const leeway_tile tile = {
            .depth = depth,
            .row_step = layer.row_stride,
            .depth_step = 1,
            .right_step = part.step,
            .start_step = is_start ? 0 : layer.result_stride,
            .target_step = layer.result_stride,
            .rectify = part.rectify && first + depth == part.depth,
            .ahead = far ? right + depth * part.step : NULL,
            .ahead_step = part.step,
        };
        NAMED(product)(layer.rows, part.width, tile, rows + first, right,
                       is_start ? bias : results, results);
    }
}

// The wanted columns of a layer for a block of rows and inputs that the nearer caches hold.
TARGET static void NAMED(forward_block)(leeway_layer layer, size_t start, size_t depth,
                                        const float *rows, const float *panels,
                                        const float *bias, float *results)
{
    const int last = start + depth == layer.inputs;
    for (size_t column = layer.first, next; column < layer.last; column = next) {
        const size_t first = column / layer.panel * layer.panel;
        const size_t left = layer.outputs - first;
        const size_t step = left < layer.panel ? leeway_padded(left) : layer.panel;
        next = first + layer.panel < layer.last ? first + layer.panel : layer.last;
        const leeway_part part = {
            .start = start,
            .depth = depth,
            .step = step,
            .width = leeway_padded(next - column),
            .columns = next - column,
            .rectify = last && layer.function == leeway_relu,
        };
        const float *panel = panels + first * layer.inputs + start * step + (column - first);
        float *target = results + column;
        if (part.width == part.columns)
            NAMED(full_part)(layer, part, rows, panel, bias + column, target);
        else
            NAMED(narrow_part)(layer, part, rows, panel, bias + column, target);
        if (last && layer.function > leeway_relu)
            NAMED(activate)(layer.function,
                            (leeway_extent){layer.rows, part.columns, layer.result_stride},
                            target);
    }
}

// Blocks of a layer, as equal as possible: 256 rows, and as many inputs as make half a mebibyte on
// the left; a single tile of rows is taken whole, because it uses each weight only once.
enum { NAMED(block_rows) = 256, NAMED(block_size) = 256 * 512 };

TARGET static void NAMED(forward)(leeway_layer layer, const float *rows, const float *panels,
                                  const float *bias, float *results)
{
    if (layer.rows == 1 && NAMED(forward_few)(layer, rows, panels, bias, results)) return;
    const size_t blocks = (layer.rows + NAMED(block_rows) - 1) / NAMED(block_rows);
    const size_t tall = (layer.rows + blocks - 1) / (blocks > 0 ? blocks : 1);
    const size_t parts = layer.rows > TALL
        ? (tall * layer.inputs + NAMED(block_size) - 1) / NAMED(block_size) : 1;
    for (size_t block = 0, row = 0; block < blocks; block++) {
        leeway_layer some = layer;
        some.rows = layer.rows / blocks + (block < layer.rows % blocks);
        for (size_t part = 0, start = 0; part < parts; part++) {
            const size_t depth = layer.inputs / parts + (part < layer.inputs % parts);
            NAMED(forward_block)(some, start, depth, rows + row * layer.row_stride + start, panels,
                                 bias, results + row * layer.result_stride);
            start += depth;
        }
        row += some.rows;
    }
}

TARGET static void NAMED(scale_bytes)(size_t count, leeway_scaling scaling,
                                      const uint8_t *restrict bytes, float *restrict numbers)
{
    for (size_t i = 0; i < count; i++) {
        const float number = ((float)bytes[i] - scaling.offset) * scaling.factor;
        const float low = number < -scaling.limit ? -scaling.limit : number;
        numbers[i] = low > scaling.limit ? scaling.limit : low;
    }
}

// Bytes are scaled into a block on the stack (60 KiB) that the product then reads.
TARGET static void NAMED(forward_bytes)(leeway_layer layer, leeway_scaling scaling,
                                        const uint8_t *rows, const float *panels,
                                        const float *bias, float *results)
{
    enum { height = 60, most = 256 };
    float block[height * most];
    for (size_t row = 0; row < layer.rows; row += height) {
        leeway_layer part = layer;
        part.rows = layer.rows - row < height ? layer.rows - row : height;
        part.row_stride = most;
        for (size_t start = 0; start < layer.inputs; start += most) {
            const size_t depth = layer.inputs - start < most ? layer.inputs - start : most;
            for (size_t i = 0; i < part.rows; i++)
                NAMED(scale_bytes)(depth, scaling,
                                   rows + (row + i) * layer.row_stride + start,
                                   block + i * most);
            NAMED(forward_block)(part, start, depth, block, panels, bias,
                                 results + row * layer.result_stride);
        }
    }
}

// The slopes by the weights: the batch is the depth, and the left side is read transposed.
TARGET static void NAMED(weight_gradient)(size_t rows, size_t inputs, size_t width,
                                          const float *x, size_t x_stride, const float *deltas,
                                          size_t delta_stride, float *block)
{
    const leeway_tile tile = {
        .depth = rows,
        .row_step = 1,
        .depth_step = x_stride,
        .right_step = delta_stride,
        .target_step = width,
    };
    NAMED(product)(inputs, width, tile, x, deltas, leeway_zeros, block);
}

// The slopes by the inputs: the weights are the left side, read as they lie, and the transposed
// deltas the right, so that each weight is read once and nothing of their size is turned round.
TARGET static void NAMED(input_gradient)(leeway_slice slice, const float *panels,
                                         const float *deltas, float *results)
{
    const size_t rows = slice.last - slice.first;
    for (size_t column = 0; column < slice.outputs; column += slice.panel) {
        const size_t left = slice.outputs - column;
        const size_t depth = left < slice.panel ? left : slice.panel;
        const size_t width = leeway_padded(depth);
        const leeway_tile tile = {
            .depth = depth,
            .row_step = width,
            .depth_step = 1,
            .right_step = slice.columns,
            .start_step = column > 0 ? slice.columns : 0,
            .target_step = slice.columns,
        };
        const float *panel = panels + column * slice.inputs + slice.first * width;
        for (size_t j = 0; j < slice.columns; j += leeway_panel_width) {
            const size_t across = slice.columns - j < leeway_panel_width
                ? slice.columns - j : leeway_panel_width;
            NAMED(product)(rows, across, tile, panel, deltas + column * slice.columns + j,
                           column > 0 ? results + j : leeway_zeros, results + j);
        }
    }
}

// Twelve sums in registers, so that no operation waits for another.
TARGET static double NAMED(multiply_and_add)(size_t rounds, float *sink)
{
    NAMED(floats) sums[12];
    const NAMED(floats) left = {0.5f}, right = {1.0f};
    UNROLLED for (size_t i = 0; i < 12; i++) sums[i] = left + (float)i;
    for (size_t round = 0; round < rounds; round++)
        UNROLLED for (size_t i = 0; i < 12; i++) sums[i] = sums[i] * left + right;
    for (size_t i = 0; i < 12; i++) *sink += sums[i][0];
    return 2.0 * 12 * LANES * (double)rounds;
}
