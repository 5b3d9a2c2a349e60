import Features

/// Runs a body that throws `FeatureError` and gives back the error, or `nil` when there was none.
func failure(_ body: () throws(FeatureError) -> Void) -> FeatureError? {
    do throws(FeatureError) {
        try body()
        return nil
    } catch {
        return error
    }
}

/// What reading a whole JSON text came to: `nil` when it is well formed.
func problem(ofJSON bytes: [UInt8], depthMax: Int = 64) -> FeatureError? {
    failure { () throws(FeatureError) in
        var reader = JSONReader(bytes.span, depthMax: depthMax)
        try reader.skipValue()
        try reader.finish()
    }
}

/// A decode of one body into a fresh batch.
func decoded(_ body: String, by decoder: PredictDecoder) throws(FeatureError) -> FeatureBatch {
    var batch = FeatureBatch()
    let bytes = Array(body.utf8)
    try decoder.decode(bytes.span, into: &batch)
    return batch
}

/// The error of a decode, or `nil` when it worked.
func refusal(_ body: String, by decoder: PredictDecoder) -> FeatureError? {
    failure { () throws(FeatureError) in _ = try decoded(body, by: decoder) }
}

extension FeatureBatch {
    /// The raw values as an array.
    var rawValues: [Float] {
        let span = raw
        return span.indices.map { span[$0] }
    }
}

extension Dataset {
    /// All raw values, row after row.
    var rawValues: [Float] {
        var values = [Float](repeating: -99, count: rowCount * rowWidth)
        for index in 0..<rowCount {
            var target = values.mutableSpan
            raw(row: index, into: &target, at: index * rowWidth)
        }
        return values
    }
}

extension FeatureSchema {
    /// The engine inputs of raw rows as an array.
    func inputs(_ raw: [Float]) -> [Float] {
        var inputs = [Float](repeating: -99, count: raw.count / rawWidth * encodedWidth)
        var target = inputs.mutableSpan
        encode(raw: raw.span, into: &target)
        return inputs
    }
}

/// An image schema whose pixels are divided by 255.
func imageSchema(
    _ shape: [Int],
    strict: Bool = false,
    scaling: Scaling = .constant(divisor: 255)
) throws -> FeatureSchema {
    try FeatureSchema(.image(ImageLayout(shape: shape, scaling: scaling)), strict: strict)
}

/// A table source from text; the digest is that of a name.
func table(_ text: String, name: String = "a") -> TableSource {
    TableSource(bytes: Array(text.utf8), identity: SourceIdentity(digest: Array(name.utf8)))
}

/// A generator with a fixed seed (SplitMix64), so that a failure can be repeated.
struct FixedGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}
