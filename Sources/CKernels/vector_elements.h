// The loops over elements of one level; see vector_types.h.
//
// Functions are approximated by polynomials, fitted for these files to values of 40 digits; the
// errors named, in units in the last place, are the greatest found on any level: for exp, tanh and
// the lower half of the logistic over all binary32 arguments, else over every eleventh.

// The same number in every lane.
#define BROADCAST(number) ((NAMED(floats)){0} + (number))

// A polynomial by Horner's rule; the coefficients begin with the highest power.
#define POLYNOMIAL(TERMS, x, result)                                                               \
    NAMED(floats) result = BROADCAST(TERMS[0]);                                                    \
    UNROLLED for (size_t k = 1; k < sizeof TERMS / sizeof TERMS[0]; k++)                           \
        result = result * (x) + TERMS[k]

// left where the mask is set, else right.
#define CHOOSE(mask, left, right)                                                                  \
    ((NAMED(floats))(((NAMED(ints))(left) & (mask)) | ((NAMED(ints))(right) & ~(mask))))

// exp(x) and exp(x) - 1 for x <= 0: 1.2 units for exp, which is 0 below -87.3.
// x = n ln 2 + r: exp(r) - 1 by a polynomial, 2^n by the exponent's bits. NaN stays NaN.
TARGET __attribute__((always_inline)) static inline NAMED(floats) NAMED(exp)(NAMED(floats) x,
                                                                             NAMED(floats) *less1)
{
    const NAMED(ints) tiny = x < -87.3f;
    x = CHOOSE(tiny, BROADCAST(-87.3f), x);
    const NAMED(floats) n = (x * 1.44269504f + 12582912.0f) - 12582912.0f;
    const NAMED(floats) r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    POLYNOMIAL(leeway_exp_terms, r, p);
    const NAMED(ints) exponent = (__builtin_convertvector(n, NAMED(ints)) + 127) << 23;
    const NAMED(floats) power = (NAMED(floats))exponent;
    p *= r;
    *less1 = (power - 1) + power * p;
    return (NAMED(floats))((NAMED(ints))(power + power * p) & ~tiny);
}

// 1 / (1 + exp(-z)): 2.5 units, and 0 below -87.3.
TARGET __attribute__((always_inline)) static inline NAMED(floats) NAMED(logistic)(NAMED(floats) z)
{
    const NAMED(ints) negative = z < 0;
    NAMED(floats) less1;
    const NAMED(floats) e = NAMED(exp)(CHOOSE(negative, z, -z), &less1);
    return CHOOSE(negative, e, BROADCAST(1)) / (1 + e);
}

// (1 - e) / (1 + e) with e = exp(-2 |z|), and the sign of z: 2.6 units.
TARGET __attribute__((always_inline)) static inline NAMED(floats) NAMED(tanh)(NAMED(floats) z)
{
    const NAMED(ints) negative = z < 0;
    NAMED(floats) less1;
    NAMED(exp)(CHOOSE(negative, z, -z) * 2, &less1);
    const NAMED(floats) size = -less1 / (2 + less1);
    return CHOOSE(negative, -size, size);
}

// Phi(z), the distribution function of the standard normal: with t = |z| / sqrt(2), the negative
// tail is erfc(t) / 2 = exp(-P(t)) / 2, where P(t) / t is a polynomial on 0 ... 10.
TARGET __attribute__((always_inline)) static inline NAMED(floats) NAMED(normal)(NAMED(floats) z)
{
    const NAMED(ints) negative = z < 0;
    NAMED(floats) t = CHOOSE(negative, -z, z) * 0.70710678f;
    t = CHOOSE(t > 10, BROADCAST(10), t);
    POLYNOMIAL(leeway_erfc_terms, t, p);
    NAMED(floats) less1;
    const NAMED(floats) tail = 0.5f * NAMED(exp)(-(p * t), &less1);
    return CHOOSE(negative, tail, 1 - tail);
}

// z Phi(z), which is 0 where Phi(z) is, even for an infinite z: 2.2 units for z >= 0, else 6e-8;
// of its own size 1.7e-6 from -3, 4.1e-6 from -5 and 0.5 % from -12.8 on.
TARGET __attribute__((always_inline)) static inline NAMED(floats) NAMED(gelu)(NAMED(floats) z)
{
    const NAMED(floats) size = (NAMED(floats))((NAMED(ints))z & ~(z < -20));
    return size * NAMED(normal)(z);
}

