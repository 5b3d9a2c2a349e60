// Checks the loops of Sources/CKernels against plain ones in double precision, without Swift, so
// that they can be checked for another processor under an emulator: see run_on_arm.sh.
//
//   kernels_test [level]    the levels of the machine, or only the one named
#include "plain.h"

enum { functions = leeway_gelu + 1 };

typedef struct {
    size_t rows, inputs, outputs, panel;
} shape;

static const shape shapes[] = {
    {1, 1, 1, 64},    {1, 7, 10, 64},    {1, 784, 65, 64},  {2, 63, 64, 64},  {3, 65, 16, 16},
    {7, 9, 135, 64},  {9, 65, 130, 32},  {5, 4097, 17, 16}, {13, 257, 48, 48}, {6, 64, 128, 64},
    {12, 256, 96, 48}, {61, 513, 33, 64}, {257, 300, 17, 64}, {300, 784, 128, 64},
};

static void test_forward(shape s)
{
    const size_t stride = s.inputs + 3, wide = s.outputs + 3, padded = leeway_padded(s.outputs);
    float *rows = gaps(s.rows * stride), *matrix = numbers(s.inputs * s.outputs);
    for (size_t i = 0; i < s.rows; i++)
        for (size_t j = 0; j < s.inputs; j++) rows[i * stride + j] = noise();
    float *panels = gaps(s.inputs * padded), *back = gaps(s.inputs * s.outputs);
    leeway_pack(s.inputs, s.outputs, s.panel, matrix, panels);
    leeway_unpack(s.inputs, s.outputs, s.panel, panels, back);
    check(same(matrix, back, s.inputs * s.outputs), "pack %zu x %zu", s.inputs, s.outputs);
    float *bias = numbers(padded);
    float *sums = gaps(s.rows * wide), *found = gaps(s.rows * wide);
    for (leeway_function f = 0; f < functions; f++) {
        const leeway_layer layer = {s.rows, s.inputs, s.outputs, s.panel, stride, wide,
                                    0,      s.outputs, f};
        float *results = f == leeway_identity ? sums : found;
        leeway_forward(level, layer, rows, panels, bias, results);
        int right = 1, alone = 1;
        for (size_t i = 0; i < s.rows; i++) {
            float *row = results + i * wide;
            for (size_t j = 0; j < s.outputs; j++) {
                const double z = (double)sums[i * wide + j];
                right = right && fabs((double)row[j] - exact(f, z)) <= 5e-7 * fmax(1, fabs(z));
                if (f != leeway_identity) continue;
                plain_sum sum = {(double)bias[j], fabs((double)bias[j]), 0};
                for (size_t k = 0; k < s.inputs; k++)
                    add(&sum, (double)rows[i * stride + k], (double)matrix[k * s.outputs + j]);
                right = right && near_sum(row[j], sum);
            }
            right = right && is_gap(row + s.outputs) && is_gap(row + s.outputs + 2);
            if (i % 5 != 0) continue;
            leeway_layer one = layer;
            one.rows = 1;
            float *result = gaps(wide);
            leeway_forward(level, one, rows + i * stride, panels, bias, result);
            alone = alone && same(result, row, wide);
            // Some columns of it.
            float *part = gaps(wide);
            one.first = s.outputs / 2 / 16 * 16;
            leeway_forward(level, one, rows + i * stride, panels, bias, part);
            alone = alone && same(part + one.first, row + one.first, s.outputs - one.first)
                && (one.first == 0 || is_gap(part + one.first - 1));
            free(result), free(part);
        }
        check(right, "forward %zu x %zu x %zu, function %d", s.rows, s.inputs, s.outputs, f);
        check(alone, "a row alone, %zu x %zu x %zu, function %d", s.rows, s.inputs, s.outputs, f);
    }
}

