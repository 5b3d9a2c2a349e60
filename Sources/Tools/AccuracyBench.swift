package import Drift
internal import Features
internal import Files
internal import FoundationEssentials

/// `leeway bench accuracy`: estimates of accuracy without labels for scores in a file, by the
/// code of the monitor, so that others' estimates can be compared with them.
package struct AccuracyBench: Sendable {
    private let reference: String
    private let live: String
    private let rows: Int

    /// Names the files.
    ///
    /// - Parameters:
    ///   - reference: A CSV file of probabilities, the number of the class that was answered, and
    ///     that of the true class.
    ///   - live: A CSV file of probabilities and of the number of the class that was answered.
    ///   - rows: Live rows of each estimate.
    package init(reference: String, live: String, rows: Int) {
        (self.reference, self.live, self.rows) = (reference, live, max(1, rows))
    }

    /// The estimates, and what they began with.
    package struct Report: Encodable, Sendable {
        /// The share of right answers of the reference.
        package let referenceAccuracy: Double
        /// Whether probabilities are calibrated.
        package let isCalibrated: Bool
        /// One for each part of the live rows; the last part may be smaller.
        package let estimates: [PerformanceEstimate]
        /// What the estimates do not see.
        package let caution = PerformanceEstimate.cautionText

        private enum CodingKeys: String, CodingKey {
            case estimates, caution
            case referenceAccuracy = "reference_accuracy"
            case isCalibrated = "is_calibrated"
        }

        /// The report as JSON.
        package func json() throws -> String {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    /// Reads the files and estimates.
    ///
    /// - Throws: `FileError`, `FeatureError`, ``Problem``.
    package func run() throws -> Report {
        let known = try Self.table(reference)
        guard let width = known.first.map({ $0.count - 2 }), width > 0 else {
            throw Problem(
                text: "\(reference): expected probabilities, an answer and a label in each row"
            )
        }
        let shape = width == 1 ? PredictionShape.binary : .classes(count: width)
        // No row is left out, and all fit the calibrators, as those do it that are compared.
        var builder = PerformanceBuilder(shape: shape, rowCount: 0)
        for row in known {
            let (answer, label) = (Int(row[width]), Int(row[width + 1]))
            builder.add(outputs: row.span.extracting(0..<width), label: label, answer: answer)
        }
        let made = builder.finish(fitting: .all)
        guard let made, let counter = PerformanceCounter(made) else {
            throw Problem(text: "\(reference): no row")
        }
        return Report(
            referenceAccuracy: made.accuracy,
            isCalibrated: made.estimation?.calibrators.isEmpty == false,
            estimates: estimates(made, counter, try Self.table(live))
        )
    }

    private func estimates(
        _ reference: PerformanceReference,
        _ counter: PerformanceCounter,
        _ scores: [[Float]]
    ) -> [PerformanceEstimate] {
        stride(from: 0, to: scores.count, by: rows).compactMap { start in
            var counter = counter
            for row in scores[start..<min(scores.count, start + rows)] {
                let width = row.count - 1
                counter.count(row.span.extracting(0..<width), answer: Int(row[width]))
            }
            var monitor = PerformanceMonitor(reference, tolerance: 0.02, falseAlarmInterval: 1e6)
            guard let counts = counter.take() else { return nil }
            _ = monitor?.fold(counts)
            return monitor?.estimate
        }
    }

    /// What a file should have and has not.
    package struct Problem: Error, Sendable, CustomStringConvertible {
        let text: String
        /// What is wrong.
        package var description: String { text }
    }

    private static func table(_ path: String) throws -> [[Float]] {
        let bytes = try WholeFile.read(path, bytesMax: 1 << 30)
        var reader = DelimitedReader(bytes.span)
        var record = DelimitedRecord()
        var rows: [[Float]] = []
        while try reader.next(into: &record) {
            let row = (0..<record.fieldCount).compactMap { Float(record.text($0)) }
            // The first record names the columns.
            if row.isEmpty, rows.isEmpty { continue }
            guard row.count == record.fieldCount, row.allSatisfy({ abs($0) < 1e6 }),
                row.count == rows.first?.count ?? row.count
            else {
                throw Problem(text: "\(path), line \(record.line): expected numbers alone")
            }
            rows.append(row)
        }
        return rows
    }
}
