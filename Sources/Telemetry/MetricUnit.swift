/// How a metric's raw integers relate to the unit in which they are exported.
///
/// Raw values are integers so that adding is exact and a single instruction. The exported text is
/// the raw integer with its decimal point moved, never a rounded floating-point number.
package enum HistogramUnit: Sendable, Equatable {
    /// Raw nanoseconds, exported as seconds.
    case nanosecondsAsSeconds
    /// Bytes.
    case bytes
    /// Raw millionths, exported as a ratio from 0 to 1.
    case millionthsAsRatio
    /// A plain number of things.
    case count

    /// How many decimal digits the point moves to the left.
    var fractionDigits: Int {
        switch self {
        case .nanosecondsAsSeconds: 9
        case .millionthsAsRatio: 6
        case .bytes, .count: 0
        }
    }

    /// Raw units in one exported unit.
    var rawPerUnit: Double {
        switch self {
        case .nanosecondsAsSeconds: 1e9
        case .millionthsAsRatio: 1e6
        case .bytes, .count: 1
        }
    }

    /// The word with which the metric's name must end (before `_total`), if there is one.
    var nameSuffix: String? {
        switch self {
        case .nanosecondsAsSeconds: "seconds"
        case .bytes: "bytes"
        case .millionthsAsRatio: "ratio"
        case .count: nil
        }
    }
}

/// Bucket bounds in common use, in the exported unit.
package enum HistogramBounds {
    /// Seconds of an HTTP request: OpenTelemetry's advice, with three finer buckets below it.
    package static let httpSeconds: [Double] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5,
        7.5, 10,
    ]
    /// Seconds of a stage of a prediction, from a microsecond on.
    package static let stageSeconds: [Double] = [
        1e-06, 2.5e-06, 5e-06, 1e-05, 2.5e-05, 5e-05, 0.0001, 0.00025, 0.0005, 0.001, 0.0025,
        0.005, 0.01, 0.025, 0.05, 0.1, 1,
    ]
    /// Seconds of work in the background, from 10 ms to an hour.
    package static let jobSeconds: [Double] = [
        0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600,
    ]
    /// Bytes of a body, from 64 B to 64 MiB in steps of four.
    package static let bodyBytes: [Double] = [
        64, 256, 1024, 4096, 16384, 65536, 262_144, 1_048_576, 4_194_304, 16_777_216, 67_108_864,
    ]
    /// A share between 0 and 1, in tenths, finer at the upper end.
    package static let ratio: [Double] = [
        0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99,
    ]
    /// Rows of a batch, in powers of two.
    package static let rows: [Double] = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024]
}
