package import FoundationEssentials

/// A candidate on its way to the clients, as `models/<name>/staged` says it.
///
/// `current` names the stable version all the while. The journal is written first: each change of
/// stage has its line there before this file is replaced, or taken away, as a whole.
package struct StagedRelease: Codable, Sendable, Equatable {
    /// The candidate's version.
    package var version: Int
    /// The SHA-256 of its manifest, in hexadecimal.
    package var digest: String
    /// How far it has come.
    package var stage: Stage
    /// When it came there.
    package var since: Date

    /// How far a candidate has come.
    package enum Stage: String, Codable, CaseIterable, Sendable {
        /// It computes a share of the live traffic, and nobody sees its answers.
        case shadow
        /// It answers a share of the requests.
        case canary
    }

    /// Names a candidate and its stage.
    package init(version: Int, digest: String, stage: Stage, since: Date) {
        self.version = version
        self.digest = digest
        self.stage = stage
        // As the file has it: whole seconds.
        self.since = Date(timeIntervalSince1970: since.timeIntervalSince1970.rounded(.down))
    }
}

/// What becomes of a version that has been written.
package enum Publication: Sendable, Equatable {
    /// It is the current one from now on.
    case current
    /// It is a candidate in this stage; the current version stays.
    case staged(StagedRelease.Stage)
    /// It is kept, and nothing more: another version is pinned.
    case held
}

/// Who changes a release, why and when: what the journal says of it.
package struct ReleaseNote: Sendable, Equatable {
    /// Who: an operator's name, or `server` for one that decides by itself.
    package var actor: String
    /// Why, in words.
    package var reason: String
    /// When.
    package var time: Date

    /// Takes note.
    package init(actor: String, reason: String, time: Date) {
        self.actor = actor
        self.reason = reason
        self.time = time
    }
}
