/// Rows that a model has scored, as the monitor and its reference look at them.
///
/// The spans are the caller's memory; nothing of it is kept. Whoever has no logits or no hidden
/// layer gives empty spans: the streams that need them count nothing then.
package struct ScoredRows: ~Escapable {
    /// The raw rows as `Features` decodes them, `rowCount` × raw width; NaN is a missing value.
    package let raw: Span<Float>
    /// The last layer's sums, `rowCount` × output width, or empty.
    package let logits: Span<Float>
    /// What the model answers, `rowCount` × output width.
    package let probabilities: Span<Float>
    /// The last hidden layer, `rowCount` × hidden width, or empty.
    package let hidden: Span<Float>
    /// What the logits are multiplied with before they become probabilities: the temperature's
    /// reciprocal, 1 without one.
    package let logitScale: Float
    /// How many rows there are.
    package let rowCount: Int

    /// Puts rows together; widths are checked by whoever takes them.
    @_lifetime(copy raw, copy logits, copy probabilities, copy hidden)
    package init(
        raw: Span<Float>,
        logits: Span<Float>,
        probabilities: Span<Float>,
        hidden: Span<Float>,
        logitScale: Float = 1,
        rowCount: Int
    ) {
        self.raw = raw
        self.logits = logits
        self.probabilities = probabilities
        self.hidden = hidden
        self.logitScale = logitScale
        self.rowCount = rowCount
    }

    /// Rows of which only the input and the answer are known.
    @_lifetime(copy raw, copy probabilities)
    package init(raw: Span<Float>, probabilities: Span<Float>, rowCount: Int) {
        self.init(
            raw: raw,
            logits: Span<Float>(),
            probabilities: probabilities,
            hidden: Span<Float>(),
            rowCount: rowCount
        )
    }

    /// One of the rows, as rows of its own.
    ///
    /// - Precondition: `row` is less than ``rowCount``.
    package subscript(row row: Int) -> ScoredRows {
        @_lifetime(copy self)
        get {
            precondition(row >= 0 && row < rowCount)
            return ScoredRows(
                raw: Self.part(raw, row, of: rowCount),
                logits: Self.part(logits, row, of: rowCount),
                probabilities: Self.part(probabilities, row, of: rowCount),
                hidden: Self.part(hidden, row, of: rowCount),
                logitScale: logitScale,
                rowCount: 1
            )
        }
    }

    /// One of the rows, of which only the hidden layer was kept elsewhere.
    ///
    /// - Precondition: `row` is less than ``rowCount``.
    @_lifetime(copy self, copy hidden)
    package func row(_ row: Int, hidden: Span<Float>) -> ScoredRows {
        precondition(row >= 0 && row < rowCount)
        return ScoredRows(
            raw: Self.part(raw, row, of: rowCount),
            logits: Self.part(logits, row, of: rowCount),
            probabilities: Self.part(probabilities, row, of: rowCount),
            hidden: hidden,
            logitScale: logitScale,
            rowCount: 1
        )
    }

    @_lifetime(copy span)
    private static func part(_ span: Span<Float>, _ row: Int, of rowCount: Int) -> Span<Float> {
        let width = span.count / rowCount
        return span.extracting(row * width..<(row + 1) * width)
    }
}
