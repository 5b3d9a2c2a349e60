// The few loops of the neural network that must run at the speed of the machine.
//
// Every function is pure: it reads and writes only the memory it is given, keeps no state and may
// be called from any thread. Counts are of elements, strides are in elements, numbers are binary32.
// Bounds are the caller's duty (the Swift files that import this module state and check them).
//
// Panels. A layer's weights, inputs x outputs, are kept in panels of 64 columns (or 16, 32 or 48,
// so that several threads can own some each), one after the other; within a panel the row of one
// input is contiguous, so that a product walks through memory in one direction. The last panel is
// as wide as what is left, rounded up to 16; the columns that it has too many are zeros.
// `leeway_padded` says how many columns that makes in all.
//
// Results. Each element of a product is one sum, taken in ascending order of the inner index, so
// that a row has the same bits alone, in any batch, in any tile and on any number of threads; so
// has each element of a function. A row that comes alone and is mostly zeros is taken without
// them, which can only change the sign of a sum that is zero; weights must be finite for that. Between instruction sets the bits may differ, because only some
// of them have a fused multiply-add.
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

enum {
    leeway_panel_width = 64,  // columns of a panel at the most
    leeway_panel_unit = 16,   // the width of every panel is a multiple of this
};

/// How many columns the panels of so many columns have, with those that are zeros.
static inline size_t leeway_padded(size_t columns)
{
    return (columns + leeway_panel_unit - 1) / leeway_panel_unit * leeway_panel_unit;
}

/// Panels of a width from a row-major inputs x outputs matrix.
void leeway_pack(size_t inputs, size_t outputs, size_t panel, const float *matrix, float *panels);

/// A row-major inputs x outputs matrix from panels of a width.
void leeway_unpack(size_t inputs, size_t outputs, size_t panel, const float *panels,
                   float *matrix);

/// The functions between two layers.
typedef enum {
    leeway_identity = 0,
    leeway_relu = 1,
    leeway_leaky_relu = 2,
    leeway_tanh = 3,
    leeway_sigmoid = 4,
    leeway_gelu = 5,  // the exact form, z * Phi(z), by the error function
} leeway_function;

/// A layer as it is applied to some rows; only columns first ..< last are computed, where first is
/// a multiple of 16, and last is one, too, or the number of outputs.
typedef struct {
    size_t rows;
    size_t inputs;
    size_t outputs;
    size_t panel;          // columns of a panel
    size_t row_stride;     // of the rows that go in
    size_t result_stride;  // of the rows that come out
    size_t first;
    size_t last;
    leeway_function function;
} leeway_layer;

/// results = f(rows * weights + bias); the bias is padded like the panels.
void leeway_forward(leeway_level level, leeway_layer layer, const float *rows,
                    const float *panels, const float *bias, float *results);

/// How a byte becomes a number: (byte - offset) * factor, within -limit ... limit.
typedef struct {
    float offset;
    float factor;
    float limit;
} leeway_scaling;

/// The same for rows of bytes, which are scaled block by block on their way into the product.
void leeway_forward_bytes(leeway_level level, leeway_layer layer, leeway_scaling scaling,
                          const uint8_t *rows, const float *panels, const float *bias,
                          float *results);

/// numbers = the scaled bytes.
void leeway_scale_bytes(leeway_level level, size_t count, leeway_scaling scaling,
                        const uint8_t *bytes, float *numbers);

/// The slopes by the weights of some inputs and outputs: block = Xt D.
///
/// x: rows x inputs, from the first wanted column on; deltas: rows x width, from the first wanted
/// column on, where width is a multiple of 16 up to 64; block: inputs x width without gaps.
void leeway_weight_gradient(leeway_level level, size_t rows, size_t inputs, size_t width,
                            const float *x, size_t x_stride, const float *deltas,
                            size_t delta_stride, float *block);

/// Which slopes by a layer's inputs are wanted: those by inputs first ..< last.
typedef struct {
    size_t inputs;
    size_t outputs;
    size_t panel;    // columns of a panel
    size_t first;
    size_t last;
    size_t columns;  // of deltas and results, one a row of the batch; a multiple of 16
} leeway_slice;

/// The slopes by some inputs of a layer: results = W Dt.
///
/// deltas: outputs x columns; results: (last - first) x columns.
void leeway_input_gradient(leeway_level level, leeway_slice slice, const float *panels,
                           const float *deltas, float *results);

/// target (columns x target_stride) = source (rows x source_stride) with rows and columns changed.
void leeway_transpose(size_t rows, size_t columns, const float *source, size_t source_stride,
                      float *target, size_t target_stride);

/// The sum of each column, from the first row to the last.
void leeway_column_sums(leeway_level level, size_t rows, size_t columns, size_t stride,
                        const float *matrix, float *sums);

