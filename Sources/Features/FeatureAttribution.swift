/// How a row's answer may be explained.
package enum ExplanationMethod: String, Sendable, CaseIterable {
    /// The slope of the logit by each feature.
    case gradient
    /// Each feature's share of the logit.
    case integratedGradients = "integrated_gradients"
}

extension FeatureSchema {
    /// Brings numbers that belong to engine inputs together, one for each raw value.
    ///
    /// Shares of the inputs that a column makes are added. Slopes are not alike: a numeric column's
    /// is that of its value (0 where the value is missing), a categorical column's that of the
    /// input which stands for its category; both with the indicator of a missing value where it is
    /// set.
    ///
    /// - Parameters:
    ///   - values: Whole rows of ``encodedWidth`` slopes or shares.
    ///   - areSlopes: Whether they are slopes.
    ///   - raw: As many raw rows.
    ///   - inputs: As many rows of engine inputs, as ``encode(raw:into:)`` made them.
    ///   - result: Room for as many rows of ``rawWidth`` numbers.
    package func gather(
        _ values: Span<Float>,
        areSlopes: Bool,
        raw: Span<Float>,
        inputs: Span<Float>,
        into result: inout MutableSpan<Float>
    ) {
        let rows = raw.count / rawWidth
        precondition(rows * rawWidth == raw.count && result.count >= raw.count)
        precondition(values.count >= rows * encodedWidth && inputs.count >= rows * encodedWidth)
        if plan.isEmpty {
            for index in 0..<rows * rawWidth { result[index] = values[index] }
            return
        }
        var next = 0
        for row in 0..<rows {
            for (column, plan) in plan.enumerated() {
                let place = row * rawWidth + column
                let width = (plan.isNumeric ? 1 : plan.slots) + (plan.hasIndicator ? 1 : 0)
                var sum: Float = 0
                for index in next..<next + width {
                    let isValue = plan.isNumeric && index == next
                    if !areSlopes {
                        sum += values[index]
                    } else if isValue {
                        sum += raw[place].isNaN ? 0 : values[index]
                    } else {
                        sum += values[index] * inputs[index]
                    }
                }
                result[place] = sum
                next += width
            }
        }
    }
}
