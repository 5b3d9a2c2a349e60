/// All that a monitor has learnt, for a file that survives a restart.
///
/// Numbers are kept as they are: read back, the monitor goes on bit for bit.
package struct DriftState: Codable, Sendable, Equatable {
    let settings: DriftSettings
    let streams: [StreamForm]
    /// The scored rows behind the state.
    package let rows: UInt64
    let alarmsRaised: UInt64
    /// The alarm that stood, if one did.
    package let alarm: DriftAlarm?
    let pages: EvidenceBook.Pages
    let points: [SIMD4<Float>]
    let dependence: DependenceGauge
    let window: CountWindow
    let tally: [QualityCounts]
    let restRows: [UInt64]
    /// Nil without a season.
    let seasons: SeasonWindow?

    /// Enough of a stream to see that a state is of another reference.
    struct StreamForm: Codable, Sendable, Equatable {
        let name: String
        let edges: [Float]
        let probabilities: [Double]

        init(_ stream: ReferenceStream) {
            name = stream.name
            edges = stream.edges
            probabilities = stream.probabilities
        }
    }

    /// Refuses a state that does not fit a fresh one of the monitor that is to go on from it.
    func check(against fresh: DriftState) throws(DriftError) {
        try require(settings == fresh.settings, "it is of other settings")
        try require(streams == fresh.streams, "it is of another reference")
        let (saved, new) = (pages, fresh.pages)
        try require(
            saved.decayed.count == new.decayed.count && saved.payoffs.count == new.payoffs.count
                && saved.scales.count == new.scales.count
                && saved.accounts.count == new.accounts.count
                && points.count == fresh.points.count
                && dependence.hasForm(of: fresh.dependence)
                && tally.count == fresh.tally.count && restRows.count == fresh.restRows.count
                && window.hasForm(of: fresh.window)
                && hasSeasons(of: fresh),
            "its size does not fit the reference"
        )
        try require(
            saved.decayed.allSatisfy { Self.isAmount($0) }
                && saved.scales.allSatisfy { Self.isAmount($0 - 1) }
                && saved.payoffs.allSatisfy {
                    Self.isAmount($0) && $0.max() <= EvidenceBook.payoffMax
                }
                && saved.accounts.allSatisfy { account in
                    Self.isAmount(account.wealth) && Self.isAmount(account.unspent)
                        && (0..<4).allSatisfy { [0, 1].contains(account.betting[$0]) }
                }
                && points.allSatisfy { Self.isAmount($0) }
                && (0...Int(UInt32.max)).contains(saved.rowsSinceRefresh),
            "a number is out of range"
        )
    }

    private func hasSeasons(of fresh: DriftState) -> Bool {
        guard let seasons, let new = fresh.seasons else { return seasons == fresh.seasons }
        return seasons.hasForm(of: new)
    }

    private static func isAmount<Vector: SIMD>(_ vector: Vector) -> Bool
    where Vector.Scalar: BinaryFloatingPoint {
        vector.indices.allSatisfy { vector[$0] >= 0 && vector[$0].isFinite }
    }

    private func require(_ holds: Bool, _ problem: String) throws(DriftError) {
        guard holds else { throw .state(problem: problem) }
    }
}
