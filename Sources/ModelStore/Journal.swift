package import FoundationEssentials

/// One line of `journal.jsonl`: who changed what, why, and on which grounds.
package struct JournalEntry: Codable, Sendable, Equatable {
    /// When.
    package var time: Date
    /// What was done.
    package var event: Event
    /// The version it was done to; 0 when no version was made.
    package var version: Int
    /// The version that was current before; nil when there was none.
    package var previous: Int?
    /// Who: `schedule`, `drift`, `bootstrap`, `manual`, `import`, or an operator's name.
    package var actor: String
    /// Why, in words.
    package var reason: String
    /// The SHA-256 of the version's manifest.
    package var digest: String?
    /// The candidate's scores on the hold-out.
    package var candidate: Scores?
    /// The champion's scores on the same rows.
    package var champion: Scores?
    /// The stage that a candidate has come to; nil but for those events.
    package var stage: StagedRelease.Stage?

    /// What was done.
    package enum Event: String, Codable, Sendable {
        /// A version was written and made current.
        case published
        /// A candidate was refused by the gate.
        case refused
        /// An existing version was made current.
        case promoted
        /// The version before was made current again; or, where that was current all the while,
        /// the candidate that ``JournalEntry/previous`` names was taken out of its release.
        case rolledBack = "rolled_back"
        /// A version was written and is a candidate; the current one stays.
        case staged
        /// A candidate has come to its next stage.
        case advanced
        /// A version was written and nothing more, since another one is pinned.
        case held
        /// A version was pinned.
        case pinned
        /// The pin was taken away.
        case unpinned
        /// A run ended without a candidate because nothing had changed.
        case unchanged
        /// A version was found on disk that no line speaks of: a crash came between the two.
        case recovered
        /// A version was removed because nothing needs it any more.
        case pruned
        /// A version was brought from another store as one file.
        case imported
        /// A damaged version was taken out of the way.
        case quarantined
        /// A server answers with this version because the current one does not pass its checks.
        case fellBack = "fell_back"
    }

    /// Takes note of an event.
    package init(
        time: Date,
        event: Event,
        version: Int,
        previous: Int?,
        actor: String,
        reason: String,
        digest: String? = nil,
        candidate: Scores? = nil,
        champion: Scores? = nil,
        stage: StagedRelease.Stage? = nil
    ) {
        self.time = time
        self.event = event
        self.version = version
        self.previous = previous
        self.actor = actor
        self.reason = reason
        self.digest = digest
        self.candidate = candidate
        self.champion = champion
        self.stage = stage
    }
}
