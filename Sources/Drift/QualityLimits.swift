/// What training rows say about which numbers can be right at all.
///
/// The limits are far off: what merely drifts stays within them, what comes in another unit, from a
/// blind sensor or from a broken client does not.
package struct QualityLimits: Codable, Sendable, Equatable {
    /// The least and the greatest number of each column, with half of their distance added on
    /// either side; for images one pair for all pixels.
    package let lower: [Float]
    /// See ``lower``.
    package let upper: [Float]
    /// For each column the magnitude below which a number other than 0 is many times too small.
    ///
    /// 0 is for none. For images: of the root of the pixels' mean square.
    package let small: [Float]
    /// The magnitude above which a number is many times too large.
    package let large: [Float]
    /// For each column the number of its categories.
    ///
    /// 0 is for a numeric one. Empty for images.
    package let categories: [Int32]
    /// The columns that have the same value twice in a row in few training rows only.
    package let varying: [Int32]

    /// How many times larger than all, or smaller than 99 % of the training data, is too much.
    static let factor: Float = 8
    /// The share of training rows in which a varying column repeats, at most.
    static let repeatsMax = 0.005

    private enum CodingKeys: String, CodingKey {
        case lower, upper, small, large, categories, varying
    }

    func validate(rawWidth: Int, isFrame: Bool) throws(DriftError) {
        let width = isFrame ? 1 : rawWidth
        let holds =
            lower.count == width && upper.count == width && small.count == width
            && large.count == width && categories.count == (isFrame ? 0 : rawWidth)
            && varying.allSatisfy { $0 >= 0 && $0 < rawWidth }
            && (lower + upper + small + large).allSatisfy { $0.isFinite }
        guard holds else {
            throw .profile(stream: "(all)", problem: "the quality limits contradict themselves")
        }
    }
}

/// Collects the limits from training rows, in memory that does not grow with them.
struct QualityCollector: Sendable {
    private let layout: InputLayout
    private var least: [Float]
    private var greatest: [Float]
    private var magnitudes: [ValueSample]
    private var repeats: [Int]
    private var previous: [Float] = []
    private var rows = 0

    init(layout: InputLayout) {
        self.layout = layout
        let width: Int
        switch layout {
        case .frame: width = 1
        case .columns(let columns): width = columns.count
        }
        least = [Float](repeating: .infinity, count: width)
        greatest = [Float](repeating: -.infinity, count: width)
        magnitudes = [ValueSample](repeating: ValueSample(valuesMax: 4096), count: width)
        repeats = [Int](repeating: 0, count: width)
    }

    mutating func add(_ raw: Span<Float>, frame: FrameSummary) {
        rows += 1
        guard case .columns = layout else {
            for pixel in raw.indices where raw[pixel].isFinite {
                least[0] = min(least[0], raw[pixel])
                greatest[0] = max(greatest[0], raw[pixel])
            }
            if frame.magnitude > 0 { magnitudes[0].add(frame.magnitude) }
            return
        }
        for column in least.indices {
            let value = raw[column]
            if !previous.isEmpty, previous[column] == value { repeats[column] += 1 }
            guard value.isFinite else { continue }
            least[column] = min(least[column], value)
            greatest[column] = max(greatest[column], value)
            if value != 0 { magnitudes[column].add(abs(value)) }
        }
        if previous.isEmpty { previous = [Float](repeating: .nan, count: least.count) }
        for column in least.indices { previous[column] = raw[column] }
    }

    /// The limits; nil when no number was seen.
    func limits() -> QualityLimits? {
        guard rows > 0 else { return nil }
        let range = Float.greatestFiniteMagnitude
        let widths = zip(least, greatest).map { $0 <= $1 ? ($1 - $0) / 2 : range }
        let sorted = magnitudes.map { $0.values.sorted() }
        var categories: [Int32] = []
        if case .columns(let columns) = layout {
            categories = columns.map { Int32($0.categories?.count ?? 0) }
        }
        let isNumeric = least.indices.map { categories.isEmpty || categories[$0] == 0 }
        return QualityLimits(
            lower: least.indices.map { isNumeric[$0] ? clamp(least[$0] - widths[$0]) : -range },
            upper: least.indices.map { isNumeric[$0] ? clamp(greatest[$0] + widths[$0]) : range },
            small: least.indices.map { column in
                guard isNumeric[column], let first = magnitude(sorted[column]) else { return 0 }
                return first / QualityLimits.factor
            },
            large: least.indices.map { column in
                guard isNumeric[column], let last = sorted[column].last else { return range }
                return clamp(last * QualityLimits.factor)
            },
            categories: categories,
            varying: varying(isNumeric)
        )
    }

    /// The magnitude that few training values are below: of columns the hundredth part, of images
    /// half of the frames' magnitudes, which differ by far less than the factor.
    private func magnitude(_ sorted: [Float]) -> Float? {
        guard !sorted.isEmpty else { return nil }
        if case .frame = layout { return sorted[sorted.count / 2] }
        return sorted[sorted.count / 100]
    }

    private func varying(_ isNumeric: [Bool]) -> [Int32] {
        guard case .columns = layout, rows > 1 else { return [] }
        return least.indices
            .filter {
                isNumeric[$0] && Double(repeats[$0]) <= QualityLimits.repeatsMax * Double(rows - 1)
            }
            .map { Int32($0) }
    }

    private func clamp(_ value: Float) -> Float {
        min(max(value, -.greatestFiniteMagnitude), .greatestFiniteMagnitude)
    }
}

/// What a row says of its own quality.
struct QualityReading {
    var missing: Float = 0
    var outOfRange: Float = 0
    var unseen: Float = 0
    var stuck: Float = 0
    /// About the binary logarithm of how many times the numbers are too large; 0 is usual.
    var scale: Float = 0
    var fingerprint: UInt64 = 0

    /// What `scale` is for numbers that are too large, and negative for those that are too small,
    /// where no factor is known.
    private static let step: Float = 4

    /// Looks at a row of columns.
    init(_ raw: Span<Float>, _ limits: QualityLimits, _ history: RowHistory) {
        var (low, high) = (false, false)
        for column in raw.indices {
            let value = raw[column]
            fingerprint = RowHistory.mix(fingerprint, UInt64(value.bitPattern))
            guard !value.isNaN else {
                missing += 1
                continue
            }
            let categories = limits.categories[column]
            if categories > 0 {
                if value < 0 || value >= Float(categories) { unseen = 1 }
                continue
            }
            if value < limits.lower[column] || value > limits.upper[column] { outOfRange = 1 }
            let magnitude = abs(value)
            if magnitude > limits.large[column] { high = true }
            if magnitude < limits.small[column], magnitude > 0 { low = true }
        }
        if high { scale = Self.step } else if low { scale = -Self.step }
        guard history.hasPrevious else { return }
        for column in limits.varying where raw[Int(column)] == history.previous[Int(column)] {
            stuck = 1
        }
    }

    /// Looks at an image.
    init(_ frame: FrameSummary, _ limits: QualityLimits) {
        if frame.outside > 0 { outOfRange = 1 }
        fingerprint = frame.fingerprint
        let usual = limits.small[0] * QualityLimits.factor
        // A picture without any contrast says nothing of its unit; that it is constant tells.
        guard usual > 0, !frame.isConstant, frame.magnitude.isFinite else { return }
        scale = Float((frame.magnitude / usual).exponent) + 0.5
    }
}
