/// One column's encoding in plain numbers, made once per schema.
struct ColumnPlan: Sendable, Equatable {
    /// Whether the column is numeric.
    let isNumeric: Bool
    /// Whether a missing value is an error.
    let refusesMissing: Bool
    /// Taken off a numeric value.
    let offset: Float
    /// Multiplied with the remainder.
    let factor: Float
    /// The input that stands for a missing numeric value.
    let missingInput: Float
    /// The number of known categories.
    let categories: Int
    /// The number of inputs of a category: the known ones and the slot for others.
    let slots: Int
    /// Whether one more input says "missing".
    let hasIndicator: Bool
    /// The normal values of a numeric column; without bounds where the schema has none.
    let range: ValueRange

    init(_ column: FeatureColumn, strict: Bool) {
        let scaling = column.scaling ?? .constant(divisor: 1)
        isNumeric = column.type == .numeric
        refusesMissing = strict || column.missing == .refuse
        offset = scaling.offset
        factor = 1 / scaling.span
        missingInput =
            column.missing == .mean
            ? FeatureSchema.bounded(((column.fill ?? 0) - offset) * factor) : 0
        categories = column.categories?.count ?? 0
        slots = categories + (column.otherSlot == true ? 1 : 0)
        hasIndicator = column.missingIndicator
        let greatest = Float.greatestFiniteMagnitude
        range = column.range ?? ValueRange(lower: -greatest, upper: greatest)
    }
}

extension FeatureSchema {
    /// The largest magnitude of an engine input: absurd values, which are scored and counted, must
    /// not overflow inside the engine and come out as NaN.
    package static let inputMax: Float = 1e12

    @inline(__always)
    static func bounded(_ input: Float) -> Float { min(max(input, -inputMax), inputMax) }

    /// Makes engine inputs of raw rows; nothing is allocated.
    ///
    /// A row gives the same inputs whether it stands alone or among others. The rows are taken to
    /// have been checked by ``inspect(raw:wasBatch:)``, which is where missing values are refused.
    ///
    /// - Parameters:
    ///   - raw: Whole rows of ``rawWidth`` values each.
    ///   - inputs: Room for as many rows of ``encodedWidth`` values each.
    package func encode(raw: Span<Float>, into inputs: inout MutableSpan<Float>) {
        let rows = raw.count / rawWidth
        precondition(rows * rawWidth == raw.count && inputs.count >= rows * encodedWidth)
        if case .image(let image) = layout {
            encodeImages(raw, image.scaling, at: 0, into: &inputs)
            return
        }
        for row in 0..<rows {
            let source = raw.extracting(row * rawWidth..<(row + 1) * rawWidth)
            encodeTableRow(source, at: row * encodedWidth, into: &inputs)
        }
    }

    /// Makes the engine inputs of one raw row, from index `start` of `inputs` on.
    func encodeRow(_ raw: Span<Float>, at start: Int, into inputs: inout MutableSpan<Float>) {
        switch layout {
        case .image(let image): encodeImages(raw, image.scaling, at: start, into: &inputs)
        case .table: encodeTableRow(raw, at: start, into: &inputs)
        }
    }

    private func encodeImages(
        _ raw: Span<Float>,
        _ scaling: Scaling,
        at start: Int,
        into inputs: inout MutableSpan<Float>
    ) {
        let (offset, factor) = (scaling.offset, 1 / scaling.span)
        for index in raw.indices {
            inputs[start &+ index] = Self.bounded((raw[index] - offset) * factor)
        }
    }

    private func encodeTableRow(
        _ raw: Span<Float>,
        at start: Int,
        into inputs: inout MutableSpan<Float>
    ) {
        var next = start
        for column in plan.indices {
            let value = raw[column]
            let isMissing = value.isNaN
            let plan = plan[column]
            if plan.isNumeric {
                let input = Self.bounded((value - plan.offset) * plan.factor)
                inputs[next] = isMissing ? plan.missingInput : input
                next += 1
            } else {
                for slot in 0..<plan.slots { inputs[next + slot] = 0 }
                // Codes are whole by construction; anything else is taken as unseen.
                let known = value >= 0 && value < Float(plan.categories)
                let slot = known ? Int(value) : plan.categories
                if !isMissing, slot < plan.slots { inputs[next + slot] = 1 }
                next += plan.slots
            }
            if plan.hasIndicator {
                inputs[next] = isMissing ? 1 : 0
                next += 1
            }
        }
    }
}
