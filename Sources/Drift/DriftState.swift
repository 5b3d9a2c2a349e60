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
    let window: CountWindow
    let tally: [QualityCounts]
    let restRows: [UInt64]

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
            saved.decayed.count == new.decayed.count && saved.bets.count == new.bets.count
                && saved.isBetting.count == new.isBetting.count
                && saved.wealth.count == new.wealth.count
                && saved.unspent.count == new.unspent.count
                && saved.rowsSinceRefresh.count == new.rowsSinceRefresh.count
                && tally.count == fresh.tally.count && restRows.count == fresh.restRows.count
                && window.hasForm(of: fresh.window),
            "its size does not fit the reference"
        )
        try require(
            saved.decayed.allSatisfy { all($0 .>= 0) && all($0 .<= .greatestFiniteMagnitude) }
                && saved.bets.allSatisfy { $0 >= 0 && $0.isFinite }
                && saved.wealth.allSatisfy { $0 >= 0 && $0.isFinite }
                && saved.unspent.allSatisfy { $0 >= 0 && $0.isFinite }
                && saved.rowsSinceRefresh.allSatisfy { $0 >= 0 && $0.isFinite },
            "a number is out of range"
        )
    }

    private func all(_ mask: SIMDMask<SIMD4<Int32>>) -> Bool {
        (0..<4).allSatisfy { mask[$0] }
    }

    private func require(_ holds: Bool, _ problem: String) throws(DriftError) {
        guard holds else { throw .state(problem: problem) }
    }
}
