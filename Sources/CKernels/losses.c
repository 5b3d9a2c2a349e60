// The losses that no training of images waits for: one number or a few a row.
#include "kernels.h"

#include <math.h>

size_t leeway_sigmoid_loss(leeway_loss loss, leeway_extent extent, const float *logits,
                           const float *targets, double *losses, float *gradients)
{
    size_t correct = 0;
    for (size_t i = 0; i < extent.rows; i++) {
        const double z = logits[i * extent.stride];
        const double weight = loss.weights ? loss.weights[targets[i] >= 0.5f] : 1;
        const double y = targets[i] * (1 - (double)loss.smoothing) + 0.5 * (double)loss.smoothing;
        // -y log p - (1 - y) log(1 - p), written so that neither logarithm sees 0.
        const double e = exp(-fabs(z));
        losses[i] = weight * ((z > 0 ? z : 0) - z * y + log1p(e));
        correct += (z >= 0) == (targets[i] >= 0.5f);
        if (!gradients) continue;
        const double p = z >= 0 ? 1 / (1 + e) : e / (1 + e);
        gradients[i * extent.stride] = (float)((double)loss.scale * weight * (p - y));
    }
    return correct;
}

size_t leeway_squared_loss(leeway_loss loss, leeway_extent extent, const float *values,
                           const float *targets, double *losses, float *gradients)
{
    for (size_t i = 0; i < extent.rows; i++) {
        double sum = 0;
        for (size_t j = 0; j < extent.columns; j++) {
            const float error =
                values[i * extent.stride + j] - targets[i * extent.columns + j];
            sum += (double)error * (double)error;
            if (gradients)
                gradients[i * extent.stride + j] =
                    2 * loss.scale / (float)extent.columns * error;
        }
        losses[i] = sum / (double)extent.columns;
    }
    return 0;
}