// The slope of z Phi(z): Phi(z) + z phi(z), without the second where it is far too small to see:
// 1.5e-7.
TARGET __attribute__((always_inline)) static inline NAMED(floats) NAMED(gelu_slope)(
    NAMED(floats) z)
{
    NAMED(floats) less1;
    const NAMED(floats) square = z * z;
    const NAMED(floats) size = (NAMED(floats))((NAMED(ints))z & (square < 400));
    return NAMED(normal)(z) + size * 0.39894228f * NAMED(exp)(square * -0.5f, &less1);
}

// What does not fill a register goes through the stack; it is always the end of a row, so that the
// loops over whole registers have no call in them.
TARGET __attribute__((always_inline)) static inline NAMED(floats) NAMED(load)(const float *from,
                                                                              size_t count)
{
    NAMED(floats) part = {0};
    __builtin_memcpy(&part, from, count * sizeof(float));
    return part;
}

TARGET __attribute__((always_inline)) static inline void NAMED(store)(float *to, size_t count,
                                                                      NAMED(floats) value)
{
    __builtin_memcpy(to, &value, count * sizeof(float));
}

#define APPLY(EXPRESSION)                                                                          \
    for (size_t i = 0; i < extent.rows; i++) {                                                     \
        float *row = values + i * extent.stride;                                                   \
        size_t j = 0;                                                                              \
        for (; j + LANES <= extent.columns; j += LANES) {                                          \
            const NAMED(floats) z = LOAD(row + j);                                                 \
            STORE(row + j, EXPRESSION);                                                            \
        }                                                                                          \
        if (j < extent.columns) {                                                                  \
            const NAMED(floats) z = NAMED(load)(row + j, extent.columns - j);                      \
            NAMED(store)(row + j, extent.columns - j, EXPRESSION);                                 \
        }                                                                                          \
    }                                                                                              \
    break

TARGET static void NAMED(activate)(leeway_function function, leeway_extent extent, float *values)
{
    switch (function) {
    case leeway_identity: break;
    case leeway_relu: APPLY((NAMED(floats))((NAMED(ints))z & ~(z < 0)));
    case leeway_leaky_relu: APPLY(CHOOSE(z < 0, z * leeway_leak, z));
    case leeway_tanh: APPLY(NAMED(tanh)(z));
    case leeway_sigmoid: APPLY(NAMED(logistic)(z));
    case leeway_gelu: APPLY(NAMED(gelu)(z));
    }
}
#undef APPLY

#define APPLY(EXPRESSION)                                                                          \
    for (size_t i = 0; i < extent.rows; i++) {                                                     \
        const float *sum = sums + i * extent.stride, *output = outputs + i * extent.stride;        \
        float *row = deltas + i * extent.stride;                                                   \
        size_t j = 0;                                                                              \
        for (; j + LANES <= extent.columns; j += LANES) {                                          \
            const NAMED(floats) z = LOAD(sum + j), y = LOAD(output + j), d = LOAD(row + j);        \
            (void)z, (void)y;                                                                      \
            STORE(row + j, EXPRESSION);                                                            \
        }                                                                                          \
        if (j < extent.columns) {                                                                  \
            const size_t count = extent.columns - j;                                               \
            const NAMED(floats) z = NAMED(load)(sum + j, count);                                   \
            const NAMED(floats) y = NAMED(load)(output + j, count);                                \
            const NAMED(floats) d = NAMED(load)(row + j, count);                                   \
            (void)z, (void)y;                                                                      \
            NAMED(store)(row + j, count, EXPRESSION);                                              \
        }                                                                                          \
    }                                                                                              \
    break

TARGET static void NAMED(activate_backward)(leeway_function function, leeway_extent extent,
                                            const float *sums, const float *outputs,
                                            float *deltas)
{
    switch (function) {
    case leeway_identity: break;
    case leeway_relu: APPLY((NAMED(floats))((NAMED(ints))d & (y > 0)));
    case leeway_leaky_relu: APPLY(CHOOSE(y > 0, d, d * leeway_leak));
    case leeway_tanh: APPLY(d * (1 - y * y));
    case leeway_sigmoid: APPLY(d * (y * (1 - y)));
    case leeway_gelu: APPLY(d * NAMED(gelu_slope)(z));
    }
}
#undef APPLY

