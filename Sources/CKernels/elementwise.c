// Activations and losses: element by element, bound by the C library's exp, tanh and erf.
#include "kernels.h"

#include <math.h>

static const float leaky_slope = 0.01f;

// exp never overflows here: its argument is never positive.
static float logistic(float z)
{
    if (z >= 0) return 1 / (1 + expf(-z));
    const float e = expf(z);
    return e / (1 + e);
}

// Phi, the distribution function of the standard normal distribution.
static float normal_distribution(float z)
{
    return 0.5f * (1 + erff(z * 0.70710678f));
}

void leeway_activate(leeway_function function, size_t count, const float *sums, float *outputs)
{
    switch (function) {
    case leeway_identity:
        for (size_t i = 0; i < count; i++) outputs[i] = sums[i];
        break;
    case leeway_relu:
        for (size_t i = 0; i < count; i++) outputs[i] = sums[i] < 0 ? 0 : sums[i];
        break;
    case leeway_leaky_relu:
        for (size_t i = 0; i < count; i++)
            outputs[i] = sums[i] < 0 ? sums[i] * leaky_slope : sums[i];
        break;
    case leeway_tanh:
        for (size_t i = 0; i < count; i++) outputs[i] = tanhf(sums[i]);
        break;
    case leeway_sigmoid:
        for (size_t i = 0; i < count; i++) outputs[i] = logistic(sums[i]);
        break;
    case leeway_gelu:
        for (size_t i = 0; i < count; i++) outputs[i] = sums[i] * normal_distribution(sums[i]);
        break;
    }
}

void leeway_activate_backward(leeway_function function, size_t count, const float *sums,
                              const float *outputs, float *deltas)
{
    switch (function) {
    case leeway_identity:
        break;
    case leeway_relu:
        for (size_t i = 0; i < count; i++) deltas[i] = sums[i] > 0 ? deltas[i] : 0;
        break;
    case leeway_leaky_relu:
        for (size_t i = 0; i < count; i++)
            deltas[i] = sums[i] > 0 ? deltas[i] : deltas[i] * leaky_slope;
        break;
    case leeway_tanh:
        for (size_t i = 0; i < count; i++) deltas[i] *= 1 - outputs[i] * outputs[i];
        break;
    case leeway_sigmoid:
        for (size_t i = 0; i < count; i++) deltas[i] *= outputs[i] * (1 - outputs[i]);
        break;
    case leeway_gelu:
        for (size_t i = 0; i < count; i++) {
            const float density = 0.39894228f * expf(-0.5f * sums[i] * sums[i]);
            deltas[i] *= normal_distribution(sums[i]) + sums[i] * density;
        }
        break;
    }
}

static float greatest(size_t columns, const float *row)
{
    float greatest = row[0];
    for (size_t j = 1; j < columns; j++) greatest = row[j] > greatest ? row[j] : greatest;
    return greatest;
}

void leeway_softmax(size_t rows, size_t columns, const float *logits, float *probabilities)
{
    for (size_t i = 0; i < rows; i++) {
        const float *row = logits + i * columns;
        float *out = probabilities + i * columns;
        const float shift = greatest(columns, row);
        float sum = 0;
        for (size_t j = 0; j < columns; j++) sum += out[j] = expf(row[j] - shift);
        for (size_t j = 0; j < columns; j++) out[j] /= sum;
    }
}

leeway_loss leeway_softmax_loss(size_t rows, size_t columns, const float *logits,
                                const int32_t *classes, float scale, float *gradients)
{
    leeway_loss total = {0, 0};
    for (size_t i = 0; i < rows; i++) {
        const float *row = logits + i * columns;
        const size_t truth = (size_t)classes[i];
        const float shift = greatest(columns, row);
        float sum = 0;
        size_t best = 0;
        for (size_t j = 0; j < columns; j++) {
            const float e = expf(row[j] - shift);
            if (gradients) gradients[i * columns + j] = e;
            sum += e;
            best = row[j] > row[best] ? j : best;
        }
        total.loss += log((double)sum) - (double)(row[truth] - shift);
        total.correct += best == truth;
        if (!gradients) continue;
        const float factor = scale / sum;
        for (size_t j = 0; j < columns; j++) gradients[i * columns + j] *= factor;
        gradients[i * columns + truth] -= scale;
    }
    return total;
}

leeway_loss leeway_sigmoid_loss(size_t rows, const float *logits, const float *targets,
                                float scale, float *gradients)
{
    leeway_loss total = {0, 0};
    for (size_t i = 0; i < rows; i++) {
        const double z = logits[i], y = targets[i];
        // -y log p - (1 - y) log(1 - p), written so that neither logarithm sees 0.
        total.loss += (z > 0 ? z : 0) - z * y + log1p(exp(-fabs(z)));
        total.correct += (z >= 0) == (y >= 0.5);
        if (gradients) gradients[i] = scale * (logistic(logits[i]) - targets[i]);
    }
    return total;
}

leeway_loss leeway_squared_loss(size_t rows, size_t columns, const float *values,
                                const float *targets, float scale, float *gradients)
{
    leeway_loss total = {0, 0};
    double sum = 0;
    for (size_t i = 0; i < rows * columns; i++) {
        const float error = values[i] - targets[i];
        sum += (double)error * (double)error;
        if (gradients) gradients[i] = 2 * scale / (float)columns * error;
    }
    total.loss = sum / (double)columns;
    return total;
}
