// Builds the vector loops once per instruction set and chooses among them by the given level.
#include "kernels.h"

#include <math.h>
#include <string.h>

// How one tile of a product walks through its operands; steps are in elements.
typedef struct {
    size_t depth;        // terms of each sum
    size_t row_step;     // left: from one row to the next
    size_t depth_step;   // left: from one term to the next
    size_t right_step;   // right: from one term to the next
    size_t start_step;   // from one row to the next of what the sums begin with; 0 for a bias
    size_t target_step;  // from one row to the next of the result
    const float *ahead;  // what is called into the cache meanwhile; NULL for nothing
    size_t ahead_step;   // how much of it for each term; for all tiles together
    int rectify;         // whether negative sums become 0
} leeway_tile;

// The terms of one row that are not zero, and where they meet a panel.
typedef struct {
    size_t count;
    const uint16_t *places;  // which inputs they are, ascending
    const float *values;
    size_t step;             // columns of the panel
    int rectify;
} leeway_terms;

// A part of one panel.
typedef struct {
    size_t start;    // the first input
    size_t depth;    // how many inputs
    size_t step;     // columns of the panel
    size_t width;    // columns of the part
    size_t columns;  // those of them that are not zeros
    int rectify;
} leeway_part;

static const float leeway_zeros[leeway_panel_width] = {0};
static const float leeway_leak = 0.01f;

// (exp(r) - 1) / r for |r| <= 0.3535: relative error 3.2e-9 before rounding.
static const float leeway_exp_terms[] = {
    1.99102545e-04f, 1.39432245e-03f, 8.33327942e-03f, 4.16663270e-02f,
    1.66666668e-01f, 5.00000005e-01f, 1.0f,
};

// -log(erfc(t)) / t for 0 <= t <= 10: erf is within 1.5e-8, erfc within 7e-7 of its size to 3.5.
static const float leeway_erfc_terms[] = {
    -1.3118741119463873e-12f, 9.570899628386087e-11f,  -3.1562950031371884e-09f,
    6.231609006590588e-08f,   -8.223782401728386e-07f, 7.666737474210095e-06f,
    -5.193016113480553e-05f,  2.573045785538852e-04f,  -9.085069177672267e-04f,
    1.9987511914223433e-03f,  -3.997111925855279e-04f, -1.9055131822824478e-02f,
    1.0275769978761673e-01f,  6.366209387779236e-01f,  1.1283791065216064f,
};

// Eight lanes at every level.
typedef float leeway_eight __attribute__((vector_size(32)));
typedef int32_t leeway_eight_ints __attribute__((vector_size(32)));
typedef float leeway_eight_in_memory
    __attribute__((vector_size(32), aligned(sizeof(float)), may_alias));

#define NAMED(x) portable_##x
#define TARGET
#define LANES 4
#if defined(__aarch64__)
#define TALL 6
#else
#define TALL 2
#endif
#include "vector_level.h"

#if defined(__x86_64__)
#define NAMED(x) avx2_##x
#define TARGET __attribute__((target("arch=x86-64-v3")))
#define LANES 8
#define TALL 6
#include "vector_level.h"

#define NAMED(x) avx512_##x
// Without the second attribute the compiler prefers registers of half the width.
#define TARGET __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define LANES 16
#define TALL 6
#include "vector_level.h"

#define DISPATCH(level, call)                               \
    (level == leeway_level_avx512      ? avx512_##call      \
         : level == leeway_level_avx2  ? avx2_##call        \
                                       : portable_##call)
#else
#define DISPATCH(level, call) ((void)level, portable_##call)
#endif

leeway_level leeway_kernels_level(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
        && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
        && __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("fma"))
        return leeway_level_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")
        && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2"))
        return leeway_level_avx2;
#endif
    return leeway_level_portable;
}

// Goes through the panels: the first column of each, how many are meant, and how wide it is.
#define EACH_PANEL(outputs, panel)                                                                 \
    for (size_t column = 0, columns, width;                                                        \
         column < (outputs)                                                                        \
         && (columns = (outputs)-column < (panel) ? (outputs)-column : (panel),                    \
             width = leeway_padded(columns), 1);                                                   \
         column += (panel))

void leeway_pack(size_t inputs, size_t outputs, size_t panel, const float *matrix, float *panels)
{
    EACH_PANEL(outputs, panel)
    {
        float *target = panels + column * inputs;
        for (size_t i = 0; i < inputs; i++) {
            memcpy(target + i * width, matrix + i * outputs + column, columns * sizeof(float));
            memset(target + i * width + columns, 0, (width - columns) * sizeof(float));
        }
    }
}