static void test_bytes(shape s)
{
    const leeway_scaling scaling = {72.5f, 0.02f, 1.25f};
    const size_t count = s.rows * s.inputs, padded = leeway_padded(s.outputs);
    uint8_t *bytes = malloc(count);
    for (size_t i = 0; i < count; i++) bytes[i] = (uint8_t)((noise() + 1) * 127.9f);
    float *rows = gaps(count), *panels = gaps(s.inputs * padded), *bias = numbers(padded);
    leeway_pack(s.inputs, s.outputs, s.panel, numbers(s.inputs * s.outputs), panels);
    leeway_scale_bytes(level, count, scaling, bytes, rows);
    int right = 1;
    for (size_t i = 0; i < count; i++) {
        const float plain = ((float)bytes[i] - 72.5f) * 0.02f;
        right = right && rows[i] == (plain < -1.25f ? -1.25f : plain > 1.25f ? 1.25f : plain);
    }
    check(right, "scaled bytes, %zu", count);
    float *expected = gaps(s.rows * s.outputs), *found = gaps(s.rows * s.outputs);
    for (leeway_function f = 0; f < functions; f++) {
        const leeway_layer layer = {s.rows,    s.inputs, s.outputs, s.panel, s.inputs,
                                    s.outputs, 0,        s.outputs, f};
        leeway_forward(level, layer, rows, panels, bias, expected);
        leeway_forward_bytes(level, layer, scaling, bytes, panels, bias, found);
        check(same(expected, found, s.rows * s.outputs), "bytes %zu x %zu x %zu, function %d",
              s.rows, s.inputs, s.outputs, f);
    }
}

static void test_slopes(shape s)
{
    // By the weights; the batch is the depth.
    for (size_t width = 16; width <= 64; width += 16) {
        float *x = numbers(s.rows * (s.inputs + 3)), *deltas = numbers(s.rows * 64);
        float *block = gaps(s.inputs * width + 1);
        leeway_weight_gradient(level, s.rows, s.inputs, width, x, s.inputs + 3, deltas, 64, block);
        int right = is_gap(block + s.inputs * width);
        for (size_t i = 0; i < s.inputs; i++)
            for (size_t j = 0; j < width; j++) {
                plain_sum sum = {0};
                for (size_t k = 0; k < s.rows; k++)
                    add(&sum, (double)x[k * (s.inputs + 3) + i], (double)deltas[k * 64 + j]);
                right = right && near_sum(block[i * width + j], sum);
            }
        check(right, "weight gradient %zu x %zu x %zu", s.rows, s.inputs, width);
    }
    // By the inputs; the columns are the batch.
    for (size_t columns = 16; columns <= 96; columns += 16) {
        float *matrix = numbers(s.inputs * s.outputs), *deltas = numbers(s.outputs * columns);
        float *panels = gaps(s.inputs * leeway_padded(s.outputs));
        leeway_pack(s.inputs, s.outputs, s.panel, matrix, panels);
        const leeway_slice slice = {s.inputs, s.outputs, s.panel, s.inputs / 3, s.inputs, columns};
        const size_t count = slice.last - slice.first;
        float *results = gaps(count * columns + 1);
        leeway_input_gradient(level, slice, panels, deltas, results);
        int right = is_gap(results + count * columns);
        for (size_t i = 0; i < count; i++)
            for (size_t j = 0; j < columns; j++) {
                plain_sum sum = {0};
                for (size_t k = 0; k < s.outputs; k++)
                    add(&sum, (double)matrix[(slice.first + i) * s.outputs + k],
                        (double)deltas[k * columns + j]);
                right = right && near_sum(results[i * columns + j], sum);
            }
        check(right, "input gradient %zu x %zu x %zu", s.inputs, s.outputs, columns);
    }
}

static void test_reductions(size_t rows, size_t columns)
{
    float *matrix = numbers(rows * (columns + 3)), *sums = gaps(columns + 1);
    float *turned = gaps(columns * (rows + 5));
    leeway_transpose(rows, columns, matrix, columns + 3, turned, rows + 5);
    leeway_column_sums(level, rows, columns, columns + 3, matrix, sums);
    int right = 1, in_order = is_gap(sums + columns);
    double squares = 0;
    for (size_t j = 0; j < columns; j++) {
        float sum = 0;
        for (size_t i = 0; i < rows; i++) {
            const float number = matrix[i * (columns + 3) + j];
            sum += number;
            right = right && turned[j * (rows + 5) + i] == number;
        }
        right = right && is_gap(turned + j * (rows + 5) + rows);
        in_order = in_order && sums[j] == sum;
        squares += (double)matrix[j] * (double)matrix[j];
    }
    check(right, "transpose %zu x %zu", rows, columns);
    check(in_order, "column sums %zu x %zu", rows, columns);
    check(fabs(leeway_sum_of_squares(level, columns, matrix) - squares) <= 1e-12 * squares,
          "sum of squares, %zu", columns);
}

