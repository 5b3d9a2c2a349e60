internal import Drift
internal import Features
internal import ModelStore
internal import NeuralNetwork

/// New rows as the champion's drift monitor would see them, if they were live traffic.
struct ChampionView {
    /// The champion's reference.
    let profile: ReferenceProfile
    /// How often each bin of each stream was met in the new rows.
    let counts: [[UInt64]]
    /// The same of live traffic, where its state was saved; nil when nothing is known of it.
    let live: [[UInt64]]?

    /// Rows that are looked at, at most.
    private static let rowsMax = 20_000
    /// Rows scored at a time.
    private static let batch = 256

    /// Looks at new rows; nil when the champion reads rows of another kind.
    init?(
        _ champion: Champion,
        _ set: TrainingData.RowSet,
        _ schema: FeatureSchema,
        _ state: [UInt8]?
    ) {
        let manifest = champion.bundle.manifest
        guard manifest.schema.readsSameRows(as: schema),
            let counted = Self.count(champion.bundle, Self.spread(set))
        else { return nil }
        profile = champion.bundle.reference
        counts = counted
        live = state.flatMap { Self.live($0, champion.bundle) }
    }

    private static func spread(_ set: TrainingData.RowSet) -> TrainingData.RowSet {
        guard set.rows.count > rowsMax else { return set }
        return TrainingData.RowSet(
            dataset: set.dataset,
            rows: (0..<rowsMax).map { set.rows[$0 * set.rows.count / rowsMax] }
        )
    }

    /// Scores rows with the champion and counts what its monitor would count.
    private static func count(_ bundle: ModelBundle, _ set: TrainingData.RowSet) -> [[UInt64]]? {
        let profile = bundle.reference
        var binner = StreamBinner(profile: profile)
        var block = BlockCounts(profile: profile)
        let schema = bundle.manifest.schema
        var isCounted = true
        PublishStep.eachBatch(bundle.network, set, schema) { rows in
            for row in 0..<rows.rowCount where isCounted {
                isCounted = binner.count(rows[row: row], in: &block)
            }
        }
        guard isCounted else { return nil }
        return profile.streams.enumerated().map { index, stream in
            (0..<stream.binCount).map { UInt64(block.count(stream: index, bin: $0)) }
        }
    }

    /// What the serving process keeps of its monitor.
    private struct Saved: Decodable {
        let digest: String
        let state: DriftState
    }

    private static func live(_ bytes: [UInt8], _ bundle: ModelBundle) -> [[UInt64]]? {
        let saved = try? StoreJSON.decode(Saved.self, from: bytes, path: "drift-state")
        guard let saved, saved.digest == bundle.digest else { return nil }
        return saved.state.liveCounts(bundle.reference)
    }
}

extension ChampionView {
    /// How far apart three pictures of one input are, in total variation.
    struct Distance {
        let stream: String
        /// New rows and the champion's reference.
        let newFromReference: Double
        /// New rows and live traffic; nil without enough of it.
        let newFromLive: Double?
        /// Live traffic and the champion's reference.
        let liveFromReference: Double?
    }

    /// The distances of each input that is watched; none of what has too few rows.
    var inputDistances: [Distance] {
        profile.streams.indices.compactMap { index in
            let stream = profile.streams[index]
            guard stream.kind == .input, let new = Self.shares(counts[index]) else { return nil }
            let live = live.flatMap { Self.shares($0[index]) }
            return Distance(
                stream: stream.name,
                newFromReference: Self.variation(new, stream.probabilities),
                newFromLive: live.map { Self.variation(new, $0) },
                liveFromReference: live.map { Self.variation($0, stream.probabilities) }
            )
        }
    }

    /// The shares of counts; nil for so few that chance alone moves them.
    private static func shares(_ counts: [UInt64]) -> [Double]? {
        let total = counts.reduce(0, +)
        guard total >= UInt64(EffectSize.rowsMin) else { return nil }
        return counts.map { Double($0) / Double(total) }
    }

    /// ½ Σ |p − q|.
    static func variation(_ left: [Double], _ right: [Double]) -> Double {
        zip(left, right).reduce(0) { $0 + abs($1.0 - $1.1) } / 2
    }
}
