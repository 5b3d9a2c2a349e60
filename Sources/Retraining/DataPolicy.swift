/// What a retrain does with the data it gets: how downloads follow each other, what else goes in,
/// and what is refused.
package struct DataPolicy: Sendable, Equatable {
    /// How a download relates to the ones before.
    package var mode: Mode
    /// `append`: downloads that are learned from, the newest included.
    package var windowDownloads: Int
    /// `append`: days after which a download is not learned from any more; nil for never.
    package var windowDays: Int?
    /// The folder of captured rows, whose labels came by feedback; nil learns from none.
    package var feedbackFolder: String?
    /// Whether the files that versions were made of are kept, so that they can be made again.
    package var keepsSources: Bool
    /// Who says what the files must be; nil when nobody does.
    package var signedList: SignedListPolicy?
    /// What is refused before training.
    package var checks: DataChecks

    /// How a download relates to the ones before.
    package enum Mode: String, Sendable, CaseIterable {
        /// The source is the whole current data.
        case snapshot
        /// Each download brings more rows.
        case append
    }

    /// A snapshot and nothing else, unless more is said.
    package init(
        mode: Mode = .snapshot,
        windowDownloads: Int = 30,
        windowDays: Int? = nil,
        feedbackFolder: String? = nil,
        keepsSources: Bool = true,
        signedList: SignedListPolicy? = nil,
        checks: DataChecks = DataChecks()
    ) {
        self.mode = mode
        self.windowDownloads = max(1, windowDownloads)
        self.windowDays = windowDays
        self.feedbackFolder = feedbackFolder
        self.keepsSources = keepsSources
        self.signedList = signedList
        self.checks = checks
    }
}

/// Where a signed list of files is, and who may sign it.
package struct SignedListPolicy: Sendable, Equatable {
    /// Mirrors of the list; its signature is at the same URL with `.sig` behind it.
    package var mirrors: [RetrainingPlan.Mirror]
    /// Files with Ed25519 public keys in PEM; any of them may have signed.
    package var keyFiles: [String]

    /// Names both.
    package init(mirrors: [RetrainingPlan.Mirror], keyFiles: [String]) {
        self.mirrors = mirrors
        self.keyFiles = keyFiles
    }
}

/// Limits of what may change from one version's data to the next; each is a rule with a name.
package struct DataChecks: Sendable, Equatable {
    /// Rows to fit, and rows to hold out, at least.
    package var rowsMin = 10
    /// The share of the last version's rows that may be gone.
    package var rowsLostMax = 0.5
    /// How many times the last version's rows there may be.
    package var rowsTimesMax = 10.0
    /// The share of rows without a value in a column that the last version's data had not.
    package var missingGainedMax = 0.3
    /// The share of rows that repeat an earlier one.
    package var duplicatesMax = 1.0
    /// Rows of each class, at least, of those that the last version's data had.
    package var classRowsMin = 1
    /// Total variation between the shares of the classes and the last version's.
    package var labelShiftMax = 0.3
    /// How much less often a row's nearest neighbour may have the same label.
    package var agreementLostMax = 0.15
    /// The share of hold-out rows that are training rows, too, beyond what is usual within those.
    package var leakageMax = 0.05
    /// The share of values of a column that are outside the last version's range.
    package var outOfRangeMax = 0.5
    /// Total variation of an input between the new rows and the last version's.
    package var driftMax = 0.6
    /// How much farther than the last version's data the new rows may be from live traffic.
    package var liveDriftMax = 0.3

    /// The limits as they are unless the configuration says otherwise.
    package init() {}
}
