// The few loops of the neural network that must run at the speed of the machine.
//
// Every function is pure: it reads and writes only the memory it is given, keeps no state and may
// be called from any thread. Counts are of elements, strides are in elements, matrices are
// row-major binary32. Bounds are the caller's duty (MatrixKernels.swift states and checks them).
//
// Results. Each element of a product is one sum, taken in ascending order of the inner index, so
// that a row has the same bits alone, in any batch and in any tile. Between instruction sets the
// bits may differ, because only some of them have a fused multiply-add.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// The instruction sets that the loops are built for.
typedef enum {
    leeway_level_portable = 0,  // what every machine of the architecture has (SSE2, NEON)
    leeway_level_avx2 = 1,      // x86-64-v3: AVX2 and FMA
    leeway_level_avx512 = 2,    // x86-64-v4: AVX-512 F, BW, DQ and VL
} leeway_level;

/// The best level of the machine; the functions below must not be given a higher one.
leeway_level leeway_kernels_level(void);

/// The sizes and row strides of one product: C is rows x columns, the inner index runs to depth.
typedef struct {
    size_t rows;
    size_t columns;
    size_t depth;
    size_t left_stride;
    size_t right_stride;
    size_t result_stride;
} leeway_product;

/// C = A B, or C += A B: A is rows x depth, B is depth x columns.
void leeway_gemm_nn(leeway_level level, leeway_product product, const float *left,
                    const float *right, float *result, int accumulate);

/// C = A Bt, or C += A Bt: A is rows x depth, B is columns x depth.
void leeway_gemm_nt(leeway_level level, leeway_product product, const float *left,
                    const float *right, float *result, int accumulate);

/// C = At B, or C += At B: A is depth x rows, B is depth x columns.
void leeway_gemm_tn(leeway_level level, leeway_product product, const float *left,
                    const float *right, float *result, int accumulate);

/// Writes the same row into each of the rows of a matrix.
void leeway_fill_rows(size_t rows, size_t columns, const float *row, float *result);

/// The sum of each column, from the first row to the last.
void leeway_column_sums(leeway_level level, size_t rows, size_t columns, const float *matrix,
                        float *sums);

/// What one step of an optimiser needs beside the vectors.
typedef struct {
    float rate;          // Adam: already corrected for the bias of both moments
    float beta1;         // SGD: the momentum
    float beta2;
    float epsilon;
    float weight_decay;  // added to the gradient, times the weight (L2)
} leeway_step;

/// One step of Adam (Kingma and Ba 2015, algorithm 1, in the form at the end of its section 2).
void leeway_adam(leeway_level level, size_t count, leeway_step step, const float *gradient,
                 float *weights, float *first, float *second);

/// One step of gradient descent with momentum: v = momentum v - rate g, w = w + v.
void leeway_sgd(leeway_level level, size_t count, leeway_step step, const float *gradient,
                float *weights, float *velocity);

/// The functions between two layers.
typedef enum {
    leeway_identity = 0,
    leeway_relu = 1,
    leeway_leaky_relu = 2,
    leeway_tanh = 3,
    leeway_sigmoid = 4,
    leeway_gelu = 5,  // the exact form, z * Phi(z), by erf
} leeway_function;

/// outputs = f(sums); both may be the same memory.
void leeway_activate(leeway_function function, size_t count, const float *sums, float *outputs);

/// deltas *= f'(sums), where outputs = f(sums).
void leeway_activate_backward(leeway_function function, size_t count, const float *sums,
                              const float *outputs, float *deltas);

/// The softmax of each row, shifted by its maximum so that nothing overflows.
void leeway_softmax(size_t rows, size_t columns, const float *logits, float *probabilities);

/// What a loss says of one batch.
typedef struct {
    double loss;     // the sum over the rows
    size_t correct;  // rows whose most probable class is the true one
} leeway_loss;

/// Cross-entropy of the softmax; gradients (may be null) = scale * (probability - [class is true]).
/// Each class must be below columns.
leeway_loss leeway_softmax_loss(size_t rows, size_t columns, const float *logits,
                                const int32_t *classes, float scale, float *gradients);

/// Binary cross-entropy of the sigmoid of one logit a row; gradients = scale * (p - target).
leeway_loss leeway_sigmoid_loss(size_t rows, const float *logits, const float *targets,
                                float scale, float *gradients);

/// Squared error, the mean over the columns of a row; correct stays 0.
leeway_loss leeway_squared_loss(size_t rows, size_t columns, const float *values,
                                const float *targets, float scale, float *gradients);