static void test_optimisers(size_t rows, size_t columns)
{
    const leeway_step step = {0.01f, 0.9f, 0.999f, 1e-7f, 0.1f, 0.003f, 0.25f};
    const size_t stride = columns + 3, count = rows * stride;
    const leeway_extent extent = {rows, columns, stride};
    float *gradient = numbers(rows * columns), *before = numbers(count), *mean = numbers(count);
    float *square = gaps(count), *w[2], *first[2], *second = gaps(count);
    for (size_t i = 0; i < count; i++) square[i] = second[i] = mean[i] * mean[i];
    for (int i = 0; i < 2; i++) {
        w[i] = gaps(count), first[i] = gaps(count);
        memcpy(w[i], before, count * sizeof(float)), memcpy(first[i], mean, count * sizeof(float));
    }
    leeway_adam(level, extent, step, gradient, w[0], first[0], second);
    leeway_sgd(level, extent, step, gradient, w[1], first[1]);
    int adam = 1, sgd = 1;
    for (size_t i = 0; i < count; i++) {
        const double weight = (double)before[i], old = (double)mean[i];
        if (i % stride >= columns) {
            adam = adam && w[0][i] == before[i] && first[0][i] == mean[i];
            sgd = sgd && w[1][i] == before[i] && first[1][i] == mean[i];
            continue;
        }
        const double slope = (double)gradient[i / stride * columns + i % stride] * 0.25;
        const double g = slope + (double)step.l2 * weight;
        const double kept = weight - (double)step.decay * weight;
        const double b1 = (double)step.beta1, b2 = (double)step.beta2;
        const double m = b1 * old + (1 - b1) * g;
        const double v = b2 * (double)square[i] + (1 - b2) * g * g;
        const double moved = kept - (double)step.rate * m / (sqrt(v) + (double)step.epsilon);
        adam = adam && fabs((double)first[0][i] - m) <= 3e-7
            && fabs((double)second[i] - v) <= 3e-7 && fabs((double)w[0][i] - moved) <= 3e-7;
        const double speed = b1 * old - (double)step.rate * g;
        sgd = sgd && fabs((double)first[1][i] - speed) <= 3e-7
            && fabs((double)w[1][i] - kept - speed) <= 3e-7;
    }
    check(adam, "Adam %zu x %zu", rows, columns);
    check(sgd, "SGD %zu x %zu", rows, columns);
}

static void test_functions(void)
{
    enum { count = 40961 };
    const leeway_extent extent = {1, count, count};
    float *sums = gaps(count), *outputs = gaps(count), *deltas = gaps(count);
    for (leeway_function f = 0; f < functions; f++) {
        int right = 1, right_slope = 1;
        for (size_t i = 0; i < count; i++)
            sums[i] = outputs[i] = ((float)i - 20480) / 1024, deltas[i] = 0.5f;
        leeway_activate(level, f, extent, outputs);
        leeway_activate_backward(level, f, extent, sums, outputs, deltas);
        for (size_t i = 0; i < count; i++) {
            const double z = (double)sums[i], y = exact(f, z);
            // tanh and sigmoid stay within units in the last place, GELU near 0 does not.
            const double size = f == leeway_gelu ? fmax(fabs(y), 0.5) : fabs(y);
            right = right && fabs((double)outputs[i] - y) <= 0x1.5p-22 * size;
            right_slope = right_slope
                && fabs((double)deltas[i] - 0.5 * exact_slope(f, z)) <= 3e-7;
        }
        check(right, "function %d", f);
        check(right_slope, "slope of function %d", f);
        float special[] = {NAN, INFINITY, -INFINITY, 0, 1e-40f, 1e30f, -1e30f};
        const leeway_extent few = {1, sizeof special / sizeof *special, 7};
        leeway_activate(level, f, few, special);
        check(isnan(special[0]) && (double)special[1] == exact(f, INFINITY)
                  && (double)special[2] == exact(f, -INFINITY) && special[4] < 1.1f
                  && (double)special[5] == exact(f, (double)1e30f) && !isnan(special[6]),
              "special numbers through function %d", f);
    }
}