// A hash of key and place, mixed as in MurmurHash3's finaliser.
TARGET static void NAMED(drop)(leeway_dropout dropout, leeway_extent extent, float *values)
{
    for (size_t i = 0; i < extent.rows; i++) {
        float *restrict row = values + i * extent.stride;
        const uint32_t place = 
            (uint32_t)((dropout.first_row + i) * dropout.width + dropout.first_column);
        for (size_t j = 0; j < extent.columns; j++) {
            uint32_t hash = (place + (uint32_t)j) * 0x9E3779B9u ^ dropout.key1;
            hash = (hash ^ hash >> 16) * 0x85EBCA6Bu + dropout.key2;
            hash = (hash ^ hash >> 13) * 0xC2B2AE35u;
            hash ^= hash >> 16;
            row[j] = hash < dropout.threshold ? 0 : row[j] * dropout.scale;
        }
    }
}

TARGET static float NAMED(greatest)(size_t columns, const float *row)
{
    float greatest = row[0];
    for (size_t j = 1; j < columns; j++) greatest = row[j] > greatest ? row[j] : greatest;
    return greatest;
}

// out = exp(row - shift); returns the sum, taken in ascending order.
TARGET static float NAMED(exponentials)(size_t columns, const float *row, float shift, float *out)
{
    NAMED(floats) less1;
    size_t i = 0;
    for (; i + LANES <= columns; i += LANES)
        STORE(out + i, NAMED(exp)(LOAD(row + i) - shift, &less1));
    if (i < columns)
        NAMED(store)(out + i, columns - i,
                     NAMED(exp)(NAMED(load)(row + i, columns - i) - shift, &less1));
    float sum = 0;
    for (size_t j = 0; j < columns; j++) sum += out[j];
    return sum;
}

TARGET static void NAMED(softmax)(leeway_extent extent, const float *logits, float *probabilities)
{
    for (size_t i = 0; i < extent.rows; i++) {
        const float *row = logits + i * extent.stride;
        float *out = probabilities + i * extent.columns;
        const float shift = NAMED(greatest)(extent.columns, row);
        float sum = 0;
        if (extent.columns <= LANES && (extent.rows - i) * extent.columns >= LANES) {
            // A short row as one register: what it takes of the rows behind, and leaves in their
            // place, is nothing that they will not overwrite.
            NAMED(floats) less1;
            STORE(out, NAMED(exp)(LOAD(row) - shift, &less1));
            for (size_t j = 0; j < extent.columns; j++) sum += out[j];
            STORE(out, LOAD(out) / sum);
            continue;
        }
        sum = NAMED(exponentials)(extent.columns, row, shift, out);
        for (size_t j = 0; j < extent.columns; j++) out[j] /= sum;
    }
}

// With a share s of the target spread evenly, the loss is
// log(sum of exp) - (1 - s) z[truth] - s mean(z), and its slope p - target.
TARGET static size_t NAMED(softmax_loss)(leeway_loss loss, leeway_extent extent,
                                         const float *logits, const int32_t *classes,
                                         double *losses, float *gradients)
{
    size_t correct = 0;
    const float spread = loss.smoothing / (float)extent.columns;
    for (size_t i = 0; i < extent.rows; i++) {
        const float *row = logits + i * extent.stride;
        const size_t truth = (size_t)classes[i];
        const float weight = loss.weights ? loss.weights[truth] : 1;
        const float shift = NAMED(greatest)(extent.columns, row);
        float few[64], *out = few;
        float sum = 0;
        if (gradients) out = gradients + i * extent.stride;
        if (gradients || extent.columns <= 64) {
            sum = NAMED(exponentials)(extent.columns, row, shift, out);
        } else {
            for (size_t j = 0; j < extent.columns; j += 64) {
                const size_t part = extent.columns - j < 64 ? extent.columns - j : 64;
                sum += NAMED(exponentials)(part, row + j, shift, few);
            }
        }
        size_t best = 0;
        double mean = 0;
        for (size_t j = 0; j < extent.columns; j++) {
            best = row[j] > row[best] ? j : best;
            if (spread > 0) mean += (double)(row[j] - shift);
        }
        correct += best == truth;
        losses[i] = (double)weight
            * (log((double)sum) - (1 - (double)loss.smoothing) * (double)(row[truth] - shift)
               - (double)spread * mean);
        if (!gradients) continue;
        const float scale = loss.scale * weight;
        const float factor = scale / sum;
        for (size_t j = 0; j < extent.columns; j++) out[j] = out[j] * factor - scale * spread;
        out[truth] -= scale * (1 - loss.smoothing);
    }
    return correct;
}

TARGET static void NAMED(column_sums)(size_t rows, size_t columns, size_t stride,
                                      const float *matrix, float *restrict sums)
{
    for (size_t j = 0; j < columns; j++) sums[j] = 0;
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) sums[j] += matrix[i * stride + j];
}