/// The sum of the squares; its order depends on the level alone.
double leeway_sum_of_squares(leeway_level level, size_t count, const float *numbers);

/// What one step of an optimiser needs beside the vectors.
typedef struct {
    float rate;     // Adam: already corrected for the bias of both moments
    float beta1;    // SGD: the momentum
    float beta2;
    float epsilon;
    float l2;       // added to the gradient, times the weight
    float decay;    // taken off the weight, times the weight
    float scale;    // multiplied with the gradient
} leeway_step;

/// A matrix of which only the first columns of each row are meant.
typedef struct {
    size_t rows;
    size_t columns;
    size_t stride;
} leeway_extent;

/// One step of Adam (Kingma and Ba 2015, algorithm 1, in the form at the end of its section 2),
/// with decoupled decay (AdamW, Loshchilov and Hutter 2019) where step.decay is not 0.
///
/// The gradient has no gaps; the rows of all else are extent.stride apart.
void leeway_adam(leeway_level level, leeway_extent extent, leeway_step step, const float *gradient,
                 float *weights, float *first, float *second);

/// One step of gradient descent with momentum: v = momentum v - rate g, w = w + v.
void leeway_sgd(leeway_level level, leeway_extent extent, leeway_step step, const float *gradient,
                float *weights, float *velocity);

/// values = f(values).
void leeway_activate(leeway_level level, leeway_function function, leeway_extent extent,
                     float *values);

/// deltas *= f'(sums), where outputs = f(sums); only GELU looks at the sums, the others may be
/// given the outputs in their place. All three have the same extent.
void leeway_activate_backward(leeway_level level, leeway_function function, leeway_extent extent,
                              const float *sums, const float *outputs, float *deltas);

/// Which numbers are dropped: those whose hash of key and place is below the threshold.
typedef struct {
    uint32_t key1;
    uint32_t key2;
    uint32_t threshold;  // the share that is dropped, of 2^32
    float scale;         // what the others are multiplied with
    size_t width;        // of a whole row; with the two below a part has the bits of the whole
    size_t first_row;
    size_t first_column;
} leeway_dropout;

/// Drops numbers (Srivastava et al. 2014) in the inverted form; the same call drops their slopes.
void leeway_drop(leeway_level level, leeway_dropout dropout, leeway_extent extent, float *values);

/// What is counted and summed up of a picture's values, in eight lanes.
typedef struct {
    float light[8];
    float squares[8];
    float row_moments[8];
    float column_moments[8];
    int32_t zeros[8];
    int32_t saturated[8];  // from white on
    int32_t outside[8];    // below lower, or above upper
} leeway_picture_sums;

/// The limits of a picture's values.
typedef struct {
    float white;
    float lower;
    float upper;
} leeway_picture_limits;

/// Adds groups of eight values to the sums; each value's product is rounded before it is added, so
/// that the bits are those of every instruction set.
///
/// places: for each group the rows of its values, and then their columns.
void leeway_picture(leeway_level level, size_t groups, leeway_picture_limits limits,
                    const float *values, const float *places, leeway_picture_sums *sums);

/// The softmax of each row, shifted by its maximum so that nothing overflows.
///
/// Rows of the logits are extent.stride apart, rows of the probabilities follow without gaps.
void leeway_softmax(leeway_level level, leeway_extent extent, const float *logits,
                    float *probabilities);

/// What a loss takes beside logits and targets.
typedef struct {
    float scale;            // of the gradients
    float smoothing;        // the share of a target that is spread evenly over the classes
    const float *weights;   // of the classes, for softmax; of no and yes, for sigmoid; may be null
} leeway_loss;

/// Cross-entropy of the softmax; losses: one a row; gradients (may be null): as the logits.
///
/// Each class must be below extent.columns.
/// Returns how many rows have their most probable class right.
size_t leeway_softmax_loss(leeway_level level, leeway_loss loss, leeway_extent extent,
                           const float *logits, const int32_t *classes, double *losses,
                           float *gradients);

/// Binary cross-entropy of the sigmoid of one logit a row.
size_t leeway_sigmoid_loss(leeway_loss loss, leeway_extent extent, const float *logits,
                           const float *targets, double *losses, float *gradients);

/// Squared error, the mean over the columns of a row; targets follow without gaps. Returns 0.
size_t leeway_squared_loss(leeway_loss loss, leeway_extent extent, const float *values,
                           const float *targets, double *losses, float *gradients);

/// Multiplies and adds in registers alone, to see what the machine can do at most.
///
/// Returns the floating-point operations done; `sink` is given a number that depends on them all.
double leeway_multiply_and_add(leeway_level level, size_t rounds, float *sink);
