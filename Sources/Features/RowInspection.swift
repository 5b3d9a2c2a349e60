/// How many values of some rows were unusual; such rows are scored all the same.
package struct InputCounts: Sendable, Equatable {
    /// Numbers outside the schema's range.
    package var outOfRange = 0
    /// Values that were missing.
    package var missing = 0
    /// Categories that the training rows did not have.
    package var unseen = 0

    /// Nothing unusual.
    package init(outOfRange: Int = 0, missing: Int = 0, unseen: Int = 0) {
        self.outOfRange = outOfRange
        self.missing = missing
        self.unseen = unseen
    }
}

extension FeatureSchema {
    /// Checks raw rows against the schema and counts what is unusual.
    ///
    /// - Parameters:
    ///   - raw: Whole rows of ``rawWidth`` values each.
    ///   - wasBatch: Whether error paths name the row.
    /// - Returns: How many values were unusual.
    /// - Throws: ``FeatureError/outOfRange(path:range:)`` for values that are not finite and, if
    ///   the schema is strict, for values out of range; ``FeatureError/missingValue(path:)`` and
    ///   ``FeatureError/unseenCategory(path:)`` where the schema does not allow them.
    package func inspect(
        raw: Span<Float>,
        wasBatch: Bool
    ) throws(FeatureError) -> InputCounts {
        switch layout {
        case .image(let image): try inspect(raw, as: image, wasBatch)
        case .table(let table): try inspect(raw, as: table, wasBatch)
        }
    }

    private func inspect(
        _ raw: Span<Float>,
        as image: ImageLayout,
        _ wasBatch: Bool
    ) throws(FeatureError) -> InputCounts {
        let (lower, upper) = (image.range.lower, image.range.upper)
        // Without short-circuits, so that the loops are vectorised; NaN is not normal either.
        var normal: Int32 = 0
        for index in raw.indices {
            let value = raw[index]
            normal &+= (value >= lower ? 1 : 0) & (value <= upper ? 1 : 0)
        }
        let unusual = raw.count - Int(normal)
        if unusual == 0 { return InputCounts() }
        var finite: Int32 = 0
        for index in raw.indices {
            let value = raw[index]
            finite &+=
                (value >= -Float.greatestFiniteMagnitude ? 1 : 0)
                & (value <= Float.greatestFiniteMagnitude ? 1 : 0)
        }
        if !strict, finite == raw.count { return InputCounts(outOfRange: unusual) }
        for index in raw.indices where !image.range.contains(raw[index]) {
            guard strict || !raw[index].isFinite else { continue }
            let pixel = "[\(index % rawWidth)]"
            let path = wasBatch ? "image[\(index / rawWidth)]\(pixel)" : "image\(pixel)"
            throw .outOfRange(path: path, range: strict ? "\(image.range)" : "a finite number")
        }
        return InputCounts(outOfRange: unusual)
    }

    private func inspect(
        _ raw: Span<Float>,
        as table: TableLayout,
        _ wasBatch: Bool
    ) throws(FeatureError) -> InputCounts {
        var counts = InputCounts()
        for index in raw.indices {
            let value = raw[index]
            let plan = plan[index % rawWidth]
            let problem: FeatureError?
            if value.isNaN {
                counts.missing += 1
                problem = plan.refusesMissing ? .missingValue(path: "") : nil
            } else if plan.isNumeric, !plan.range.contains(value) {
                counts.outOfRange += 1
                let range = value.isFinite ? "\(plan.range)" : "a finite number"
                problem = strict || !value.isFinite ? .outOfRange(path: "", range: range) : nil
            } else if !plan.isNumeric, value >= Float(plan.categories) {
                counts.unseen += 1
                problem = strict ? .unseenCategory(path: "") : nil
            } else {
                problem = nil
            }
            guard let problem else { continue }
            let name = table.columns[index % rawWidth].name
            let row = wasBatch ? "[\(index / rawWidth)]" : ""
            throw problem.at(path: "features\(row).\(name)")
        }
        return counts
    }
}

extension FeatureError {
    /// The same error about a value at another path.
    func at(path: String) -> FeatureError {
        switch self {
        case .outOfRange(_, let range): .outOfRange(path: path, range: range)
        case .missingValue: .missingValue(path: path)
        case .unseenCategory: .unseenCategory(path: path)
        default: self
        }
    }
}
