// The loops that differ by instruction set. No include guard: kernels.c includes this file once
// per level, with these macros set:
//
//   NAMED(x)       the name of x at this level
//   TARGET         the function attribute that allows the level's instructions
//   LANES          floats in one register
//   WIDE           registers across in a tile of four rows   (4 * WIDE sums stay in registers)
//   SINGLE         registers across in a tile of one row
//
// Vectors are the compiler's own (GCC vector extension), so that this file knows no intrinsics and
// the same text serves SSE2, AVX2, AVX-512 and NEON. `sum += left * right` is contracted to a fused
// multiply-add where the level has one, in vector and scalar tiles alike: that is what makes an
// element's bits independent of the tile that computed it.

typedef float NAMED(full) __attribute__((vector_size(LANES * sizeof(float))));
typedef float NAMED(full_memory)
    __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef float NAMED(quad) __attribute__((vector_size(4 * sizeof(float))));
typedef float NAMED(quad_memory)
    __attribute__((vector_size(4 * sizeof(float)), aligned(sizeof(float)), may_alias));

// One tile of the result: ROWS rows, ACROSS vectors of SIZE floats. The element (i, p) of the left
// side is at left[i * row_step + p * depth_step], which is a matrix or its transpose.
#define DEFINE_TILE(NAME, VECTOR, MEMORY, SIZE, ROWS, ACROSS)                                      \
    TARGET __attribute__((always_inline)) static inline void NAMED(NAME)(                          \
        size_t depth, const float *left, size_t row_step, size_t depth_step, const float *right,   \
        size_t right_stride, float *result, size_t result_stride, int accumulate)                  \
    {                                                                                              \
        VECTOR sums[ROWS][ACROSS];                                                                 \
        _Pragma("clang loop unroll(full)") for (size_t i = 0; i < ROWS; i++)                       \
            _Pragma("clang loop unroll(full)") for (size_t j = 0; j < ACROSS; j++)                 \
                sums[i][j] = accumulate                                                            \
                    ? *(const MEMORY *)(result + i * result_stride + j * SIZE)                     \
                    : (VECTOR){0};                                                                 \
        for (size_t p = 0; p < depth; p++) {                                                       \
            VECTOR across[ACROSS];                                                                 \
            _Pragma("clang loop unroll(full)") for (size_t j = 0; j < ACROSS; j++)                 \
                across[j] = *(const MEMORY *)(right + p * right_stride + j * SIZE);                \
            _Pragma("clang loop unroll(full)") for (size_t i = 0; i < ROWS; i++) {                 \
                const float value = left[i * row_step + p * depth_step];                           \
                _Pragma("clang loop unroll(full)") for (size_t j = 0; j < ACROSS; j++)             \
                    sums[i][j] += value * across[j];                                               \
            }                                                                                      \
        }                                                                                          \
        _Pragma("clang loop unroll(full)") for (size_t i = 0; i < ROWS; i++)                       \
            _Pragma("clang loop unroll(full)") for (size_t j = 0; j < ACROSS; j++)                 \
                *(MEMORY *)(result + i * result_stride + j * SIZE) = sums[i][j];                   \
    }

DEFINE_TILE(tile_4_wide, NAMED(full), NAMED(full_memory), LANES, 4, WIDE)
DEFINE_TILE(tile_4_full, NAMED(full), NAMED(full_memory), LANES, 4, 1)
DEFINE_TILE(tile_4_quad, NAMED(quad), NAMED(quad_memory), 4, 4, 1)
DEFINE_TILE(tile_4_one, float, float, 1, 4, 1)
DEFINE_TILE(tile_1_wide, NAMED(full), NAMED(full_memory), LANES, 1, SINGLE)
DEFINE_TILE(tile_1_full, NAMED(full), NAMED(full_memory), LANES, 1, 1)
DEFINE_TILE(tile_1_quad, NAMED(quad), NAMED(quad_memory), 4, 1, 1)
DEFINE_TILE(tile_1_one, float, float, 1, 1, 1)
#undef DEFINE_TILE

// Runs one kind of tile over the columns that are left, as long as a whole tile fits.
#define SWEEP(TILE, ROWS, SIZE)                                                                    \
    for (; j + (SIZE) <= product.columns; j += (SIZE))                                             \
        for (size_t i = first_row; i < last_row; i += ROWS)                                        \
            NAMED(TILE)(product.depth, left + i * row_step, row_step, depth_step, right + j,       \
                        product.right_stride, result + i * product.result_stride + j,              \
                        product.result_stride, accumulate)

