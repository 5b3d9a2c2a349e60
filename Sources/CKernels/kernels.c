// Builds the vector loops once per instruction set and chooses among them by the given level.
#include "kernels.h"

#include <string.h>

#define NAMED(x) portable_##x
#define TARGET
#define LANES 4
#if defined(__aarch64__)
#define WIDE 4
#else
#define WIDE 2
#endif
#define SINGLE 8
#include "vector_loops.h"
#undef NAMED
#undef TARGET
#undef LANES
#undef WIDE
#undef SINGLE

#if defined(__x86_64__)
#define NAMED(x) avx2_##x
#define TARGET __attribute__((target("arch=x86-64-v3")))
#define LANES 8
#define WIDE 2
#define SINGLE 8
#include "vector_loops.h"
#undef NAMED
#undef TARGET
#undef LANES
#undef WIDE
#undef SINGLE

#define NAMED(x) avx512_##x
// Without the second attribute the compiler prefers registers of half the width.
#define TARGET __attribute__((target("arch=x86-64-v4"), min_vector_width(512)))
#define LANES 16
#define WIDE 4
#define SINGLE 4
#include "vector_loops.h"
#undef NAMED
#undef TARGET
#undef LANES
#undef WIDE
#undef SINGLE

#define DISPATCH(level, call)                 \
    switch (level) {                          \
    case leeway_level_avx512: avx512_##call; break; \
    case leeway_level_avx2: avx2_##call; break;     \
    default: portable_##call;                 \
    }
#else
#define DISPATCH(level, call) \
    (void)level;              \
    portable_##call
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

void leeway_gemm_nn(leeway_level level, leeway_product product, const float *left,
                    const float *right, float *result, int accumulate)
{
    DISPATCH(level, gemm(product, left, product.left_stride, 1, right, result, accumulate));
}

void leeway_gemm_nt(leeway_level level, leeway_product product, const float *left,
                    const float *right, float *result, int accumulate)
{
    DISPATCH(level, gemm_nt(product, left, right, result, accumulate));
}

void leeway_gemm_tn(leeway_level level, leeway_product product, const float *left,
                    const float *right, float *result, int accumulate)
{
    DISPATCH(level, gemm(product, left, 1, product.left_stride, right, result, accumulate));
}

void leeway_fill_rows(size_t rows, size_t columns, const float *row, float *result)
{
    for (size_t i = 0; i < rows; i++) memcpy(result + i * columns, row, columns * sizeof(float));
}

void leeway_column_sums(leeway_level level, size_t rows, size_t columns, const float *matrix,
                        float *sums)
{
    DISPATCH(level, column_sums(rows, columns, matrix, sums));
}

void leeway_adam(leeway_level level, size_t count, leeway_step step, const float *gradient,
                 float *weights, float *first, float *second)
{
    DISPATCH(level, adam(count, step, gradient, weights, first, second));
}

void leeway_sgd(leeway_level level, size_t count, leeway_step step, const float *gradient,
                float *weights, float *velocity)
{
    DISPATCH(level, sgd(count, step, gradient, weights, velocity));
}