void leeway_unpack(size_t inputs, size_t outputs, size_t panel, const float *panels,
                   float *matrix)
{
    EACH_PANEL(outputs, panel)
    {
        const float *source = panels + column * inputs;
        for (size_t i = 0; i < inputs; i++)
            memcpy(matrix + i * outputs + column, source + i * width, columns * sizeof(float));
    }
}

void leeway_forward(leeway_level level, leeway_layer layer, const float *rows,
                    const float *panels, const float *bias, float *results)
{
    DISPATCH(level, forward(layer, rows, panels, bias, results));
}

void leeway_forward_bytes(leeway_level level, leeway_layer layer, leeway_scaling scaling,
                          const uint8_t *rows, const float *panels, const float *bias,
                          float *results)
{
    DISPATCH(level, forward_bytes(layer, scaling, rows, panels, bias, results));
}

void leeway_picture(leeway_level level, size_t groups, leeway_picture_limits limits,
                    const float *values, const float *places, leeway_picture_sums *sums)
{
    DISPATCH(level, picture(groups, limits, values, places, sums));
}

void leeway_scale_bytes(leeway_level level, size_t count, leeway_scaling scaling,
                        const uint8_t *bytes, float *numbers)
{
    DISPATCH(level, scale_bytes(count, scaling, bytes, numbers));
}

void leeway_weight_gradient(leeway_level level, size_t rows, size_t inputs, size_t width,
                            const float *x, size_t x_stride, const float *deltas,
                            size_t delta_stride, float *block)
{
    DISPATCH(level,
             weight_gradient(rows, inputs, width, x, x_stride, deltas, delta_stride, block));
}

void leeway_input_gradient(leeway_level level, leeway_slice slice, const float *panels,
                           const float *deltas, float *results)
{
    DISPATCH(level, input_gradient(slice, panels, deltas, results));
}

void leeway_transpose(size_t rows, size_t columns, const float *source, size_t source_stride,
                      float *target, size_t target_stride)
{
    // Blocks of 16 by 16, so that each cache line that is touched is used whole.
    for (size_t i = 0; i < rows; i += 16)
        for (size_t j = 0; j < columns; j += 16)
            for (size_t b = j; b < columns && b < j + 16; b++)
                for (size_t a = i; a < rows && a < i + 16; a++)
                    target[b * target_stride + a] = source[a * source_stride + b];
}

void leeway_column_sums(leeway_level level, size_t rows, size_t columns, size_t stride,
                        const float *matrix, float *sums)
{
    DISPATCH(level, column_sums(rows, columns, stride, matrix, sums));
}

double leeway_sum_of_squares(leeway_level level, size_t count, const float *numbers)
{
    return DISPATCH(level, sum_of_squares(count, numbers));
}

// Rows without gaps are one long row.
static leeway_extent joined(leeway_extent extent)
{
    if (extent.columns != extent.stride) return extent;
    return (leeway_extent){1, extent.rows * extent.columns, extent.rows * extent.columns};
}

void leeway_adam(leeway_level level, leeway_extent extent, leeway_step step, const float *gradient,
                 float *weights, float *first, float *second)
{
    DISPATCH(level, adam(joined(extent), step, gradient, weights, first, second));
}

void leeway_sgd(leeway_level level, leeway_extent extent, leeway_step step, const float *gradient,
                float *weights, float *velocity)
{
    DISPATCH(level, sgd(joined(extent), step, gradient, weights, velocity));
}

void leeway_activate(leeway_level level, leeway_function function, leeway_extent extent,
                     float *values)
{
    DISPATCH(level, activate(function, extent, values));
}

void leeway_activate_backward(leeway_level level, leeway_function function, leeway_extent extent,
                              const float *sums, const float *outputs, float *deltas)
{
    DISPATCH(level, activate_backward(function, extent, sums, outputs, deltas));
}

void leeway_drop(leeway_level level, leeway_dropout dropout, leeway_extent extent, float *values)
{
    DISPATCH(level, drop(dropout, extent, values));
}

void leeway_softmax(leeway_level level, leeway_extent extent, const float *logits,
                    float *probabilities)
{
    DISPATCH(level, softmax(extent, logits, probabilities));
}

size_t leeway_softmax_loss(leeway_level level, leeway_loss loss, leeway_extent extent,
                           const float *logits, const int32_t *classes, double *losses,
                           float *gradients)
{
    return DISPATCH(level, softmax_loss(loss, extent, logits, classes, losses, gradients));
}

double leeway_multiply_and_add(leeway_level level, size_t rounds, float *sink)
{
    return DISPATCH(level, multiply_and_add(rounds, sink));
}