// Rows in groups of four, for as many groups as there are.
TARGET static void NAMED(groups_of_four)(leeway_product product, const float *left,
                                         size_t row_step, size_t depth_step, const float *right,
                                         float *result, int accumulate)
{
    const size_t first_row = 0, last_row = product.rows - product.rows % 4;
    size_t j = 0;
    SWEEP(tile_4_wide, 4, WIDE * LANES);
    SWEEP(tile_4_full, 4, LANES);
    SWEEP(tile_4_quad, 4, 4);
    SWEEP(tile_4_one, 4, 1);
}

// The rows that are left over, at most three; also the one row of a single prediction.
TARGET static void NAMED(single_rows)(leeway_product product, const float *left, size_t row_step,
                                      size_t depth_step, const float *right, float *result,
                                      int accumulate)
{
    const size_t first_row = product.rows - product.rows % 4, last_row = product.rows;
    size_t j = 0;
    SWEEP(tile_1_wide, 1, SINGLE * LANES);
    SWEEP(tile_1_full, 1, LANES);
    SWEEP(tile_1_quad, 1, 4);
    SWEEP(tile_1_one, 1, 1);
}
#undef SWEEP

// Several groups of rows share the right side: it is taken in slices that stay in the nearest
// cache. The sums go on in the result from slice to slice, so the order of addition is the same.
TARGET static void NAMED(gemm)(leeway_product product, const float *left, size_t row_step,
                               size_t depth_step, const float *right, float *result,
                               int accumulate)
{
    const size_t slice = product.rows >= 8 ? 64 : product.depth;
    size_t start = 0;
    do {
        leeway_product part = product;
        part.depth = product.depth - start < slice ? product.depth - start : slice;
        const float *left_part = left + start * depth_step;
        const float *right_part = right + start * product.right_stride;
        const int add = accumulate || start > 0;
        NAMED(groups_of_four)(part, left_part, row_step, depth_step, right_part, result, add);
        NAMED(single_rows)(part, left_part, row_step, depth_step, right_part, result, add);
        start += slice;
    } while (start < product.depth);
}

// The right side is given transposed: blocks of it are turned round on the stack (16 KiB).
TARGET static void NAMED(gemm_nt)(leeway_product product, const float *left, const float *right,
                                  float *result, int accumulate)
{
    enum { side = 64 };
    float block[side * side];
    for (size_t column = 0; column < product.columns; column += side) {
        size_t start = 0;
        do {
            leeway_product part = product;
            part.columns = product.columns - column < side ? product.columns - column : side;
            part.depth = product.depth - start < side ? product.depth - start : side;
            part.right_stride = side;
            for (size_t j = 0; j < part.columns; j++)
                for (size_t p = 0; p < part.depth; p++)
                    block[p * side + j] = right[(column + j) * product.right_stride + start + p];
            NAMED(gemm)(part, left + start, product.left_stride, 1, block, result + column,
                        accumulate || start > 0);
            start += side;
        } while (start < product.depth);
    }
}

TARGET static void NAMED(column_sums)(size_t rows, size_t columns, const float *matrix,
                                      float *restrict sums)
{
    for (size_t j = 0; j < columns; j++) sums[j] = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) sums[j] += matrix[i * columns + j];
}

// Moments that have decayed to nothing become 0 rather than subnormal: arithmetic with subnormal
// numbers is many times slower on some machines, and a weight can no longer feel them.
#define SETTLED(x) (__builtin_fabsf(x) < 1e-30f ? 0 : (x))

TARGET static void NAMED(adam)(size_t count, leeway_step step, const float *restrict gradient,
                               float *restrict weights, float *restrict first,
                               float *restrict second)
{
    const float gain1 = 1 - step.beta1, gain2 = 1 - step.beta2;
    for (size_t i = 0; i < count; i++) {
        const float slope = gradient[i] + step.weight_decay * weights[i];
        const float mean = first[i] + (slope - first[i]) * gain1;
        const float square = second[i] + (slope * slope - second[i]) * gain2;
        first[i] = SETTLED(mean);
        second[i] = SETTLED(square);
        weights[i] -= step.rate * mean / (__builtin_elementwise_sqrt(square) + step.epsilon);
    }
}

TARGET static void NAMED(sgd)(size_t count, leeway_step step, const float *restrict gradient,
                              float *restrict weights, float *restrict velocity)
{
    for (size_t i = 0; i < count; i++) {
        const float slope = gradient[i] + step.weight_decay * weights[i];
        const float speed = step.beta1 * velocity[i] - step.rate * slope;
        velocity[i] = SETTLED(speed);
        weights[i] += speed;
    }
}
#undef SETTLED
