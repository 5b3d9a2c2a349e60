// What kernels_test.c compares the loops with, and how it counts.
#pragma once

#include "kernels.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int passed, failed;
static leeway_level level;

static void check(int right, const char *what, ...)
{
    right ? passed++ : failed++;
    if (right) return;
    va_list list;
    va_start(list, what);
    printf("failed: level %d: ", (int)level);
    vprintf(what, list);
    printf("\n");
    va_end(list);
}

static float noise(void)
{
    static uint64_t state = 1;
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (float)(int32_t)(state >> 32) * 0x1p-31f;
}

// Numbers from -1 to 1; they are never given back, for the program is short.
static float *numbers(size_t count)
{
    float *result = malloc((count + 1) * sizeof(float));
    for (size_t i = 0; i < count; i++) result[i] = noise();
    return result;
}

// A NaN that no arithmetic makes: what is read from between the rows spoils a result, what is
// written there is seen.
static const uint32_t gap_bits = 0x7FC0BEEF;

static float *gaps(size_t count)
{
    float *result = malloc((count + 1) * sizeof(float));
    for (size_t i = 0; i < count; i++) memcpy(result + i, &gap_bits, sizeof(float));
    return result;
}

static int is_gap(const float *number)
{
    return memcmp(number, &gap_bits, sizeof(float)) == 0;
}

static int same(const float *left, const float *right, size_t count)
{
    return memcmp(left, right, count * sizeof(float)) == 0;
}

// A plain sum; `size` is that of its terms, which bounds the error of a sum in single precision.
typedef struct {
    double value, size;
    size_t terms;
} plain_sum;

static void add(plain_sum *sum, double left, double right)
{
    sum->value += left * right;
    sum->size += fabs(left * right);
    sum->terms++;
}

static int near_sum(float found, plain_sum sum)
{
    return fabs((double)found - sum.value) <= (double)(sum.terms + 2) * 0x1.02p-24 * sum.size;
}

static double exact(leeway_function function, double z)
{
    switch (function) {
    case leeway_relu: return z > 0 ? z : 0;
    case leeway_leaky_relu: return z < 0 ? (double)0.01f * z : z;
    case leeway_tanh: return tanh(z);
    case leeway_sigmoid: return 1 / (1 + exp(-z));
    case leeway_gelu: return z < -40 ? 0 : z * 0.5 * erfc(-z * sqrt(0.5));
    default: return z;
    }
}

static double exact_slope(leeway_function function, double z)
{
    const double y = exact(function, z);
    switch (function) {
    case leeway_relu: return z > 0;
    case leeway_leaky_relu: return z > 0 ? 1 : (double)0.01f;
    case leeway_tanh: return 1 - y * y;
    case leeway_sigmoid: return y * (1 - y);
    case leeway_gelu:
        return 0.5 * erfc(-z * sqrt(0.5)) + z * exp(-z * z / 2) / sqrt(8 * atan(1));
    default: return 1;
    }
}
