internal import Features
internal import FoundationEssentials

/// Measures the decoder of `POST /predict` on this machine: from the bytes of a body to checked
/// raw rows, as the serving path runs it.
package struct DecodeBench: Sendable {
    /// The figures, as `leeway bench decode --json` prints them.
    package struct Report: Codable, Sendable {
        /// One entry a kind of body.
        package var decode: [Figures] = []

        /// The figures as one JSON object.
        package func json() throws -> String {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .prettyPrinted]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    /// One kind of body.
    package struct Figures: Codable, Sendable {
        /// The kind.
        package var body: DecodeBodies.Kind
        /// The size of a body, as the mean of the variants.
        package var bytes: Double
        /// Values in a body.
        package var values: Int
        /// Time of one body.
        package var microseconds: EngineBench.Spread
        /// 10⁶ bytes a second, at the median.
        package var megabytesPerSecond: Double
        /// Time of one value, at the median.
        package var nanosecondsPerValue: Double

        private enum CodingKeys: String, CodingKey {
            case body, bytes, values, microseconds
            case megabytesPerSecond = "megabytes_per_second"
            case nanosecondsPerValue = "nanoseconds_per_value"
        }
    }

    private let kinds: [DecodeBodies.Kind]
    private let samples: Int
    private let sampleSeconds: Double

    /// Takes what is to be measured.
    ///
    /// - Parameters:
    ///   - kinds: The bodies; all when there are none.
    ///   - samples: Measurements of each, at least 1.
    ///   - sampleSeconds: The length of one, about.
    package init(
        kinds: [DecodeBodies.Kind] = [],
        samples: Int = 15,
        sampleSeconds: Double = 4e-3
    ) {
        self.kinds = kinds.isEmpty ? DecodeBodies.Kind.allCases : kinds
        self.samples = max(samples, 1)
        self.sampleSeconds = sampleSeconds
    }

    /// Measures.
    ///
    /// - Parameter line: Called with the words on each measurement when it is done.
    /// - Returns: The figures.
    /// - Throws: ``FeatureError`` if a body were not read, which would be a fault of the bodies.
    package func run(_ line: (String) -> Void) throws -> Report {
        var report = Report()
        for kind in kinds {
            let figures = try measure(DecodeBodies.make(kind))
            report.decode.append(figures)
            line(figures.words)
        }
        return report
    }

    /// Writes the bodies as `KIND-NN.json`, for other readers to be measured with.
    ///
    /// - Parameter folder: Where they go; made when it is not there.
    /// - Throws: what the file system says.
    package func export(to folder: String) throws {
        try FileManager.default.createDirectory(
            atPath: folder,
            withIntermediateDirectories: true
        )
        for kind in kinds {
            for (index, body) in try DecodeBodies.make(kind).bodies.enumerated() {
                let name = "\(kind.rawValue)-\(index < 10 ? "0" : "")\(index).json"
                try Data(body).write(to: URL(filePath: folder).appending(path: name))
            }
        }
    }

    private func measure(_ set: DecodeBodies.Set) throws -> Figures {
        let decoder = PredictDecoder(schema: set.schema)
        let tensors = TensorDecoder(decoder, outputs: ["probabilities"], classified: 0)
        let isTensor = set.kind == .tensor || set.kind == .binary
        var batch = FeatureBatch()
        func sample(_ rounds: Int) throws -> Double {
            let time = try ContinuousClock().measure {
                for _ in 0..<rounds {
                    for body in set.bodies {
                        if isTensor {
                            let header = set.headerBytes
                            try tensors.decode(body.span, headerBytes: header, into: &batch)
                        } else {
                            try decoder.decode(body.span, into: &batch)
                        }
                    }
                }
            }
            return time / .seconds(1) / Double(rounds * set.bodies.count)
        }
        _ = try sample(3)
        let each = max(try sample(3), 1e-9)
        let rounds = max(1, Int(sampleSeconds / each / Double(set.bodies.count)))
        let spread = EngineBench.Spread(try (0..<samples).map { _ in try sample(rounds) * 1e6 })
        let bytes = set.bodies.reduce(0) { $0 + $1.count }
        let mean = Double(bytes) / Double(set.bodies.count)
        return Figures(
            body: set.kind,
            bytes: mean,
            values: set.values,
            microseconds: spread,
            megabytesPerSecond: mean / spread.median,
            nanosecondsPerValue: spread.median * 1e3 / Double(set.values)
        )
    }
}

extension DecodeBench.Figures {
    /// The figures in one line.
    var words: String {
        let name = body.rawValue + String(repeating: " ", count: max(0, 9 - body.rawValue.count))
        return "\(name) \(fixed(bytes, 0)) bytes, \(values) values: "
            + "\(fixed(microseconds.median, 2)) us (\(fixed(microseconds.minimum, 2)) to "
            + "\(fixed(microseconds.maximum, 2))), \(fixed(megabytesPerSecond, 0)) MB/s, "
            + "\(fixed(nanosecondsPerValue, 2)) ns a value"
    }
}
