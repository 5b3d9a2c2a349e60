internal import Drift
internal import FoundationEssentials
internal import ModelStore

/// The evidence by labels that survives a restart: `models/<name>/release-evidence`.
struct ReleaseRecord: Codable, Equatable {
    /// Of the candidate in its stage.
    var candidate: Candidate?
    /// Of the version that answers everybody.
    var live: Live?

    struct Candidate: Codable, Equatable {
        let release: StagedRelease
        let labels: LabelPairs
    }

    struct Live: Codable, Equatable {
        let version: Int
        let digest: String
        let test: PairedRiskTest
        let labels: Int
    }

    /// What was saved; nothing where that cannot be read.
    static func read(_ directory: ModelDirectory?) -> ReleaseRecord {
        guard let directory, let bytes = directory.readReleaseEvidence(),
            let found = try? StoreJSON.decode(
                ReleaseRecord.self,
                from: bytes,
                path: "release-evidence"
            )
        else { return ReleaseRecord() }
        return found
    }

    /// Saves it; without a disk the tests start anew after a restart, which is safe.
    func write(_ directory: ModelDirectory?) {
        guard let bytes = try? StoreJSON.encode(self) else { return }
        try? directory?.writeReleaseEvidence(bytes)
    }
}

/// What is kept of a version that was taken back: `models/<name>/withdrawn.json`.
struct Withdrawal: Codable {
    let time: Date
    let version: Int
    /// The version that answers everybody from now on.
    let stable: Int?
    let reason: String
    let words: String
    let evidence: ReleaseSummary
}
