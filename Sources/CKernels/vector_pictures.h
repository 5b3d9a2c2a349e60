// Sums over the values of a picture, eight lanes at every level; see vector_types.h.

TARGET static void NAMED(picture)(size_t groups, leeway_picture_limits limits,
                                  const float *values, const float *places,
                                  leeway_picture_sums *sums)
{
#pragma clang fp contract(off)
    leeway_eight light = {0}, squares = {0}, row_moments = {0}, column_moments = {0};
    leeway_eight_ints zeros = {0}, saturated = {0}, outside = {0};
    for (size_t group = 0; group < groups; group++) {
        const leeway_eight value = *(const leeway_eight_in_memory *)(values + group * 8);
        light += value;
        squares += value * value;
        row_moments += value * *(const leeway_eight_in_memory *)(places + group * 16);
        column_moments += value * *(const leeway_eight_in_memory *)(places + group * 16 + 8);
        zeros -= value == 0;
        saturated -= value >= limits.white;
        outside -= (value < limits.lower) | (value > limits.upper);
    }
    for (size_t lane = 0; lane < 8; lane++) {
        sums->light[lane] += light[lane];
        sums->squares[lane] += squares[lane];
        sums->row_moments[lane] += row_moments[lane];
        sums->column_moments[lane] += column_moments[lane];
        sums->zeros[lane] += zeros[lane];
        sums->saturated[lane] += saturated[lane];
        sums->outside[lane] += outside[lane];
    }
}