TARGET static double NAMED(sum_of_squares)(size_t count, const float *numbers)
{
    double sums[8] = {0};
    size_t i = 0;
    for (; i + 8 <= count; i += 8)
        for (size_t k = 0; k < 8; k++)
            sums[k] += (double)numbers[i + k] * (double)numbers[i + k];
    double sum = 0;
    for (size_t k = 0; k < 8; k++) sum += sums[k];
    for (; i < count; i++) sum += (double)numbers[i] * (double)numbers[i];
    return sum;
}

// Moments that have decayed to nothing become 0 rather than subnormal: arithmetic with subnormal
// numbers is many times slower on some machines, and a weight can no longer feel them.
#define SETTLED(x) ((NAMED(floats))((NAMED(ints))(x) & ~((x) < 1e-30f & (x) > -1e-30f)))

TARGET __attribute__((always_inline)) static inline NAMED(floats) NAMED(adam_weight)(
    leeway_step step, NAMED(floats) gradient, NAMED(floats) weight, NAMED(floats) *first,
    NAMED(floats) *second)
{
    const NAMED(floats) slope = gradient * step.scale + step.l2 * weight;
    const NAMED(floats) mean = *first + (slope - *first) * (1 - step.beta1);
    const NAMED(floats) square = *second + (slope * slope - *second) * (1 - step.beta2);
    *first = SETTLED(mean);
    *second = SETTLED(square);
    return (weight - step.decay * weight)
        - step.rate * mean / (__builtin_elementwise_sqrt(square) + step.epsilon);
}

TARGET static void NAMED(adam)(leeway_extent extent, leeway_step step, const float *gradient,
                               float *weights, float *first, float *second)
{
    for (size_t row = 0; row < extent.rows; row++) {
        NAMED(floats) mean, square;
        size_t j = 0;
        for (; j + LANES <= extent.columns; j += LANES) {
            mean = LOAD(first + j), square = LOAD(second + j);
            STORE(weights + j, NAMED(adam_weight)(step, LOAD(gradient + j), LOAD(weights + j),
                                                  &mean, &square));
            STORE(first + j, mean);
            STORE(second + j, square);
        }
        const size_t count = extent.columns - j;
        if (count > 0) {
            mean = NAMED(load)(first + j, count), square = NAMED(load)(second + j, count);
            const NAMED(floats) weight =
                NAMED(adam_weight)(step, NAMED(load)(gradient + j, count),
                                   NAMED(load)(weights + j, count), &mean, &square);
            NAMED(store)(weights + j, count, weight);
            NAMED(store)(first + j, count, mean);
            NAMED(store)(second + j, count, square);
        }
        gradient += extent.columns;
        weights += extent.stride, first += extent.stride, second += extent.stride;
    }
}

TARGET __attribute__((always_inline)) static inline NAMED(floats) NAMED(sgd_weight)(
    leeway_step step, NAMED(floats) gradient, NAMED(floats) weight, NAMED(floats) *velocity)
{
    const NAMED(floats) slope = gradient * step.scale + step.l2 * weight;
    const NAMED(floats) speed = step.beta1 * *velocity - step.rate * slope;
    *velocity = SETTLED(speed);
    return (weight - step.decay * weight) + speed;
}

TARGET static void NAMED(sgd)(leeway_extent extent, leeway_step step, const float *gradient,
                              float *weights, float *velocity)
{
    for (size_t row = 0; row < extent.rows; row++) {
        NAMED(floats) speed;
        size_t j = 0;
        for (; j + LANES <= extent.columns; j += LANES) {
            speed = LOAD(velocity + j);
            STORE(weights + j,
                  NAMED(sgd_weight)(step, LOAD(gradient + j), LOAD(weights + j), &speed));
            STORE(velocity + j, speed);
        }
        const size_t count = extent.columns - j;
        if (count > 0) {
            speed = NAMED(load)(velocity + j, count);
            const NAMED(floats) weight =
                NAMED(sgd_weight)(step, NAMED(load)(gradient + j, count),
                                  NAMED(load)(weights + j, count), &speed);
            NAMED(store)(weights + j, count, weight);
            NAMED(store)(velocity + j, count, speed);
        }
        gradient += extent.columns;
        weights += extent.stride, velocity += extent.stride;
    }
}
#undef SETTLED
#undef CHOOSE
#undef POLYNOMIAL
#undef BROADCAST