static void test_drop(void)
{
    enum { rows = 256, columns = 511 };
    leeway_dropout dropout = {1, 2, 0x40000000, 4.0f / 3, columns, 0, 0};
    float *values = numbers(rows * columns), *whole = gaps(rows * columns);
    memcpy(whole, values, rows * columns * sizeof(float));
    leeway_drop(level, dropout, (leeway_extent){rows, columns, columns}, whole);
    size_t dropped = 0;
    int right = 1;
    for (size_t i = 0; i < rows * columns; i++) {
        dropped += whole[i] == 0;
        right = right && (whole[i] == 0 || whole[i] == values[i] * (4.0f / 3));
    }
    const double count = rows * columns;
    check(right && fabs((double)dropped - count / 4) < 4 * sqrt(count * 3 / 16), "drop");
    dropout.first_row = 7, dropout.first_column = 65;
    float *part = values + 7 * columns + 65;
    leeway_drop(level, dropout, (leeway_extent){20, 63, columns}, part);
    right = 1;
    for (size_t i = 0; i < 20; i++)
        right = right && same(part + i * columns, whole + (7 + i) * columns + 65, 63);
    check(right, "a part of what is dropped");
}

static double cross_entropy(size_t columns, const double *z, size_t truth, double smoothing)
{
    double sum = 0, loss = 0;
    for (size_t j = 0; j < columns; j++) sum += exp(z[j]);
    for (size_t j = 0; j < columns; j++)
        loss += (smoothing / (double)columns + (j == truth ? 1 - smoothing : 0))
            * (log(sum) - z[j]);
    return loss;
}

static void test_softmax(size_t rows, size_t columns)
{
    const leeway_extent extent = {rows, columns, columns + 3};
    float *logits = numbers(rows * extent.stride), *slopes = gaps(rows * extent.stride);
    float *share = gaps(rows * columns);
    for (size_t i = 0; i < rows * extent.stride; i++) logits[i] *= 6;
    int32_t *classes = malloc(rows * sizeof *classes);
    for (size_t i = 0; i < rows; i++) classes[i] = (int32_t)(i * 5 % columns);
    double *losses = malloc(2 * rows * sizeof *losses);
    const leeway_loss loss = {0.5f, 0.1f, NULL};
    leeway_softmax(level, extent, logits, share);
    leeway_softmax_loss(level, loss, extent, logits, classes, losses, slopes);
    leeway_softmax_loss(level, loss, extent, logits, classes, losses + rows, NULL);
    int right = 1, right_loss = 1;
    double z[4097];
    for (size_t i = 0; i < rows; i++) {
        double sum = 0;
        for (size_t j = 0; j < columns; j++) {
            z[j] = (double)logits[i * extent.stride + j];
            sum += (double)share[i * columns + j];
        }
        right = right && fabs(sum - 1) < (double)(columns + 20) * 0x1p-24;
        const size_t truth = (size_t)classes[i];
        const double plain = cross_entropy(columns, z, truth, (double)loss.smoothing);
        right_loss = right_loss && fabs(losses[i] - plain) < 4e-6 * fmax(1, plain)
            && fabs(losses[rows + i] - plain) < 4e-6 * fmax(1, plain);
        for (size_t j = 0; j < columns; j += 1 + columns / 40) {
            const double middle = z[j];
            z[j] = middle + 1e-5;
            const double above = cross_entropy(columns, z, truth, (double)loss.smoothing);
            z[j] = middle - 1e-5;
            const double below = cross_entropy(columns, z, truth, (double)loss.smoothing);
            z[j] = middle;
            right_loss = right_loss
                && fabs((double)slopes[i * extent.stride + j] - 0.5 * (above - below) / 2e-5)
                    < 2e-6;
        }
    }
    check(right, "softmax %zu x %zu", rows, columns);
    check(right_loss, "softmax loss %zu x %zu", rows, columns);
}

int main(int count, char **arguments)
{
    static const size_t sizes[] = {1, 7, 9, 63, 65, 784, 4097};
    const leeway_level best = leeway_kernels_level();
    const leeway_level first = count > 1 ? (leeway_level)atoi(arguments[1]) : 0;
    if (first > best) {
        printf("level %d: not on this machine\n", (int)first);
        return 2;
    }
    for (level = first; level <= (count > 1 ? first : best); level++) {
        const int before = passed + failed;
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
            test_forward(shapes[i]);
            test_bytes(shapes[i]);
            test_slopes(shapes[i]);
        }
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (size_t rows = 1; rows < 80; rows += 8) {
                test_reductions(rows, sizes[i]);
                test_optimisers(rows, sizes[i]);
            }
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) test_softmax(5, sizes[i]);
        test_functions();
        test_drop();
        printf("level %d: %d checks\n", (int)level, passed + failed - before);
    }
    printf("%d passed, %d failed\n", passed, failed);
    return failed > 0;
}
